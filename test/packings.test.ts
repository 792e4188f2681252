/** Packings of this runtime, and of one that has nothing but streams: what they unpack, and what they refuse. */
import { deflateRawSync, constants, zstdCompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Packing, PACKING_DEFLATE, PACKING_ZSTD, packings } from '../src/packings.ts'
import { withoutNode } from './support/without-node.ts'
import { Random } from './support/random.ts'

const portable = await withoutNode<{ readonly packings: readonly Packing[] }>('packings.ts')

const test = suite('packings')

const [zstd, deflate] = packings as [Packing, Packing]
const [streamed] = portable.packings as [Packing]

/** The standard of streams says so and browsers do it; Node's own pass it over before 24, and Node does not unpack by them. */
const STREAMS_REFUSE_MORE = Number.parseInt(process.versions.node, 10) >= 24

/** Text of so many bytes, no two lines of it alike. */
function text(bytes: number): Uint8Array {
  let lines = ''
  for (let i = 0; lines.length < bytes; i++) lines += `line ${i} of a text that repeats itself\n`
  return new TextEncoder().encode(lines.slice(0, bytes))
}

async function refusal(unpacked: () => unknown): Promise<string> {
  try {
    await unpacked()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  throw new Error('expected a refusal')
}

test('Node has both, and streams are enough to read', () => {
  assert.equal(
    packings.map(({ id }) => id),
    [PACKING_ZSTD, PACKING_DEFLATE],
  )
  assert.equal(
    portable.packings.map(({ id, pack }) => [id, pack]),
    [[PACKING_DEFLATE, undefined]],
  )
})

for (const [name, packer, unpacker] of [
  ['zstd', zstd, zstd],
  ['deflate', deflate, deflate],
  ['deflate, streamed', deflate, streamed],
] as const) {
  const pack = (bytes: Uint8Array): Uint8Array => packer.pack?.(bytes) ?? bytes

  test(`${name}: bytes of any length come back`, async () => {
    const random = new Random(1)
    for (const length of [1, 2, 255, 256, 257, 4096, 65_535, 65_536, 65_791, 65_792, 1_048_576, 2 ** 21]) {
      for (const bytes of [text(length), random.bytes(Math.min(length, 70_000)), new Uint8Array(length)]) {
        const unpacked = await unpacker.unpack(pack(bytes), bytes.length)
        assert.ok(Buffer.from(bytes).equals(unpacked), `${length}`)
      }
    }
  })

  test(`${name}: no more is made than was said, and no less taken`, async () => {
    for (const bytes of [text(100), text(100_000), new Uint8Array(2 ** 21)]) {
      for (const wrong of [1, bytes.length - 1, bytes.length + 1]) {
        await refusal(() => unpacker.unpack(pack(bytes), wrong))
      }
    }
  })

  test(`${name}: what is cut short is refused`, async () => {
    const packed = pack(text(50_000))
    for (const kept of [0, 1, 5, packed.length >> 1, packed.length - 1]) {
      await refusal(() => unpacker.unpack(packed.subarray(0, kept), 50_000))
    }
  })

  const isLeftToStreams = unpacker === streamed && !STREAMS_REFUSE_MORE
  ;(isLeftToStreams ? test.skip : test)(`${name}: what is followed by more is refused`, async () => {
    const packed = pack(text(50_000))
    for (const more of [Uint8Array.of(0), packed]) {
      await refusal(() => unpacker.unpack(Buffer.concat([packed, more]), 50_000))
    }
  })

  test(`${name}: noise is refused`, async () => {
    const random = new Random(2)
    for (let i = 0; i < 200; i++) await refusal(() => unpacker.unpack(random.bytes(random.between(1, 300)), 100_000))
  })
}

test('zstd: output that fills its last chunk exactly is one frame all the same', async () => {
  // node:zlib gives chunks of 16 KiB, and begins another frame where one is full at the end.
  const random = new Random(3)
  const noise = random.bytes(16_500)
  let exact = 0
  for (let length = 16_300; length < 16_500; length++) {
    const bytes = noise.subarray(0, length)
    if (zstdCompressSync(bytes).length !== (zstd.pack?.(bytes).length ?? 0)) exact++
    assert.ok(Buffer.from(bytes).equals(await zstd.unpack(zstd.pack?.(bytes) ?? bytes, length)))
  }
  assert.ok(exact <= 1)
})

test("zstd: windows, dictionaries and checksums of the peer's choice are refused", async () => {
  const bytes = text(100_000)
  const of = (params: Record<number, number>): Uint8Array => zstdCompressSync(bytes, { params })
  const plain = of({})
  assert.ok(Buffer.from(bytes).equals(await zstd.unpack(plain, bytes.length)))
  const checked = of({ [constants.ZSTD_c_checksumFlag]: 1 })
  assert.match(await refusal(() => zstd.unpack(checked, bytes.length)), 'without dictionary and checksum')
  const unsized = of({ [constants.ZSTD_c_contentSizeFlag]: 0 })
  assert.match(await refusal(() => zstd.unpack(unsized, bytes.length)), 'one segment')
  // A window of 2 GiB: not of one segment, and its descriptor says 31 - 10 in the upper five bits.
  const wide = Uint8Array.from(plain)
  wide[4] = 0x80
  assert.match(await refusal(() => zstd.unpack(wide, bytes.length)), 'one segment')
  const dictionary = Uint8Array.from(plain)
  dictionary[4] = (plain[4] as number) | 0x01
  assert.match(await refusal(() => zstd.unpack(dictionary, bytes.length)), 'without dictionary')
  assert.match(
    await refusal(() => zstd.unpack(plain, bytes.length + 1)),
    'expected content of 100001 bytes, got 100000',
  )
  const skippable = Buffer.concat([Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0), plain])
  assert.match(await refusal(() => zstd.unpack(skippable, bytes.length)), 'a frame of zstd')
})

test('deflate: bytes that say gzip or zlib are refused', async () => {
  const bytes = text(1000)
  const raw = deflateRawSync(bytes)
  for (const head of [Uint8Array.of(0x78, 0x9c), Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3)]) {
    await refusal(() => deflate.unpack(Buffer.concat([head, raw]), bytes.length))
  }
})

test.run()
