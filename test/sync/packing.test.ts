/** Packed answers: folding loses nothing and makes nothing up, numbers have one form, and no more comes of a packed answer than is allowed. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clock } from '../../src/clock.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { ANSWER_BYTES_MAX } from '../../src/limits.ts'
import { type Packing, packings } from '../../src/packings.ts'
import { DecodeFailure } from '../../src/prolly/cbor.ts'
import { FORMAT_1 } from '../../src/prolly/index.ts'
import { createMemoryDialer, openSessions, ProviderSet } from '../../src/sync/index.ts'
import { BYTES_PER_TURN, PACK_SKIPS_MAX } from '../../src/sync/limits.ts'
import { Packer } from '../../src/sync/serving/packer.ts'
import {
  type DataAnswer,
  dataBytesOf,
  decodeAnswer,
  decodePacked,
  encodeMessage,
  foldAnswer,
  packAnswer,
  unpackAnswer,
} from '../../src/sync/wire/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { NumberReader, NumberWriter } from '../../src/sync/wire/fold-numbers.ts'
import { unfoldAnswer } from '../../src/sync/wire/unfold.ts'
import { damaged } from '../support/damage.ts'
import { blocksInPreOrder, documentRows, randomDataAnswer } from '../support/data-answers.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { AUTHOR, NAME, publish } from '../support/sync-lab.ts'
import { randomRows } from '../support/tree-sets.ts'

const ANY = 2 ** 21

const test = suite('sync/packing')

test('what is folded unfolds to itself, and to messages as they are on the wire', async () => {
  for (const seed of seeds(300)) {
    const answer = await randomDataAnswer(new Random(seed))
    const dataBytes = dataBytesOf(answer)
    const unfolded = unfoldAnswer(foldAnswer(answer, dataBytes), dataBytes)
    assert.equal(encodeMessage(unfolded), encodeMessage(answer), `seed ${seed}`)
    decodeAnswer(encodeMessage(unfolded))
  }
})

test('damaged bytes give an answer within the bounds, or a failure that says why', async () => {
  for (const seed of seeds(150)) {
    const random = new Random(seed)
    const answer = await randomDataAnswer(random)
    const folded = foldAnswer(answer, dataBytesOf(answer))
    for (let i = 0; i < 20; i++) {
      const room = random.below(2 * dataBytesOf(answer) + 2)
      assertBounded(() => unfoldAnswer(damaged(random, folded), room), room)
    }
    assertBounded(() => unfoldAnswer(random.bytes(random.below(200)), ANY), ANY)
  }
})

function assertBounded(unfold: () => DataAnswer, dataBytesMax: number): void {
  let answer: DataAnswer
  try {
    answer = unfold()
  } catch (error) {
    assert.instance(error, DecodeFailure)
    return
  }
  assert.ok(dataBytesOf(answer) <= dataBytesMax)
  decodeAnswer(encodeMessage(answer))
}

test('nothing stands behind the numbers, nor behind the bytes', async () => {
  const answer: DataAnswer = { type: 'range', id: 1, blocks: await blocksInPreOrder(documentRows(10), FORMAT_1) }
  const folded = foldAnswer(answer, dataBytesOf(answer))
  assert.equal(unfoldAnswer(folded, ANY), answer)
  const longer = Uint8Array.from([...folded, 0])
  const widened = Uint8Array.from(folded)
  // One of the bytes is a number more. Lengths of one byte: below 128.
  widened[0] = (folded[0] as number) + 1
  for (const bytes of [longer, widened]) {
    assert.throws(
      () => unfoldAnswer(bytes, ANY),
      (error: unknown) => error instanceof DecodeFailure,
    )
  }
})

test('a link to a later block of the answer is a distance: 36 bytes less', async () => {
  const blocks = await blocksInPreOrder(documentRows(2000), FORMAT_1)
  const lengthOf = (order: readonly Uint8Array[]): number => {
    const answer: DataAnswer = { type: 'range', id: 1, blocks: order }
    return foldAnswer(answer, dataBytesOf(answer)).length
  }
  const children = blocks.length - 1
  const saved = lengthOf(blocks.toReversed()) - lengthOf(blocks)
  assert.ok(saved >= 36 * children, `${saved} for ${children} children`)
})

test('numbers have one form, and none is above 2^53-1', () => {
  const numbers = [0, 1, 127, 128, 16383, 16384, 2 ** 32, Number.MAX_SAFE_INTEGER]
  const writer = new NumberWriter()
  for (const n of numbers) writer.write(n)
  const reader = new NumberReader(writer.bytes)
  for (const n of numbers) assert.is(reader.read(), n)
  assert.ok(reader.isAtEnd)
  for (const bytes of [
    [],
    [0x80],
    [0x80, 0x00],
    [0xff, 0x80, 0x00],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  ]) {
    assert.throws(
      () => new NumberReader(Uint8Array.from(bytes)).read(),
      (error: unknown) => error instanceof DecodeFailure,
    )
  }
})

for (const packing of packings) {
  test(`${packing.name}: what is packed unpacks to itself, within what is allowed`, async () => {
    const blocks = await blocksInPreOrder(documentRows(3000), FORMAT_1)
    const answer: DataAnswer = { type: 'range', id: 7, blocks }
    const dataBytes = dataBytesOf(answer)
    const packed = packedBy(packing, answer)
    assert.equal(await unpackAnswer(packed, packings, dataBytes), answer)
    const excess = packed.foldedBytes - 8 * 1024 - 1
    for (const refused of [
      () => unpackAnswer(packed, packings, excess),
      () => unpackAnswer(packed, [], dataBytes),
      () => unpackAnswer({ ...packed, foldedBytes: packed.foldedBytes + 1 }, packings, dataBytes),
      () => unpackAnswer({ ...packed, foldedBytes: packed.foldedBytes - 1 }, packings, dataBytes),
    ]) {
      assert.throws(refused, (error: unknown) => isCoppiceError(error, 'PEER_PROTOCOL'))
    }
  })
}

function packedBy(packing: Packing, answer: DataAnswer): NonNullable<ReturnType<typeof decodePacked>> {
  const { id, pack } = packing
  if (pack === undefined) throw new Error('a packing of this runtime packs')
  const dataBytes = dataBytesOf(answer)
  const frame = packAnswer(answer, pack, { packing: id, dataBytes, bytesMax: dataBytes })
  const packed = frame && decodePacked(frame)
  if (packed === undefined) throw new Error('expected a packed answer')
  return packed
}

test('what does not get shorter is tried now and then, and what does, each time', async () => {
  const random = new Random(1)
  const noise: DataAnswer = { type: 'range', id: 1, blocks: [random.bytes(20_000)] }
  const text: DataAnswer = { type: 'range', id: 2, blocks: await blocksInPreOrder(documentRows(500), FORMAT_1) }
  let tries = 0
  const [zstd] = packings
  if (zstd?.pack === undefined) throw new Error('expected a packing')
  const counting: Packing = { ...zstd, pack: (bytes) => (tries++, zstd.pack?.(bytes) ?? bytes) }
  const packer = new Packer([counting], [counting.id])
  const isPacked = (answer: DataAnswer): boolean => decodePacked(packer.frameOf(answer).frame) !== undefined

  const answers = 1000
  for (let i = 0; i < answers; i++) assert.not(isPacked(noise))
  const atMost = Math.log2(PACK_SKIPS_MAX + 1) + answers / (PACK_SKIPS_MAX + 1) + 1
  assert.ok(tries > 10 && tries <= atMost, `${tries} tries of at most ${atMost}`)

  let waited = 0
  while (!isPacked(text)) assert.ok(++waited <= PACK_SKIPS_MAX)
  tries = 0
  for (let i = 0; i < 20; i++) assert.ok(isPacked(text))
  assert.is(tries, 20)
  assert.not(isPacked(noise))
  assert.not(isPacked(text))
  assert.ok(isPacked(text))
})

test('a provider counts the data that it worked on, not what it sent', async () => {
  const source = await publish(documentRows(20_000))
  let turns = 0
  const clock: Clock = {
    now: () => Date.now(),
    sleep: (ms, signal) => (ms === 0 ? Promise.resolve(void turns++) : surroundings.clock.sleep(ms, signal)),
  }
  const set = new ProviderSet({ clock, packings })
  const changed = (signal: AbortSignal): Promise<void> => clock.sleep(1e6, signal)
  set.add({ author: AUTHOR, name: NAME, store: source.store, newest: () => source.newest, changed })
  const hello = { author: AUTHOR, name: NAME, have: null }
  const options = { clock: surroundings.clock, packings }
  const { sessions } = await openSessions([createMemoryDialer('provider', set.handle)], hello, options)
  const [session] = sessions
  const { root } = source.target
  let dataBytes = 0
  for (let i = 0; i < 8; i++) {
    const blocks = await session?.getRange?.({ root, base: null, links: [root], bytesMax: ANSWER_BYTES_MAX })
    if (blocks === undefined || typeof blocks === 'string') throw new Error('expected blocks')
    for (const block of blocks) dataBytes += block.length
  }
  assert.ok((session?.traffic.bytesReceived ?? Infinity) < BYTES_PER_TURN)
  assert.ok(dataBytes > 6 * BYTES_PER_TURN)
  assert.ok(turns >= Math.floor(dataBytes / (2 * BYTES_PER_TURN)), `${turns} turns`)
  await session?.close()
})

test('what the puller cannot undo is not packed, nor what is small', async () => {
  const text: DataAnswer = { type: 'range', id: 2, blocks: await blocksInPreOrder(documentRows(500), FORMAT_1) }
  const small: DataAnswer = { type: 'range', id: 2, blocks: [new Uint8Array(1000)] }
  assert.is(decodePacked(new Packer(packings, []).frameOf(text).frame), undefined)
  assert.is(decodePacked(new Packer([], [1, 2]).frameOf(text).frame), undefined)
  assert.is(decodePacked(new Packer(packings, [1, 2]).frameOf(small).frame), undefined)
  assert.is(decodePacked(new Packer(packings, [1, 2, 9]).frameOf(text).frame)?.packing, 1)
  assert.is(decodePacked(new Packer(packings, [2]).frameOf(text).frame)?.packing, 2)
  assert.is(new Packer(packings, [1]).frameOf(text).dataBytes, dataBytesOf(text))
  assert.is(new Packer(packings, [1]).frameOf({ type: 'refusal', id: 1, reason: 'busy' }).dataBytes, 0)
})

test('rows at random do not get longer by folding than the blocks of an answer may', async () => {
  for (const seed of seeds(20)) {
    const rows = randomRows(new Random(seed), 1500)
    const blocks = (await blocksInPreOrder(rows, FORMAT_1)).slice(0, 256)
    const answer: DataAnswer = { type: 'range', id: 1, blocks }
    assert.ok(foldAnswer(answer, dataBytesOf(answer)).length <= dataBytesOf(answer) * 1.02 + 1024)
  }
})

test.run()
