/** Values beyond 1 MiB on their way: fetched block by block, each verified in its place before it is kept, resumed, shared, and lied about. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_PB, CODEC_RAW, formatLink, type Link, linkCodec, linkMapKey, linkTo } from '../../src/link.ts'
import { FORMAT_1, mayReuseValue, NodeReader, Tree } from '../../src/prolly/index.ts'
import type { PullProgress } from '../../src/sync/index.ts'
import { Frontier } from '../../src/sync/fetching/frontier.ts'
import { INTERNAL_NODES_MAX } from '../../src/sync/limits.ts'
import { VerifiedWriter } from '../../src/sync/fetching/verified-writer.ts'
import { takeBlocks } from '../support/frontier.ts'
import { childPlace, decodeFileNode, heldLinks, rootPlace, walkFile } from '../../src/unixfs/index.ts'
import { BlockMap } from '../support/blocks.ts'
import {
  ENDLESS,
  linkOfId,
  MIB,
  publishFiles,
  putBlock,
  putFile,
  putNode,
  putZeros,
  treeOfFile,
} from '../support/file-lab.ts'
import { CountingStore, Lab, type Published, sameBlocks, WRITE_FAILURE } from '../support/sync-lab.ts'
import { pullFromRelays, unverified } from '../support/sync-relay.ts'
import { u32be, utf8 } from '../support/tree-sets.ts'

const test = suite('sync/files')

/** A few rows: inline, a raw block, files of one node, and one of three levels whose leaves are equal. */
async function mixed(): Promise<Published> {
  const blocks = new BlockMap()
  return publishFiles(
    [
      { key: utf8('a'), value: utf8('inline') },
      { key: utf8('b'), value: new Uint8Array(MIB).fill(1) },
      { key: utf8('c'), value: await putFile(blocks, MIB + 1) },
      { key: utf8('d'), value: await putFile(blocks, 5 * MIB + 7) },
      { key: utf8('e'), value: putZeros(blocks, 1025 * MIB + 3) },
      { key: utf8('f'), value: await putFile(blocks, 5 * MIB + 7) },
    ],
    blocks,
  )
}

function assertSameRecords(source: Published, store: CountingStore): void {
  assert.equal([...store.records.keys()].sort(), [...source.store.records.keys()].sort())
  for (const [key, record] of store.records) assert.equal(record, source.store.records.get(key))
}

/** Whatever is recorded stands on what is here. */
async function assertRecordsStand(store: CountingStore): Promise<void> {
  for (const record of store.records.values()) {
    if (linkCodec(record.link) !== CODEC_DAG_PB) {
      assert.ok(store.has(record.link))
      continue
    }
    const bytes = store.get(record.link)
    if (bytes === undefined) return assert.unreachable('a recorded block is here')
    const place = { offset: 0, size: record.bytes, height: record.entries }
    for (const [i, link] of decodeFileNode(bytes, place).entries()) {
      const below = store.getComplete(link)
      assert.ok(below !== undefined && mayReuseValue(below, { link, place: childPlace(place, i) }))
    }
  }
}

test('a clone has every block and record, each fetched once, and bytes as signed', async () => {
  const source = await mixed()
  const store = new CountingStore()
  const lab = new Lab()
  const seen: PullProgress[] = []
  const report = await lab.pull(source, [lab.peer('a', source)], store, { onProgress: (now) => seen.push(now) })
  assert.ok(sameBlocks(source, store))
  assertSameRecords(source, store)
  assert.is(report.blocksReceived, source.blocks.size)
  assert.is(report.bytes, source.target.bytes)
  assert.is(new Set(store.written).size, store.written.length, 'no block is written twice')
  for (const [i, { bytes }] of seen.entries()) assert.ok(bytes >= (seen[i - 1]?.bytes ?? 0))
  assert.ok(
    seen.some(({ bytes }) => bytes > 2 * MIB && bytes < source.target.bytes),
    'progress within files',
  )
})

test('several peers share the leaves of one file', async () => {
  const blocks = new BlockMap()
  const source = await publishFiles([{ key: utf8('big'), value: await putFile(blocks, 12 * MIB) }], blocks)
  const store = new CountingStore()
  const lab = new Lab()
  const report = await lab.pull(source, [lab.peer('a', source), lab.peer('b', source)], store)
  assert.ok(sameBlocks(source, store))
  for (const { blocks: used } of report.peers) assert.ok(used >= 4, `${used} of 14 blocks`)
})

test('a pull that broke off anywhere goes on with what is here; records never run ahead', async () => {
  const blocks = new BlockMap()
  const rows = [
    { key: u32be(1), value: await putFile(blocks, 3 * MIB) },
    { key: u32be(2), value: await putFile(blocks, 4 * MIB + 1) },
  ]
  const source = await publishFiles(rows, blocks)
  for (let failsAt = 0; failsAt < 6; failsAt++) {
    const store = new CountingStore()
    store.failsAtWrite = failsAt
    const lab = new Lab()
    const pull = () => lab.pull(source, [lab.peer('a', source)], store, { writeBytesMax: MIB })
    try {
      await pull()
    } catch (error) {
      assert.is(error, WRITE_FAILURE)
    }
    await assertRecordsStand(store)
    const held = new Set(store.written)
    store.failsAtWrite = Infinity
    const { blocksReceived } = await pull()
    assert.is(blocksReceived, [...source.blocks].filter((id) => !held.has(id)).length, `failed at write ${failsAt}`)
    assert.ok(sameBlocks(source, store))
    assertSameRecords(source, store)
  }
})

test('a changed byte moves one leaf and the blocks above it', async () => {
  const blocks = new BlockMap()
  const leaves = Array.from({ length: 6 }, (_, i) => putBlock(blocks, CODEC_RAW, new Uint8Array(MIB).fill(i)))
  const place = rootPlace(6 * MIB)
  const before = { link: putNode(blocks, place, (i) => leaves[i] as Link), size: 6 * MIB }
  leaves[3] = putBlock(blocks, CODEC_RAW, new Uint8Array(MIB).fill(99))
  const after = { link: putNode(blocks, place, (i) => leaves[i] as Link), size: 6 * MIB }
  const [first, second] = [
    await publishFiles([{ key: utf8('x'), value: before }], blocks),
    await publishFiles([{ key: utf8('x'), value: after }], blocks, 2),
  ] as const
  const store = new CountingStore()
  const lab = new Lab()
  await lab.pull(first, [lab.peer('a', first)], store)
  const report = await lab.pull(second, [lab.peer('a', second)], store)
  assert.is(report.blocksReceived, 3, 'a leaf, the node of the file, the node of the tree')
})

test('a file of 4 PiB in 6 blocks: neither work nor memory follow its size', async () => {
  const blocks = new BlockMap()
  const value = putZeros(blocks, ENDLESS)
  const source = await publishFiles([{ key: utf8('zeros'), value }], blocks)
  assert.is(source.blocks.size, 6)
  const store = new CountingStore()
  const frontier = new Frontier(source.target, new VerifiedWriter(store), { format: FORMAT_1 })
  let most = 0
  for (;;) {
    await frontier.lookAhead(() => Promise.resolve())
    most = Math.max(most, frontier.rememberedCount)
    const [want] = takeBlocks(frontier, 1)
    if (want === undefined) break
    frontier.accept(want, source.store.get(want.link) as Uint8Array)
  }
  assert.ok(frontier.isDone)
  assert.is(frontier.counts.bytes, source.target.bytes)
  assert.ok(most < 40_000, `${most} places and wants`)
})

test('few nodes of files are under way at once: each may bring 1024 places', async () => {
  const blocks = new BlockMap()
  const rows = Array.from({ length: 40 }, (_, i) => ({ key: u32be(i), value: putZeros(blocks, 1024 * MIB - i) }))
  const source = await publishFiles(rows, blocks)
  const frontier = new Frontier(source.target, new VerifiedWriter(new CountingStore()), { format: FORMAT_1 })
  for (let round = 0; ; round++) {
    await frontier.lookAhead(() => Promise.resolve())
    const wants = takeBlocks(frontier, Infinity)
    const nodes = wants.filter(({ link }) => linkCodec(link) === CODEC_DAG_PB)
    assert.ok(nodes.length <= Math.ceil(INTERNAL_NODES_MAX / 13), `${nodes.length} nodes`)
    if (nodes.length > 0 && round > 0) return
    for (const want of wants) frontier.accept(want, source.store.get(want.link) as Uint8Array)
  }
})

test('a request for nodes of files is one look into the store, however long the files', async () => {
  const blocks = new BlockMap()
  const rows = Array.from({ length: 30 }, (_, i) => ({ key: u32be(i), value: putZeros(blocks, 3 * MIB + i) }))
  const source = await publishFiles(rows, blocks)
  let looks = 0
  const { store } = source
  const { getMany } = store
  store.getMany = (links) => {
    if (links.some((link) => linkCodec(link) === CODEC_DAG_PB)) looks++
    return getMany.call(store, links)
  }
  const lab = new Lab()
  await lab.pull(source, [lab.peer('a', source)], new CountingStore())
  assert.ok(looks <= 6, `${looks} looks for 30 nodes`)
})

test('a size is not believed before its bytes are here', async () => {
  const blocks = new BlockMap()
  const link = putBlock(blocks, CODEC_DAG_PB, utf8('a small block'))
  const ref = await treeOfFile(blocks, { link, size: 2 ** 52 + 12345 })
  const outcome = await pullFromRelays(new Lab(), unverified(reader(blocks), ref, FORMAT_1), new CountingStore())
  assert.ok('error' in outcome && isCoppiceError(outcome.error, 'TREE_MALFORMED'))
  assert.is(outcome.error.details['rule'], 9)
})

function reader(blocks: BlockMap): { get(link: Link): Uint8Array | undefined } {
  return { get: (link) => blocks.map.get(linkMapKey(link)) }
}

const SIZE = 2 * MIB + 100

/** What an author may sign instead of the file of {@link SIZE} bytes; each block has the hash that is asked for. */
const AUTHORS_LIES: readonly (readonly [
  name: string,
  file: (blocks: BlockMap) => Promise<{ link: Link; size: number }>,
])[] = [
  ['a size one too small', async (blocks) => ({ ...(await putFile(blocks, SIZE)), size: SIZE - 1 })],
  ['a size one too large', async (blocks) => ({ ...(await putFile(blocks, SIZE)), size: SIZE + 1 })],
  ['a size of another height', async (blocks) => ({ ...(await putFile(blocks, SIZE)), size: 1025 * MIB })],
  ['a truncated leaf', async (blocks) => withLeaf(blocks, 2, new Uint8Array(99))],
  ['a leaf with a byte more', async (blocks) => withLeaf(blocks, 1, new Uint8Array(MIB - 1))],
  ['an empty leaf', async (blocks) => withLeaf(blocks, 0, new Uint8Array(0))],
  ['a wrong Tsize', async (blocks) => changedNode(blocks, (node) => node.with(44, (node[44] as number) ^ 1))],
  ['another last byte', async (blocks) => changedNode(blocks, (node) => node.with(-1, (node.at(-1) as number) ^ 1))],
  ['a link twice', async (blocks) => changedNode(blocks, (node) => Uint8Array.of(...node.subarray(0, 46), ...node))],
  ['bytes behind the end', async (blocks) => changedNode(blocks, (node) => Uint8Array.of(...node, 0))],
  ['nothing at all', async (blocks) => changedNode(blocks, () => new Uint8Array(0))],
]

async function withLeaf(blocks: BlockMap, at: number, leaf: Uint8Array): Promise<{ link: Link; size: number }> {
  const sound = [0, 1, 2].map((i) => putBlock(blocks, CODEC_RAW, new Uint8Array(i < 2 ? MIB : 100).fill(i)))
  const wrong = putBlock(blocks, CODEC_RAW, leaf)
  return { link: putNode(blocks, rootPlace(SIZE), (i) => (i === at ? wrong : (sound[i] as Link))), size: SIZE }
}

async function changedNode(
  blocks: BlockMap,
  change: (node: Uint8Array) => Uint8Array,
): Promise<{ link: Link; size: number }> {
  const { link, size } = await putFile(blocks, SIZE)
  return { link: putBlock(blocks, CODEC_DAG_PB, change(blocks.map.get(linkMapKey(link)) as Uint8Array)), size }
}

for (const [name, file] of AUTHORS_LIES) {
  test(`the author lies, with the right hash: ${name}`, async () => {
    const blocks = new BlockMap()
    const ref = await treeOfFile(blocks, await file(blocks))
    const store = new CountingStore()
    const outcome = await pullFromRelays(new Lab(), unverified(reader(blocks), ref, FORMAT_1), store)
    assert.ok('error' in outcome)
    const { error } = outcome
    assert.ok(isCoppiceError(error, 'TREE_MALFORMED'), String(error))
    assert.is(error.details['rule'], 9)
    const path = error.details['path'] as { cid: string }[]
    assert.is(path[0]?.cid, formatLink(ref.root))
    assert.is(path.at(-1)?.cid, error.details['cid'])
    await assertRecordsStand(store)
    assert.not(store.records.has(linkMapKey(ref.root)))
  })
}

test('a peer lies about a leaf or a node: it is found out, and the other brings the file', async () => {
  const blocks = new BlockMap()
  const value = await putFile(blocks, 3 * MIB)
  const source = await publishFiles([{ key: utf8('x'), value }], blocks)
  const parts: Link[] = []
  for await (const { link } of walkFile(value, heldLinks(blocks))) parts.push(link)
  const lies: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.slice(0, -1),
    (bytes) => bytes.with(-1, (bytes.at(-1) as number) ^ 1),
    () => blocks.map.get(linkMapKey(parts[1] as Link)) as Uint8Array,
    () => new Uint8Array(0),
  ]
  for (const target of [parts[0], parts.at(-1)] as Link[]) {
    for (const lie of lies) {
      const store = new CountingStore()
      const lab = new Lab()
      const liar = lab.tampering('liar', source, (answer, { links }) => ({
        ...answer,
        blocks: answer.blocks.map((bytes, i) =>
          bytes !== null && linkMapKey(links[i] as Link) === linkMapKey(target) ? lie(bytes) : bytes,
        ),
      }))
      const alone = await lab.pull(source, [liar], store).then(
        () => undefined,
        (error: unknown) => error,
      )
      assert.ok(isCoppiceError(alone, 'NO_PEER_LEFT'))
      assert.match(String(alone), /wrong bytes/)
      await lab.pull(source, [liar, lab.peer('honest', source)], store)
      assert.ok(sameBlocks(source, store))
    }
  }
})

test('the record of a node counts for its size and height only', async () => {
  const blocks = new BlockMap()
  // A node of one leaf of 5 bytes: right at the end of a long file, never as a value of 5 bytes.
  const leaf = putBlock(blocks, CODEC_RAW, utf8('hello'))
  const place = { offset: 0, size: 5, height: 1 }
  const node = putNode(blocks, place, () => leaf)
  const store = new CountingStore()
  await publishFiles([{ key: utf8('x'), value: await putFile(blocks, 2 * MIB) }], blocks)
  await store.write({
    blocks: [...blocks.map].map(([id, bytes]) => ({ link: linkOfId(id), bytes })),
    complete: [{ ...EMPTY_RECORD, link: node, bytes: 2 * MIB, entries: 2 }],
  })
  const ref = await treeOfFile(blocks, { link: node, size: 2 * MIB })
  const outcome = await pullFromRelays(new Lab(), unverified(reader(blocks), ref, FORMAT_1), store)
  assert.ok('error' in outcome && isCoppiceError(outcome.error, 'TREE_MALFORMED'))
})

const none = new Uint8Array(0)
const EMPTY_RECORD = { level: -1, firstKey: none, lastKey: none, spineClosed: false }

test('what is half fetched is not served', async () => {
  const blocks = new BlockMap()
  const value = await putFile(blocks, 3 * MIB)
  const source = await publishFiles([{ key: utf8('x'), value }], blocks)
  const half = new CountingStore()
  half.failsAtWrite = 2
  const lab = new Lab()
  await lab.pull(source, [lab.peer('a', source)], half, { writeBytesMax: MIB }).catch(() => {})
  half.failsAtWrite = Infinity
  assert.ok(half.written.length > 0)
  const incomplete = { ...source, store: half }
  const error: unknown = await lab.pull(source, [lab.peer('half', incomplete)], new CountingStore()).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(isCoppiceError(error, 'NO_PEER_LEFT'))
})

test('a clone reads as its source does', async () => {
  const source = await mixed()
  const store = new CountingStore()
  const lab = new Lab()
  await lab.pull(source, [lab.peer('a', source)], store)
  const tree = await Tree.open(new NodeReader(store), source.target.root)
  const value = await tree.get(utf8('d'))
  assert.is(value?.length, 5 * MIB + 7)
  assert.ok(value?.every((byte, i) => byte === i % 251))
  assert.is(linkCodec(linkTo(CODEC_RAW, value as Uint8Array)), CODEC_RAW)
})

test.run()
