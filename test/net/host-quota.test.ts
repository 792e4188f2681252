/** What one host may hold of a node: connections and handshakes are counted and given back; nothing stays of who is gone. */

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MultiaddrConnection, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HostQuota } from '../../src/net/host-quota.ts'
import { createLibp2pNode } from '../../src/net/libp2p.ts'
import { HANDSHAKES_PER_HOST_MAX } from '../../src/net/limits.ts'

const test = suite('net/host-quota')
const NOBODY = {} as PeerId

/** As far as the quota looks at one. */
function connectionFrom(host: string): MultiaddrConnection {
  return Object.assign(new EventTarget(), {
    remoteAddr: multiaddr(`${host}/tcp/4001`),
  }) as unknown as MultiaddrConnection
}

function close(connection: MultiaddrConnection): void {
  connection.dispatchEvent(new Event('close'))
}

test('handshakes and connections of a host are bounded, those of others do not count', () => {
  const quota = new HostQuota({ connectionsMax: 3, handshakesMax: 2 })
  const held = [1, 2].map(() => connectionFrom('/ip4/192.0.2.1'))
  for (const connection of held) assert.is(quota.denyInboundConnection(connection), false)
  assert.is(quota.denyInboundConnection(connectionFrom('/ip4/192.0.2.1')), true, 'two handshakes')
  assert.is(quota.denyInboundConnection(connectionFrom('/ip4/192.0.2.2')), false)
  for (const connection of held) assert.is(quota.denyInboundUpgradedConnection(NOBODY, connection), false)
  const third = connectionFrom('/ip4/192.0.2.1')
  assert.is(quota.denyInboundConnection(third), false)
  quota.denyInboundUpgradedConnection(NOBODY, third)
  assert.is(quota.denyInboundConnection(connectionFrom('/ip4/192.0.2.1')), true, 'three connections')
  close(third)
  assert.is(quota.denyInboundConnection(connectionFrom('/ip4/192.0.2.1')), false)
})

test('a handshake that fails is given back with its connection, once, and hosts are forgotten', () => {
  const quota = new HostQuota({ connectionsMax: 2, handshakesMax: 1 })
  for (let i = 0; i < 5; i++) {
    const connection = connectionFrom('/ip4/192.0.2.1')
    assert.is(quota.denyInboundConnection(connection), false)
    if (i % 2 === 0) quota.denyInboundUpgradedConnection(NOBODY, connection)
    close(connection)
    close(connection)
  }
  assert.is(quota.hosts, 0)
})

test('an IPv6 host is its /64, however it is written', () => {
  const quota = new HostQuota({ connectionsMax: 1, handshakesMax: 1 })
  assert.is(quota.denyInboundConnection(connectionFrom('/ip6/2001:db8::1')), false)
  for (const same of ['2001:db8::2', '2001:db8:0:0:1:2:3:4', '2001:db8::ffff:0:0:9']) {
    assert.is(quota.denyInboundConnection(connectionFrom(`/ip6/${same}`)), true, same)
  }
  for (const other of ['2001:db8:0:1::1', '2001:db9::1', '::1', '1::']) {
    assert.is(quota.denyInboundConnection(connectionFrom(`/ip6/${other}`)), false, other)
  }
})

test('a host that begins handshakes and never goes on is refused more of them', async () => {
  const { libp2p: node } = await createLibp2pNode({
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    peerKey: new Uint8Array(32).fill(1),
    connectionsMax: 100,
  })
  await node.start()
  const port = Number(node.getMultiaddrs()[0]?.getComponents()[1]?.value)
  const sockets: Socket[] = []
  const closed = new Set<Socket>()
  try {
    const extra = 8
    for (let i = 0; i < HANDSHAKES_PER_HOST_MAX + extra; i++) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {}).on('close', () => void closed.add(socket))
      sockets.push(socket)
    }
    for (let i = 0; i < 100 && closed.size < extra; i++) await sleep(20)
    assert.is(closed.size, extra)
  } finally {
    for (const socket of sockets) socket.destroy()
    await node.stop()
  }
})

test('nothing is kept of a peer that is gone', async () => {
  const settings = { announce: [], connectionsMax: 100 }
  const { libp2p: node } = await createLibp2pNode({
    ...settings,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    peerKey: new Uint8Array(32).fill(1),
  })
  await node.start()
  try {
    for (let i = 2; i < 6; i++) {
      const { libp2p: visitor, guard } = await createLibp2pNode({
        ...settings,
        listen: [],
        peerKey: new Uint8Array(32).fill(i),
      })
      await visitor.start()
      const identified = new Promise((resolve) => {
        node.addEventListener('peer:identify', resolve, { once: true })
      })
      for (const address of node.getMultiaddrs()) guard.permit(address)
      await visitor.dial(node.getMultiaddrs())
      await identified
      await visitor.stop()
    }
    for (let i = 0; i < 100 && (await node.peerStore.all()).length > 0; i++) await sleep(20)
    assert.is((await node.peerStore.all()).length, 0)
  } finally {
    await node.stop()
  }
})

test.run()
