/** The archive format: what is written is what @ipld/car writes, and what is read survives any bytes. */
import { CarReader as StockReader, CarWriter as StockWriter } from '@ipld/car'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CarFailure, carHeader, CarReader, type CarSection, writeCar } from '../../src/car/index.ts'
import { type Block, CODEC_DAG_CBOR, CODEC_RAW, linkTo } from '../../src/link.ts'
import { collect, thrownBy, utf8 } from '../support/database-lab.ts'
import { FUZZ_SEED } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('car/car-format')

function blocksOf(random: Random, count: number): Block[] {
  return Array.from({ length: count }, () => {
    const bytes = random.bytes(random.below(3) === 0 ? random.below(200_000) : random.below(300))
    return { link: linkTo(random.below(2) === 0 ? CODEC_RAW : CODEC_DAG_CBOR, bytes), bytes }
  })
}

async function* inPieces(bytes: Uint8Array, next: () => number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const end = at + next()
    yield await Promise.resolve(bytes.subarray(at, end))
    at = end
  }
}

async function readAll(
  source: AsyncIterable<Uint8Array>,
): Promise<{ roots: readonly Uint8Array[]; sections: CarSection[] }> {
  const reader = await CarReader.open(source)
  const sections: CarSection[] = []
  for (let section = await reader.next(); section !== undefined; section = await reader.next()) sections.push(section)
  return { roots: reader.roots, sections }
}

async function bytesOf(root: Uint8Array, blocks: readonly Block[]): Promise<Uint8Array> {
  return Buffer.concat(
    await collect(
      writeCar(
        root,
        (async function* () {
          yield* await Promise.resolve(blocks)
        })(),
      ),
    ),
  )
}

test('what is written is what @ipld/car writes, byte for byte', async () => {
  const random = new Random(FUZZ_SEED)
  for (const count of [0, 1, 2, 50]) {
    const blocks = blocksOf(random, count)
    const root = linkTo(CODEC_DAG_CBOR, random.bytes(9))
    const { writer, out } = StockWriter.create([CID.decode(root)])
    const written = collect(out)
    for (const { link, bytes } of blocks) void writer.put({ cid: CID.decode(link), bytes })
    void writer.close()
    assert.equal(Buffer.from(await bytesOf(root, blocks)), Buffer.concat(await written))
  }
})

test('what is written is read by @ipld/car and by us, however it is cut', async () => {
  const random = new Random(FUZZ_SEED + 1)
  const blocks = blocksOf(random, 40)
  const root = linkTo(CODEC_DAG_CBOR, utf8('root'))
  const bytes = await bytesOf(root, blocks)
  const stock = await StockReader.fromBytes(bytes)
  assert.equal(
    (await stock.getRoots()).map(({ bytes: cid }) => cid),
    [root],
  )
  assert.equal(
    (await collect(stock.blocks())).map((block) => block.cid.bytes),
    blocks.map(({ link }) => link),
  )
  for (const size of [1, 7, 4096, 1e9]) {
    // Byte by byte takes long: a few blocks will do.
    const few = size < 4096 ? blocks.slice(0, 3) : blocks
    const { roots, sections } = await readAll(inPieces(await bytesOf(root, few), () => size))
    assert.equal(roots, [root])
    assert.equal(
      sections.map(({ link, bytes: own }) => ({ link, bytes: own })),
      few,
    )
  }
})

test('an archive without blocks, and the one with which gateways are probed', async () => {
  const probe = Uint8Array.of(0x01, 0x55, 0x00, 0x00)
  assert.equal(await readAll(inPieces(carHeader(probe), () => 5)), { roots: [probe], sections: [] })
  assert.equal((await (await StockReader.fromBytes(carHeader(probe))).getRoots()).map(String), ['bafkqaaa'])
})

test('any bytes are read or refused, and never gathered beyond a block', async () => {
  const random = new Random(FUZZ_SEED + 2)
  const root = linkTo(CODEC_DAG_CBOR, utf8('root'))
  const whole = await bytesOf(root, blocksOf(random, 5))
  for (let i = 0; i < 400; i++) {
    const bytes = Uint8Array.from(whole.subarray(0, 600))
    const edits = 1 + random.below(4)
    for (let j = 0; j < edits; j++) bytes[random.below(bytes.length)] = random.below(256)
    try {
      await readAll(inPieces(bytes, () => 1 + random.below(200)))
    } catch (error) {
      assert.ok(error instanceof CarFailure, String(error))
    }
  }
})

/** A stream without end that counts what is taken from it. */
function endless(head: Uint8Array): { source: AsyncIterable<Uint8Array>; taken: () => number } {
  let taken = 0
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield head
    for (;;) {
      taken += 65_536
      yield await Promise.resolve(new Uint8Array(65_536))
    }
  }
  return { source: chunks(), taken: () => taken }
}

const hostile: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ['a header of 2^40 bytes', Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x20)],
  ['a header of 5 KiB', Uint8Array.of(0x80, 0x28)],
  [
    'a section of 2^40 bytes',
    Buffer.concat([
      carHeader(linkTo(CODEC_RAW, utf8('x'))),
      Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x20),
      linkTo(CODEC_RAW, utf8('x')),
    ]),
  ],
  [
    'a CID with a digest of 2^40 bytes',
    Buffer.concat([
      carHeader(linkTo(CODEC_RAW, utf8('x'))),
      Uint8Array.of(0x80, 0x80, 0x80, 0x01, 0x01, 0x55, 0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20),
    ]),
  ],
  [
    'a section shorter than its CID',
    Buffer.concat([carHeader(linkTo(CODEC_RAW, utf8('x'))), Uint8Array.of(0x05), linkTo(CODEC_RAW, utf8('x'))]),
  ],
  ['a section of no bytes', Buffer.concat([carHeader(linkTo(CODEC_RAW, utf8('x'))), Uint8Array.of(0x00)])],
  ['version 2', Uint8Array.from([0x0a, 0xa1, 0x67, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x02])],
]

for (const [name, bytes] of hostile) {
  test(`refused before it is gathered: ${name}`, async () => {
    const { source, taken } = endless(bytes)
    const error = await thrownBy(readAll(source))
    assert.ok(error instanceof CarFailure, String(error))
    if (name.includes('shorter')) assert.match(error.message, /fewer bytes than the CID/)
    assert.ok(taken() <= 65_536 * 2, `took ${taken()} bytes`)
  })
}

test('identity and other foreign CIDs are passed over, their bytes not kept', async () => {
  const identity = Uint8Array.of(0x01, 0x55, 0x00, 0x02, 0x68, 0x69)
  const ours = linkTo(CODEC_RAW, utf8('hi'))
  const bytes = Buffer.concat([
    carHeader(ours),
    Uint8Array.of(identity.length + 2),
    identity,
    utf8('hi'),
    Uint8Array.of(ours.length + 2),
    ours,
    utf8('hi'),
  ])
  const { sections } = await readAll(inPieces(bytes, () => 11))
  assert.equal(sections, [
    { link: undefined, bytes: new Uint8Array(0), length: 2, cost: 64 },
    { link: ours, bytes: utf8('hi'), length: 2, cost: 64 },
  ])
})

test('an error of the source is told as it is, and a source that is left is ended', async () => {
  const root = linkTo(CODEC_DAG_CBOR, utf8('root'))
  const failure = new Error('the disk is gone')
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(carHeader(root))
    throw failure
  }
  assert.is(await thrownBy(readAll(failing())), failure)
  let isEnded = false
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield await Promise.resolve(carHeader(root))
      yield utf8('more')
    } finally {
      isEnded = true
    }
  }
  await (await CarReader.open(watched())).close()
  assert.ok(isEnded)
})

test.run()
