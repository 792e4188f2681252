/** Root files and packs as bytes: what is written is read back, and whatever else is read is refused with a code, in bounds. */
import fc from 'fast-check'
import { deflateRawSync, zstdCompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, equalBytes } from '../../src/bytes.ts'
import { CoppiceError } from '../../src/errors.ts'
import { packBatch, unpackBatch } from '../../src/mirror/batch-coding.ts'
import { ByteCache } from '../../src/mirror/byte-cache.ts'
import { IndexBuilder } from '../../src/mirror/index-builder.ts'
import { BATCH_FOLDED_BYTES_MAX, PACK_BLOCKS_MAX } from '../../src/mirror/limits.ts'
import { mergeCount } from '../../src/mirror/merge-packs.ts'
import {
  bucketOf,
  decodeBuckets,
  decodeTable,
  encodeTable,
  findEntry,
  INDEX_ENTRY_BYTES,
  layoutOf,
  PACK_HEAD_BYTES,
  packPlace,
  placeAt,
} from '../../src/mirror/pack-format.ts'
import { decodeRootFile, encodeRootFile, type PackEntry, type RootFile } from '../../src/mirror/root-file.ts'
import { sha256 } from '../../src/sha256.ts'
import { failureOf, utf8 } from '../support/database-lab.ts'
import { assertProperty } from '../support/property.ts'

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength })

const PLAIN = { noNullPrototype: true }

const entry: fc.Arbitrary<PackEntry> = fc.record(
  {
    id: bytes(32, 32),
    bytes: fc.integer({ min: 1, max: 2 ** 26 }),
    coding: fc.constantFrom('zstd', 'deflate'),
    blocks: fc.integer({ min: 1, max: PACK_BLOCKS_MAX }),
    batches: fc.integer({ min: 1, max: PACK_BLOCKS_MAX }),
    sequence: fc.integer({ min: 1, max: 2 ** 40 - 1 }),
  },
  PLAIN,
)

const rootFile: fc.Arbitrary<RootFile> = fc.array(entry, { minLength: 1, maxLength: 9 }).chain((packs) =>
  fc.record(
    {
      roots: fc.array(
        fc.record(
          {
            signedRoot: bytes(1, 300),
            packs: fc.array(fc.nat(packs.length - 1), { maxLength: 12 }),
          },
          PLAIN,
        ),
        { minLength: 1, maxLength: 5 },
      ),
      packs: fc.constant(packs),
      attachments: fc.array(fc.record({ kind: fc.nat(), bytes: bytes(0, 40) }, PLAIN), { maxLength: 3 }),
    },
    PLAIN,
  ),
)

/** Runs `decode`, which may refuse with a code, and with nothing else. */
function refusedOr<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof CoppiceError) return undefined
    throw error
  }
}

/** As {@link refusedOr}, of what comes later. */
async function codedOr(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof CoppiceError)) throw error
  }
}

function digests(count: number, label = ''): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => sha256(utf8(`${label}${i}`)))
}

const test = suite('mirror/format')

test('a root file is read as it was written, and bytes that are read are those that would be written', async () => {
  await assertProperty(
    fc.property(rootFile, (file) => {
      const encoded = encodeRootFile(file)
      assert.equal(decodeRootFile(encoded), file)
    }),
    100,
  )
  await assertProperty(
    fc.property(rootFile, fc.nat(), fc.nat(255), fc.boolean(), (file, at, byte, isCut) => {
      const encoded = encodeRootFile(file)
      const place = at % encoded.length
      const damaged = isCut ? encoded.slice(0, place) : encoded.slice()
      if (!isCut) damaged[place] = byte
      const read = refusedOr(() => decodeRootFile(damaged))
      if (read !== undefined) assert.ok(equalBytes(encodeRootFile(read), damaged))
    }),
    300,
  )
})

test('what is no root file is refused: pages, later versions, lists beyond their bounds', () => {
  for (const text of ['', '<!doctype html><title>404</title>', '{"error":"not found"}']) {
    assert.is(
      refusedOr(() => decodeRootFile(utf8(text))),
      undefined,
      text,
    )
  }
  const file = encodeRootFile({ roots: [{ signedRoot: utf8('r'), packs: [] }], packs: [], attachments: [] })
  const later = file.slice()
  later[16] = 2
  assert.throws(
    () => decodeRootFile(later),
    (error: CoppiceError) => error.code === 'FORMAT_NEWER',
  )
  const six = Array.from({ length: 6 }, () => ({ signedRoot: utf8('r'), packs: [] }))
  assert.is(
    refusedOr(() => decodeRootFile(encodeRootFile({ roots: six, packs: [], attachments: [] }))),
    undefined,
  )
  const beyond = encodeRootFile({ roots: [{ signedRoot: utf8('r'), packs: [0] }], packs: [], attachments: [] })
  assert.is(
    refusedOr(() => decodeRootFile(beyond)),
    undefined,
  )
})

test('an index finds what was put in, in its bucket, and nothing else', () => {
  for (const count of [1, 2, 255, 256, 257, 3000]) {
    const builder = new IndexBuilder()
    const known = digests(count)
    for (const [i, digest] of known.entries()) {
      assert.is(builder.has(digest), false)
      builder.setPlace(builder.add(digest), { batch: i >> 4, place: i & 15 })
      assert.is(builder.has(digest), true)
    }
    const { index, buckets } = builder.encode()
    const ends = decodeBuckets(buckets, count)
    assert.ok(ends.length === 1 || count / ends.length <= 256)
    const find = (digest: Uint8Array) => {
      const bucket = bucketOf(digest, ends.length)
      const start = bucket === 0 ? 0 : (ends[bucket - 1] as number)
      return findEntry(index.subarray(start * INDEX_ENTRY_BYTES, (ends[bucket] as number) * INDEX_ENTRY_BYTES), digest)
    }
    for (const [i, digest] of known.entries()) assert.equal(find(digest), { batch: i >> 4, place: i & 15 })
    for (const digest of digests(count, 'other')) assert.is(find(digest), undefined)
    for (let i = 1; i < count; i++) {
      const before = bytesToHex(index.subarray((i - 1) * INDEX_ENTRY_BYTES, i * INDEX_ENTRY_BYTES - 4))
      assert.ok(before < bytesToHex(index.subarray(i * INDEX_ENTRY_BYTES, (i + 1) * INDEX_ENTRY_BYTES - 4)))
    }
  }
})

test('places, tables and batches are read as they were written', async () => {
  await assertProperty(
    fc.property(fc.nat(2 ** 20 - 1), fc.nat(4095), (batch, place) => {
      const packed = new Uint8Array(INDEX_ENTRY_BYTES)
      new DataView(packed.buffer).setUint32(INDEX_ENTRY_BYTES - 4, packPlace({ batch, place }))
      assert.equal(placeAt(packed, 0), { batch, place })
    }),
    100,
  )
  await assertProperty(
    fc.asyncProperty(
      fc.array(bytes(0, 50), { minLength: 1, maxLength: 20 }),
      fc.constantFrom('zstd', 'deflate'),
      async (blocks, coding) => {
        const dataBytes = blocks.reduce((sum, { length }) => sum + length, 0)
        const { bytes: packed, foldedBytes } = packBatch(blocks, dataBytes, coding)
        assert.equal(await unpackBatch(packed, coding, foldedBytes), blocks)
      },
    ),
    100,
  )
  const places = [9, 40, 3].map((length, i, all) => {
    const start = PACK_HEAD_BYTES + all.slice(0, i).reduce((sum, n) => sum + n, 0)
    return { start, end: start + length, foldedBytes: 100 + i }
  })
  assert.equal(decodeTable(encodeTable(places), PACK_HEAD_BYTES + 52), places)
})

test('whatever the bytes, reading a batch, a table or buckets gives a value or a code', async () => {
  await assertProperty(
    fc.asyncProperty(bytes(0, 200), fc.integer({ min: 1, max: 300 }), async (noise, n) => {
      refusedOr(() => decodeTable(noise.subarray(0, noise.length & ~7), n))
      refusedOr(() => decodeBuckets(noise.subarray(0, noise.length & ~3), n))
      refusedOr(() => layoutOf({ bytes: n, blocks: 1 + (noise[0] ?? 0), batches: 1 + (noise[1] ?? 0) }))
      for (const coding of ['zstd', 'deflate'] as const) {
        for (const packed of [noise, deflateRawSync(noise), zstdCompressSync(noise)]) {
          await codedOr(unpackBatch(packed, coding, n))
          await codedOr(unpackBatch(packed, coding, Math.max(1, noise.length)))
        }
      }
    }),
    200,
  )
})

test('a batch that inflates to more than its table says is not inflated further', async () => {
  const bomb = new Uint8Array(64 * 1024 * 1024)
  for (const [coding, compressed] of [
    ['zstd', zstdCompressSync(bomb)],
    ['deflate', deflateRawSync(bomb)],
  ] as const) {
    assert.ok(compressed.length < bomb.length / 500)
    for (const announced of [1000, BATCH_FOLDED_BYTES_MAX]) {
      const before = process.memoryUsage().arrayBuffers
      assert.is((await failureOf(unpackBatch(compressed, coding, announced))).code, 'PEER_PROTOCOL')
      assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024)
    }
  }
})

test('packs are merged so that there are few, and each byte is written a few times', () => {
  const full = 1_000_000
  let written = 0
  let sizes: number[] = []
  for (let i = 0; i < 3000; i++) {
    const size = 100 + ((i * 7919) % 900)
    const count = mergeCount(sizes, size, full)
    const merged = sizes.slice(0, count).reduce((sum, n) => sum + n, size)
    written += merged
    sizes = [merged, ...sizes.slice(count)]
    const open = sizes.filter((bytes) => bytes < full / 2)
    // Each has twice the bytes of all newer ones, so together they triple.
    assert.ok(open.length <= 2 + Math.log(full / 100) / Math.log(3), `${open.length} packs`)
  }
  const added = sizes.reduce((sum, n) => sum + n, 0)
  assert.ok(sizes.length <= 12 + (2 * added) / full, `${sizes.length} packs of ${added} bytes`)
  assert.ok(written <= 12 * added, `${(written / added).toFixed(1)} times`)
})

test('the cache keeps what was used last, within its bytes', () => {
  const gone: string[] = []
  const cache = new ByteCache<string, number>(100, (key) => gone.push(key))
  cache.set('a', 1, 40)
  cache.set('b', 2, 40)
  assert.is(cache.get('a'), 1)
  cache.set('c', 3, 40)
  assert.equal([cache.get('b'), cache.get('a'), cache.get('c'), cache.bytes], [undefined, 1, 3, 80])
  cache.set('huge', 4, 500)
  assert.equal([gone, cache.get('huge'), cache.bytes], [['b', 'a', 'c'], 4, 500])
})

test.run()
