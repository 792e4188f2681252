/** Replicas that clone at once help each other: the author's line carries little more than one copy. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Format } from '../../src/prolly/index.ts'
import { ELSEWHERE_MS_MAX } from '../../src/sync/limits.ts'
import { Random } from '../support/random.ts'
import { publish, sameBlocks } from '../support/sync-lab.ts'
import { Swarm } from '../support/sync-swarm.ts'
import { u32be } from '../support/tree-sets.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('sync/swarm')

/** Of 80 bytes. */
async function rows(count: number): ReturnType<typeof publish> {
  return publish(Array.from({ length: count }, (_, i) => ({ key: u32be(i), value: new Random(i).bytes(76) })))
}

/** A row to a leaf, nine leaves to a node: the tree has as many subtrees as one of 100 MiB, and fewer blocks. */
const FEW_BLOCKS: Format = { targetBits: 9, chunkBytesMin: 128, chunkBytesMax: 8192, inlineBytesMax: 4000 }
const MIB = 1024 * 1024

function source(rows: number): ReturnType<typeof publish> {
  const bytes = Array.from({ length: rows }, (_, i) => ({ key: u32be(i), value: new Random(i).bytes(3900) }))
  return publish(bytes, { format: FEW_BLOCKS })
}

for (const [name, replicas, machine, most] of [
  ['fifty replicas clone at once, the author has a line as thin as theirs', 50, undefined, 1.6],
  // They answer late, and must not be dropped for the author.
  ['twenty that have no time', 20, 2 * MIB, 2],
] as const) {
  test(`${name}: at most two copies leave it`, async () => {
    const published = await rows(25_000)
    const swarm = new Swarm(new VirtualClock(), published, {
      replicas,
      authorBytesPerSecond: MIB,
      replicaBytesPerSecond: machine === undefined ? MIB : 100 * MIB,
      ...(machine === undefined ? {} : { machineBytesPerSecond: machine }),
      seed: 1,
      latencyMs: 20,
    })
    const { doneMs, reports } = await swarm.run()
    for (const store of swarm.stores()) assert.ok(sameBlocks(published, store))
    const copies = swarm.author.bytes / published.target.bytes
    assert.ok(copies <= most, `${copies.toFixed(2)} copies`)
    // From the author alone it would take 50 times what one copy takes.
    const oneCopyMs = (published.target.bytes / MIB) * 1000
    assert.ok(Math.max(...doneMs) < 15 * oneCopyMs, `${doneMs.at(-1)} ms, one copy takes ${oneCopyMs} ms`)
    const repeated = reports.reduce((sum, { blocksRepeated }) => sum + blocksRepeated, 0)
    assert.ok(repeated < (replicas * published.blocks.size) / 10, `${repeated} blocks came twice`)
  })
}

test('two replicas and a quick author: nobody waits for longer than the line of the other takes', async () => {
  const published = await source(1000)
  const swarm = new Swarm(new VirtualClock(), published, {
    replicas: 2,
    authorBytesPerSecond: 4 * MIB,
    replicaBytesPerSecond: MIB,
    seed: 2,
    latencyMs: 20,
  })
  const { doneMs } = await swarm.run()
  const lineMs = (published.target.bytes / MIB) * 1000
  assert.ok(Math.max(...doneMs) < 1.2 * lineMs, `${doneMs.at(-1)} ms, the line takes ${lineMs} ms`)
})

test('replicas that know of each other and cannot reach each other get all of it from the author', async () => {
  const published = await source(400)
  const swarm = new Swarm(new VirtualClock(), published, {
    replicas: 6,
    authorBytesPerSecond: 4 * MIB,
    replicaBytesPerSecond: MIB,
    seed: 3,
    isSplit: true,
  })
  const { doneMs } = await swarm.run()
  for (const store of swarm.stores()) assert.ok(sameBlocks(published, store))
  const most = 2 * ELSEWHERE_MS_MAX
  assert.ok(Math.max(...doneMs) < most, `${doneMs.at(-1)} ms`)
})

test.run()
