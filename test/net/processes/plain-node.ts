/** Two nodes without options, one of which dials the other. */
import { createNode } from '../../../src/net/index.ts'

const server = await createNode({ peerKey: new Uint8Array(32).fill(1), listen: ['/ip4/127.0.0.1/tcp/0'] })
await server.handle(async (channel) => void (await channel.receive()))
const client = await createNode({ peerKey: new Uint8Array(32).fill(2) })
const channel = await client.dialer(server.addresses()[0] ?? '').open(AbortSignal.timeout(60_000))
await channel.close()
await Promise.all([client.stop(), server.stop()])
