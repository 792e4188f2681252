/** What nodes of BitTorrent's DHT send: made, damaged and random datagrams, bencoded values, items and hops. */
import * as assert from 'uvu/assert'
import { type BencodeValue, decodeBencode, encodeBencode } from '../src/carriers/bep44/bencode.ts'
import { decodeHops, encodeHops } from '../src/carriers/bep44/hops.ts'
import { type MutableItem, signItem, verifyItem } from '../src/carriers/bep44/item.ts'
import { decodeAnswer, encodeQuestion } from '../src/carriers/bep44/messages.ts'
import { isCoppiceError } from '../src/errors.ts'
import { signerOf } from '../test/support/author-chain.ts'
import { damaged } from '../test/support/damage.ts'
import { compactNodes, errorAnswer, itemFields, response } from '../test/support/dht-member.ts'
import { malformedCases } from '../test/support/malformed-datagrams.ts'
import { Random } from '../test/support/random.ts'

export const summary = 'bencoding has one form for each value; no datagram throws; no item verifies that was changed'

const author = signerOf('author')
const salt = new TextEncoder().encode('coppice/1/cities')
const table = await malformedCases(author, signerOf('stranger'), salt)

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  assertBencodes(random)
  const item = await signItem(author, salt, BigInt(random.below(2 ** 30)), random.bytes(random.below(900)))
  const transaction = random.bytes(2)
  for (const datagram of datagramsOf(random, transaction, item)) {
    assertReads(datagram)
    for (let i = 0; i < 20; i++) assertReads(damaged(random, datagram))
  }
  assertReads(random.bytes(random.below(1500)))
  const { datagram } = random.pick(table)
  const malformed = datagram(transaction)
  if (malformed.length > 0) assertReads(damaged(random, malformed))
  assertItem(random, item)
  assertHops(random)
}

function datagramsOf(random: Random, transaction: Uint8Array, item: MutableItem): Uint8Array[] {
  const nodes = Array.from({ length: random.below(9) }, () => ({
    id: random.bytes(20),
    host: [...random.bytes(4)].join('.'),
    port: random.between(1, 65_535),
  }))
  const good = response(transaction, [
    ['id', random.bytes(20)],
    ['token', random.bytes(random.between(1, 20))],
    ['nodes', compactNodes(nodes)],
    ...itemFields(item),
  ])
  const answer = decodeAnswer(good)
  if (answer?.type !== 'response') throw new Error('expected an answer')
  assert.equal(answer.nodes, nodes)
  assert.equal({ ...answer.item, salt }, item)
  return [good, errorAnswer(transaction, random.below(10_000), 'no'), ...questionsOf(random, transaction, item)]
}

function questionsOf(random: Random, transaction: Uint8Array, item: MutableItem): Uint8Array[] {
  const id = random.bytes(20)
  const token = random.bytes(8)
  const target = random.bytes(20)
  const put = { type: 'put', item, token, ...(random.chance(0.5) ? { cas: item.sequence } : {}) } as const
  return [
    encodeQuestion(transaction, id, { type: 'get', target }),
    encodeQuestion(transaction, id, { type: 'find_node', target }),
    encodeQuestion(transaction, id, put),
  ]
}

/** Whatever it is: what is decoded is the one encoding of itself. */
function assertReads(datagram: Uint8Array): void {
  const value = decodeBencode(datagram)
  if (value !== undefined) assert.equal(encodeBencode(value), datagram)
  const answer = decodeAnswer(datagram)
  if (answer !== undefined) assert.ok(value !== undefined)
  if (answer?.type === 'response') assert.ok(answer.nodes.length <= 32)
}

function assertBencodes(random: Random): void {
  const value = valueOf(random, 0)
  const bytes = encodeBencode(value)
  assert.equal(encodeBencode(decodeBencode(bytes) as BencodeValue), bytes)
  for (let i = 0; i < 10; i++) assertReads(damaged(random, bytes))
}

function valueOf(random: Random, depth: number): BencodeValue {
  const kind = random.below(depth > 6 ? 2 : 4)
  if (kind === 0) return BigInt(random.below(2 ** 31)) * BigInt(random.pick([-1, 1, 2 ** 31]))
  if (kind === 1) return random.bytes(random.below(30))
  const values = Array.from({ length: random.below(4) }, () => valueOf(random, depth + 1))
  if (kind === 2) return values
  return new Map(values.map((value) => [String.fromCharCode(...random.bytes(random.below(4))), value]))
}

function assertItem(random: Random, item: MutableItem): void {
  assert.ok(verifyItem(item))
  const field = random.pick(['key', 'salt', 'encodedValue', 'signature'] as const)
  const changed = item[field].slice()
  const at = random.below(changed.length)
  changed[at] = (changed[at] as number) ^ (1 << random.below(8))
  assert.not.ok(verifyItem({ ...item, [field]: changed }), field)
  assert.not.ok(verifyItem({ ...item, sequence: item.sequence + 1n }))
}

function assertHops(random: Random): void {
  const hops = Array.from({ length: random.between(1, 8) }, () => ({
    statement: random.bytes(random.between(1, 256)),
    signature: random.bytes(64),
  }))
  const bytes = encodeHops(hops)
  assert.equal(decodeHops(bytes), hops)
  const changed = damaged(random, bytes)
  try {
    assert.equal(encodeHops(decodeHops(changed)), changed)
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
  }
}
