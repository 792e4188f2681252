/** Threats 1 and 8: bytes that are not those of the CID, blocks nobody asked for. The peer is named, the pull ends well. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, linkTo } from '../../src/link.ts'
import type { Put } from '../../src/prolly/index.ts'
import {
  fetchTree,
  type FetchOptions,
  openSessions,
  type PeerDialer,
  type PeerReport,
  type PullReport,
} from '../../src/sync/index.ts'
import { encodeMessage } from '../../src/sync/wire/index.ts'
import {
  AUTHOR,
  CountingStore,
  type DataAnswer,
  Lab,
  NAME,
  type Published,
  publish,
  sameBlocks,
} from '../support/sync-lab.ts'
import { utf8 } from '../support/tree-sets.ts'

const test = suite('hostile/wrong-data')

function rows(count = 8000): Put[] {
  return Array.from({ length: count }, (_, i) => ({
    key: utf8(`key-${String(i).padStart(8, '0')}`),
    value: i % 100 === 0 ? new Uint8Array(2000).fill(i) : utf8(`v${i}`),
  }))
}

const source: Published = await publish(rows())

function flipped(bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes)
  const at = out.length >> 1
  out[at] = (out[at] ?? 0) ^ 1
  return out
}

function changeBlock(answer: DataAnswer, at: number, change: (bytes: Uint8Array) => Uint8Array): DataAnswer {
  const blocks = answer.blocks.map((bytes, i) => (i === at && bytes !== null ? change(bytes) : bytes))
  return { ...answer, blocks }
}

type Tamper = Parameters<Lab['tampering']>[2]

/** What becomes of a peer that lies so about single blocks, and about ranges. */
const LIES: Readonly<
  Record<string, readonly [blocks: PeerReport['outcome'], range: PeerReport['outcome'], tamper: Tamper]>
> = {
  'a bit is turned': ['liar', 'liar', (answer) => changeBlock(answer, answer.blocks.length - 1, flipped)],
  'a block is cut': ['liar', 'liar', (answer) => changeBlock(answer, 0, (bytes) => bytes.subarray(1))],
  'no bytes at all': ['liar', 'liar', (answer) => changeBlock(answer, 0, () => new Uint8Array(0))],
  'blocks are swapped': [
    'liar',
    'liar',
    (answer) => ({ ...answer, blocks: answer.blocks.length < 2 ? answer.blocks : answer.blocks.toReversed() }),
  ],
  'a block of another database': [
    'liar',
    'liar',
    (answer) => changeBlock(answer, 0, () => Uint8Array.of(0x83, 0x00, 0x80, 0x80)),
  ],
  'a node beyond 20 KiB': ['liar', 'liar', (answer) => ({ ...answer, blocks: [new Uint8Array(20 * 1024 + 1)] })],
  'a block beyond 1 MiB': ['liar', 'liar', (answer) => ({ ...answer, blocks: [new Uint8Array(1024 * 1024 + 1)] })],
  'a block more than asked for': [
    'protocol',
    'liar',
    (answer, { links }) => ({ ...answer, blocks: [...links.map(() => null), Uint8Array.of(1)] }),
  ],
  'a block twice': [
    'liar',
    'liar',
    (answer) => ({
      ...answer,
      blocks: answer.blocks.flatMap((block) => [block, block]).slice(0, answer.blocks.length),
    }),
  ],
  'blocks without end': [
    'protocol',
    'protocol',
    (answer) => ({ ...answer, blocks: [...answer.blocks, ...Array.from({ length: 200 }, () => new Uint8Array(9000))] }),
  ],
  'two blocks of more than the budget together': [
    'protocol',
    'protocol',
    (answer, { links, bytesMax }) =>
      links.length < 2 && answer.type === 'blocks'
        ? answer
        : { ...answer, blocks: [new Uint8Array(bytesMax * 0.6), new Uint8Array(bytesMax * 0.6)] },
  ],
  'an answer nobody asked for': ['protocol', 'protocol', (answer) => ({ ...answer, id: answer.id + 1000 })],
  'a root where blocks were asked for': [
    'protocol',
    'protocol',
    ({ id }) => ({ type: 'root', id, signedRoot: null, statements: null }),
  ],
  'a range for single blocks, or the other way round': [
    'protocol',
    'protocol',
    (answer) => ({ ...answer, type: answer.type === 'range' ? 'blocks' : 'range' }),
  ],
  'a tell': [
    'protocol',
    'protocol',
    () => encodeMessage({ type: 'tell', signedRoot: Uint8Array.of(1), statements: null }),
  ],
  'a second welcome': [
    'protocol',
    'protocol',
    () => encodeMessage({ type: 'welcome', version: 1, status: 'same', signedRoot: null, statements: null }),
  ],
  'a frame that is no message': ['protocol', 'protocol', () => utf8('GET / HTTP/1.1\r\n\r\n')],
  'an array of 2^53 blocks': [
    'protocol',
    'protocol',
    ({ type }) => Uint8Array.from(Buffer.from(`83${type === 'range' ? '09' : '05'}009b001fffffffffffff`, 'hex')),
  ],
  'a depth bomb': ['protocol', 'protocol', () => new Uint8Array(1024 * 1024).fill(0x81)],
}

for (const [name, [ofBlocks, ofRange, tamper]] of Object.entries(LIES)) {
  for (const [kind, outcome, base] of [
    ['blocks', ofBlocks, undefined],
    ['range', ofRange, null],
  ] as const) {
    test(`${name}, ${kind}: the peer is named, an honest one does its work`, async () => {
      const lab = new Lab()
      const store = new CountingStore()
      const dialers = [lab.tampering('mallory', source, tamper), lab.peer('alice', source)]
      const report = await lab.pull(source, dialers, store, { base })
      assertNamed(report, outcome)
      assert.ok(sameBlocks(source, store))
    })

    test(`${name}, ${kind}: with nobody else the pull fails, and nothing wrong is kept`, async () => {
      const lab = new Lab()
      const store = new CountingStore()
      const error = await failure(lab, [lab.tampering('mallory', source, tamper)], store, { base })
      assert.is(error.code, 'NO_PEER_LEFT')
      assert.is((error.details['peers'] as PeerReport[])[0]?.outcome, outcome)
      assert.match(error.message, `mallory: ${outcome}`)
      for (const key of store.written) assert.ok(source.blocks.has(key))
    })
  }
}

test('whoever waits for a liar gets PEER_LIED with its name', async () => {
  const { clock } = new Lab()
  const mallory = new Lab().tampering('mallory', source, (answer) => changeBlock(answer, 0, flipped))
  const hello = { author: AUTHOR, name: NAME, have: null }
  await clock.run(
    (async () => {
      const { sessions } = await openSessions([mallory], hello, { clock })
      const pull = fetchTree(source.target, sessions, new CountingStore(), {
        clock,
        random: () => 0,
        format: source.format,
        holds: () => true,
      })
      await pull.catch(() => {})
      const [session] = sessions
      const error = session?.end?.error
      assert.equal([error?.code, error?.details['name'], error?.details['fault']], ['PEER_LIED', 'mallory', 'liar'])
      assert.is(
        await session?.getBlocks(source.target.root, [source.target.root]).catch((reason: unknown) => reason),
        error,
      )
    })(),
  )
})

test('a lie late in a pull costs no more than the answers under way', async () => {
  let answers = 0
  const lab = new Lab()
  const mallory = lab.tampering('mallory', source, (answer) =>
    ++answers === 3 ? changeBlock(answer, 0, flipped) : answer,
  )
  const store = new CountingStore()
  const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store)
  assertNamed(report, 'liar')
  assert.is(report.blocksReceived, source.blocks.size)
  assert.ok(sameBlocks(source, store))
})

test('three liars and one honest peer', async () => {
  const lab = new Lab()
  const lie: Tamper = (answer) => changeBlock(answer, 0, flipped)
  const dialers = ['m1', 'm2', 'm3'].map((name) => lab.tampering(name, source, lie))
  const report = await lab.pull(source, [...dialers, lab.peer('alice', source)], new CountingStore())
  assert.equal(
    report.peers.map(({ outcome }) => outcome),
    ['liar', 'liar', 'liar', 'used'],
  )
})

test('blocks pushed along with the welcome are a broken protocol', async () => {
  const lab = new Lab()
  const pushy = lab.scripted('mallory', async (peer) => {
    await peer.welcome(source.newest.signedRoot)
    await peer.send({ type: 'blocks', id: 0, blocks: [new Uint8Array(1000)] })
    await peer.send({ type: 'blocks', id: 77, blocks: [new Uint8Array(1000)] })
  })
  const store = new CountingStore()
  const report = await lab.pull(source, [pushy, lab.peer('alice', source)], store)
  assert.ok(['protocol', 'liar'].includes(report.peers.find(({ name }) => name === 'mallory')?.outcome ?? ''))
  assert.ok(sameBlocks(source, store))
})

test('a signed root of another tree moves nothing', async () => {
  // The target is pinned by the caller; a peer that announces another one is outdated, and its blocks are checked alike.
  const lab = new Lab()
  const other = await publish(rows(10), { sequence: 9 })
  const store = new CountingStore()
  const report = await lab.pull(source, [lab.peer('other', other), lab.peer('alice', source)], store)
  assert.is(report.peers.find(({ name }) => name === 'other')?.outcome, 'outdated')
  assert.is(report.peers.find(({ name }) => name === 'other')?.blocks, 0)
  assert.is(store.get(other.target.root), undefined)
  assert.is(store.getComplete(linkTo(CODEC_DAG_CBOR, utf8('x'))), undefined)
})

function assertNamed(report: PullReport, outcome: PeerReport['outcome']): void {
  const mallory = report.peers.find(({ name }) => name === 'mallory')
  assert.is(mallory?.outcome, outcome, mallory?.reason)
  assert.is(report.peers.find(({ name }) => name === 'alice')?.outcome, 'used')
}

function failure(
  lab: Lab,
  dialers: readonly PeerDialer[],
  store: CountingStore,
  options: Partial<FetchOptions> = {},
): Promise<CoppiceError> {
  return lab.pull(source, dialers, store, options).then(
    () => Promise.reject(new Error('expected the pull to fail')),
    (error: CoppiceError) => error,
  )
}

test.run()
