/** Replicas that clone at once help each other: the author's line carries little more than one copy. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Format } from '../../src/prolly/index.ts'
import { Random } from '../support/random.ts'
import { publish, sameBlocks } from '../support/sync-lab.ts'
import { Swarm } from '../support/sync-swarm.ts'
import { u32be } from '../support/tree-sets.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('sync/swarm')

/** A row to a leaf, nine leaves to a node: the tree has as many subtrees as one of 100 MiB, and fewer blocks. */
const FEW_BLOCKS: Format = { targetBits: 9, chunkBytesMin: 128, chunkBytesMax: 8192, inlineBytesMax: 4000 }
const MIB = 1024 * 1024

function source(rows: number): ReturnType<typeof publish> {
  const bytes = Array.from({ length: rows }, (_, i) => ({ key: u32be(i), value: new Random(i).bytes(3900) }))
  return publish(bytes, { format: FEW_BLOCKS })
}

test('fifty replicas clone at once, the author has a line as thin as theirs: at most two copies leave it', async () => {
  const published = await source(1600)
  const swarm = new Swarm(new VirtualClock(), published, {
    replicas: 50,
    authorBytesPerSecond: MIB,
    replicaBytesPerSecond: MIB,
    neighbours: 8,
    seed: 1,
    latencyMs: 20,
  })
  const { doneMs, reports } = await swarm.run()
  for (const store of swarm.stores()) assert.ok(sameBlocks(published, store))
  const copies = swarm.author.bytes / published.target.bytes
  assert.ok(copies <= 2, `${copies.toFixed(2)} copies`)
  // From the author alone it would take 50 times what one copy takes.
  const oneCopyMs = (published.target.bytes / MIB) * 1000
  assert.ok(Math.max(...doneMs) < 4 * oneCopyMs, `${doneMs.at(-1)} ms, one copy takes ${oneCopyMs} ms`)
  const repeated = reports.reduce((sum, { blocksRepeated }) => sum + blocksRepeated, 0)
  assert.ok(repeated < (50 * published.blocks.size) / 10, `${repeated} blocks came twice`)
})

test('two replicas and a quick author: nobody waits for anybody', async () => {
  const published = await source(1000)
  const swarm = new Swarm(new VirtualClock(), published, {
    replicas: 2,
    authorBytesPerSecond: 4 * MIB,
    replicaBytesPerSecond: MIB,
    neighbours: 1,
    seed: 2,
    latencyMs: 20,
  })
  const { doneMs } = await swarm.run()
  const aloneMs = (published.target.bytes / (4 * MIB)) * 1000
  assert.ok(Math.max(...doneMs) < 3 * aloneMs, `${doneMs.at(-1)} ms, alone one would take ${aloneMs} ms`)
})

test.run()
