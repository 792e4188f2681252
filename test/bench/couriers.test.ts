/** What the sync benchmark measures with: changes of rows, the log that is replayed, flat files, and its bars. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FlatFile } from '../../bench/couriers/flat-file.ts'
import { blocksOf, Chain, LogSigner, requireHead, rowsOf } from '../../bench/couriers/log.ts'
import { CHANGE_SHAPES, changeCount, changesOf, type ChangeShape } from '../../bench/data/changes.ts'
import { Entries, ENTRY_BYTES } from '../../bench/data/entries.ts'
import type { Life, Step } from '../../bench/parts/results.ts'
import { syncBars } from '../../bench/report/sync-bars.ts'
import { bytesToHex, compareBytes } from '../../src/bytes.ts'
import { sha256 } from '../../src/sha256.ts'

const test = suite('bench: couriers')

const SHAPES = Object.keys(CHANGE_SHAPES) as ChangeShape[]
const entries = new Entries(2_000)

test('a change has as many rows as it says, in key order, at their places, with values of its own', () => {
  const all = [...entries.all()]
  for (const shape of SHAPES) {
    const rows = [...changesOf(entries, shape, 1)]
    assert.is(rows.length, changeCount(entries, shape), shape)
    rows.slice(1).forEach((row, i) => {
      assert.ok(compareBytes(rows[i]?.key as Uint8Array, row.key) < 0, `${shape}: keys go up`)
    })
    for (const { place, key, value } of rows) {
      const before = all[place]
      if (shape === 'append') assert.ok(place >= entries.count && compareBytes(all.at(-1)?.key as Uint8Array, key) < 0)
      else assert.equal([before?.key, compareBytes(before?.value as Uint8Array, value) === 0], [key, false], shape)
    }
  }
  const [first, second] = [0, 20].map((appended) => [...changesOf(entries, 'append', 1, appended)])
  assert.ok(compareBytes(first?.at(-1)?.key as Uint8Array, second?.[0]?.key as Uint8Array) < 0, 'appended behind')
})

test('a log gives its rows back, and its head is of this chain alone', () => {
  const rows = [...new Entries(20_000).all()]
  const blocks = [...blocksOf(rows)]
  assert.ok(blocks.length > 1)
  const found = blocks.flatMap((block) => [...rowsOf(block)])
  assert.is(found.length, rows.length)
  found.forEach(({ key, value }, i) => {
    assert.is(compareBytes(key, rows[i]?.key as Uint8Array), 0)
    assert.is(compareBytes(value, rows[i]?.value as Uint8Array), 0)
  })
  const signer = new LogSigner()
  const chain = new Chain()
  blocks.forEach((block) => chain.add(sha256(block)))
  const head = signer.head(chain)
  requireHead(head, chain, signer.publicKey)
  chain.add(sha256(blocks[0] as Buffer))
  assert.throws(() => requireHead(head, chain, signer.publicKey), /wrong signature/)
})

test('a flat file has rows where they belong, and finds them', () => {
  const directory = mkdtempSync(join(tmpdir(), 'coppice-bench-'))
  try {
    const file = new FlatFile(join(directory, 'rows'))
    file.write(entries)
    const changes = [...changesOf(entries, 'percent', 3), ...changesOf(entries, 'append', 3)]
    file.put(changes)
    for (const { key, value } of changes) assert.is(bytesToHex(file.get(key) as Uint8Array), bytesToHex(value))
    assert.is(file.get(new Uint8Array(16)), undefined)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

const SIZE = 1_000_000

function step(name: Step['name'], rows: number, figures: Partial<Step>): Step {
  const usual = { seconds: 1, wireBytes: 1, cpuReplica: 1, cpuAuthor: 1, peakReplica: 1, peakAuthor: 1 }
  return { name, rows, rowBytes: rows * ENTRY_BYTES, ...usual, ...figures }
}

function life(courier: string, steps: readonly Step[]): Life {
  return { courier, size: SIZE, link: 'direct', depth: 0, buildSeconds: 1, steps }
}

test('bars compare what was measured with what is promised, and leave out the rest', () => {
  assert.equal(syncBars({}), [])
  const part = { at: '', seconds: 1, machine: {} as never, versions: {}, skipped: [] }
  const lives = [
    life('coppice', [
      step('clone', SIZE, { seconds: 2 }),
      step('thousand', 1_000, { seconds: 0.25, wireBytes: 160_000 }),
    ]),
    life('hyperbee', [step('clone', SIZE, { seconds: 40 })]),
  ]
  const bars = syncBars({ copies: { ...part, results: lives } })
  const found = bars.map(({ what, measured, met }) => [what, measured, met])
  assert.equal(found, [
    ['clone of 1M rows', '500 k/s', true],
    ['clone beside hyperbee in memory, 1.00 M rows', '20.0x', true],
    ['wire of a pull of 1,000 random rows in 1M by these rows', '2.00x', false],
    ['its time', '250 ms', true],
  ])
})

test.run()
