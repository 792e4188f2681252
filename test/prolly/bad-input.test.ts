/** Input that is wrong, sources and sinks that fail, blocks that are missing or damaged: each its own coded error. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ErrorCode, isCoppiceError } from '../../src/errors.ts'
import { formatLink, linkMapKey } from '../../src/link.ts'
import {
  buildTree,
  diffTrees,
  editTree,
  KEY_BYTES_MAX,
  type Put,
  RAW_VALUE_BYTES_MAX,
  type Source,
  Tree,
} from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { Random } from '../support/random.ts'
import { collect, DEEP, randomEdits, refText, reopened, treeOf, u32be, utf8, WIDE } from '../support/tree-sets.ts'

const test = suite('prolly/bad-input')

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

async function failure(action: () => unknown): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  return assert.unreachable('an error was expected')
}

async function assertCoded(
  code: ErrorCode,
  action: () => unknown,
  details: Record<string, unknown> = {},
): Promise<void> {
  const error = await failure(action)
  if (!isCoppiceError(error, code)) throw new Error(`expected ${code}`, { cause: error })
  for (const [name, value] of Object.entries(details)) assert.equal(error.details[name], value, name)
}

const many: readonly Put[] = Array.from({ length: 2000 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))

/** Both ways in: a bulk build, and an edit of a tree that has rows. */
async function writers(): Promise<((rows: Source<Put>, sink?: BlockMap, signal?: AbortSignal) => Promise<unknown>)[]> {
  const tree = await treeOf(many.slice(0, 100), DEEP)
  return [
    async (rows, sink = new BlockMap(), signal) => buildTree(rows, sink, { format: DEEP, signal }),
    async (rows, sink = new BlockMap(), signal) => editTree(tree, rows, sink, { format: DEEP, signal }),
  ]
}

test('unsorted and duplicate keys, with their position', async () => {
  const value = utf8('v')
  for (const write of await writers()) {
    const rows = ['a', 'b', 'a'].map((key) => ({ key: utf8(key), value }))
    await assertCoded('INPUT_UNSORTED', async () => write(rows), { position: 2 })
    await assertCoded('INPUT_DUPLICATE_KEY', async () => write(rows.toSorted((a, b) => Buffer.compare(a.key, b.key))), {
      position: 1,
    })
    await assertCoded(
      'INPUT_UNSORTED',
      async () =>
        write([
          { key: utf8('ab'), value },
          { key: utf8('a'), value },
        ]),
      { position: 1 },
    )
  }
})

test('a key of 1025 bytes; 1024 are fine', async () => {
  for (const write of await writers()) {
    const row = (length: number): Put => ({ key: new Uint8Array(length).fill(1), value: utf8('v') })
    await write([row(KEY_BYTES_MAX)])
    await assertCoded('KEY_TOO_LONG', async () => write([row(KEY_BYTES_MAX + 1)]), { bytes: 1025, limit: 1024 })
  }
})

test('an abort in the middle of a value beyond 1 MiB: the reason, and the value is not written to its end', async () => {
  const reason = new Error('enough')
  const value = new Uint8Array(5 * RAW_VALUE_BYTES_MAX)
  for (let at = 0; at < 5; at++) value[at * RAW_VALUE_BYTES_MAX] = at + 1
  for (const write of await writers()) {
    const controller = new AbortController()
    const sink = new BlockMap()
    const put = sink.put.bind(sink)
    sink.put = (block) => {
      if (sink.map.size === 2) controller.abort(reason)
      return put(block)
    }
    assert.is(await failure(async () => write([{ key: utf8('k'), value }], sink, controller.signal)), reason)
    const leaves = [...sink.map.values()].filter(({ length }) => length === RAW_VALUE_BYTES_MAX)
    assert.ok(leaves.length < 5, `${leaves.length} of 5 are written`)
  }
})

test('an aborted build, edit, scan and diff fail with the reason of the signal', async () => {
  const reason = new Error('enough')
  for (const write of await writers()) {
    const controller = new AbortController()
    function* source(): Generator<Put> {
      for (const [i, row] of many.entries()) {
        if (i === 1000) controller.abort(reason)
        yield row
      }
    }
    assert.is(await failure(async () => write(source(), undefined, controller.signal)), reason)
    assert.is(await failure(async () => write(many, undefined, AbortSignal.abort(reason))), reason)
  }
  const tree = await treeOf(many, DEEP)
  for (const reverse of [false, true]) {
    const controller = new AbortController()
    let seen = 0
    const scan = async (): Promise<void> => {
      for await (const _ of tree.scan({ signal: controller.signal, reverse }))
        if (++seen === 10) controller.abort(reason)
    }
    assert.is(await failure(scan), reason)
    assert.ok(seen < 100)
  }
  const empty = await treeOf([], DEEP)
  assert.is(await failure(async () => collect(diffTrees(empty, tree, { signal: AbortSignal.abort(reason) }))), reason)
})

test('a source that throws: its own error surfaces, and it may be asynchronous', async () => {
  const broken = new Error('disk on fire')
  function* source(): Generator<Put> {
    yield* many.slice(0, 700)
    throw broken
  }
  async function* late(): AsyncGenerator<Put> {
    yield* many.slice(0, 700)
    await Promise.reject(broken)
  }
  for (const write of await writers()) {
    assert.is(await failure(async () => write(source())), broken)
    assert.is(await failure(async () => write(late())), broken)
  }
})

test('a source is told when it is not read to its end', async () => {
  for (const write of await writers()) {
    const ends: string[] = []
    function* source(): Generator<Put> {
      try {
        yield* [many[1], many[0]].filter((row) => row !== undefined)
        yield* many
      } finally {
        ends.push('closed')
      }
    }
    async function* late(): AsyncGenerator<Put> {
      try {
        yield* source()
      } finally {
        ends.push('late closed')
      }
    }
    await assertCoded('INPUT_UNSORTED', async () => write(source()))
    await assertCoded('INPUT_UNSORTED', async () => write(late()))
    assert.equal(ends, ['closed', 'closed', 'late closed'])
  }
})

test('a sink that fails, at once or later, at any block: its error surfaces, none is unhandled', async () => {
  const full = new Error('disk full')
  for (const write of await writers()) {
    for (const late of [false, true]) {
      const whole = new BlockMap()
      await write(many, whole)
      for (const at of [1, 2, 3, 50, whole.map.size - 1, whole.map.size]) {
        const sink = new FailingSink(late, at, full)
        assert.is(await failure(async () => write(many, sink)), full, `block ${at} of ${whole.map.size}`)
      }
    }
  }
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(unhandled, [])
})

test('a sink that fails while a late reader is awaited: nothing is unhandled', async () => {
  const full = new Error('disk full')
  const tree = await treeOf(many, WIDE, new SlowBlocks())
  for (let seed = 0; seed < 25; seed++) {
    // Edits that move boundaries, so that copied subtrees end chunks in the middle of old nodes.
    const edits = randomEdits(new Random(seed), many, 30, WIDE)
    const whole = new BlockMap()
    await editTree(await reopened(tree), edits, whole, { format: WIDE })
    for (let at = 1; at <= whole.map.size; at++) {
      const sink = new FailingSink(true, at, full)
      assert.is(await failure(async () => editTree(await reopened(tree), edits, sink, { format: WIDE })), full)
    }
  }
  assert.equal(unhandled, [])
})

/** Answers in a later turn of the event loop: by then a rejection that nobody handles has been noticed. */
class SlowBlocks extends BlockMap {
  override get(link: Uint8Array): Promise<Uint8Array | undefined> {
    const bytes = this.map.get(linkMapKey(link))
    return new Promise((resolve) => setImmediate(resolve, bytes))
  }
}

class FailingSink extends BlockMap {
  #left: number
  readonly #error: Error

  constructor(late: boolean, at: number, error: Error) {
    super(late)
    this.#left = at
    this.#error = error
  }

  override put(block: Parameters<BlockMap['put']>[0]): ReturnType<BlockMap['put']> {
    if (--this.#left > 0) return super.put(block)
    if (this.late) return Promise.reject(this.#error)
    throw this.#error
  }
}

test('a missing and a damaged block are told apart, with the CID', async () => {
  const large = { key: utf8('large'), value: new Uint8Array(500) }
  for (const late of [false, true]) {
    const rows = [...many.slice(0, 500), large]
    const tree = await treeOf(rows, DEEP, new BlockMap(late))
    const leaf = (await tree.nodes.get(tree.ref.root)).link(0)
    const cid = formatLink(leaf)
    for (const [code, bytes] of [
      ['BLOCK_MISSING', undefined],
      ['STORE_CORRUPT', utf8('rust')],
    ] as const) {
      const damaged = new BlockMap(late)
      for (const [link, block] of (tree.nodes.blocks as BlockMap).map) damaged.map.set(link, block)
      if (bytes === undefined) damaged.map.delete(linkMapKey(leaf))
      else damaged.map.set(linkMapKey(leaf), bytes)
      const open = async (): Promise<Tree> => Tree.open(damaged, tree.ref.root)
      const key = u32be(0)
      await assertCoded(code, async () => (await open()).get(key), { cid })
      await assertCoded(code, async () => (await open()).at(0), { cid })
      await assertCoded(code, async () => (await open()).count({ end: key }), { cid })
      await assertCoded(code, async () => collect((await open()).scan()), { cid })
      await assertCoded(code, async () => collect((await open()).scan({ reverse: true })), { cid })
      await assertCoded(code, async () => collect(diffTrees(await treeOf([], DEEP), await open())), { cid })
      await assertCoded(
        code,
        async () => editTree(await open(), [{ key, value: null }], new BlockMap(), { format: DEEP }),
        { cid },
      )
    }
    await assertCoded('BLOCK_MISSING', async () => Tree.open(new BlockMap(late), tree.ref.root), {
      cid: formatLink(tree.ref.root),
    })
    await assertBrokenValue(tree, large)
  }
})

async function assertBrokenValue(tree: Tree, { key }: Put): Promise<void> {
  const blocks = tree.nodes.blocks as BlockMap
  const found = await tree.getValue(key)
  if (found === undefined || found instanceof Uint8Array) return assert.unreachable('the value is out of line')
  const cid = formatLink(found.link)
  blocks.map.set(linkMapKey(found.link), new Uint8Array(499))
  await assertCoded('STORE_CORRUPT', async () => tree.get(key), { cid })
  blocks.map.delete(linkMapKey(found.link))
  await assertCoded('BLOCK_MISSING', async () => tree.get(key), { cid })
}

test('a failed edit leaves the old tree as it was', async () => {
  const blocks = new BlockMap()
  const tree = await treeOf(many.slice(0, 300), DEEP, blocks)
  const rows = [
    { key: u32be(7), value: null },
    { key: u32be(3), value: null },
  ]
  await assertCoded('INPUT_UNSORTED', async () => editTree(tree, rows, blocks, { format: DEEP }))
  const again = await Tree.open(blocks, tree.ref.root)
  assert.is(refText(again.ref), refText(tree.ref))
  assert.is((await collect(again.scan())).length, 300)
})

test.run()
