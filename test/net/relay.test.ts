/** Peers behind a relay: a place there, small talk through it, and a direct connection for everything else. */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { createNode, type NetworkNode, type NodeOptions } from '../../src/net/index.ts'
import type { ChannelHandler } from '../../src/sync/channel.ts'
import { rejects } from '../conformance/channel.ts'
import { PROJECT } from '../support/source-files.ts'
import { until } from '../support/until.ts'

const test = suite('net/relay')

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const nodes: NetworkNode[] = []
let nextKey = 1

test.after.each(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
})

async function start(options: Omit<NodeOptions, 'peerKey'>): Promise<NetworkNode> {
  const node = await createNode({ peerKey: new Uint8Array(32).fill(nextKey++), ...options })
  nodes.push(node)
  return node
}

/** A node that others reach through `relay` only. */
async function startHidden(relay: NetworkNode): Promise<NetworkNode> {
  return await start({ listen: [`${relay.addresses()[0]}/p2p-circuit`] })
}

async function relayedAddress(node: NetworkNode): Promise<string> {
  const relayed = (): string | undefined => node.addresses().find((each) => each.includes('/p2p-circuit/'))
  await until(() => relayed() !== undefined)
  return relayed() ?? ''
}

const echo: ChannelHandler = async (channel) => {
  for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
    await channel.send(frame)
  }
}

test('a hidden node has a place, and talks through it', async () => {
  const relay = await start({ listen: LOOPBACK, relay: true })
  const hidden = await startHidden(relay)
  const limited: (boolean | undefined)[] = []
  await hidden.handle((channel) => {
    limited.push(channel.isLimited)
    return echo(channel)
  })
  const address = await relayedAddress(hidden)
  assert.is(address, `${relay.addresses()[0]}/p2p-circuit/p2p/${hidden.peerId}`)
  const client = await start({})
  const channel = await client.dialer(address, { isSmallTalk: true }).open(AbortSignal.timeout(60_000))
  assert.is(channel.peer, hidden.peerId)
  assert.is(channel.isLimited, true)
  assert.is(channel.host, '127.0.0.1', 'that of the relay')
  await channel.send(Uint8Array.of(1, 2, 3))
  assert.equal(await channel.receive(), Uint8Array.of(1, 2, 3))
  assert.equal(limited, [true])
  await channel.close()
})

test('for data it is waited for until it is reached directly, and the reason says so where it is not', async () => {
  const relay = await start({ listen: LOOPBACK, relay: true })
  const hidden = await startHidden(relay)
  await hidden.handle(echo)
  const address = await relayedAddress(hidden)
  // On loopback libp2p tries no direct connection: it takes public addresses only.
  const client = await start({ limits: { upgradeTimeoutMs: 300 } })
  const error = await client
    .dialer(address)
    .open(AbortSignal.timeout(60_000))
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
  if (!isCoppiceError(error, 'PEER_UNREACHABLE')) throw error
  assert.match(String(error.details['reason']), /through a relay only, which carries no data/)
})

test('a relay that is gone gives way to itself, when it comes back', async () => {
  const relay = await start({ listen: LOOPBACK, relay: true })
  const [listen = ''] = relay.addresses()
  const hidden = await startHidden(relay)
  await relayedAddress(hidden)
  await relay.stop()
  // Its place is not announced any more.
  await until(() => hidden.addresses().length === 0)
  nextKey -= 2
  await start({ listen: [listen.replace(/\/p2p\/.*/, '')], relay: true })
  nextKey += 1
  assert.ok((await relayedAddress(hidden)).startsWith(listen))
})

test('a node starts although its relay does not answer', async () => {
  const peer = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'
  const node = await start({ listen: [...LOOPBACK, `/ip4/127.0.0.1/tcp/1/p2p/${peer}/p2p-circuit`] })
  assert.is(node.addresses().length, 1)
  await rejects(start({ listen: ['/ip4/127.0.0.1/tcp/1/p2p-circuit'] }), 'ADDRESS_INVALID')
})

test('who does not relay gives no places', async () => {
  const server = await start({ listen: LOOPBACK })
  await server.handle(echo)
  const hidden = await startHidden(server)
  assert.equal(hidden.addresses(), [])
})

// Addresses that count as public are to be had without a network of one's own only in a namespace of the kernel.
const namespace = spawnSync('unshare', ['-rn', 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' })

;(namespace.status === 0 ? test : test.skip)(
  'between public addresses the hidden node comes to the client directly',
  async () => {
    const script = `
    ip link set lo up
    for address in 8.8.1.1 8.8.2.2; do ip addr add $address/32 dev lo; done
    exec "$0" "$1"`
    const program = join(PROJECT, 'test/net/processes/direct-upgrade.ts')
    const child = spawn('unshare', ['-rn', 'sh', '-c', script, process.execPath, program], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [output, errors] = ['', '']
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
    await new Promise((resolve) => child.once('close', resolve))
    assert.is(output, 'limited: false, moved 4194304 bytes\n', errors)
  },
)

test.run()
