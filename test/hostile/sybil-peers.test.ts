/**
 * Peers that are invented, and named to whoever asks: threats 12, 29 and 32. They cost a pull a few dials; they keep nobody
 * away whom the user named, and get no place in what the replica remembers.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import { FOUND_FAILURES_MAX, FOUND_PEERS_MAX, NAMED_PER_PEER_MAX } from '../../src/db/finding/peer-finder.ts'
import { type ChannelHandler, PROTOCOL_VERSION } from '../../src/sync/index.ts'
import { decodeHello, decodeRequest, encodeMessage } from '../../src/sync/wire/index.ts'
import { createDatabase, outcomesOf, utf8 } from '../support/database-lab.ts'
import { address, FindingNetwork, gated, openReplica, type Peers, serving } from '../support/finding-lab.ts'
import { until } from '../support/until.ts'

const test = suite('hostile/sybil-peers')

const HONEST = address(1)
const HOSTILE = address(2)
/** After what hostile peers were waited for: what they could do beyond it they do at once. */
const BEYOND_MS = 100

async function published(): Promise<Database> {
  const database = await createDatabase()
  for (let i = 0; i < 200; i++) await database.put(utf8(`key ${i}`), utf8(`value ${i} ${'x'.repeat(200)}`))
  await database.publish()
  return database
}

/** Shows the root, names peers without end, and answers questions for data with bytes of its own, or without `lie` not at all. */
function liar(signedRoot: Uint8Array, name: () => readonly string[], lie?: () => void): ChannelHandler {
  return async (channel) => {
    const hello = await channel.receive()
    if (hello === undefined) return
    decodeHello(hello)
    await channel.send(
      encodeMessage({ type: 'welcome', version: PROTOCOL_VERSION, status: 'newest', signedRoot, statements: null }),
    )
    for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
      const request = decodeRequest(frame)
      if (request.type === 'tell') continue
      const { id } = request
      if (request.type === 'get peers') await channel.send(encodeMessage({ type: 'peers', id, addresses: name() }))
      else if (request.type === 'get root')
        await channel.send(encodeMessage({ type: 'root', id, signedRoot, statements: null }))
      else if (lie !== undefined) {
        await channel.send(encodeMessage({ type: 'range', id, blocks: [utf8('not what was asked for')] }))
        lie()
      }
    }
  }
}

/** Other addresses at each call. */
class Inventor {
  calls = 0
  readonly name = (): readonly string[] => {
    const from = 1_000 + 32 * this.calls++
    return Array.from({ length: 32 }, (_, i) => address(from + i))
  }
}

test('addresses without end cost few dials, and the named peer is not kept away', async () => {
  const database = await published()
  const signedRoot = (await database.published())?.bytes ?? new Uint8Array(0)
  const inventor = new Inventor()
  const askedAgain = until(() => inventor.calls > 1).then(() => delay(BEYOND_MS))
  const peers: Peers = new Map([
    [HONEST, gated(serving(database), askedAgain)],
    [HOSTILE, liar(signedRoot, inventor.name)],
  ])
  const network = new FindingNetwork(peers, 'replica')
  const replica = await openReplica(database, network, [HONEST, HOSTILE])
  const { report } = await replica.pull()
  assert.is(outcomesOf(report)[HONEST], 'used')
  const invented = network.dialled.filter((each) => each !== HONEST && each !== HOSTILE)
  assert.ok(invented.length > 0 && invented.length <= NAMED_PER_PEER_MAX, `${invented.length} dials`)
  assert.equal(await replica.knownPeers(), [])
})

test('sybils that name sybils, and lie, are found out; the pull ends with whom the user named', async () => {
  const database = await published()
  const signedRoot = (await database.published())?.bytes ?? new Uint8Array(0)
  let lies = 0
  const liedTo = until(() => lies > 0).then(() => delay(BEYOND_MS))
  const peers: Peers = new Map([[HONEST, gated(serving(database), liedTo)]])
  const sybils = Array.from({ length: 200 }, (_, i) => address(100 + i))
  for (const [i, each] of sybils.entries()) {
    peers.set(
      each,
      liar(
        signedRoot,
        () => sybils.slice(i + 1, i + 33),
        () => void lies++,
      ),
    )
  }
  const network = new FindingNetwork(peers, 'replica', { discovered: sybils })
  const replica = await openReplica(database, network, [HONEST])
  const { report, to } = await replica.pull()
  assert.is(to.payload.sequence, 1)
  const outcomes = outcomesOf(report)
  assert.is(outcomes[HONEST], 'used')
  const lied = Object.values(outcomes).filter((outcome) => outcome === 'liar' || outcome === 'protocol')
  assert.ok(lied.length > 0, JSON.stringify(outcomes))
  assert.ok(network.dialled.length <= 1 + FOUND_PEERS_MAX + FOUND_FAILURES_MAX)
  assert.equal(await replica.knownPeers(), [])
  assert.equal(await replica.peers(), [HONEST])
})

test('what is found and nobody answers at ends in a bounded number of dials', async () => {
  const database = await published()
  const nobody = Array.from({ length: 500 }, (_, i) => address(1_000 + i))
  const network = new FindingNetwork(new Map(), 'replica', { discovered: nobody })
  const replica = await openReplica(database, network, [])
  const over = new AbortController()
  const pull = replica.pull({ signal: over.signal }).catch(() => {})
  await until(() => network.dialled.length >= FOUND_FAILURES_MAX)
  await delay(BEYOND_MS)
  over.abort()
  await pull
  assert.ok(network.dialled.length <= FOUND_PEERS_MAX + FOUND_FAILURES_MAX, `${network.dialled.length} dials`)
})

test.run()
