/**
 * Where 8.8.1.1 and 8.8.2.2 are this machine: a relay, a node behind it, and a client that can be dialled. Prints over what
 * kind of channel the client reaches the hidden node, and how much came over it.
 */
import { createNode } from '../../../src/net/index.ts'

const FRAME_BYTES = 65_536
const FRAMES = 64

const keyOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const relay = await createNode({ peerKey: keyOf(1), listen: ['/ip4/8.8.1.1/tcp/4001'], relay: true })
const hidden = await createNode({ peerKey: keyOf(2), listen: [`${relay.addresses()[0]}/p2p-circuit`] })
await hidden.handle(async (channel) => {
  for (let i = 0; i < FRAMES; i++) await channel.send(new Uint8Array(FRAME_BYTES))
})
const client = await createNode({ peerKey: keyOf(3), listen: ['/ip4/8.8.2.2/tcp/4003'] })
const [address = ''] = hidden.addresses()
const channel = await client.dialer(address).open(AbortSignal.timeout(60_000))
let bytes = 0
for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) bytes += frame.length
process.stdout.write(`limited: ${channel.isLimited}, moved ${bytes} bytes\n`)
await channel.close()
await Promise.all([client.stop(), hidden.stop(), relay.stop()])
