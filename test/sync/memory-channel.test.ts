import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createChannelPair, createMemoryDialer } from '../../src/sync/memory-channel.ts'
import { rejects, testChannels } from '../conformance/channel.ts'
import { withFaults } from '../support/faulty-channel.ts'
import { seededRandom } from '../support/seeded-random.ts'

const test = suite('sync/memory-channel')

testChannels(test, () => {
  const [a, b] = createChannelPair()
  return Promise.resolve({ a, b })
})

test('names the two sides', () => {
  const [a, b] = createChannelPair({ names: ['alice', 'bob'] })
  assert.equal([a.peer, b.peer], ['bob', 'alice'])
})

test('a dialer opens channels that its handler serves', async () => {
  const dialer = createMemoryDialer('bob', async (channel) => {
    const frame = await channel.receive()
    if (frame !== undefined) await channel.send(frame)
  })
  const channel = await dialer.open(new AbortController().signal)
  assert.is(channel.peer, 'bob')
  await channel.send(Uint8Array.of(1, 2))
  assert.equal(await channel.receive(), Uint8Array.of(1, 2))
  assert.is(await channel.receive(), undefined)
})

test('a handler that fails breaks its channel and nothing else', async () => {
  const dialer = createMemoryDialer('bob', () => Promise.reject(new Error('handler')))
  const channel = await dialer.open(new AbortController().signal)
  await rejects(channel.receive(), 'PEER_UNREACHABLE')
})

test('a dialer respects the signal', async () => {
  const reason = new Error('stop')
  const dialer = createMemoryDialer('bob', () => Promise.resolve())
  await rejects(dialer.open(AbortSignal.abort(reason)), reason)
})

test('faults of a seed are the same in every run, and stay within a frame', async () => {
  const run = async (seed: number): Promise<string> => {
    const [a, b] = createChannelPair()
    const events: string[] = []
    const faulty = withFaults(b, {
      faults: { corrupt: 0.2, truncate: 0.2, repeat: 0.2, delay: 0.5, lost: 0.02 },
      random: seededRandom(seed),
      turn: () => Promise.resolve(),
      onFault: (fault, index) => events.push(`${fault}@${index}`),
    })
    for (let i = 0; i < 50; i++) await a.send(new Uint8Array(20).fill(i))
    await a.close()
    try {
      for (let frame = await faulty.receive(); frame; frame = await faulty.receive()) events.push(frame.join())
    } catch (error) {
      events.push(String(error))
    }
    return events.join(' ')
  }
  const runs = await Promise.all([1, 2, 3, 1, 2, 3].map(run))
  assert.equal(runs.slice(0, 3), runs.slice(3))
  assert.is(new Set(runs).size, 3)
  for (const fault of ['corrupt', 'truncate', 'repeat', 'delay', 'lost']) assert.ok(runs.join().includes(fault), fault)
})

test('a stalled channel waits for its abort', async () => {
  const [a, b] = createChannelPair()
  const faulty = withFaults(b, { faults: { stall: 1 }, random: seededRandom(1) })
  await a.send(Uint8Array.of(1))
  const receiving = faulty.receive()
  const reason = new Error('deadline')
  setImmediate(() => faulty.abort(reason))
  await rejects(receiving, reason)
})

test('a connection is lost at the frame named', async () => {
  const [a, b] = createChannelPair()
  const faulty = withFaults(b, { faults: { lostAtFrame: 2 }, random: seededRandom(1) })
  for (let i = 0; i < 4; i++) await a.send(Uint8Array.of(i))
  assert.equal([await faulty.receive(), await faulty.receive()], [Uint8Array.of(0), Uint8Array.of(1)])
  await rejects(faulty.receive(), 'PEER_UNREACHABLE')
  await rejects(a.receive(), 'PEER_UNREACHABLE')
})

test.run()
