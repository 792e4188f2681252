/**
 * A node in a process of its own. Prints its address; answers a frame of one byte n with n * 16 frames of 64 KiB and
 * ends its side; on another protocol, echoes. Stops when its standard input ends, and must then exit by itself.
 */

import { createNode } from '../../src/net/index.ts'

const node = await createNode({ peerKey: crypto.getRandomValues(new Uint8Array(32)), listen: ['/ip4/127.0.0.1/tcp/0'] })
await node.handle(async (channel) => {
  const [mebibytes = 0] = (await channel.receive()) ?? []
  for (let i = 0; i < mebibytes * 16; i++) await channel.send(new Uint8Array(65_536).fill(i))
})
await node.handle(
  async (channel) => {
    for (let frame = await channel.receive(); frame; frame = await channel.receive()) await channel.send(frame)
  },
  { protocol: '/coppice/echo/1.0.0' },
)
console.log(node.addresses()[0])
process.stdin.resume().once('end', () => void node.stop())
