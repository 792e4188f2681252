/**
 * What a channel costs, between two processes over TCP on loopback: MiB/s of 64 KiB frames on one channel, the time of
 * a request and its answer on an open channel, of a new channel, and of a dial.
 *
 *     node bench/rounds/channel.ts
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import type { Channel } from '../../src/sync/channel.ts'

const MEBIBYTES = 250
const REQUESTS = 500

const server = spawn(
  process.execPath,
  [fileURLToPath(new URL('../../test/support/frame-server.ts', import.meta.url))],
  {
    stdio: ['pipe', 'pipe', 'inherit'],
  },
)
const [line] = (await once(server.stdout, 'data')) as [Buffer]
const address = line.toString().trim()

const signal = (): AbortSignal => AbortSignal.timeout(10_000)
const newNode = (): Promise<NetworkNode> => createNode({ peerKey: crypto.getRandomValues(new Uint8Array(32)) })

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function transfer(channel: Channel, mebibytes: number): Promise<void> {
  await channel.send(Uint8Array.of(mebibytes))
  while ((await channel.receive()) !== undefined) continue
  await channel.close()
}

const dials: number[] = []
for (let i = 0; i < 10; i++) {
  const node = await newNode()
  dials.push(await timed(() => node.dialer(address).open(signal())))
  await node.stop()
}

const client = await newNode()
const dialer = client.dialer(address)
await transfer(await dialer.open(signal()), 50)
const rates: number[] = []
for (let i = 0; i < 3; i++) {
  const channel = await dialer.open(signal())
  rates.push(MEBIBYTES / ((await timed(() => transfer(channel, MEBIBYTES))) / 1000))
}

const channels: number[] = []
for (let i = 0; i < 50; i++) channels.push(await timed(async () => transfer(await dialer.open(signal()), 0)))

const echo = await client.dialer(address, { protocols: ['/coppice/echo/1.0.0'] }).open(signal())
const roundTrips: number[] = []
for (let i = 0; i < REQUESTS; i++) {
  roundTrips.push(await timed(() => Promise.all([echo.send(new Uint8Array(40)), echo.receive()])))
}
await client.stop()
server.stdin.end()

const median = (values: number[]): string => (values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0).toFixed(2)
console.log(`64 KiB frames, one channel   ${median(rates)} MiB/s`)
console.log(`request and answer           ${median(roundTrips)} ms`)
console.log(`new channel, used and closed ${median(channels)} ms`)
console.log(`dial and first channel       ${median(dials)} ms`)
