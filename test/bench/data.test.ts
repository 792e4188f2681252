/** What the benchmarks hand to engines is what it says: sorted, different, as many rows and changes as announced. */

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Entries } from '../../bench/data/entries.ts'
import { Rows } from '../../bench/data/rows.ts'
import { makeWorkload, SHAPES, type Shape } from '../../bench/data/shapes.ts'
import { compareBytes } from '../../src/bytes.ts'

const SIZE = 2_000
const CHANGES = 100

const test = suite('bench data')

function assertSorted(rows: Rows): void {
  for (let i = 1; i < rows.length; i++) assert.ok(compareBytes(rows.key(i - 1), rows.key(i)) < 0, `row ${i}`)
}

function asMap(...all: readonly Rows[]): Map<string, string> {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
  return new Map(all.flatMap((rows) => Array.from(rows, ({ key, value }) => [text(key), text(value)] as const)))
}

for (const shape of Object.keys(SHAPES) as Shape[]) {
  test(`${shape}: sorted, and changes as many rows as it says`, async () => {
    const { rows, passes, changes, rowsAfter } = await makeWorkload(shape, SIZE, CHANGES)
    assert.is(rows.length, SIZE)
    assertSorted(rows)
    assert.is(asMap(rows, ...passes.flat()).size, rowsAfter)
    let before = asMap(rows)
    for (const batches of passes) {
      for (const batch of batches) assertSorted(batch)
      const after = new Map([...before, ...asMap(...batches)])
      assert.is([...after].filter(([key, value]) => before.get(key) !== value).length, changes)
      assert.is(
        batches.reduce((sum, batch) => sum + batch.length, 0),
        CHANGES,
      )
      before = after
    }
  })
}

test('entries one by one are the entries of the stream', () => {
  const entries = new Entries(SIZE)
  const streamed = Rows.collect(entries.all())
  assertSorted(streamed)
  for (let i = 0; i < SIZE; i++) {
    assert.equal(streamed.key(i), entries.at(i).key)
    assert.equal(streamed.value(i), entries.at(i).value)
  }
})

test('updates keep the keys and change every value', () => {
  const entries = new Entries(SIZE)
  const before = asMap(Rows.collect(entries.all()))
  const updates = entries.updates(CHANGES, 1)
  assert.is(updates.length, CHANGES)
  for (const { key, value } of updates) {
    const held = before.get(Buffer.from(key).toString('latin1'))
    assert.ok(held !== undefined && value !== null && held !== Buffer.from(value).toString('latin1'))
  }
})

test.run()
