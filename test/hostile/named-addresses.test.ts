/**
 * Peers that name addresses to make others connect there: threats 12 and 29. Into this machine, its network or a metadata
 * service; to a third party; by names that resolve to such places.
 */
import { createServer, type AddressInfo, type Server } from 'node:net'
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import { createLibp2pNode } from '../../src/net/libp2p.ts'
import { judgeAddresses, reachOfPeer, vouchFor } from '../../src/net/learned-addresses.ts'
import { REACH } from '../../src/net/reach.ts'

const test = suite('hostile/named-addresses')

const PEER = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'
const OTHER = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
const signal = new AbortController().signal
const nodes: NetworkNode[] = []
const servers: Server[] = []

test.after.each(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
  for (const server of servers.splice(0)) server.close()
})

function connectionAt(address: string): Connection {
  return { remoteAddr: multiaddr(address) } as Connection
}

function at(host: string): string {
  return `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/80/p2p/${PEER}`
}

const NEAR = [
  '127.0.0.1',
  '::1',
  '169.254.169.254',
  'fe80::1',
  '10.0.0.1',
  '192.168.0.1',
  'fd00::1',
  '::ffff:127.0.0.1',
]
const NOWHERE = [
  '0.0.0.0',
  '255.255.255.255',
  '224.0.0.1',
  '::',
  'ff02::1',
  '192.0.2.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
]

test('a peer of the Internet names public addresses only', async () => {
  const judged = await judgeAddresses([...NEAR, ...NOWHERE, '8.8.4.4', '2600::1'].map(at), REACH.public, signal)
  assert.equal(judged, ['8.8.4.4', '2600::1'].map(at))
})

test('a peer of this network names its own kind, and never our loopback or a metadata service', async () => {
  const judged = await judgeAddresses([...NEAR, ...NOWHERE, '8.8.4.4'].map(at), REACH.private, signal)
  assert.equal(judged, ['10.0.0.1', '192.168.0.1', 'fd00::1', '8.8.4.4'].map(at))
  const own = await judgeAddresses([...NEAR, ...NOWHERE].map(at), REACH.loopback, signal)
  assert.equal(own, NEAR.map(at))
})

test('an address without a peer id, or that is none, is not dialled', async () => {
  const bad = [
    '/ip4/8.8.4.4/tcp/80',
    '',
    '8.8.4.4:80',
    'http://8.8.4.4/',
    `/ip4/8.8.4.4/udp/80/p2p/${PEER}`,
    '/ip4/8.8.4.4/tcp/80/p2p/x',
  ]
  assert.equal(await judgeAddresses(bad, REACH.loopback, signal), [])
})

test('a name counts for what it resolves to, all of it, and what came out is dialled', async () => {
  const named = (name: string): string => `/dns4/${name}/tcp/4001/p2p/${PEER}`
  const hosts: Record<string, string[]> = {
    good: ['8.8.4.4', '8.8.8.8'],
    'good-six': ['2600::1'],
    mixed: ['8.8.4.4', '127.0.0.1'],
    near: ['10.0.0.1'],
    metadata: ['169.254.169.254'],
    none: [],
  }
  const asked: string[] = []
  const resolve = async (name: string): Promise<string[]> => {
    asked.push(name)
    const found = hosts[name]
    if (found === undefined) throw new Error('ENOTFOUND')
    return await Promise.resolve(found)
  }
  const judge = (name: string): Promise<string[]> => judgeAddresses([named(name)], REACH.public, signal, resolve)
  assert.equal(await judge('good'), [`/ip4/8.8.4.4/tcp/4001/p2p/${PEER}`])
  assert.equal(await judge('good-six'), [`/ip6/2600::1/tcp/4001/p2p/${PEER}`])
  for (const name of ['mixed', 'near', 'metadata', 'none', 'absent']) assert.equal(await judge(name), [], name)
  asked.length = 0
  await judgeAddresses(
    Array.from({ length: 32 }, (_, i) => named(`n${i}`)),
    REACH.public,
    signal,
    resolve,
  )
  assert.ok(asked.length <= 4, 'few names are looked up for one peer')
})

test('a name that never resolves holds nothing up', async () => {
  const over = new AbortController()
  const judging = judgeAddresses(
    [`/dns4/slow/tcp/1/p2p/${PEER}`],
    REACH.public,
    over.signal,
    () => new Promise(() => {}),
  )
  over.abort(new Error('no longer wanted'))
  assert.equal(await judging, [])
})

test('a provider hands on only addresses at the host that a peer came from', () => {
  const met = [connectionAt(`/ip4/8.8.4.4/tcp/50000`)]
  const vouch = (addresses: string[]): string[] =>
    vouchFor(PEER, addresses, met, () => false).map(({ address }) => address)
  assert.equal(vouch([`/ip4/8.8.4.4/tcp/4001/p2p/${PEER}`]), [`/ip4/8.8.4.4/tcp/4001/p2p/${PEER}`])
  for (const address of [
    `/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`,
    `/ip4/127.0.0.1/tcp/22/p2p/${PEER}`,
    `/dns4/victim.example/tcp/443/p2p/${PEER}`,
    `/ip4/8.8.4.4/tcp/4001/p2p/${OTHER}`,
    '/ip4/8.8.4.4/tcp/4001',
    `/ip4/8.8.8.8/tcp/4001/p2p/${OTHER}/p2p-circuit/p2p/${PEER}`,
    'not an address',
  ]) {
    assert.equal(vouch([address]), [], address)
  }
  assert.equal(
    vouchFor(PEER, [at('8.8.4.4')], [], () => false),
    [],
    'a peer that is gone',
  )
})

test('through a relay: the one it came by, or ours where it has a place', () => {
  const relayed = (relay: string): string => `/ip4/8.8.8.8/tcp/4001/p2p/${relay}/p2p-circuit/p2p/${PEER}`
  const met = [connectionAt(relayed(OTHER))]
  assert.is(vouchFor(PEER, [relayed(OTHER)], met, () => false).length, 1)
  assert.is(vouchFor(PEER, [relayed(PEER)], met, () => false).length, 0)
  assert.is(vouchFor(PEER, [relayed(PEER)], met, () => true).length, 1)
  assert.is(
    vouchFor(PEER, [`/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`], met, () => false).length,
    0,
    "the relay's host is not its own",
  )
  assert.is(reachOfPeer(met), REACH.public, 'whoever comes through a relay names what anybody may name')
  assert.is(reachOfPeer([]), REACH.public)
  assert.is(reachOfPeer([connectionAt('/ip4/192.168.0.7/tcp/1'), connectionAt('/ip4/8.8.4.4/tcp/1')]), REACH.private)
})

/** A TCP server in this machine that counts who connects. */
async function trap(): Promise<{ readonly port: number; readonly hits: () => number }> {
  let hits = 0
  const server = createServer((socket) => {
    hits++
    socket.destroy()
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, hits: () => hits }
}

test('what peers tell libp2p of themselves is not dialled in this machine either', async () => {
  const { port, hits } = await trap()
  const settings = { announce: [], connectionsMax: 10 }
  const { libp2p, guard } = await createLibp2pNode({ ...settings, listen: [], peerKey: new Uint8Array(32).fill(9) })
  const { libp2p: liar } = await createLibp2pNode({
    ...settings,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [`/ip4/127.0.0.1/tcp/${port}`],
    peerKey: new Uint8Array(32).fill(10),
  })
  await Promise.all([libp2p.start(), liar.start()])
  try {
    const [address] = liar.getMultiaddrs().filter((each) => !each.toString().includes(`/${port}`))
    if (address === undefined) return assert.unreachable('it listens')
    await rejectsAny(libp2p.dial(address))
    // The user named this one; where else the peer says that it is, is its own word.
    const forbid = guard.permit(address)
    const identified = new Promise((resolve) => libp2p.addEventListener('peer:identify', resolve, { once: true }))
    await libp2p.dial(address)
    await identified
    const { addresses } = await libp2p.peerStore.get(liar.peerId)
    assert.ok(!addresses.some(({ multiaddr: each }) => each.toString().includes(`/${port}`)))
    await libp2p.hangUp(liar.peerId)
    forbid()
    await rejectsAny(libp2p.dial(liar.peerId))
    await rejectsAny(libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`)))
    await rejectsAny(libp2p.dial(multiaddr(`/dns4/localhost/tcp/${port}`)))
    assert.is(hits(), 0)
  } finally {
    await Promise.all([libp2p.stop(), liar.stop()])
  }
})

async function rejectsAny(work: Promise<unknown>): Promise<void> {
  const outcome = await work.then(
    () => 'resolved',
    () => 'rejected',
  )
  assert.is(outcome, 'rejected')
}

test('what the user named is dialled wherever it is', async () => {
  const server = await createNode({ peerKey: new Uint8Array(32).fill(1), listen: ['/ip4/127.0.0.1/tcp/0'] })
  const client = await createNode({ peerKey: new Uint8Array(32).fill(2) })
  nodes.push(server, client)
  await server.handle(async (channel) => void (await channel.receive()))
  const [address = ''] = server.addresses()
  const channel = await client.dialer(address).open(AbortSignal.timeout(60_000))
  assert.is(channel.peer, server.peerId)
  assert.equal(await client.judge(server.peerId, [at('10.0.0.1'), at('127.0.0.1'), address], signal), [
    at('10.0.0.1'),
    at('127.0.0.1'),
    address,
  ])
  const own = `/ip4/127.0.0.1/tcp/1/p2p/${client.peerId}`
  assert.equal(await client.judge(server.peerId, [own], signal), [], 'itself')
  assert.equal(
    server.vouch(client.peerId, [own]).map(({ address: each }) => each),
    [own],
  )
  await channel.close()
})

test.run()
