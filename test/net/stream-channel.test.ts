import { suite } from 'uvu'
import type { Channel } from '../../src/sync/channel.ts'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import { testChannels } from '../conformance/channel.ts'

const test = suite('net/stream-channel')

let server: NetworkNode
let client: NetworkNode
const incoming: ((channel: Channel) => void)[] = []

test.before(async () => {
  server = await createNode({
    peerKey: new Uint8Array(32).fill(1),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    limits: { channelsPerPeerMax: 64 },
  })
  client = await createNode({ peerKey: new Uint8Array(32).fill(2) })
  // The channel belongs to the test, so the handler stays with it until the test is through.
  await server.handle((channel) => {
    incoming.shift()?.(channel)
    return new Promise(() => undefined)
  })
})

test.after(async () => {
  await client.stop()
  await server.stop()
})

testChannels(test, async () => {
  const accepted = new Promise<Channel>((resolve) => incoming.push(resolve))
  const [address = ''] = server.addresses()
  const a = await client.dialer(address).open(AbortSignal.timeout(60_000))
  return { a, b: await accepted }
})

test.run()
