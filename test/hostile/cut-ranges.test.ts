/** Threats 8, 9 and 11: ranges with blocks of the same tree that were not asked for, and channels that end at every message. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { createMemoryDialer, type PeerDialer, type PeerReport } from '../../src/sync/index.ts'
import { withFaults } from '../support/faulty-channel.ts'
import { CountingStore, Lab, publish, type Published, sameBlocks } from '../support/sync-lab.ts'
import { rangeBlocks } from '../support/sync-range.ts'
import { countMissing, u32be, utf8 } from '../support/tree-sets.ts'

const test = suite('hostile/cut-ranges')

const source: Published = await publish(
  Array.from({ length: 12_000 }, (_, i) => ({
    key: u32be(i),
    value: i % 200 === 0 ? new Uint8Array(3000).fill(i / 200) : utf8(`${i} `.repeat(20)),
  })),
)
const inOrder: readonly Uint8Array[] = [...rangeBlocks(source.store, [source.target.root], null)]

/** An honest peer whose line ends in place of its n-th message. */
function lostAt(lab: Lab, lostAtFrame: number): PeerDialer {
  const dialer = createMemoryDialer('mallory', lab.handlerOf(source))
  const options = { faults: { lostAtFrame }, random: () => 0.5 }
  return { name: 'mallory', open: async (signal) => withFaults(await dialer.open(signal), options) }
}

function outcomeOf(peers: readonly PeerReport[]): string | undefined {
  return peers.find(({ name }) => name === 'mallory')?.outcome
}

for (const [kind, base, least] of [
  ['ranges', null, 4],
  ['single blocks', undefined, 6],
] as const) {
  test(`a line that ends at any message, ${kind}: another peer goes on, and what came is kept`, async () => {
    let frames = 0
    for (; frames < 100; frames++) {
      const lab = new Lab()
      const store = new CountingStore()
      const options = { base }
      const alone: unknown = await lab
        .pull(source, [lostAt(lab, frames)], store, options)
        .catch((thrown: unknown) => thrown)
      if (!(alone instanceof Error)) break
      assert.ok(isCoppiceError(alone, 'NO_PEER_LEFT'), String(alone))
      assert.is(outcomeOf(alone.details['peers'] as PeerReport[]), 'unreachable')
      const held = new Set(store.written)
      assert.ok(held.size > 0 || frames < 2, `nothing was kept of ${frames} messages`)
      const resumed = await lab.pull(source, [lab.peer('alice', source)], store)
      assert.is(resumed.blocksReceived, countMissing(source.blocks, held), `after ${frames} messages`)
      assert.ok(sameBlocks(source, store))

      const fresh = new CountingStore()
      const report = await lab.pull(source, [lostAt(lab, frames), lab.peer('alice', source)], fresh, options)
      assert.ok(sameBlocks(source, fresh))
      assert.ok(['unreachable', 'used'].includes(outcomeOf(report.peers) ?? ''))
    }
    assert.ok(frames >= least, `${frames} messages are a whole pull`)
  })
}

test('blocks of the same tree, with the right hash, that are not below what was asked for', async () => {
  const lies: readonly (readonly [
    string,
    (blocks: readonly (Uint8Array | null)[]) => readonly (Uint8Array | null)[],
  ])[] = [
    ['what comes later', (blocks) => [...blocks.slice(0, -1), inOrder.at(-1) as Uint8Array, blocks.at(-1) ?? null]],
    ['what came before', (blocks) => [...blocks, inOrder[0] as Uint8Array]],
    ['unsorted', (blocks) => [...blocks.slice(0, 1), ...blocks.slice(1).toReversed()]],
    ['without the node above', (blocks) => blocks.slice(1)],
  ]
  for (const [name, lie] of lies) {
    const lab = new Lab()
    const store = new CountingStore()
    let answers = 0
    const mallory = lab.tampering('mallory', source, (answer) =>
      answer.type === 'range' && ++answers === 2 ? { ...answer, blocks: lie(answer.blocks) } : answer,
    )
    const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store)
    assert.ok(['liar', 'protocol'].includes(outcomeOf(report.peers) ?? ''), `${name}: ${outcomeOf(report.peers)}`)
    assert.ok(sameBlocks(source, store), name)
    for (const key of store.written) assert.ok(source.blocks.has(key))
  }
})

test('a peer that leaves out of its ranges what it has: asked for block by block, and no fault', async () => {
  const lab = new Lab()
  const store = new CountingStore()
  const lazy = lab.tampering('mallory', source, (answer) =>
    answer.type === 'range' ? { ...answer, blocks: answer.blocks.slice(0, 1) } : answer,
  )
  const report = await lab.pull(source, [lazy], store)
  assert.is(outcomeOf(report.peers), 'used')
  assert.ok(sameBlocks(source, store))
  assert.is(report.blocksReceived, source.blocks.size)
})

test('empty ranges, for ever: no endless conversation', async () => {
  const lab = new Lab()
  const store = new CountingStore()
  const empty = lab.tampering('mallory', source, (answer) =>
    answer.type === 'range' ? { ...answer, blocks: [] } : answer,
  )
  const report = await lab.pull(source, [empty], store)
  assert.ok(sameBlocks(source, store))
  assert.ok(report.asked.range.questions < 200, `${report.asked.range.questions} questions for nothing`)
})

test.run()
