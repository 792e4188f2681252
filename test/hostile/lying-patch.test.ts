/**
 * Threat 18: rows that are wrong, unsorted, duplicated, endless, of a range nobody asked for, or that cost much to apply. Each liar is
 * named, alone or among honest peers; it costs a few MiB at most, and the tree comes all the same.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CoppiceError } from '../../src/errors.ts'
import { linkTo, CODEC_RAW } from '../../src/link.ts'
import { FORMAT_1, type Put } from '../../src/prolly/index.ts'
import type { PeerReport, PullReport } from '../../src/sync/index.ts'
import { encodeMessage, type GetPatch, type PatchAnswer, type PatchValue } from '../../src/sync/wire/index.ts'
import { type PatchCase, patchCase, patchPeer, pullBy } from '../support/patch-lab.ts'
import { Random } from '../support/random.ts'
import { CountingStore, Lab, publish, sameBlocks } from '../support/sync-lab.ts'
import { applyEdits, sortRows, u32be, WIDE } from '../support/tree-sets.ts'

const test = suite('hostile/lying-patch')

const random = new Random(3)
const before: readonly Put[] = sortRows(
  Array.from({ length: 10_000 }, () => ({ key: random.bytes(12), value: random.bytes(50) })),
)
const changed = sortRows(random.shuffled([...before]).slice(0, 750)).map(({ key }, i) =>
  i % 9 === 0 ? { key, value: null } : { key, value: random.bytes(50) },
)
const made: PatchCase = await patchCase(before, applyEdits(before, changed))
/** The rows come in several pages, for many subtrees. */
const PIECES = { probeBytesMin: 10_000, probeBytesMax: 10_000, unitRowBytes: 5000, pieceNodeBytes: 100_000 }

type Lie = (answer: PatchAnswer, request: GetPatch) => PatchAnswer | Uint8Array

const middle = (answer: PatchAnswer): number => answer.keys.length >> 1
const at = <T>(items: readonly T[], index: number, item: T): T[] => items.map((each, i) => (i === index ? item : each))
/** Where the page has room. */
const withRow = (answer: PatchAnswer, key: Uint8Array, value: PatchValue): PatchAnswer => {
  if (!answer.isLast) return answer
  const rows = [...answer.keys.map((each, i) => ({ key: each, value: answer.values[i] ?? null })), { key, value }]
  const sorted = rows.sort((a, b) => Buffer.compare(a.key, b.key))
  return { ...answer, keys: sorted.map((row) => row.key), values: sorted.map((row) => row.value) }
}
/** A key of the older tree, or none of it, within the page. */
const within = (answer: PatchAnswer, isThere: boolean): Uint8Array => {
  const [first, last] = [answer.keys[0], answer.keys.at(-1)]
  assert.ok(first && last)
  const known = new Set(answer.keys.map((key) => Buffer.from(key).toString('hex')))
  const row = before.find(
    ({ key }) =>
      Buffer.compare(key, first) > 0 && Buffer.compare(key, last) < 0 && !known.has(Buffer.from(key).toString('hex')),
  )
  assert.ok(row)
  return isThere ? row.key : Uint8Array.of(...row.key, 0)
}

/** What is only seen when the rows do not come to the tree. */
const WRONG: Readonly<Record<string, Lie>> = {
  'a wrong value': (answer) => ({ ...answer, values: at(answer.values, middle(answer), u32be(1)) }),
  'a row that is gone, where it is not': (answer) => ({ ...answer, values: at(answer.values, middle(answer), null) }),
  'a row left out': (answer) => ({
    ...answer,
    keys: answer.keys.filter((_, i) => i !== middle(answer)),
    values: answer.values.filter((_, i) => i !== middle(answer)),
  }),
  'a row made up': (answer) => withRow(answer, within(answer, false), u32be(1)),
  'a row gone that never was': (answer) => withRow(answer, within(answer, false), null),
  'a row as it is': (answer) => {
    const key = within(answer, true)
    return withRow(answer, key, before.find((row) => Buffer.compare(row.key, key) === 0)?.value ?? null)
  },
  'a value out of line that should not be': (answer) => ({
    ...answer,
    values: at(answer.values, middle(answer), { link: linkTo(CODEC_RAW, u32be(1)), size: 1e15 }),
  }),
  'an end that is none': (answer) => ({
    ...answer,
    isLast: true,
    keys: answer.keys.slice(0, 9),
    values: answer.values.slice(0, 9),
  }),
  'nothing changed': (answer) => ({ ...answer, keys: [], values: [], isLast: true }),
  'rows for every leaf': (answer, request) => everyLeaf(answer, request),
}

/** A new row beside every third: as many as a page may have. */
function everyLeaf(answer: PatchAnswer, { after, until, bytesMax }: GetPatch): PatchAnswer {
  const keys = before
    .filter((_, i) => i % 3 === 0)
    .map(({ key }) => Uint8Array.of(...key, 7))
    .filter(
      (key) =>
        (after === null || Buffer.compare(key, after) > 0) && (until === null || Buffer.compare(key, until) <= 0),
    )
    .slice(0, Math.floor(bytesMax / 13))
  return { ...answer, keys, values: keys.map(() => new Uint8Array(0)), isLast: true }
}

/** What breaks the protocol: the answer is refused as it stands. */
const BROKEN: Readonly<Record<string, Lie>> = {
  'rows out of order': (answer) => ({ ...answer, keys: answer.keys.toReversed() }),
  'a row twice': (answer) => ({ ...answer, keys: at(answer.keys, 1, answer.keys[0] ?? u32be(0)) }),
  'more than was asked for': (answer) => ({ ...answer, values: answer.values.map(() => new Uint8Array(1000)) }),
  'an empty page, and more to come': (answer) => ({ ...answer, keys: [], values: [], isLast: false }),
  'keys and values of different number': (answer) => {
    const frame = encodeMessage({ ...answer, values: answer.values.slice(1) })
    return frame
  },
  'an inline value beyond the limit': (answer) =>
    encodeMessage({ ...answer, values: at(answer.values, 0, new Uint8Array(1025)) }),
}

/** What an honest peer alone has to send. */
const asBlocks: number = await blocksOnly()

async function blocksOnly(): Promise<number> {
  const lab = new Lab()
  const alice = patchPeer(lab, 'alice', made, ({ id }) => ({ type: 'refusal', id, reason: 'gone' }))
  return (await pullBy(lab, made, [alice], await made.replica())).bytesReceived
}

function liar(lab: Lab, lie: Lie): ReturnType<typeof patchPeer> {
  return patchPeer(lab, 'mallory', made, (answer, request) =>
    answer.type === 'patch' && answer.keys.length > 20 ? lie(answer, request) : answer,
  )
}

function outcomeOf(peers: readonly PeerReport[], name: string): string | undefined {
  return peers.find((peer) => peer.name === name)?.outcome
}

const LIMIT = 1024 * 1024

for (const [how, sizes] of [
  ['at once', {}],
  ['in pieces', PIECES],
] as const) {
  for (const [name, lie] of Object.entries(WRONG)) {
    test(`${name}, ${how}: alone it serves the blocks, and is named in the end`, async () => {
      const lab = new Lab()
      const store = await made.replica()
      const report = await pullBy(lab, made, [liar(lab, lie)], store, { sizes })
      assert.ok(sameBlocks(made.to, store))
      assert.is(outcomeOf(report.peers, 'mallory'), 'liar')
      assert.ok(report.bytesReceived < asBlocks + LIMIT, `${report.bytesReceived} bytes, ${asBlocks} as blocks`)
      assertNothingForeign(store)
    })

    test(`${name}, ${how}: an honest peer sends the rows`, async () => {
      const lab = new Lab(2)
      const store = await made.replica()
      let lies = 0
      const mallory = liar(lab, (answer, request) => {
        lies++
        return lie(answer, request)
      })
      const report = await pullBy(lab, made, [mallory, lab.peer('alice', made.to)], store, { sizes })
      assert.ok(sameBlocks(made.to, store))
      assert.ok(lies > 0, 'mallory lied')
      assert.is(outcomeOf(report.peers, 'alice'), 'used')
      assert.is(outcomeOf(report.peers, 'mallory'), 'liar')
      assert.is(report.blocksReceived, 0)
      assert.ok(report.bytesReceived < asBlocks / 2 + LIMIT / 2)
      assertNothingForeign(store)
    })
  }
}

for (const [name, lie] of Object.entries(BROKEN)) {
  test(`${name}: the peer is dropped at once`, async () => {
    const lab = new Lab(4)
    const store = await made.replica()
    const error = await failure(pullBy(lab, made, [liar(lab, lie)], store))
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.is(outcomeOf(error.details['peers'] as PeerReport[], 'mallory'), 'protocol')
    const report = await pullBy(lab, made, [liar(lab, lie), lab.peer('alice', made.to)], store)
    assert.ok(sameBlocks(made.to, store))
    assert.is(outcomeOf(report.peers, 'alice'), 'used')
  })
}

test('rows of a range nobody asked for', async () => {
  const lab = new Lab()
  const store = await made.replica()
  const early = changed[0]?.key ?? u32be(0)
  const beyond = Uint8Array.of(255, 255, 255, 255)
  const lie: Lie = (answer, { after, until }) => {
    if (after === null) return answer
    return withRow({ ...answer, isLast: true }, until === null ? early : beyond, u32be(1))
  }
  const error = await failure(pullBy(lab, made, [liar(lab, lie)], store, { sizes: PIECES }))
  assert.is(outcomeOf(error.details['peers'] as PeerReport[], 'mallory'), 'protocol')
})

test('rows without end: little is taken, blocks come instead, and they are compared in the end', async () => {
  const endless =
    (bytes: number): Lie =>
    (answer, { after, bytesMax }) => {
      const start = after === null ? 0 : Buffer.from(after).readUInt32BE(0) + 1
      const count = Math.max(1, Math.min(16_000, Math.floor(Math.min(bytes, bytesMax) / 54)))
      const keys = Array.from({ length: count }, (_, i) => u32be(start + i))
      return { ...answer, keys, values: keys.map(() => new Uint8Array(50)), isLast: false }
    }
  for (const bytes of [54, 5000, 1e6]) {
    for (const sizes of [{}, { ...PIECES, shareMax: Infinity }]) {
      const lab = new Lab()
      const store = await made.replica()
      let pages = 0
      const mallory = patchPeer(lab, 'mallory', made, (answer, request) => {
        pages++
        return endless(bytes)(answer as PatchAnswer, request)
      })
      const report = await pullBy(lab, made, [mallory], store, { sizes })
      assert.ok(sameBlocks(made.to, store))
      assert.is(outcomeOf(report.peers, 'mallory'), 'liar', `${bytes} bytes a page, ${pages} pages`)
      assert.ok(report.bytesReceived < asBlocks + 4 * LIMIT, `${report.bytesReceived} bytes in ${pages} pages`)
      assert.ok(pages < 120, `${pages} pages of ${bytes} bytes`)
    }
  }
})

test('rows without end that have next to no bytes: as many as are worth their memory', async () => {
  for (const pieceRowsMax of [2000, 4000]) {
    const lab = new Lab()
    const store = await made.replica()
    const tiny = patchPeer(lab, 'mallory', made, (answer, { after }) => {
      const start = after === null ? 0 : Buffer.from(after).readUInt32BE(0) + 1
      const keys = Array.from({ length: 1000 }, (_, i) => u32be(start + i))
      return { ...(answer as PatchAnswer), keys, values: keys.map(() => null), isLast: false }
    })
    const sizes = { ...PIECES, shareMax: Infinity, pieceRowsMax, wasteBytesMax: 64 * 4000 }
    const report = await pullBy(lab, made, [tiny], store, { sizes })
    assert.ok(sameBlocks(made.to, store))
    assert.is(outcomeOf(report.peers, 'mallory'), 'liar')
    const pieces = report.patch?.subtreesLeft ?? 0
    const rows = report.patch?.rows ?? Infinity
    assert.ok(pieces > 0 && rows <= (pieces + 1) * (pieceRowsMax + 1000), `${rows} rows for ${pieces} subtrees`)
    assert.ok(rows <= 4000 + 2 * (pieceRowsMax + 1000), `${rows} rows that came to nothing`)
  }
})

test('a lie late in a patch costs its subtree; what was honest is kept', async () => {
  const lab = new Lab()
  const store = await made.replica()
  let pages = 0
  const mallory = liar(lab, (answer, request) =>
    ++pages < 4 ? answer : (WRONG['a wrong value'] as Lie)(answer, request),
  )
  const report = await pullBy(lab, made, [mallory], store, { sizes: PIECES })
  assert.ok(sameBlocks(made.to, store))
  assert.is(outcomeOf(report.peers, 'mallory'), 'liar')
  assert.ok((report.patch?.subtreesRebuilt ?? 0) > 0, 'subtrees were rebuilt before')
  assert.ok(report.blocksHeld >= (report.patch?.blocksRebuilt ?? Infinity), 'and used')
  assert.ok(report.bytesReceived < asBlocks, `${report.bytesReceived} bytes, ${asBlocks} as blocks`)
})

test('no rows after all, or none in time: no lie', async () => {
  for (const fate of ['gone', 'busy'] as const) {
    const lab = new Lab()
    const store = await made.replica()
    let pages = 0
    const mallory = patchPeer(lab, 'mallory', made, (answer) =>
      ++pages === 1 ? answer : { type: 'refusal', id: answer.id, reason: fate },
    )
    const report = await pullBy(lab, made, [mallory], store, { sizes: PIECES })
    assert.ok(sameBlocks(made.to, store))
    assert.is(outcomeOf(report.peers, 'mallory'), 'used')
  }
})

test("a tree that breaks a rule is its author's fault: peers that pass on its rows are not blamed", async () => {
  const store = new CountingStore()
  const from = await publish(before, { store })
  // Cut into chunks by other numbers than those of version 1.
  const format = { ...WIDE, inlineBytesMax: FORMAT_1.inlineBytesMax }
  const to = { ...(await publish(applyEdits(before, changed), { store, sequence: 2, format })), format: FORMAT_1 }
  const replica = async (): Promise<CountingStore> => (await publish(before)).store
  for (const sizes of [{}, { ...PIECES, shareMax: Infinity }]) {
    const lab = new Lab()
    const own = await replica()
    const error = await failure(
      pullBy(lab, { from, to, replica }, [lab.peer('alice', to), lab.peer('bob', to)], own, {
        sizes,
        between: (sessions) => assert.ok(sessions.every((session) => session.isOpen)),
      }),
    )
    assert.is(error.code, 'TREE_MALFORMED')
  }
})

function assertNothingForeign(store: CountingStore): void {
  for (const key of store.written) assert.ok(made.to.blocks.has(key) || made.from.blocks.has(key))
}

async function failure(pull: Promise<PullReport>): Promise<CoppiceError> {
  try {
    await pull
  } catch (error) {
    return error as CoppiceError
  }
  throw new Error('expected the pull to fail')
}

test.run()
