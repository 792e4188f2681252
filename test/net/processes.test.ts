import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import { rejects } from '../conformance/channel.ts'

const test = suite('net/processes')
const children: ChildProcess[] = []
let client: NetworkNode

test.before(async () => {
  client = await createNode({ peerKey: new Uint8Array(32).fill(1) })
})

test.after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await client.stop()
})

async function startServer(): Promise<{ child: ChildProcess; address: string }> {
  const script = fileURLToPath(new URL('../support/frame-server.ts', import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, address: line.toString().trim() }
}

test('moves 64 MiB between two processes, which both end by themselves', async () => {
  const { child, address } = await startServer()
  const channel = await client.dialer(address).open(AbortSignal.timeout(60_000))
  await channel.send(Uint8Array.of(64))
  let frames = 0
  for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
    assert.is(frame[65_535], frames++ & 255)
  }
  assert.is(frames, 1024)
  assert.is(channel.bytesReceived, 1024 * 65_540)
  await channel.close()
  const exited = once(child, 'exit')
  child.stdin?.end()
  assert.equal(await exited, [0, null])
})

test('a killed peer is a lost peer, not the end of its data', async () => {
  const { child, address } = await startServer()
  const channel = await client.dialer(address).open(AbortSignal.timeout(60_000))
  await channel.send(Uint8Array.of(255))
  assert.is((await channel.receive())?.length, 65_536)
  child.kill('SIGKILL')
  await rejects(
    (async () => {
      while ((await channel.receive()) !== undefined) continue
    })(),
    'PEER_UNREACHABLE',
  )
})

test.run()
