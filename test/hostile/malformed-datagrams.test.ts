/**
 * A node of BitTorrent's DHT that answers with what is no answer: cut, not canonical, of wrong types, too large, leading elsewhere. Each of a
 * table is sent in the place of an answer, beside one good one: nothing worse comes of it than that it is ignored.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bep44Client } from '../../src/carriers/bep44/client.ts'
import { saltOf } from '../../src/carriers/bep44/hops.ts'
import { signItem } from '../../src/carriers/bep44/item.ts'
import { decodeAnswer } from '../../src/carriers/bep44/messages.ts'
import { mayAskNode } from '../../src/net/udp.ts'
import { signerOf } from '../support/author-chain.ts'
import { itemFields, response } from '../support/dht-member.ts'
import { MemorySocket } from '../support/memory-socket.ts'
import { malformedCases } from '../support/malformed-datagrams.ts'
import { Random } from '../support/random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const HOSTILE = { host: '8.8.1.1', port: 6881 }
const HONEST = { host: '8.8.2.2', port: 6881 }
const signer = signerOf('author')
const salt = saltOf('cities')

/** How many of each kind the table has: written in the documentation, too. */
const COUNTS: Readonly<Record<string, number>> = {
  'bencode: ends': 7,
  'bencode: cut': 60,
  'bencode: lengths': 11,
  'bencode: integers': 15,
  'bencode: dictionaries': 8,
  'bencode: depth': 4,
  'message: form': 6,
  'message: transaction': 8,
  'message: kind': 7,
  'message: body': 5,
  'message: error': 10,
  'message: id': 5,
  'message: size': 1,
  noise: 28,
  'body: token': 5,
  'body: nodes': 6,
  'body: addresses': 12,
  'body: item': 25,
}

const test = suite('hostile/malformed datagrams')

test('each of the table is ignored, and the good answer beside it counts', async () => {
  const good = await signItem(signer, salt, 3n, new Uint8Array(100).fill(1))
  const cases = await malformedCases(signer, signerOf('stranger'), salt)
  const random = new Random(1)
  const counts: Record<string, number> = {}
  for (const { kind, name, extent, datagram } of cases) {
    const socket = new MemorySocket(({ transaction }, to) => {
      if (to.host === HOSTILE.host) return datagram(transaction)
      return response(transaction, [['id', new Uint8Array(20).fill(2)], ...itemFields(good)])
    })
    const clock = new VirtualClock()
    const client = new Bep44Client({
      socket,
      clock,
      randomBytes: (length) => random.bytes(length),
      bootstrap: async () => [HOSTILE, HONEST],
      mayAsk: mayAskNode,
    })
    const found = await clock.run(client.get(signer.publicKey, salt, new AbortController().signal))
    const label = `${kind}: ${name}`
    assert.equal(
      found.items.map(({ item, copies }) => [item.sequence, copies]),
      [[3n, 1]],
      label,
    )
    assert.is(found.answered, extent === 'whole' ? 1 : 2, label)
    assert.equal([...new Set(socket.sentTo.map(({ host }) => host))].toSorted(), [HOSTILE.host, HONEST.host], label)
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  assert.equal(counts, COUNTS)
})

test('what is no answer is none to the decoder already, but for its size and transaction', async () => {
  for (const { kind, name, extent, datagram } of await malformedCases(signer, signerOf('stranger'), salt)) {
    const answer = decodeAnswer(datagram(Uint8Array.of(1, 2)))
    if (extent === 'part') assert.is(answer?.type, 'response', `${kind}: ${name}`)
    else if (kind !== 'message: size' && name !== 'another one')
      assert.is.not(answer?.type, 'response', `${kind}: ${name}`)
  }
})

test.run()
