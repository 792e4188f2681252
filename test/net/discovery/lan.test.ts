/** Nodes of one network find each other by mDNS; what is announced names no database. */
import { createSocket, type Socket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FoundPeers } from '../../../src/net/discovery/found-peers.ts'
import { createNode, type NetworkNode } from '../../../src/net/index.ts'
import { until } from '../../support/until.ts'

const test = suite('net/discovery/lan')

const DATABASE = { author: new Uint8Array(32).fill(0xa1), name: 'a-secret-list' }
/** Other than 5353, and other in each run, so that nothing else of this machine or network plays a part; below those that systems give away. */
const PORT = 20_000 + (process.pid % 10_000)
const GROUP = '224.0.0.251'
const nodes: NetworkNode[] = []
const sockets: Socket[] = []
let nextKey = 1

test.after.each(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
  for (const socket of sockets.splice(0)) socket.close()
})

async function start(listen: readonly string[], port: number): Promise<NetworkNode> {
  const node = await createNode({ peerKey: new Uint8Array(32).fill(nextKey++), listen, lan: { port } })
  nodes.push(node)
  return node
}

async function first(node: NetworkNode, count: number): Promise<string[]> {
  const found: string[] = []
  for await (const address of node.discovery.find(DATABASE, AbortSignal.timeout(60_000))) {
    found.push(address)
    if (found.length === count) break
  }
  return found.sort()
}

/** Whether datagrams to a group come back on this machine: in some containers they do not. */
async function hasMulticast(): Promise<boolean> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  sockets.push(socket)
  const heard = new Promise<boolean>((resolve) => socket.once('message', () => resolve(true)))
  try {
    await new Promise<void>((resolve) => socket.bind(PORT - 1, resolve))
    socket.addMembership(GROUP)
    socket.send('x', PORT - 1, GROUP)
  } catch {
    return false
  }
  return await Promise.race([heard, sleep(1_000, false)])
}

const multicast = await hasMulticast()

;(multicast ? test : test.skip)('one that looks finds those that listen, and is not found itself', async () => {
  const [a, b] = [await start(['/ip4/127.0.0.1/tcp/0'], PORT), await start(['/ip4/127.0.0.1/tcp/0'], PORT)]
  const seeker = await start([], PORT)
  assert.equal(await first(seeker, 2), [...a.addresses(), ...b.addresses()].sort())
  assert.equal(await first(a, 1), b.addresses())
})

;(multicast ? test : test.skip)('neither the database nor what it is called is said', async () => {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  sockets.push(socket)
  let heard = ''
  socket.on('message', (message) => (heard += message.toString('latin1')))
  await new Promise<void>((resolve) => socket.bind(PORT + 1, resolve))
  socket.addMembership(GROUP)
  const server = await start(['/ip4/127.0.0.1/tcp/0'], PORT + 1)
  server.discovery.provide(DATABASE)
  const seeker = await start([], PORT + 1)
  await first(seeker, 1)
  await until(() => heard.includes(server.peerId))
  assert.ok(heard.includes('_coppice') && heard.includes(server.peerId))
  assert.not.ok(heard.includes(seeker.peerId), 'who only looks does not say who it is')
  assert.not.ok(heard.includes(DATABASE.name) || heard.includes('\xa1\xa1'))
})

test('what was found is given once, and what comes later too', async () => {
  const peers = new FoundPeers('self')
  peers.add('a', '/a', 'host')
  const over = new AbortController()
  const given: string[] = []
  const taking = (async () => {
    for await (const address of peers.addresses(over.signal)) given.push(address)
  })()
  await sleep(1)
  assert.is(peers.add('b', '/b', 'host'), true)
  assert.is(peers.add('b', '/b', 'host'), false)
  assert.is(peers.add('self', '/self', 'host'), false)
  await sleep(1)
  assert.is(peers.add('b', '/b2', 'host'), true, 'at another address')
  await sleep(1)
  over.abort()
  await taking
  assert.equal(given, ['/a', '/b', '/b2'])
})

test('one peer at ever more addresses: a search ends before it remembers them all', async () => {
  const peers = new FoundPeers('self', { givenMax: 8 })
  let given = 0
  peers.add('a', '/0', 'host')
  for await (const _ of peers.addresses(new AbortController().signal)) peers.add('a', `/${++given}`, 'host')
  assert.is(given, 8)
})

test('what was not heard of for two minutes is forgotten', () => {
  let now = 0
  const peers = new FoundPeers('self', {}, () => now)
  peers.add('a', '/a', 'host')
  now = 100_000
  peers.add('b', '/b', 'host')
  now = 130_000
  peers.add('c', '/c', 'host')
  assert.is(peers.size, 2)
})

test.run()
