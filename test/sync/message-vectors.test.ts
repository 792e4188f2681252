/** Golden messages, made by other code from the specification (scripts/make-message-vectors.ts): read, written, folded and unpacked as they stand. */
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packings } from '../../src/packings.ts'
import {
  type DataAnswer,
  dataBytesOf,
  decodeAnswer,
  decodeHello,
  decodePacked,
  decodeRequest,
  decodeWelcome,
  encodeMessage,
  foldAnswer,
  type Message,
  unpackAnswer,
} from '../../src/sync/wire/index.ts'
import { unfoldAnswer } from '../../src/sync/wire/unfold.ts'
import { hex } from '../support/hex.ts'

interface Vectors {
  readonly messages: readonly { readonly name: string; readonly hex: string }[]
  readonly answers: readonly {
    readonly name: string
    readonly plain: string
    readonly folded: string
    readonly zstd?: string
    readonly deflate?: string
  }[]
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/messages.json', import.meta.url), 'utf8')) as Vectors

const test = suite('sync/message-vectors')

function decodeAny(frame: Uint8Array): Message {
  const number = frame[1] ?? 0
  if (number === 0) return decodeHello(frame) as Message
  if (number === 1) return decodeWelcome(frame)
  return number % 2 === 0 ? decodeRequest(frame) : decodeAnswer(frame)
}

for (const { name, hex: text } of vectors.messages) {
  test(name, () => {
    const message = decodeAny(hex(text))
    assert.ok(name.startsWith(message.type), message.type)
    assert.equal(encodeMessage(message), hex(text))
  })
}

test('what the numbers of a message say', () => {
  const named = (name: string): Message =>
    decodeAny(hex(vectors.messages.find((each) => each.name === name)?.hex ?? ''))
  const { have, packings: offered } = named('hello') as Extract<Message, { type: 'hello' }>
  assert.equal([have?.epoch, have?.sequence, offered], [1, 2 ** 40, [1, 2]])
  assert.is((named('welcome, in part') as Extract<Message, { type: 'welcome' }>).status, 'partial')
  assert.is((named('refusal') as Extract<Message, { type: 'refusal' }>).reason, 'gone')
  assert.equal((named('have') as Extract<Message, { type: 'have' }>).has, [true, false])
  const { after, until, bytesMax } = named('get patch') as Extract<Message, { type: 'get patch' }>
  assert.equal([Buffer.from(after ?? []).toString(), until, bytesMax], ['key-0003', null, 65_535])
})

for (const { name, plain, folded, zstd, deflate } of vectors.answers) {
  test(`${name}: plain, folded and packed`, async () => {
    const answer = decodeAnswer(hex(plain)) as DataAnswer
    const dataBytes = dataBytesOf(answer)
    assert.equal(encodeMessage(answer), hex(plain))
    assert.equal(foldAnswer(answer, dataBytes), hex(folded))
    assert.equal(encodeMessage(unfoldAnswer(hex(folded), dataBytes)), hex(plain))
    for (const frame of [zstd, deflate]) {
      if (frame === undefined) continue
      const packed = decodePacked(hex(frame))
      assert.ok(packed)
      assert.equal(encodeMessage(await unpackAnswer(packed, packings, dataBytes)), hex(plain))
    }
  })
}

test.run()
