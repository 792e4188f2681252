/** Several peers at once, of different speed: their rates add up. Time is virtual, lines have rates, and all is the same each time. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createMemoryDialer, type PeerDialer, type PullReport } from '../../src/sync/index.ts'
import { Random } from '../support/random.ts'
import { CountingStore, Lab, publish, type Published, sameBlocks } from '../support/sync-lab.ts'
import { Line, overLine } from '../support/sync-lines.ts'
import { u32be } from '../support/tree-sets.ts'

const test = suite('sync/many-peers')

const KIB = 1024

const source: Published = await publish(
  Array.from({ length: 30_000 }, (_, i) => ({ key: u32be(i), value: new Random(i).bytes(800) })),
)

function peerOver(lab: Lab, name: string, line: Line): PeerDialer {
  const handler = lab.handlerOf(source)
  return createMemoryDialer(name, (channel) => handler(overLine(channel, line)), { from: 'puller' })
}

async function clone(rates: readonly number[], latencyMs: number): Promise<{ report: PullReport; seconds: number }> {
  const lab = new Lab()
  const dialers = rates.map((rate, i) => peerOver(lab, `peer ${i}`, new Line(lab.clock, rate, latencyMs)))
  const store = new CountingStore()
  const began = lab.clock.now()
  const report = await lab.pull(source, dialers, store)
  assert.ok(sameBlocks(source, store))
  return { report, seconds: (lab.clock.now() - began) / 1000 }
}

/** Bytes of the tree by the sum of the rates: as fast as it can be. */
function ideal(rates: readonly number[]): number {
  return source.target.bytes / rates.reduce((sum, rate) => sum + rate, 0)
}

const EIGHT = [64, 128, 192, 256, 384, 512, 768, 1024].map((rate) => rate * KIB)

for (const [name, rates, latencyMs, most] of [
  ['eight peers of different speed', EIGHT, 0, 1.15],
  ['eight peers 50 ms away', EIGHT, 50, 1.15],
  ['eight that are alike', EIGHT.map(() => 400 * KIB), 20, 1.15],
  ['a fast one and one at the minimum rate', [4096 * KIB, 64 * KIB], 10, 1.3],
  ['one', [1024 * KIB], 100, 1.15],
] as const) {
  test(`${name}: the rates add up`, async () => {
    const { report, seconds } = await clone(rates, latencyMs)
    const ratio = seconds / ideal(rates)
    assert.ok(ratio < most, `${ratio.toFixed(3)} times as long as the lines take`)
    for (const { blocks, name: peer } of report.peers) assert.ok(blocks > 0, peer)
  })
}

test.run()
