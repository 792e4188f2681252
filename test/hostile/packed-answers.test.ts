/** Threats 9 and 34: packed answers that are bombs, or none at all. The peer is named, nothing large is made of them, and an honest one does its work. */
import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CoppiceError } from '../../src/errors.ts'
import { type Packing, packings } from '../../src/packings.ts'
import type { PeerReport, PullReport } from '../../src/sync/index.ts'
import { ITEM } from '../../src/sync/wire/fold.ts'
import { NumberWriter } from '../../src/sync/wire/fold-numbers.ts'
import { NUMBERS } from '../../src/sync/wire/message.ts'
import { type Answer, dataBytesOf, encodeMessage, encodePacked, foldAnswer } from '../../src/sync/wire/index.ts'
import { documentRows } from '../support/data-answers.ts'
import { CountingStore, Lab, type Published, publish, sameBlocks } from '../support/sync-lab.ts'

const MIB = 1024 * 1024

const test = suite('hostile/packed-answers')

const source: Published = await publish(documentRows(20_000))

/** What would come of the bytes that were unpacked, at most, at any moment. */
class Watched {
  madeMax = 0

  readonly packings: readonly Packing[] = packings.map((packing) => ({
    ...packing,
    unpack: (bytes, length) => {
      this.madeMax = Math.max(this.madeMax, length)
      return packing.unpack(bytes, length)
    },
  }))
}

const zstd = (bytes: Uint8Array, params: Record<number, number> = {}): Uint8Array => zstdCompressSync(bytes, { params })
const packed = (packing: number, foldedBytes: number, bytes: Uint8Array): Uint8Array =>
  encodePacked({ packing, foldedBytes, bytes })
/** A folded range of items that `write` makes, with `bytes` behind the numbers. */
function folded(
  id: number,
  count: number,
  write: (numbers: NumberWriter) => void,
  bytes = new Uint8Array(0),
): Uint8Array {
  const numbers = new NumberWriter()
  for (const n of [NUMBERS.range, id, count]) numbers.write(n)
  write(numbers)
  const length = new NumberWriter()
  length.write(numbers.bytes.length)
  return Buffer.concat([length.bytes, numbers.bytes, bytes])
}
const packedWhole = (plain: Uint8Array): Uint8Array => packed(1, plain.length, zstd(plain))
function foldedOf(answer: Answer): Uint8Array {
  if (answer.type !== 'blocks' && answer.type !== 'range') throw new Error('expected blocks')
  return foldAnswer(answer, dataBytesOf(answer))
}

type Lie = (answer: Answer) => Uint8Array

const LIES: Readonly<Record<string, Lie>> = {
  'a length of all that a frame may have': () => packed(1, 2 * MIB, zstd(new Uint8Array(2 * MIB))),
  'a length beyond that of a frame': () => packed(1, 2 ** 40, zstd(new Uint8Array(100))),
  'few bytes that inflate to 64 MiB': (answer) => packed(1, foldedOf(answer).length, zstd(new Uint8Array(64 * MIB))),
  'few bytes that inflate to 64 MiB, deflated': (answer) =>
    packed(2, foldedOf(answer).length, deflateRawSync(new Uint8Array(64 * MIB))),
  'a frame that promises one length and has another': (answer) => {
    const bytes = Uint8Array.from(zstd(new Uint8Array(64 * MIB)))
    new DataView(bytes.buffer).setUint32(5, foldedOf(answer).length, true)
    return packed(1, foldedOf(answer).length, bytes)
  },
  'a shorter length than there is': (answer) => {
    const plain = foldedOf(answer)
    return packed(1, plain.length - 1, zstd(plain))
  },
  'a longer length than there is': (answer) => {
    const plain = foldedOf(answer)
    return packed(1, plain.length + 1, zstd(plain))
  },
  'bytes behind the end': (answer) => {
    const plain = foldedOf(answer)
    return packed(1, plain.length, Buffer.concat([zstd(plain), Uint8Array.of(0)]))
  },
  'bytes behind the end, deflated': (answer) => {
    const plain = foldedOf(answer)
    return packed(2, plain.length, Buffer.concat([deflateRawSync(plain), Uint8Array.of(0)]))
  },
  'a second frame behind the first': (answer) => {
    const plain = foldedOf(answer)
    return packed(1, plain.length, Buffer.concat([zstd(plain), zstd(new Uint8Array(0))]))
  },
  'a window of 2 GiB': (answer) => {
    const plain = foldedOf(answer)
    const body = zstd(plain)
    const head = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3)
    return packed(1, plain.length, Buffer.concat([head, body.subarray(9)]))
  },
  'a dictionary that nobody has': (answer) => {
    const plain = foldedOf(answer)
    const bytes = Uint8Array.from(zstd(plain))
    bytes[4] = (bytes[4] as number) | 0x03
    return packed(1, plain.length, bytes)
  },
  'an unknown length': (answer) => {
    const plain = foldedOf(answer)
    return packed(1, plain.length, zstd(plain, { [constants.ZSTD_c_contentSizeFlag]: 0 }))
  },
  noise: () =>
    packed(
      1,
      5000,
      Uint8Array.from({ length: 400 }, (_, i) => (i * 7919) >> 3),
    ),
  'a packing that nobody knows': (answer) => packed(99, foldedOf(answer).length, zstd(foldedOf(answer))),
  'packing that makes it longer': (answer) => {
    const plain = foldedOf(answer).subarray(0, 8)
    return packed(1, plain.length, zstd(plain))
  },
  'a packed answer in a packed one': (answer) => packedWhole(packedWhole(foldedOf(answer))),
  'a message that is not folded': (answer) => packedWhole(encodeMessage(answer)),
  'a refusal, folded': ({ id }) =>
    packedWhole(Buffer.concat([Uint8Array.of(4, NUMBERS.refusal, id, 1), new Uint8Array(100)])),
  'a request, folded': ({ id }) =>
    packedWhole(Buffer.concat([Uint8Array.of(3, NUMBERS['get blocks'], id), new Uint8Array(100)])),
  'rows that unfold to 18 MiB': ({ id }) =>
    packedWhole(
      folded(
        id,
        1000,
        (numbers) => {
          // 1,024 bytes of key, and then thousands of leaves of 18 rows that share all of it but one byte.
          for (let i = 0; i < 1000; i++) {
            for (const n of [ITEM.leaf, 18]) numbers.write(n)
            for (let row = 0; row < 18; row++)
              for (const n of [i + row === 0 ? 0 : 1023, i + row === 0 ? 1024 : 1, 2]) numbers.write(n)
          }
        },
        new Uint8Array(1024 + 17_999),
      ),
    ),
  'a node beyond 20 KiB': ({ id }) =>
    packedWhole(
      folded(
        id,
        1,
        (numbers) => {
          for (const n of [ITEM.leaf, 19]) numbers.write(n)
          for (let row = 0; row < 19; row++) for (const n of [0, 0, 2 + 1100]) numbers.write(n)
        },
        new Uint8Array(19 * 1100),
      ),
    ),
  'a link to no block': ({ id }) =>
    packedWhole(
      folded(
        id,
        2,
        (numbers) => {
          for (const n of [ITEM.internal, 1, 1, 0, 0, 5, 1, 1, ITEM.bytes, 100]) numbers.write(n)
        },
        new Uint8Array(100),
      ),
    ),
  'more blocks than an answer may have': ({ id }) =>
    packedWhole(
      folded(id, 1025, (numbers) => {
        for (let i = 0; i < 1025; i++) for (const n of [ITEM.bytes, 0]) numbers.write(n)
      }),
    ),
  'a block beyond 1 MiB': ({ id }) =>
    packedWhole(
      folded(id, 1, (numbers) => [ITEM.bytes, MIB + 1].forEach((n) => numbers.write(n)), new Uint8Array(MIB + 1)),
    ),
  'numbers beyond 2^53': ({ id }) =>
    packedWhole(
      Buffer.concat([
        Uint8Array.of(12, 9, id, 1, 2, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
        new Uint8Array(200),
      ]),
    ),
}

for (const [name, lie] of Object.entries(LIES)) {
  test(`${name}: the peer is named, an honest one does its work`, async () => {
    const lab = new Lab()
    const store = new CountingStore()
    const watched = new Watched()
    const mallory = lab.tampering('mallory', source, (answer) => lie(answer as Answer))
    const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store, { packings: watched.packings })
    const { outcome, reason, bytesReceived } = named(report)
    assert.is(outcome, 'protocol', reason)
    assert.match(reason ?? '', /message|packed answer/)
    assert.ok(bytesReceived < 100_000)
    assert.ok(watched.madeMax <= MIB + 8192, `${watched.madeMax} bytes made`)
    assert.ok(sameBlocks(source, store))
  })
}

test('a packing that was not offered: the peer is named, however right the bytes are', async () => {
  const lab = new Lab()
  const mallory = lab.tampering('mallory', source, (answer) => packedWhole(foldedOf(answer as Answer)))
  const only = packings.filter(({ id }) => id === 2)
  const error = await lab.pull(source, [mallory], new CountingStore(), { packings: only }).then(
    () => undefined,
    (thrown: unknown) => thrown as CoppiceError,
  )
  if (error === undefined) throw new Error('expected a failure')
  assert.is(error.code, 'NO_PEER_LEFT')
  const [peer] = error.details['peers'] as PeerReport[]
  assert.is(peer?.outcome, 'protocol')
  assert.match(peer?.reason ?? '', 'expected a packing that was offered, got 1')
})

test('a wrong block in a packed answer is a lie like any other', async () => {
  const lab = new Lab()
  const store = new CountingStore()
  const mallory = lab.tampering('mallory', source, (answer) => {
    const blocks = answer.blocks.map((block, i) => (i === answer.blocks.length - 1 ? turned(block) : block))
    return packedWhole(foldedOf({ ...answer, blocks } as Answer))
  })
  const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store, { packings })
  assert.is(named(report).outcome, 'liar')
  assert.ok(sameBlocks(source, store))
})

test('whoever packs so well that a second has hardly a byte is no slow peer', async () => {
  const lab = new Lab()
  const store = new CountingStore()
  const slow = lab.tampering('slow', source, async (answer) => {
    await lab.clock.sleep(900)
    return packedWhole(foldedOf(answer as Answer))
  })
  const report = await lab.pull(source, [slow], store, { packings })
  assert.is(named(report, 'slow').outcome, 'used')
  assert.ok(sameBlocks(source, store))
})

function named({ peers }: PullReport, name = 'mallory'): PeerReport {
  const peer = peers.find((each) => each.name === name)
  if (peer === undefined) throw new Error(`expected a report of ${name}`)
  return peer
}

/** One bit of its last byte. */
function turned(block: Uint8Array | null): Uint8Array | null {
  if (block === null) return null
  const out = Uint8Array.from(block)
  out[out.length - 1] = (out[out.length - 1] as number) ^ 1
  return out
}

test.run()
