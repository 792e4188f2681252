/**
 * Floods and garbage for discovery: threats 12, 20, 21 and 32. Datagrams to the port of mDNS, peers invented by the
 * thousand, provider records of one machine that are to push out all others, values and garbage for the DHT.
 */
import { createSocket } from 'node:dgram'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPairFromSeed, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Stream } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { base32 } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BoundedDatastore, DATASTORE_LIMITS } from '../../src/net/discovery/bounded-datastore.ts'
import { KAD_PROTOCOL } from '../../src/net/discovery/dht.ts'
import { FoundPeers } from '../../src/net/discovery/found-peers.ts'
import { createNode, discoveryKey, type NetworkNode, peerIdOfKey } from '../../src/net/index.ts'
import { createLibp2pNode } from '../../src/net/libp2p.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('hostile/discovery-floods')

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const DATABASE = { author: new Uint8Array(32).fill(0xa1), name: 'cities' }
/** Other in each run, and below those that systems give away. */
const PORT = 10_000 + (process.pid % 9_000)
const [seed = 0] = seeds(1)
const nodes: NetworkNode[] = []
const raw: Libp2p[] = []
const escaped: unknown[] = []
const onEscaped = (error: unknown): void => void escaped.push(error)

test.before(() => {
  process.on('uncaughtException', onEscaped)
  process.on('unhandledRejection', onEscaped)
})

test.after.each(async () => {
  await Promise.all([...nodes.splice(0), ...raw.splice(0)].map(async (node) => node.stop()))
  assert.equal(escaped, [], 'nothing escaped to the process')
})

test.after(() => {
  process.off('uncaughtException', onEscaped)
  process.off('unhandledRejection', onEscaped)
})

async function start(key: number, options: { dht?: readonly string[]; lan?: { port: number } }): Promise<NetworkNode> {
  const node = await createNode({ peerKey: new Uint8Array(32).fill(key), listen: LOOPBACK, ...options })
  nodes.push(node)
  return node
}

test('garbage to the port of mDNS ends nothing, and finds nobody', async () => {
  const random = new Random(seed)
  const node = await start(1, { lan: { port: PORT } })
  const socket = createSocket('udp4')
  const send = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) => socket.send(bytes, PORT, '127.0.0.1', () => resolve()))
  // A response whose name points at itself, one that announces 65,535 answers, and one that is cut.
  const head = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]
  await send(Uint8Array.from([...head, 0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 12]))
  await send(Uint8Array.from([0, 0, 0x84, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]))
  await send(Uint8Array.from(head.slice(0, 7)))
  for (let i = 0; i < 500; i++) await send(random.bytes(random.between(0, 1400)))
  for (let i = 0; i < 200; i++) await send(Uint8Array.from([...head, ...random.bytes(random.between(0, 200))]))
  await sleep(100)
  socket.close()
  const found: string[] = []
  for await (const address of node.discovery.find(DATABASE, AbortSignal.timeout(200))) found.push(address)
  assert.equal(found, [])
})

/** A response as mDNS nodes give it, with these TXT strings. */
function response(strings: readonly string[]): Uint8Array {
  const name = [...label('_coppice'), ...label('_udp'), ...label('local'), 0]
  const ptr = [...name, 0, 12, 0, 1, 0, 0, 0, 120, 0, 3, 1, 0x78, 0]
  const txt = strings.flatMap((text) => {
    const data = [...label(text)]
    return [1, 0x78, 0, 0, 16, 0, 1, 0, 0, 0, 120, data.length >> 8, data.length & 0xff, ...data]
  })
  return Uint8Array.from([0, 0, 0x84, 0, 0, 0, 0, 1 + strings.length, 0, 0, 0, 0, ...ptr, ...txt])
}

function label(text: string): number[] {
  return [text.length, ...new TextEncoder().encode(text)]
}

test('a machine of the network names itself only', async () => {
  const node = await start(1, { lan: { port: PORT + 1 } })
  const socket = createSocket('udp4')
  const peer = await peerIdOfKey(new Uint8Array(32).fill(77))
  // This machine sends it: its own loopback counts, other machines do not, whatever they are.
  const hosts = ['10.0.0.9', '169.254.169.254', '8.8.8.8', '127.0.0.1']
  const strings = hosts.map((host) => `dnsaddr=/ip4/${host}/tcp/22/p2p/${peer}`)
  const others = [`dnsaddr=/dns4/localhost/tcp/22/p2p/${peer}`, 'dnsaddr=/ip4/127.0.0.1/tcp/22', 'dnsaddr=', 'x', '']
  const bytes = response([...strings.slice(0, 3), ...others])
  await new Promise<void>((resolve) => socket.send(bytes, PORT + 1, '127.0.0.1', () => resolve()))
  const found: string[] = []
  for await (const address of node.discovery.find(DATABASE, AbortSignal.timeout(300))) found.push(address)
  assert.equal(found, [])
  await new Promise<void>((resolve) => socket.send(response(strings), PORT + 1, '127.0.0.1', () => resolve()))
  for await (const address of node.discovery.find(DATABASE, AbortSignal.timeout(60_000))) {
    assert.is(address, `/ip4/127.0.0.1/tcp/22/p2p/${peer}`)
    break
  }
  socket.close()
})

test('peers that one machine invents push out its own', () => {
  const peers = new FoundPeers('self')
  peers.add('honest', '/honest', 'there')
  for (let i = 0; i < 10_000; i++) peers.add(`sybil-${i}`, `/sybil-${i}`, 'hostile')
  assert.ok(peers.size <= 17)
  for (let i = 0; i < 10_000; i++) peers.add(`sybil-${i}`, `/sybil-${i}`, `host-${i}`)
  assert.ok(peers.size <= 128)
})

/** As far as the datastore looks at one. */
function key(text: string): Parameters<BoundedDatastore['put']>[0] {
  return { toString: () => text } as Parameters<BoundedDatastore['put']>[0]
}

function peerNumber(n: number): { readonly id: string; readonly entry: string } {
  const digest = Uint8Array.of(0x12, 32, ...new Uint8Array(28), n >>> 24, n >>> 16, n >>> 8, n)
  return { id: base58btc.baseEncode(digest), entry: `/peers/${base32.encode(Uint8Array.of(1, 0x72, ...digest))}` }
}

test('provider records of one machine do not push out those of others, and all have a bound', () => {
  const self = peerNumber(0)
  const store = new BoundedDatastore(self.id, { recordsMax: 300, entriesMax: 2_000 })
  const value = Uint8Array.of(1)
  const hosts = new Map<string, string>()
  store.hostOf = (peer) => hosts.get(peer)
  const provide = (n: number, dhtKey: string, host: string): void => {
    const { id, entry } = peerNumber(n)
    hosts.set(id, host)
    store.put(key(entry), value)
    store.put(key(`/dht/provider/${dhtKey}/${id}`), value)
  }
  const providers = (dhtKey: string): string[] =>
    [...store.query({ prefix: `/dht/provider/${dhtKey}` })].map((pair) => pair.key.toString().split('/').at(-1) ?? '')
  store.put(key(`/dht/provider/wanted/${self.id}`), value)
  provide(1, 'wanted', 'honest-1')
  provide(2, 'wanted', 'honest-2')
  for (let n = 100; n < 1_100; n++) provide(n, 'wanted', 'hostile')
  assert.is(providers('wanted').length, 3 + DATASTORE_LIMITS.providersPerHostMax)
  for (const honest of [1, 2]) assert.ok(providers('wanted').includes(peerNumber(honest).id))
  // Many keys of one peer, and then many peers.
  for (let i = 0; i < 1_000; i++) provide(50, `key-${i}`, 'busy')
  assert.is(store.providerRecords, 3 + DATASTORE_LIMITS.providersPerHostMax + DATASTORE_LIMITS.keysPerPeerMax)
  for (let n = 2_000; n < 3_500; n++) provide(n, `other-${n}`, `host-${n}`)
  assert.ok(store.providerRecords <= 300)
  assert.ok(providers('wanted').includes(self.id), 'our own stays')
  assert.ok(store.entries <= 2_000)
})

test('a provider that was forgotten takes its records along, and a large value is not kept', () => {
  const store = new BoundedDatastore(peerNumber(0).id, { entriesMax: 10 })
  const { id, entry } = peerNumber(1)
  store.put(key(entry), Uint8Array.of(1))
  store.put(key(`/dht/provider/wanted/${id}`), Uint8Array.of(1))
  assert.is([...store.query({ prefix: '/dht/provider/wanted' })].length, 1)
  for (let i = 0; i < 20; i++) store.put(key(`/other/${i}`), Uint8Array.of(1))
  assert.is([...store.query({ prefix: '/dht/provider/wanted' })].length, 0)
  assert.is(store.providerRecords, 0)
  assert.throws(() => store.get(key(entry)), /not found/)
  store.put(key('/other/large'), new Uint8Array(DATASTORE_LIMITS.entryBytesMax + 1))
  assert.is(store.has(key('/other/large')), false)
})

/** A node of the same DHT that takes and names whatever there is. */
async function hostileDht(n: number): Promise<{ readonly libp2p: Libp2p; readonly dht: KadDHT }> {
  const init = {
    protocol: KAD_PROTOCOL,
    clientMode: false,
    allowQueryWithZeroPeers: true,
    peerInfoMapper: passthroughMapper,
  }
  const libp2p = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(n)),
    addresses: { listen: [...LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping(), dht: kadDHT(init) },
  })
  raw.push(libp2p)
  return { libp2p, dht: libp2p.services.dht }
}

test('bytes that are no message of the DHT cost their sender the stream, and nobody else anything', async () => {
  const random = new Random(seed)
  const node = await start(1, { dht: [] })
  const { libp2p, guard } = await createLibp2pNode({
    listen: [],
    announce: [],
    connectionsMax: 10,
    peerKey: new Uint8Array(32).fill(2),
  })
  raw.push(libp2p)
  await libp2p.start()
  const address = multiaddr(node.addresses()[0])
  guard.permit(address)
  const connection = await libp2p.dial(address)
  for (let i = 0; i < 60; i++) {
    const stream: Stream = await connection.newStream(KAD_PROTOCOL)
    const body = random.bytes(random.between(1, 300))
    stream.send(Uint8Array.of(i % 3 === 0 ? random.below(256) : body.length & 0x7f, ...body))
    if (i % 2 === 0) await stream.close().catch(() => {})
    else stream.abort(new Error('gone'))
  }
  const client = await start(3, { dht: node.addresses() })
  client.discovery.provide(DATABASE)
  const found: string[] = []
  const asker = await createNode({ peerKey: new Uint8Array(32).fill(4), dht: node.addresses() })
  nodes.push(asker)
  for (let i = 0; i < 40 && found.length === 0; i++) {
    for await (const each of asker.discovery.find(DATABASE, AbortSignal.timeout(2_000))) found.push(each)
    if (found.length === 0) await sleep(100)
  }
  assert.equal(found, client.addresses(), 'it serves on')
})

test('values of a kind that is not known are not stored, even such as prove themselves', async () => {
  const node = await start(1, { dht: [] })
  const { libp2p, dht } = await hostileDht(2)
  await libp2p.dial(multiaddr(node.addresses()[0]))
  const { publicKey } = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(2))
  const pk = Uint8Array.from([...new TextEncoder().encode('/pk/'), ...publicKey.toMultihash().bytes])
  const answers: string[] = []
  for (let i = 0; i < 20 && answers.length === 0; i++) {
    const events = dht.put(pk, publicKeyToProtobuf(publicKey), { signal: AbortSignal.timeout(3_000) })
    for await (const event of events) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') answers.push('stored')
      if (event.name === 'QUERY_ERROR') answers.push('refused')
    }
    await sleep(100)
  }
  assert.ok(answers.length > 0 && !answers.includes('stored'), answers.join())
})

test('a node of the DHT names no places that are nearer than the DHT is', async () => {
  let hits = 0
  const trap = createServer((socket) => {
    hits++
    socket.destroy()
  })
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve))
  const { port } = trap.address() as AddressInfo
  const { libp2p, dht } = await hostileDht(2)
  const privateKey = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(66))
  const { peerId: victim } = await createLibp2p({ start: false, privateKey })
  await libp2p.peerStore.merge(victim, { multiaddrs: [multiaddr(`/ip4/127.0.0.1/tcp/${port}`)] })
  const { providers, routingTable } = dht as unknown as Inside
  await providers.addProvider(discoveryKey(DATABASE), victim)
  await routingTable.add(victim).catch(() => {})
  const near = libp2p.getMultiaddrs().map(String)
  // One bootstrap node is farther than this machine, though it never answers: so is the DHT.
  const far = `/ip4/10.255.255.1/tcp/1/p2p/${await peerIdOfKey(new Uint8Array(32).fill(67))}`
  const findWith = async (n: number, bootstrap: readonly string[], tries: number): Promise<string[]> => {
    const node = await start(n, { dht: bootstrap })
    const found: string[] = []
    for (let i = 0; i < tries && found.length === 0; i++) {
      for await (const each of node.discovery.find(DATABASE, AbortSignal.timeout(1_000))) found.push(each)
    }
    await node.stop()
    return found
  }
  assert.equal(await findWith(3, near, 60), [`/ip4/127.0.0.1/tcp/${port}/p2p/${victim.toString()}`], 'it does name it')
  const before = hits
  assert.equal(await findWith(4, [...near, far], 4), [])
  assert.is(hits, before, 'and nobody went there')
  trap.close()
})

/** What the hostile node does by hand. */
interface Inside {
  readonly providers: { addProvider(cid: unknown, peer: unknown): Promise<void> }
  readonly routingTable: { add(peer: unknown): Promise<void> }
}

test.run()
