/**
 * Relays that are abused, and relays that abuse: threats 12 and 20. Data through a relay, many connections through it, many
 * places for one machine, and peers that make themselves somebody's relay.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { circuitRelayServer, RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createNode, type NetworkNode, type NodeOptions } from '../../src/net/index.ts'
import {
  hasManyPlaces,
  RELAYED_BYTES_MAX,
  RELAYED_PER_PEER_MAX,
  RESERVATIONS_PER_HOST_MAX,
} from '../../src/net/relay.ts'
import type { Channel } from '../../src/sync/channel.ts'
import { rejects } from '../conformance/channel.ts'

const test = suite('hostile/relay-abuse')

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const nodes: NetworkNode[] = []
const raw: Libp2p[] = []
let nextKey = 1

test.after.each(async () => {
  await Promise.all([...nodes.splice(0), ...raw.splice(0)].map(async (node) => node.stop()))
})

async function start(options: Omit<NodeOptions, 'peerKey'>): Promise<NetworkNode> {
  const node = await createNode({ peerKey: new Uint8Array(32).fill(nextKey++), ...options })
  nodes.push(node)
  return node
}

async function startHidden(relay: NetworkNode, listen: readonly string[] = []): Promise<NetworkNode> {
  const node = await start({ listen: [...listen, `${relay.addresses()[0]}/p2p-circuit`] })
  for (let i = 0; i < 100 && relayed(node) === ''; i++) await sleep(50)
  return node
}

function relayed(node: NetworkNode): string {
  return node.addresses().find((address) => address.includes('/p2p-circuit/')) ?? ''
}

function talk(from: NetworkNode, address: string): Promise<Channel> {
  return from.dialer(address, { isSmallTalk: true }).open(AbortSignal.timeout(60_000))
}

test('data sent through a relay all the same ends that connection, and no other', async () => {
  const relay = await start({ listen: LOOPBACK, relay: true })
  const hidden = await startHidden(relay)
  await hidden.handle(async (channel) => {
    const [command] = (await channel.receive()) ?? []
    for (let i = 0; command === 1 && i < 64; i++) await channel.send(new Uint8Array(65_536))
    await channel.send(Uint8Array.of(7))
  })
  const [greedy, modest] = [await start({}), await start({})]
  const small = await talk(modest, relayed(hidden))
  const channel = await talk(greedy, relayed(hidden))
  await channel.send(Uint8Array.of(1))
  await rejects(
    (async () => {
      while ((await channel.receive()) !== undefined) continue
    })(),
    'PEER_UNREACHABLE',
  )
  assert.ok(channel.bytesReceived <= RELAYED_BYTES_MAX)
  await small.send(Uint8Array.of(2))
  assert.equal(await small.receive(), Uint8Array.of(7))
})

test('one peer gets few connections through a relay', async () => {
  const relay = await start({ listen: LOOPBACK, relay: true })
  const hidden = await Promise.all(Array.from({ length: RELAYED_PER_PEER_MAX + 2 }, () => startHidden(relay)))
  for (const node of hidden) await node.handle(async (channel) => void (await channel.receive()))
  const [greedy, other] = [await start({}), await start({})]
  const outcomes: boolean[] = []
  for (const node of hidden) {
    outcomes.push(
      await talk(greedy, relayed(node)).then(
        () => true,
        () => false,
      ),
    )
  }
  assert.equal(
    outcomes,
    outcomes.map((_, i) => i < RELAYED_PER_PEER_MAX),
  )
  assert.is((await talk(other, relayed(hidden[0] as NetworkNode))).isLimited, true, 'others still do')
})

test('one machine gets few places, however many peers it is', () => {
  const held = Array.from({ length: RESERVATIONS_PER_HOST_MAX }, () => '8.8.8.8')
  assert.is(hasManyPlaces('8.8.8.8', held.slice(1)), false)
  assert.is(hasManyPlaces('8.8.8.8', held), true)
  assert.is(hasManyPlaces('8.8.4.4', held), false)
  const six = held.map((_, i) => `2600::${i}`)
  assert.is(hasManyPlaces('2600::ffff', six), true, 'its /64')
  assert.is(hasManyPlaces('2600:0:0:1::1', six), false)
})

test('nobody makes himself the relay of another', async () => {
  const relay = await start({ listen: LOOPBACK, relay: true })
  const hidden = await startHidden(relay, LOOPBACK)
  const before = hidden.addresses()
  assert.is(before.length, 2)
  const intruder = await createLibp2p({
    addresses: { listen: [...LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), relay: circuitRelayServer() },
  })
  raw.push(intruder)
  const direct = before.find((address) => !address.includes('/p2p-circuit/')) ?? ''
  const connection = await intruder.dial(multiaddr(direct))
  const stream = await connection.newStream(RELAY_V2_STOP_CODEC)
  // A request to take a connection: CONNECT, from some peer. The stream may be gone already.
  try {
    stream.send(Uint8Array.of(4, 8, 0, 18, 0))
  } catch {
    assert.is.not(stream.status, 'open')
  }
  for (let i = 0; i < 100 && stream.status === 'open'; i++) await sleep(20)
  assert.is.not(stream.status, 'open')
  await sleep(300)
  assert.equal(hidden.addresses(), before)
  const plain = await start({ listen: LOOPBACK })
  const other = await intruder.dial(multiaddr(plain.addresses()[0]))
  const refused = await other.newStream(RELAY_V2_STOP_CODEC).then(
    () => 'opened',
    (error: unknown) => (error as Error).name,
  )
  assert.is(refused, 'UnsupportedProtocolError')
})

test.run()
