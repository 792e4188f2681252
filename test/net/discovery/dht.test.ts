/** A DHT of eight nodes over loopback: who provides a database is found by whoever knows one node. */
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KadDHT } from '@libp2p/kad-dht'
import { multiaddr } from '@multiformats/multiaddr'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DialGuard } from '../../../src/net/dial-guard.ts'
import { createLogger, createNode, discoveryKey, type NetworkNode } from '../../../src/net/index.ts'
import { Dht, reachOfDht } from '../../../src/net/discovery/dht.ts'
import type { KadValues } from '../../../src/net/discovery/kad-values.ts'
import { REACH, type Reach } from '../../../src/net/reach.ts'
import { rejects } from '../../conformance/channel.ts'
import { collect } from '../../support/database-lab.ts'

const test = suite('net/discovery/dht')

const log = createLogger('test')
const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const CITIES = { author: new Uint8Array(32).fill(0xa1), name: 'cities' }
const OTHER = { author: new Uint8Array(32).fill(0xa1), name: 'other' }
const peer = '/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'
const nodes: NetworkNode[] = []
let nextKey = 1

async function start(dht: readonly string[], listen: readonly string[] = LOOPBACK): Promise<NetworkNode> {
  const node = await createNode({ peerKey: new Uint8Array(32).fill(nextKey++), listen, dht })
  nodes.push(node)
  return node
}

/** The peers found once, or those of several tries until there are so many. */
async function find(node: NetworkNode, database: typeof CITIES, atLeast = 0): Promise<string[]> {
  for (let i = 0; ; i++) {
    const found: string[] = []
    for await (const address of node.discovery.find(database, AbortSignal.timeout(5_000))) found.push(address)
    if (found.length >= atLeast || i === 20) return found.sort()
    await sleep(250)
  }
}

test.before(async () => {
  const first = await start([])
  for (let i = 0; i < 7; i++) await start(first.addresses())
})

test.after(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
})

test('a node that only asks finds who provides, and nobody else', async () => {
  const [first, , , a, , b] = nodes as [NetworkNode, NetworkNode, NetworkNode, NetworkNode, NetworkNode, NetworkNode]
  a.discovery.provide(CITIES)
  const end = b.discovery.provide(CITIES)
  const puller = await start(first.addresses(), [])
  const expected = [...a.addresses(), ...b.addresses()].sort()
  assert.equal(await find(puller, CITIES, 2), expected)
  assert.equal(await find(puller, OTHER), [])
  end()
})

test('it is found through whichever node one knows', async () => {
  const [, , , a] = nodes as [NetworkNode, NetworkNode, NetworkNode, NetworkNode]
  for (const known of [nodes[1], nodes[7]]) {
    const puller = await start(known?.addresses() ?? [], [])
    const found = await find(puller, CITIES, 1)
    assert.ok(found.includes(a.addresses()[0] ?? ''), 'whom it knew is not who provides')
  }
})

test('nodes that are gone cost nothing but time', async () => {
  const [, second, , a] = nodes as [NetworkNode, NetworkNode, NetworkNode, NetworkNode]
  await nodes[2]?.stop()
  await nodes[4]?.stop()
  const puller = await start(second.addresses(), [])
  assert.ok((await find(puller, CITIES, 1)).includes(a.addresses()[0] ?? ''))
})

test('looking ends with its signal, also where there is no DHT to ask', async () => {
  const lonely = await start(['/ip4/127.0.0.1/tcp/1' + peer], [])
  const over = new AbortController()
  setTimeout(() => over.abort(), 50)
  const found: string[] = []
  for await (const address of lonely.discovery.find(CITIES, over.signal)) found.push(address)
  assert.equal(found, [])
})

test('a bootstrap node is named with its peer id, and directly', async () => {
  await rejects(start(['/ip4/127.0.0.1/tcp/1']), 'ADDRESS_INVALID')
  await rejects(start([`/ip4/127.0.0.1/tcp/1${peer}/p2p-circuit${peer}`]), 'ADDRESS_INVALID')
})

test('whose addresses count is decided by the farthest node that one begins with', () => {
  const at = (host: string): string => `/ip4/${host}/tcp/1${peer}`
  assert.is(reachOfDht([at('127.0.0.1')], []), REACH.loopback)
  assert.is(reachOfDht([at('127.0.0.1'), at('192.168.1.1')], []), REACH.private)
  assert.is(reachOfDht([at('127.0.0.1'), at('8.8.8.8')], LOOPBACK), REACH.public)
  assert.is(reachOfDht([`/dns4/localhost/tcp/1${peer}`], LOOPBACK), REACH.public, 'a name may mean anything')
  assert.is(reachOfDht([], LOOPBACK), REACH.loopback)
  assert.is(reachOfDht([], ['/ip4/0.0.0.0/tcp/4001']), REACH.public)
  assert.is(reachOfDht([], []), REACH.public)
})

test('of what providers say of themselves one address is taken: the farthest that this DHT may name', async () => {
  const id = { toString: () => peer.slice('/p2p/'.length) }
  const findWith = async (reach: Reach, addresses: readonly string[]): Promise<string[]> => {
    const event = { name: 'PROVIDER', providers: [{ id, multiaddrs: addresses.map((each) => multiaddr(each)) }] }
    // Whoever finds none looks again.
    const over = new AbortController()
    let searches = 0
    const findProviders = (): Readable => {
      if (++searches > 1) over.abort()
      return Readable.from([event, event])
    }
    const service = { findProviders } as unknown as KadDHT
    const guard = new DialGuard('self', reach)
    const values = {} as unknown as KadValues
    const dht = new Dht({ service, values, guard, log, connect: () => Promise.resolve(), isConnected: () => true }, [])
    const found = await collect(dht.find(discoveryKey(CITIES), over.signal))
    assert.is(searches, found.length > 0 ? 1 : 2)
    return found
  }
  const at = (host: string): string => `/ip4/${host}/tcp/1`
  const all = [
    at('127.0.0.1'),
    at('169.254.169.254'),
    at('10.0.0.1'),
    '/ip6/2600::1/tcp/1',
    at('8.8.8.8'),
    '/dns4/x/tcp/1',
  ]
  assert.equal(await findWith(REACH.public, all), [at('8.8.8.8') + peer])
  assert.equal(await findWith(REACH.private, all.slice(0, 3)), [at('10.0.0.1') + peer])
  assert.equal(await findWith(REACH.public, [...all.slice(0, 3), '/dns4/x/tcp/1']), [])
  assert.equal(await findWith(REACH.loopback, all.slice(0, 1)), [at('127.0.0.1') + peer])
  const relayed = `${at('8.8.8.8')}${peer}/p2p-circuit`
  assert.equal(await findWith(REACH.public, [relayed]), [relayed + peer])
  assert.equal(await findWith(REACH.public, [relayed, at('8.8.4.4')]), [at('8.8.4.4') + peer])
})

test('a discovery key is a hash with a domain', () => {
  const key = discoveryKey(CITIES)
  assert.is(key.toString(), 'bafkreiekwbi23jdcfgr5fgpaeobxaie52prxjqu5wp3a4mjtjjpv2izidy', 'computed by other code')
  assert.is.not(key.toString(), discoveryKey(OTHER).toString())
})

test.run()
