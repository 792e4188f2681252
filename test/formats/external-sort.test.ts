import fc from 'fast-check'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, equalBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { sortEntries, type SortEntry } from '../../src/formats/external-sort.ts'
import { Random } from '../support/random.ts'
import { assertProperty, seeds } from '../support/property.ts'
import { collect } from '../support/records.ts'

const test = suite('formats/external-sort')

let directory = ''
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coppice-'))
})
test.after(async () => {
  await rm(directory, { recursive: true })
})

function entriesOf(keys: readonly Uint8Array[], valueBytes: (i: number) => number = () => 3): SortEntry[] {
  return keys.map((key, i) => ({ key, value: new Uint8Array(valueBytes(i)).fill(i), line: i + 1, column: 1 }))
}

function assertSame(got: readonly SortEntry[], expected: readonly SortEntry[]): void {
  assert.is(got.length, expected.length)
  got.forEach((entry, i) => {
    const wanted = expected[i] as SortEntry
    assert.ok(equalBytes(entry.key, wanted.key) && equalBytes(entry.value, wanted.value))
    assert.is(entry.line, wanted.line)
    assert.is(entry.column, wanted.column)
  })
}

test('as sorting in memory, whatever spills', async () => {
  const keys = fc.uniqueArray(fc.uint8Array({ maxLength: 4 }), { maxLength: 60, selector: (key) => key.join() })
  await assertProperty(
    fc.asyncProperty(
      keys,
      fc.constantFrom(1, 1000, 4000, 1_000_000),
      fc.constantFrom(0, 3, 5000),
      async (list, memoryBytesMax, size) => {
        const entries = entriesOf(list, (i) => (i % 3 === 0 ? size : 1))
        const got = await collect(sortEntries(entries, { memoryBytesMax, directory }))
        assertSame(
          got,
          entries.toSorted((a, b) => compareBytes(a.key, b.key)),
        )
        assert.equal(await readdir(directory), [])
      },
    ),
    60,
  )
})

test('more runs than are merged at once', async () => {
  const random = new Random(seeds(1)[0] ?? 1)
  const keys = Array.from({ length: 3000 }, (_, i) => Uint8Array.of(i >> 8, i & 255))
  const entries = entriesOf(random.shuffled(keys))
  const got = await collect(sortEntries(entries, { memoryBytesMax: 6000, directory }))
  assertSame(
    got,
    entries.toSorted((a, b) => compareBytes(a.key, b.key)),
  )
  assert.equal(await readdir(directory), [])
})

test('what fits never touches the disk', async () => {
  const nowhere = join(directory, 'does-not-exist')
  const entries = entriesOf([Uint8Array.of(2), Uint8Array.of(1)])
  assert.is((await collect(sortEntries(entries, { directory: nowhere }))).length, 2)
  assert.is((await collect(sortEntries([], { directory: nowhere }))).length, 0)
})

test('duplicates are named with both places, in one run or in two', async () => {
  for (const memoryBytesMax of [1, 700, 1_000_000]) {
    const entries = entriesOf([
      Uint8Array.of(5),
      Uint8Array.of(0x61),
      Uint8Array.of(7),
      Uint8Array.of(0x61),
      Uint8Array.of(1),
    ])
    try {
      await collect(sortEntries(entries, { memoryBytesMax, directory }))
      assert.unreachable()
    } catch (error) {
      assert.ok(isCoppiceError(error, 'INPUT_DUPLICATE_KEY'))
      assert.equal([error.details['firstLine'], error.details['line']], [2, 4])
      assert.match(error.message, 'got "a" again (first on line 2)')
    }
    assert.equal(await readdir(directory), [])
  }
})

test('temporary files are gone after a stop, an abort, an error of the source', async () => {
  const entries = entriesOf(Array.from({ length: 100 }, (_, i) => Uint8Array.of(i)))
  for await (const entry of sortEntries(entries, { memoryBytesMax: 1000, directory })) {
    assert.is((await readdir(directory)).length, 1)
    if (entry.line === 10) break
  }
  assert.equal(await readdir(directory), [])

  const controller = new AbortController()
  const reason = new Error('stop')
  let count = 0
  try {
    for await (const entry of sortEntries(entries, { memoryBytesMax: 1000, directory, signal: controller.signal })) {
      if (entry.key.length > 0 && ++count === 3) controller.abort(reason)
    }
    assert.unreachable()
  } catch (error) {
    assert.is(error, reason)
  }
  assert.equal(await readdir(directory), [])

  const failing = (function* () {
    yield* entries
    throw new RangeError('source')
  })()
  try {
    await collect(sortEntries(failing, { memoryBytesMax: 1000, directory }))
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RangeError)
  }
  assert.equal(await readdir(directory), [])
})

test.run()
