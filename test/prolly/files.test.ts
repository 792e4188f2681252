/** Trees with values beyond 1 MiB: one root whatever the way there, checked and recorded block by block. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_PB, formatLink, type Link, linkMapKey } from '../../src/link.ts'
import {
  buildTree,
  checkTree,
  type CheckProblem,
  editTree,
  isSameValue,
  isValueRef,
  LOADED_VALUE_BYTES_MAX,
  measureTree,
  missingRecords,
  type Put,
  type Source,
  Tree,
  type Value,
  type ValueRef,
} from '../../src/prolly/index.ts'
import type { CompleteRecord } from '../../src/store/interface.ts'
import { decodeFileNode, heldLinks, rootPlace, walkFile } from '../../src/unixfs/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { ENDLESS, MIB, putFile, putNode, putZeros } from '../support/file-lab.ts'
import { asyncOf, refText, treeOf, utf8 } from '../support/tree-sets.ts'
import { judgeTree } from '../support/tree-walk.ts'

const test = suite('prolly/files')

const SIZES = [MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 17]

function bytesOf(size: number, fill: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (fill + i) % 253)
}

function rowsOf(sizes: readonly number[]): Put[] {
  return sizes.map((size, i) => ({ key: utf8(`key ${i}`), value: bytesOf(size, i) }))
}

async function failure(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  return assert.unreachable('an error was expected')
}

test('bytes and references to what was written, built and edited: one tree', async () => {
  const rows = rowsOf(SIZES)
  const built = await treeOf(rows)
  const blocks = new BlockMap()
  const refs: Put<Value>[] = []
  for (const { key, value } of rows) {
    const held = await built.getValue(key)
    refs.push({ key, value: held ?? value })
  }
  const sources: Source<Put<Value>>[] = [refs, asyncOf(rows)]
  for (const source of sources) assert.is(refText(await buildTree(source, blocks)), refText(built.ref))
  const empty = await treeOf([])
  const edited = await editTree(empty, rows, empty.nodes.blocks as BlockMap)
  assert.is(refText(edited), refText(built.ref))
  assert.is(built.ref.bytes, SIZES.reduce((sum, size) => sum + size, 0) + (await leafBytes(built)))
  assert.is(judgeTree(built.nodes.blocks as BlockMap as never, built.ref, FORMAT).rule, undefined)
})

const FORMAT = { targetBits: 12, chunkBytesMin: 1024, chunkBytesMax: 16384, inlineBytesMax: 1024 }

async function leafBytes(tree: Tree): Promise<number> {
  const { levels, values, valueBytes } = await measureTree(tree)
  assert.is(values, SIZES.length)
  assert.is(
    valueBytes,
    SIZES.reduce((sum, size) => sum + size, 0),
  )
  return levels.reduce((sum, { bytes }) => sum + bytes, 0)
}

test('the blocks of a file count as written; an unchanged row writes none', async () => {
  const blocks = new BlockMap()
  const rows = rowsOf([2 * MIB + 5])
  const report = await buildTree(rows, blocks)
  assert.is(report.blocksWritten, 5, 'three leaves, their node, the leaf of the tree')
  assert.is(
    report.bytesWritten,
    [...blocks.map.values()].reduce((sum, { length }) => sum + length, 0),
  )
  const tree = await Tree.open(blocks, report.root)
  const held = (await tree.getValue(utf8('key 0'))) as ValueRef
  const again = await editTree(tree, [{ key: utf8('key 0'), value: held }], blocks)
  assert.is(again.blocksWritten, 0)
  assert.is(refText(again), refText(report))
})

test('an abort while a file is written ends a build and an edit', async () => {
  const reason = new Error('enough')
  const tree = await treeOf([])
  for (const write of [buildTree, (...args: Parameters<typeof buildTree>) => editTree(tree, ...args)]) {
    const controller = new AbortController()
    let puts = 0
    const put = (): void => {
      if (++puts === 2) controller.abort(reason)
    }
    assert.is(await failure(() => write(rowsOf([8 * MIB]), { put }, { signal: controller.signal })), reason)
    assert.ok(puts < 5, `${puts} blocks after the abort`)
  }
})

test('get loads up to 64 MiB, a stream any length', async () => {
  const blocks = new BlockMap()
  const value = putZeros(blocks, LOADED_VALUE_BYTES_MAX + 1)
  const most = putZeros(blocks, LOADED_VALUE_BYTES_MAX)
  const tree = await treeOf(
    [
      { key: utf8('most'), value: most as never },
      { key: utf8('one more'), value: value as never },
    ],
    FORMAT,
    blocks,
  )
  assert.is((await tree.get(utf8('most')))?.length, LOADED_VALUE_BYTES_MAX)
  const error = await failure(async () => await tree.get(utf8('one more')))
  assert.ok(isCoppiceError(error, 'VALUE_TOO_LARGE'))
  let bytes = 0
  for await (const piece of tree.streamValue(value)) bytes += piece.length
  assert.is(bytes, LOADED_VALUE_BYTES_MAX + 1)
})

test('ranges of inline values, blocks and files alike', async () => {
  const tree = await treeOf(rowsOf([0, 5, 1024, 1025, MIB, MIB + 1]))
  for await (const { key, value } of tree.scan()) {
    const whole = await tree.readValue(value)
    for (const [start, end] of [
      [0, 3],
      [1, undefined],
      [1000, 1030],
      [MIB - 1, MIB + 5],
      [5, 2],
    ] as const) {
      const pieces: Uint8Array[] = []
      for await (const piece of tree.streamValue(value, { start, end })) pieces.push(piece)
      assert.equal(Buffer.concat(pieces), Buffer.from(whole.slice(start, end)), new TextDecoder().decode(key))
    }
  }
})

/** A tree of a file of four blocks between two short rows, and the places of those blocks. */
async function checked(): Promise<{ blocks: BlockMap; tree: Tree; file: ValueRef; leaves: readonly Link[] }> {
  const blocks = new BlockMap()
  const file = await putFile(blocks, 2 * MIB + 9)
  const tree = await treeOf(
    [
      { key: utf8('a'), value: utf8('1') },
      { key: utf8('b'), value: file as never },
      { key: utf8('c'), value: utf8('3') },
    ],
    FORMAT,
    blocks,
  )
  const leaves = decodeFileNode(blocks.map.get(linkMapKey(file.link)) as Uint8Array, rootPlace(file.size))
  return { blocks, tree, file, leaves }
}

test('the check finds what is wrong in a file, with its place', async () => {
  const { blocks, tree, file, leaves } = await checked()
  const sound = await checkTree(blocks, tree.ref)
  assert.equal([sound.problemCount, sound.values, sound.bytes], [0, 1, tree.ref.bytes])
  for (const [i, link] of [...leaves, file.link].entries()) {
    const id = linkMapKey(link)
    const whole = blocks.map.get(id) as Uint8Array
    const offset = i === 3 ? 0 : i * MIB
    for (const kind of ['missing', 'corrupt'] as const) {
      if (kind === 'missing') blocks.map.delete(id)
      else blocks.map.set(id, whole.with(0, (whole[0] as number) ^ 1))
      const paths: number[] = []
      const onProblem = (_: CheckProblem, path: readonly Link[]): void => void paths.push(path.length)
      const report = await checkTree(blocks, tree.ref, { onProblem })
      assert.is(report.problemCount, 1)
      const { lower, last, ...problem } = report.problems[0] as CheckProblem
      assert.equal([problem.kind, problem.cid, problem.level, problem.offset], [kind, formatLink(link), -1, offset])
      assert.equal([lower, last], [utf8('a'), utf8('b')])
      assert.equal(paths, [i === 3 ? 2 : 3])
      assert.is(report.values, 0)
    }
    blocks.map.set(id, whole)
  }
})

test('a file that breaks rule 9 is malformed for the check and for publishing, and is not read', async () => {
  const { blocks, leaves } = await checked()
  // Swapped; and a leaf that is right where it stands first, too long where it stands again.
  for (const [order, offsets] of [
    [
      [2, 1, 0],
      [0, 2 * MIB],
    ],
    [[0, 1, 0], [2 * MIB]],
  ] as const) {
    const link = putNode(blocks, rootPlace(2 * MIB + 9), (i) => leaves[order[i] as number] as Link)
    const value: ValueRef = { link, size: 2 * MIB + 9 }
    const tree = await treeOf([{ key: utf8('b'), value: value as never }], FORMAT, blocks)
    const report = await checkTree(blocks, tree.ref)
    assert.equal(
      report.problems.map(({ kind, rule, offset }) => [kind, rule, offset]),
      offsets.map((offset) => ['malformed', 9, offset]),
    )
    const source = { ...reader(blocks), getComplete: () => undefined }
    const error = await failure(async () => {
      for await (const _ of missingRecords(source, tree.ref));
    })
    assert.ok(isCoppiceError(error, 'TREE_MALFORMED'))
    const unread = await failure(async () => {
      for await (const _ of tree.streamValue(value));
    })
    assert.ok(isCoppiceError(unread, 'STORE_CORRUPT'))
  }
})

function reader(blocks: BlockMap): Pick<BlockMap, 'get' | 'getMany'> {
  return { get: (link) => blocks.get(link), getMany: (links) => blocks.getMany(links) }
}

test('records: one for each block of a file, children first; what is recorded is not read again', async () => {
  const { blocks, tree, file } = await checked()
  const records = new Map<string, CompleteRecord>()
  const source = { ...reader(blocks), getComplete: (link: Link) => records.get(linkMapKey(link)) }
  for await (const record of missingRecords(source, tree.ref)) {
    if (formatLink(record.link) === formatLink(file.link)) {
      assert.equal([record.level, record.entries, record.bytes], [-1, 1, file.size])
      for await (const { link } of walkFile(file, heldLinks(blocks), { isKnown: ({ place }) => place.height > 0 })) {
        assert.ok(records.has(linkMapKey(link)))
      }
    }
    records.set(linkMapKey(record.link), record)
  }
  assert.equal(new Set(records.keys()), new Set(blocks.map.keys()))
  records.delete(linkMapKey(tree.ref.root))
  blocks.reads = 0
  for await (const _ of missingRecords(source, tree.ref));
  assert.is(blocks.reads, 1, 'the leaf of the tree')
})

test('a file of 4 PiB in 6 blocks is checked and recorded at the cost of 6', async () => {
  const blocks = new BlockMap()
  const tree = await treeOf([{ key: utf8('zeros'), value: putZeros(blocks, ENDLESS) as never }], FORMAT, blocks)
  blocks.reads = 0
  const report = await checkTree(blocks, tree.ref)
  assert.equal([report.problemCount, report.values, report.bytes], [0, 1, tree.ref.bytes])
  assert.is(blocks.reads, 6)
  let records = 0
  for await (const _ of missingRecords({ ...reader(blocks), getComplete: () => undefined }, tree.ref)) records++
  assert.is(records, 6)
})

test('whether a row has a value already: by its hash, without reading it', async () => {
  for (const size of [3, 1025, MIB, MIB + 1]) {
    const tree = await treeOf(rowsOf([size]))
    const held = (await tree.getValue(utf8('key 0'))) as Value
    const blocks = tree.nodes.blocks as BlockMap
    blocks.reads = 0
    assert.is(await isSameValue(held, bytesOf(size, 0)), true)
    assert.is(await isSameValue(held, bytesOf(size, 1)), false)
    assert.is(await isSameValue(held, bytesOf(size + 1, 0)), false)
    assert.is(blocks.reads, 0)
    assert.is(isValueRef(held) && held.link[1] === CODEC_DAG_PB, size > MIB)
  }
})

test.run()
