import { createServer, type AddressInfo, type Server } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { createNode, peerIdOfKey, type NetworkNode, type NodeLimits } from '../../src/net/index.ts'
import type { Channel, ChannelHandler } from '../../src/sync/channel.ts'
import { rejects } from '../conformance/channel.ts'

const test = suite('net/node')

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const nodes: NetworkNode[] = []
const sockets: Server[] = []
let nextKey = 1

test.after.each(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
  for (const server of sockets.splice(0)) server.close()
})

async function start(listen: readonly string[] = [], limits: Partial<NodeLimits> = {}): Promise<NetworkNode> {
  const node = await createNode({ peerKey: new Uint8Array(32).fill(nextKey++), listen, limits })
  nodes.push(node)
  return node
}

function addressOf(node: NetworkNode): string {
  const [address = ''] = node.addresses()
  return address
}

function open(from: NetworkNode, to: string): Promise<Channel> {
  return from.dialer(to).open(AbortSignal.timeout(60_000))
}

const echo: ChannelHandler = async (channel) => {
  for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
    await channel.send(frame)
  }
}

async function roundTrip(channel: Channel): Promise<void> {
  await channel.send(Uint8Array.of(1, 2, 3))
  assert.equal(await channel.receive(), Uint8Array.of(1, 2, 3))
}

/** A TCP server that is no node. */
async function listenTcp(onConnection: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer({}, onConnection)
  sockets.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`
}

async function dialReason(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isCoppiceError(error, 'PEER_UNREACHABLE')) throw error
  assert.ok(error.message.includes(String(error.details['address'])), error.message)
  return String(error.details['reason'])
}

test('has the identity of its key', async () => {
  const node = await createNode({ peerKey: new Uint8Array(32).fill(7), listen: LOOPBACK })
  nodes.push(node)
  assert.is(node.peerId, await peerIdOfKey(new Uint8Array(32).fill(7)))
  assert.match(addressOf(node), new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+/p2p/${node.peerId}$`))
  await rejects(createNode({ peerKey: new Uint8Array(31) }), RangeError)
})

test('both sides know each other, and share a connection', async () => {
  const [server, client] = [await start(LOOPBACK), await start()]
  const seen = new Set<string>()
  await server.handle((channel) => {
    seen.add(channel.peer)
    return echo(channel)
  })
  const withId = client.dialer(addressOf(server))
  const withoutId = client.dialer(addressOf(server).replace(/\/p2p\/.*/, ''))
  for (const dialer of [withId, withId, withoutId, withoutId]) {
    const channel = await dialer.open(AbortSignal.timeout(60_000))
    assert.is(channel.peer, server.peerId)
    await roundTrip(channel)
    await channel.close()
  }
  assert.equal([...seen], [client.peerId])
  assert.equal([client.peers(), server.peers()], [[server.peerId], [client.peerId]])
})

test('says why a peer cannot be reached', async () => {
  const [server, client] = [await start(LOOPBACK), await start()]
  const hasty = await start([], { dialTimeoutMs: 400 })
  const reason = (address: string, by = client): Promise<string> => dialReason(open(by, address))
  const address = addressOf(server)
  const stranger = await peerIdOfKey(new Uint8Array(32).fill(200))

  assert.match(await reason('/ip4/127.0.0.1/tcp/1'), /^connection refused/)
  assert.match(await reason(address.replace(server.peerId, stranger)), new RegExp(`another peer .* not ${stranger}`))
  assert.match(await reason(address), /no protocol of ours/)
  assert.match(await reason(await listenTcp(() => undefined), hasty), /^timed out/)
  assert.match(
    await reason(await listenTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
    /closed|handshake/,
  )
  assert.match(await reason(await listenTcp((socket) => socket.resetAndDestroy())), /closed by the other side/)
  assert.match(await reason('/dns4/nothing.invalid/tcp/4001', hasty), /host name|timed out/)
  assert.match(await dialReason(open(server, address)), /this node itself/)
})

test('gives up a dial when asked, with the reason given', async () => {
  const client = await start()
  const silent = await listenTcp(() => undefined)
  const controller = new AbortController()
  const opening = client.dialer(silent).open(controller.signal)
  const reason = new Error('no longer wanted')
  setTimeout(() => controller.abort(reason), 20)
  await rejects(opening, reason)
  await rejects(client.dialer(silent).open(controller.signal), reason)
})

test('refuses addresses it cannot use', async () => {
  const client = await start()
  const bad = [
    '',
    'localhost:4001',
    '/ip4/127.0.0.1',
    '/ip4/127.0.0.1/tcp/0',
    '/ip4/127.0.0.1/tcp/99999',
    '/ip4/127.0.0.1/udp/4001/quic-v1',
    '/ip4/127.0.0.1/tcp/4001/ws',
    '/ip4/1.2.3.4.5/tcp/4001',
    '/ip4/127.0.0.1/tcp/4001/p2p/nobody',
    '/ip4/127.0.0.1/tcp/4001/p2p/',
    '/\u001b]0;title\u0007',
    '/ip4/127.0.0.1/tcp/4001' + '/p2p-circuit'.repeat(100),
  ]
  for (const address of bad) {
    try {
      client.dialer(address)
      assert.unreachable(address)
    } catch (error) {
      if (!isCoppiceError(error, 'ADDRESS_INVALID')) throw error
      assert.not.match(error.message, /[\u001b\u0007]/) // oxlint-disable-line no-control-regex
    }
  }
  await rejects(start(['127.0.0.1:0']), 'ADDRESS_INVALID')
})

test('says why it cannot listen', async () => {
  const first = await start(LOOPBACK)
  const taken = addressOf(first).replace(/\/p2p\/.*/, '')
  await rejects(start([taken]), 'LISTEN_FAILED')
  await rejects(start(['/ip4/192.0.2.1/tcp/0']), 'LISTEN_FAILED')
})

test('serves on after a handler failed', async () => {
  const [server, client] = [await start(LOOPBACK), await start()]
  let calls = 0
  await server.handle((channel) => {
    if (++calls === 1) throw new Error('synchronous')
    if (calls === 2) return Promise.reject(new Error('asynchronous'))
    return echo(channel)
  })
  for (let i = 0; i < 2; i++) {
    const channel = await open(client, addressOf(server))
    await rejects(channel.receive(), 'PEER_UNREACHABLE')
  }
  await roundTrip(await open(client, addressOf(server)))
})

test('resets channels above the limit of one peer, and counts those that end', async () => {
  const [server, client, other] = [await start(LOOPBACK, { channelsPerPeerMax: 3 }), await start(), await start()]
  await server.handle(echo)
  const address = addressOf(server)
  const channels = await Promise.all([1, 2, 3].map(() => open(client, address)))
  await Promise.all(channels.map(roundTrip))
  await rejects(open(client, address).then(roundTrip), 'PEER_UNREACHABLE')
  await roundTrip(await open(other, address))
  for (const channel of channels) {
    await channel.close()
    assert.is(await channel.receive(), undefined)
  }
  await roundTrip(await open(client, address))
})

test('is dialed by many nodes of one host at once', async () => {
  const server = await start(LOOPBACK)
  await server.handle(echo)
  const clients = await Promise.all(Array.from({ length: 16 }, () => start()))
  await Promise.all(clients.map(async (client) => roundTrip(await open(client, addressOf(server)))))
  assert.is(server.peers().length, 16)
})

test('gives up a peer that takes nothing', async () => {
  const [server, client] = [await start(LOOPBACK, { sendStallMs: 100 }), await start()]
  const outcome = Promise.withResolvers<void>()
  await server.handle(async (channel) => {
    await rejects(
      Promise.all(Array.from({ length: 128 }, () => channel.send(new Uint8Array(65_536)))),
      'PEER_TIMEOUT',
    ).then(outcome.resolve, outcome.reject)
  })
  const channel = await open(client, addressOf(server))
  await outcome.promise
  await rejects(
    (async () => {
      while ((await channel.receive()) !== undefined) continue
    })(),
    'PEER_UNREACHABLE',
  )
})

test('cuts off a peer that does not end its side', async () => {
  const [server, client] = [await start(LOOPBACK), await start([], { lingerMs: 50 })]
  await server.handle(() => new Promise(() => undefined))
  const channel = await open(client, addressOf(server))
  await channel.close()
  await rejects(channel.receive(), 'PEER_TIMEOUT')
})

test('stops: what is closed arrives, what is open breaks, nothing opens any more', async () => {
  const [server, client] = [await start(LOOPBACK), await start()]
  const size = 200_000
  await server.handle(async (channel) => {
    if ((await channel.receive())?.[0] === 1) return new Promise(() => undefined)
    for (let i = 0; i < 10; i++) await channel.send(new Uint8Array(size))
  })
  const dialer = client.dialer(addressOf(server))
  const [left, finished] = [await open(client, addressOf(server)), await open(client, addressOf(server))]
  await left.send(Uint8Array.of(1))
  await finished.send(Uint8Array.of(2))
  for (let i = 0; i < 9; i++) assert.is((await finished.receive())?.length, size)
  await Promise.all([server.stop(), server.stop()])
  assert.is((await finished.receive())?.length, size)
  assert.is(await finished.receive(), undefined)
  await rejects(left.receive(), 'PEER_UNREACHABLE')
  // A channel's end arrives before that of its connection.
  while (client.peers().length > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.match(await dialReason(dialer.open(AbortSignal.timeout(60_000))), /refused/)
  await client.stop()
  await rejects(dialer.open(AbortSignal.timeout(60_000)), 'PEER_UNREACHABLE')
})

test.run()
