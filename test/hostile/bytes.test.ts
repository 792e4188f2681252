/** Threats 9, 16 and 20: bytes that are no frames, too many of them, or none, over real connections. The server serves on. */

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FRAME_BYTES_MAX } from '../../src/limits.ts'
import { encodeFrames } from '../../src/net/frames.ts'
import { createNode, SYNC_PROTOCOL, type NetworkNode } from '../../src/net/index.ts'
import { createLibp2pNode } from '../../src/net/libp2p.ts'
import type { Channel, ChannelHandler } from '../../src/sync/channel.ts'
import { rejects } from '../conformance/channel.ts'
import { seeds } from '../support/property.ts'
import { seededRandom } from '../support/seeded-random.ts'

const test = suite('hostile/bytes')
const [seed = 0] = seeds(1)

let server: NetworkNode
let honest: NetworkNode
let hostile: Libp2p
let address: string
const incoming: ChannelHandler[] = []
const escaped: unknown[] = []
const onEscaped = (error: unknown): void => void escaped.push(error)

test.before(async () => {
  process.on('uncaughtException', onEscaped)
  process.on('unhandledRejection', onEscaped)
  server = await createNode({ peerKey: new Uint8Array(32).fill(1), listen: ['/ip4/127.0.0.1/tcp/0'] })
  honest = await createNode({ peerKey: new Uint8Array(32).fill(2) })
  const settings = { listen: [], announce: [], connectionsMax: 100 }
  const parts = await createLibp2pNode({ ...settings, peerKey: new Uint8Array(32).fill(3) })
  hostile = parts.libp2p
  await hostile.start()
  ;[address = ''] = server.addresses()
  parts.guard.permit(multiaddr(address))
  await server.handle(async (channel) => {
    const test = incoming.shift()
    if (test !== undefined) return test(channel)
    for (let frame = await channel.receive(); frame; frame = await channel.receive()) await channel.send(frame)
  })
})

test.after.each(async () => {
  const channel = await honest.dialer(address).open(AbortSignal.timeout(60_000))
  await channel.send(Uint8Array.of(42))
  assert.equal(await channel.receive(), Uint8Array.of(42), 'the server serves on')
  await channel.close()
  assert.equal(escaped, [], 'nothing escaped to the process')
})

test.after(async () => {
  await Promise.all([hostile.stop(), honest.stop()])
  await server.stop()
  process.off('uncaughtException', onEscaped)
  process.off('unhandledRejection', onEscaped)
})

/** A raw stream of the hostile peer, and the channel the server made of it, with what `receive` then gives. */
async function attack(): Promise<{ stream: Stream; receiving: Promise<(Uint8Array | undefined)[]>; channel: Channel }> {
  const accepted = Promise.withResolvers<Channel>()
  const received = Promise.withResolvers<(Uint8Array | undefined)[]>()
  received.promise.catch(() => undefined)
  incoming.push((channel) => {
    accepted.resolve(channel)
    return receiveAll(channel).then(received.resolve, (error: Error) => {
      received.reject(error)
      throw error
    })
  })
  const stream = await hostile.dialProtocol(multiaddr(address), SYNC_PROTOCOL)
  // The server's handler runs once the first bytes of the negotiation are through.
  return { stream, receiving: received.promise, channel: await accepted.promise }
}

async function receiveAll(channel: Channel): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) frames.push(frame)
  return frames
}

function header(announced: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, announced)
  return bytes
}

for (const announced of [0, FRAME_BYTES_MAX + 1, 0xffff_ffff]) {
  test(`a frame said to have ${announced} bytes`, async () => {
    const { stream, receiving } = await attack()
    stream.send(encodeFrames([Uint8Array.of(1)]))
    stream.send(header(announced))
    await rejects(receiving, 'PEER_PROTOCOL')
    await untilClosed(stream)
  })
}

test('a frame cut by the end of the stream', async () => {
  const { stream, receiving } = await attack()
  stream.send(encodeFrames([new Uint8Array(1000)]).subarray(0, 500))
  await stream.close()
  await rejects(receiving, 'PEER_PROTOCOL')
})

test('a header cut by the end of the stream', async () => {
  const { stream, receiving } = await attack()
  stream.send(header(7).subarray(0, 3))
  await stream.close()
  await rejects(receiving, 'PEER_PROTOCOL')
})

test('a reset between two frames is no end', async () => {
  const { stream, receiving, channel } = await attack()
  stream.send(encodeFrames([Uint8Array.of(1)]))
  while (channel.bytesReceived === 0) await sleep(5)
  stream.abort(new Error('reset'))
  await rejects(receiving, 'PEER_UNREACHABLE')
})

test('a connection dropped between two frames is no end', async () => {
  const { stream, receiving, channel } = await attack()
  stream.send(encodeFrames([Uint8Array.of(1)]))
  while (channel.bytesReceived === 0) await sleep(5)
  for (const connection of hostile.getConnections()) connection.abort(new Error('dropped'))
  await rejects(receiving, 'PEER_UNREACHABLE')
})

test('frames that dribble in byte by byte', async () => {
  const { stream, receiving } = await attack()
  const frames = [Uint8Array.of(1, 2, 3), new Uint8Array(300).fill(4), Uint8Array.of(5)]
  for (const byte of encodeFrames(frames)) stream.send(Uint8Array.of(byte))
  await stream.close()
  assert.equal(await receiving, frames)
})

test('a flood of tiny frames that nobody reads stops', async () => {
  const accepted = Promise.withResolvers<Channel>()
  incoming.push((channel) => {
    accepted.resolve(channel)
    return new Promise(() => undefined)
  })
  const stream = await hostile.dialProtocol(multiaddr(address), SYNC_PROTOCOL)
  const channel = await accepted.promise
  const batch = encodeFrames(Array.from({ length: 10_000 }, () => Uint8Array.of(1)))
  for (let i = 0; i < 100; i++) stream.send(batch)
  let last = -1
  while (channel.bytesReceived !== last) {
    last = channel.bytesReceived
    await sleep(50)
  }
  assert.ok(last < 2 * 1024 * 1024, `${last} bytes read ahead`)
  assert.is(stream.status, 'open')
  for (let i = 0; i < 1_000_000; i++) assert.is((await channel.receive())?.length, 1)
  stream.abort(new Error('done'))
  channel.abort(new Error('done'))
})

test('random bytes after the negotiation', async () => {
  const random = seededRandom(seed)
  for (let i = 0; i < 30; i++) {
    const { stream, receiving } = await attack()
    const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 300) }, () => Math.floor(random() * 256))
    if (random() < 0.5) bytes.fill(0, 0, 3)
    stream.send(bytes)
    await stream.close().catch(() => undefined)
    const outcome: unknown = await receiving.catch((error: unknown) => error)
    assert.ok(Array.isArray(outcome) || outcome instanceof Error)
  }
})

test('random bytes instead of a connection', async () => {
  const random = seededRandom(seed)
  const port = Number(multiaddr(address).getComponents()[1]?.value)
  const multistream = new TextEncoder().encode('\x13/multistream/1.0.0\n\x07/noise\n')
  const tries = Array.from({ length: 20 }, async (_, i) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    if (i % 2 === 0) socket.write(multistream)
    socket.write(Uint8Array.from({ length: 1 + Math.floor(random() * 2_000) }, () => Math.floor(random() * 256)))
    await sleep(20)
    if (i % 3 === 0) socket.resetAndDestroy()
    else socket.destroy()
  })
  await Promise.all(tries)
})

async function untilClosed(stream: Stream): Promise<void> {
  while (stream.status === 'open') await sleep(5)
}

test.run()
