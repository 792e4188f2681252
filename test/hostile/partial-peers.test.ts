/** Threats 11 and 20: peers that say they have parts of the tree, and do not, or never give them; "not here" after offering. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey } from '../../src/link.ts'
import type { PeerDialer, PeerReport } from '../../src/sync/index.ts'
import { isCoppiceError } from '../../src/errors.ts'
import type { GetBlocks, GetHave, GetRange } from '../../src/sync/wire/index.ts'
import { Random } from '../support/random.ts'
import {
  CountingStore,
  Lab,
  never,
  publish,
  type Published,
  sameBlocks,
  type ScriptedPeer,
} from '../support/sync-lab.ts'
import { u32be, utf8 } from '../support/tree-sets.ts'

const test = suite('hostile/partial-peers')

const source: Published = await publish(
  Array.from({ length: 30_000 }, (_, i) => ({ key: u32be(i), value: utf8(`${i} `.repeat(20)) })),
)

interface Manners {
  readonly has?: (request: GetHave) => readonly boolean[]
  readonly answer?: (peer: ScriptedPeer, request: GetBlocks | GetRange) => Promise<void>
}

/** A peer that has parts of the tree, by what it says. */
function partial(lab: Lab, name: string, { has, answer }: Manners = {}): PeerDialer {
  return lab.scripted(name, async (peer) => {
    await peer.hello()
    await peer.send({
      type: 'welcome',
      version: 1,
      status: 'partial',
      signedRoot: source.newest.signedRoot,
      statements: null,
    })
    for await (const request of peer.requests()) {
      if (request.type === 'get have') {
        await peer.send({ type: 'have', id: request.id, has: has?.(request) ?? request.links.map(() => true) })
      } else if (request.type === 'get blocks' || request.type === 'get range') {
        if (answer === undefined) await peer.send(peer.honest(request, source))
        else await answer(peer, request)
      }
    }
  })
}

function outcomes(peers: readonly PeerReport[]): Record<string, string> {
  return Object.fromEntries(peers.map(({ name, outcome }) => [name, outcome]))
}

async function blame(pull: Promise<unknown>): Promise<Record<string, string>> {
  const error: unknown = await pull.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isCoppiceError(error, 'NO_PEER_LEFT')) throw error ?? new Error('expected the pull to fail')
  return outcomes(error.details['peers'] as PeerReport[])
}

/** A pull that was interrupted has the root. */
async function putRoot(store: CountingStore): Promise<void> {
  const { root: link } = source.target
  await store.write({ blocks: [{ link, bytes: source.store.get(link) as Uint8Array }] })
}

/** A holder that takes a while, so that others are asked too. */
function slowHolder(lab: Lab): PeerDialer {
  return lab.tampering('alice', source, async (answer) => {
    await lab.clock.sleep(300)
    return answer
  })
}

for (const base of [null, undefined]) {
  const kind = base === null ? 'ranges' : 'single blocks'

  test(`honest ones give what they have, ${kind}`, async () => {
    const lab = new Lab()
    const store = new CountingStore()
    const random = new Random(3)
    const mine = new Set([...source.blocks].filter(() => random.chance(0.6)))
    const has = ({ links }: GetHave): boolean[] => links.map((link) => mine.has(linkMapKey(link)))
    const report = await lab.pull(source, [slowHolder(lab), partial(lab, 'bob', { has })], store, { base })
    assert.equal(outcomes(report.peers), { alice: 'used', bob: 'used' })
    assert.ok(sameBlocks(source, store))
  })

  test(`"not here" after offering: incomplete, ${kind}`, async () => {
    const lab = new Lab()
    const store = new CountingStore()
    const mallory = partial(lab, 'mallory', {
      answer: (peer, request) =>
        request.type === 'get range'
          ? peer.send({ type: 'range', id: request.id, blocks: [] })
          : peer.send({ type: 'blocks', id: request.id, blocks: request.links.map(() => null) }),
    })
    const report = await lab.pull(source, [slowHolder(lab), mallory], store, { base })
    assert.equal(outcomes(report.peers), { alice: 'used', mallory: 'incomplete' })
    assert.ok(sameBlocks(source, store))
    assert.equal(await blame(lab.pull(source, [mallory], new CountingStore(), { base })), { mallory: 'incomplete' })
  })

  test(`has all, and gives nothing: silent, and does not hold up the rest, ${kind}`, async () => {
    const lab = new Lab()
    const store = new CountingStore()
    const began = lab.clock.now()
    const report = await lab.pull(source, [partial(lab, 'mallory', { answer: never }), slowHolder(lab)], store, {
      base,
    })
    assert.is(outcomes(report.peers)['mallory'], 'silent')
    assert.ok(sameBlocks(source, store))
    assert.ok(lab.clock.now() - began < 20_000, `${lab.clock.now() - began} ms`)
  })

  test(`nothing but parts, which together are all: enough, ${kind}`, async () => {
    const lab = new Lab()
    const store = new CountingStore()
    const keys = [...source.blocks]
    const half = (odd: number) => ({
      has: ({ links }: GetHave): boolean[] =>
        links.map((link) => keys.indexOf(linkMapKey(link)) % 2 === odd || linkMapKey(link) === keys[0]),
    })
    const report = await lab.pull(source, [partial(lab, 'bob', half(0)), partial(lab, 'carol', half(1))], store, {
      base,
    })
    assert.equal(outcomes(report.peers), { bob: 'used', carol: 'used' })
    assert.ok(sameBlocks(source, store))
  })
}

test('a wrong number of flags is a broken protocol', async () => {
  const lab = new Lab()
  const mallory = partial(lab, 'mallory', { has: ({ links }) => [...links.map(() => true), true] })
  assert.equal(await blame(lab.pull(source, [mallory], new CountingStore())), { mallory: 'protocol' })
})

test('parts that never become more: the pull ends after a while, and what is here stays', async () => {
  const lab = new Lab()
  const store = new CountingStore()
  const began = lab.clock.now()
  const random = new Random(5)
  const mine = new Set([...source.blocks].filter((key) => key !== linkMapKey(source.target.root) && random.chance(0.5)))
  const few = partial(lab, 'bob', { has: ({ links }) => links.map((link) => mine.has(linkMapKey(link))) })
  // Somebody gives the root away, and leaves.
  const leaver = lab.scripted('alice', async (peer) => {
    await peer.welcome(source.newest.signedRoot)
    for await (const request of peer.requests()) {
      if (request.type !== 'get blocks' && request.type !== 'get range') continue
      return peer.send(peer.honest({ ...request, bytesMax: 1 }, source))
    }
  })
  assert.equal(await blame(lab.pull(source, [leaver, few], store)), { alice: 'unreachable', bob: 'used' })
  assert.ok(store.written.length > 0)
  const ms = lab.clock.now() - began
  assert.ok(ms > 20_000 && ms < 90_000, `${ms} ms`)
})

test('whoever does not serve the tree, or no longer, is left out and not blamed', async () => {
  for (const status of ['newest', 'partial'] as const) {
    for (const after of [0, 2]) {
      const lab = new Lab()
      const store = new CountingStore()
      const leaver = lab.scripted('bob', async (peer) => {
        await peer.hello()
        await peer.send({ type: 'welcome', version: 1, status, signedRoot: source.newest.signedRoot, statements: null })
        let answers = 0
        for await (const request of peer.requests()) {
          if (request.type === 'get have') {
            await peer.send({ type: 'have', id: request.id, has: request.links.map(() => true) })
          } else if (request.type === 'get blocks' || request.type === 'get range') {
            const isGone = answers++ >= after
            await peer.send(isGone ? { type: 'refusal', id: request.id, reason: 'gone' } : peer.honest(request, source))
          }
        }
      })
      const report = await lab.pull(source, [leaver, slowHolder(lab)], store)
      assert.ok(['outdated', 'used', 'unused'].includes(outcomes(report.peers)['bob'] ?? ''), status)
      assert.ok(sameBlocks(source, store))
      if (status === 'partial') continue
      assert.equal(await blame(lab.pull(source, [leaver], new CountingStore())), { bob: 'outdated' })
    }
  }
})

test('quick once, and then busy whenever it is asked for what it says it has: a holder is asked instead', async () => {
  for (const quickAnswers of [0, 1]) {
    const lab = new Lab()
    const store = new CountingStore()
    let answers = 0
    const mallory = partial(lab, 'mallory', {
      has: ({ links }) => links.map((link) => linkMapKey(link) !== linkMapKey(source.target.root)),
      answer: (peer, request) => {
        const isQuick = answers++ < quickAnswers
        return peer.send(isQuick ? peer.honest(request, source) : { type: 'refusal', id: request.id, reason: 'busy' })
      },
    })
    await putRoot(store)
    const began = lab.clock.now()
    await lab.pull(source, [mallory, slowHolder(lab)], store, { base: null })
    assert.ok(sameBlocks(source, store))
    assert.ok(lab.clock.now() - began < 30_000, `${lab.clock.now() - began} ms`)
  }
})

for (const reason of ['busy', 'gone'] as const) {
  test(`says for ever that it has parts, and that they are ${reason}: the pull ends after a while`, async () => {
    const lab = new Lab()
    const began = lab.clock.now()
    const mallory = partial(lab, 'mallory', {
      has: ({ links }) => links.map((link) => linkMapKey(link) !== linkMapKey(source.target.root)),
      answer: (peer, { id }) => peer.send({ type: 'refusal', id, reason }),
    })
    const store = new CountingStore()
    await putRoot(store)
    assert.equal(await blame(lab.pull(source, [mallory], store, { base: null })), { mallory: 'busy' })
    assert.ok(lab.clock.now() - began < 90_000, `${lab.clock.now() - began} ms`)
  })
}

test('an outdated peer does not make a holder wait', async () => {
  const lab = new Lab()
  const old = await publish([{ key: utf8('a'), value: utf8('b') }], { sequence: 7 })
  const alone = await lab.pull(source, [lab.peer('alice', source)], new CountingStore())
  const report = await lab.pull(source, [lab.peer('alice', source), lab.peer('old', old)], new CountingStore())
  assert.equal(outcomes(report.peers), { alice: 'used', old: 'outdated' })
  assert.ok(report.asked.range.questions <= alone.asked.range.questions + 2)
})

test.run()
