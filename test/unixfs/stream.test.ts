/** Writing and reading files as streams: in bounded memory, only what a range needs, and not before its time. */
import { exporter } from 'ipfs-unixfs-exporter'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concatBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { type Block, linkMapKey, type Link } from '../../src/link.ts'
import { type FileRef, heldLinks, walkFile, writeFile } from '../../src/unixfs/index.ts'
import type { FileFormat } from '../../src/unixfs/layout.ts'
import { readFile } from '../../src/unixfs/read-file.ts'
import { BlockMap } from '../support/blocks.ts'
import { putZeros } from '../support/file-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { fileBytes } from '../support/unixfs-reference.ts'

const test = suite('unixfs/stream')

const MIB = 1024 * 1024
const SMALL: FileFormat = { leafBytes: 10, linksMax: 3 }

async function fileOf(bytes: Uint8Array, blocks: BlockMap, format: FileFormat = SMALL): Promise<FileRef> {
  const ref = await writeFile([bytes], blocks, { format })
  if (ref instanceof Uint8Array) throw new Error('expected a file')
  return ref
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return concatBytes(...all)
}

async function failure(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  return assert.unreachable('an error was expected')
}

test('what fits one leaf is given back, and nothing is written', async () => {
  for (const size of [0, 1, 9, 10]) {
    const blocks = new BlockMap()
    const bytes = new Uint8Array(size).fill(7)
    assert.equal(await writeFile([bytes.subarray(0, 3), bytes.subarray(3)], blocks, { format: SMALL }), bytes)
    assert.is(blocks.map.size, 0)
  }
  assert.not.instance(await writeFile([new Uint8Array(11)], new BlockMap(), { format: SMALL }), Uint8Array)
})

test('ranges: the bytes of a slice, from the blocks that hold them', async () => {
  for (const seed of seeds(60)) {
    const random = new Random(seed)
    const bytes = random.bytes(random.between(11, 400))
    const blocks = new BlockMap(random.chance(0.5))
    const ref = await fileOf(bytes, blocks)
    for (let i = 0; i < 10; i++) {
      const start = random.below(bytes.length + 20)
      const end = random.chance(0.2) ? undefined : random.below(bytes.length + 20)
      blocks.reads = 0
      const read = await collect(readFile(ref, blocks, { format: SMALL, start, end }))
      assert.equal(Buffer.from(read), Buffer.from(bytes.slice(start, end)), `${start}..${end} of ${bytes.length}`)
      const leaves = Math.ceil(read.length / 10) + 1
      // Of each level above, one node more than the range is long.
      assert.ok(blocks.reads <= leaves + Math.ceil(leaves / 2) + 2 * 4, `${blocks.reads} reads for ${leaves} leaves`)
    }
    assert.equal(await collect(readFile(ref, blocks, { format: SMALL })), bytes)
  }
})

test('one byte of a long file costs one block of each level', async () => {
  const blocks = new BlockMap()
  const ref = putZeros(blocks, 1025 * MIB)
  assert.is(blocks.map.size, 4, 'equal leaves are one block')
  blocks.reads = 0
  assert.is((await collect(readFile(ref, blocks, { start: 1024 * MIB + 5, end: 1024 * MIB + 6 }))).length, 1)
  assert.is(blocks.reads, 3)
})

test('a range needs integers of 0 or more', async () => {
  const blocks = new BlockMap()
  const ref = await fileOf(new Uint8Array(100), blocks)
  for (const range of [{ start: -1 }, { end: 1.5 }, { start: Number.NaN }]) {
    assert.instance(await failure(() => collect(readFile(ref, blocks, { format: SMALL, ...range }))), RangeError)
  }
})

test('missing and damaged blocks are told apart, and nothing wrong is handed out', async () => {
  const bytes = new Random(1).bytes(200)
  const blocks = new BlockMap()
  const ref = await fileOf(bytes, blocks)
  const read = (): Promise<unknown> => failure(() => collect(readFile(ref, blocks, { format: SMALL })))
  const all = [...blocks.map]
  for (const [id, whole] of all) {
    blocks.map.delete(id)
    assert.ok(isCoppiceError(await read(), 'BLOCK_MISSING'))
    blocks.map.set(id, whole.with(0, (whole[0] as number) ^ 1))
    assert.ok(isCoppiceError(await read(), 'STORE_CORRUPT'))
    blocks.map.set(id, whole)
  }
  const wrong = { ...ref, size: 199 }
  assert.ok(isCoppiceError(await failure(() => collect(readFile(wrong, blocks, { format: SMALL }))), 'STORE_CORRUPT'))
})

test('the exporter of the IPFS project reads what was written, ranges too', async () => {
  const blocks = new BlockMap()
  const bytes = new Random(2).bytes(40 * 1024)
  const whole = concatBytes(...Array.from({ length: 70 }, () => bytes), Uint8Array.of(1, 2, 3))
  const ref = await fileOf(whole, blocks, { leafBytes: MIB, linksMax: 1024 })
  const entry = await exporter(CID.decode(ref.link), {
    async *get(cid: CID) {
      yield blocks.get(cid.bytes) as Uint8Array
    },
  })
  if (entry.type !== 'file') return assert.unreachable(entry.type)
  assert.is(Number(entry.size), whole.length)
  assert.equal(await collect(entry.content()), whole)
  assert.equal(await collect(entry.content({ offset: MIB - 2, length: 5 })), whole.slice(MIB - 2, MIB + 3))
})

test('a slow sink is waited for: one block at a time is handed over', async () => {
  let waiting = 0
  let most = 0
  const sink = {
    async put(_block: Block): Promise<void> {
      most = Math.max(most, ++waiting)
      await new Promise((resolve) => setImmediate(resolve))
      waiting--
    },
  }
  let taken = 0
  function* source(): Generator<Uint8Array> {
    for (let i = 0; i < 50; i++) {
      taken++
      yield new Uint8Array(10).fill(i)
    }
  }
  await writeFile(source(), sink, { format: SMALL })
  assert.is(most, 1)
  assert.is(taken, 50)
})

test('an abort, and an error of the source or the sink, end it as they are, and close the source', async () => {
  const reason = new Error('enough')
  for (const kind of ['abort', 'source', 'sink'] as const) {
    const controller = new AbortController()
    let closed = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (let i = 0; ; i++) {
          if (i === 5 && kind === 'abort') controller.abort(reason)
          if (i === 5 && kind === 'source') throw reason
          yield new Uint8Array(7)
        }
      } finally {
        closed = true
      }
    }
    let puts = 0
    const put = (): void => {
      if (++puts === 3 && kind === 'sink') throw reason
    }
    const error = await failure(() => writeFile(source(), { put }, { format: SMALL, signal: controller.signal }))
    assert.is(error, reason, kind)
    assert.ok(closed, kind)
  }
  const blocks = new BlockMap()
  const ref = await fileOf(new Uint8Array(100), blocks)
  const { signal } = { signal: AbortSignal.abort(reason) }
  assert.is(await failure(() => collect(readFile(ref, blocks, { format: SMALL, signal }))), reason)
})

test('other work gets its turn while a long file is written or read at once', async () => {
  const blocks = new BlockMap()
  const controller = new AbortController()
  const { signal } = controller
  const reason = new Error('a timer')
  setTimeout(() => controller.abort(reason), 0)
  assert.is(await failure(() => writeFile(fileBytes('zeros', 512 * MIB), blocks, { signal })), reason)
  const ref = putZeros(blocks, 1024 * MIB)
  const again = new AbortController()
  setTimeout(() => again.abort(reason), 0)
  const read = async (): Promise<void> => {
    for await (const _ of readFile(ref, blocks, { signal: again.signal }));
  }
  assert.is(await failure(read), reason)
})

test('a chunk may be used again once it was taken', async () => {
  const chunk = new Uint8Array(4)
  function* source(): Generator<Uint8Array> {
    for (let i = 0; i < 20; i++) yield chunk.fill(i)
  }
  const blocks = new BlockMap()
  const ref = (await writeFile(source(), blocks, { format: SMALL })) as FileRef
  const expected = Uint8Array.from({ length: 80 }, (_, i) => Math.floor(i / 4))
  assert.equal(await collect(readFile(ref, blocks, { format: SMALL })), expected)
})

test('walking: each block once, children first, what is known left out with all below', async () => {
  const blocks = new BlockMap()
  const ref = (await writeFile(fileBytes('counting', 5 * MIB + 1), blocks)) as FileRef
  const walk = async (from: FileRef, known: readonly Link[] = []): Promise<string[]> => {
    const isKnown = ({ link }: { readonly link: Link }): boolean =>
      known.some((other) => linkMapKey(other) === linkMapKey(link))
    const out: string[] = []
    for await (const { link } of walkFile(from, heldLinks(blocks), { isKnown })) out.push(linkMapKey(link))
    return out
  }
  const all = await walk(ref)
  assert.equal(new Set(all), new Set(blocks.map.keys()))
  assert.is(all.at(-1), linkMapKey(ref.link))
  assert.equal(await walk(ref, [ref.link]), [])
  const zeros = putZeros(blocks, 3 * 1024 * MIB)
  blocks.reads = 0
  assert.is((await walk(zeros)).length, 3, 'a leaf, a node, the root')
  assert.is(blocks.reads, 2)
  assert.equal(await walk({ link: ref.link, size: 100 }), [linkMapKey(ref.link)], 'a short value is one block')
})

test.run()
