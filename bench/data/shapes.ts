/**
 * The shapes of data that are compared: what is loaded first, and the batches that change it afterwards. Rows are sorted
 * by key and keys differ, in the first load as within each batch.
 */
import { compareBytes } from '../../src/bytes.ts'
import type { Put } from '../../src/prolly/index.ts'
import { loadRelease } from '../../demo/dataset.ts'
import { Entries, fillWords, randomAt } from './entries.ts'
import { Rows } from './rows.ts'

export interface Workload {
  readonly rows: Rows
  /** The same change {@link PASSES} times, each time to new values: batches written one after the other. */
  readonly passes: readonly (readonly Rows[])[]
  /** Rows that differ between before a pass and after it. */
  readonly changes: number
  /** Rows after all passes. */
  readonly rowsAfter: number
}

/** Each with what it stands for. */
export const SHAPES = {
  uniform: '16 + 64 B, random keys; random rows get new values',
  time: '16 + 64 B, keys by time; later rows are appended',
  clustered: '16 + 64 B, keys in groups of 1,000; neighbours get new values',
  hot: '16 + 64 B, random keys; the same few rows get new values in ten batches',
  long: '200 + 64 B, keys that share their first 96 bytes; random rows get new values',
  tiny: '8 + 8 B, random keys; random rows get new values',
  compat: 'browser-compat-data, one JSON document per feature and browser; random rows get new values',
} as const

export type Shape = keyof typeof SHAPES

/** Short operations are measured so often. */
export const PASSES = 7
const HOT_BATCHES = 10
const CLUSTER_ROWS = 1_000
const LONG_PREFIX: Uint8Array = new TextEncoder()
  .encode('https://example.org/a/place/that/is/named/at/length/'.repeat(2))
  .subarray(0, 96)
const LONG_KEY_BYTES = 200
/** A moment in milliseconds, for keys by time. */
const TIME_START = 1_700_000_000_000
/** Purposes of random bits, beside those of ./entries.ts. */
const PURPOSE = { suffix: 11, value: 12, place: 13, jitter: 14 } as const

/**
 * @param size rows at first; `compat` has at most as many as there are documents
 * @param changes rows written by the batches of a pass together, at most `size`
 */
export async function makeWorkload(shape: Shape, size: number, changes: number): Promise<Workload> {
  switch (shape) {
    case 'time':
      return appendWorkload(size, changes)
    case 'compat':
      return updateWorkload(await compatRows(size), changes)
    case 'hot':
      return hotWorkload(uniformRows(size), changes)
    case 'clustered':
      return clusteredWorkload(size, changes)
    case 'uniform':
      return updateWorkload(uniformRows(size), changes)
    case 'long':
      return updateWorkload(Rows.collect(longRows(size)), changes)
    case 'tiny':
      return updateWorkload(Rows.collect(tinyRows(size)), changes)
  }
}

function uniformRows(size: number): Rows {
  return Rows.collect(new Entries(size).all())
}

function updateWorkload(rows: Rows, changes: number): Workload {
  const places = new Entries(rows.length).positions(changes, 1).toSorted((a, b) => a - b)
  return { rows, passes: updatePasses(rows, places, 1), changes: places.length, rowsAfter: rows.length }
}

/** New values for the same rows, `batches` times in a pass. */
function updatePasses(rows: Rows, places: readonly number[], batches: number): Rows[][] {
  return Array.from({ length: PASSES }, (_pass, pass) =>
    Array.from({ length: batches }, (_batch, batch) => updatesAt(rows, places, pass * batches + batch + 1)),
  )
}

function hotWorkload(rows: Rows, changes: number): Workload {
  const places = new Entries(rows.length).positions(Math.ceil(changes / HOT_BATCHES), 1).toSorted((a, b) => a - b)
  return { rows, passes: updatePasses(rows, places, HOT_BATCHES), changes: places.length, rowsAfter: rows.length }
}

function clusteredWorkload(size: number, changes: number): Workload {
  const rows = Rows.collect(clusteredRows(size))
  const count = Math.min(changes, size)
  const first = Math.floor(randomAt(0, PURPOSE.place) * (size - count))
  const places = Array.from({ length: count }, (_, i) => first + i)
  return { rows, passes: updatePasses(rows, places, 1), changes: count, rowsAfter: size }
}

function appendWorkload(size: number, changes: number): Workload {
  const rows = Rows.collect(timeRows(0, size))
  const passes = Array.from({ length: PASSES }, (_, pass) => [
    Rows.collect(timeRows(size + pass * changes, size + (pass + 1) * changes)),
  ])
  return { rows, passes, changes, rowsAfter: size + PASSES * changes }
}

/** Rows of the same keys. Values of the same length that differ in their first bytes, which keeps JSON-like ones compressible. */
function updatesAt(rows: Rows, places: readonly number[], version: number): Rows {
  function* updates(): Generator<Put, void, undefined> {
    for (const i of places) {
      const value = Uint8Array.from(rows.value(i))
      const head = value.subarray(0, 4)
      for (let at = 0; at < head.length; at++) head[at] = (head[at] as number) ^ (version << (at & 1))
      yield { key: rows.key(i), value }
    }
  }
  return Rows.collect(updates())
}

function* timeRows(from: number, to: number): Generator<Put, void, undefined> {
  const key = new Uint8Array(16)
  const value = new Uint32Array(16)
  for (let i = from; i < to; i++) {
    // Up to 20 ms apart, in order; the rest tells apart what came in the same millisecond.
    writeTime(key, TIME_START + i * 10 + Math.floor(randomAt(i, PURPOSE.jitter) * 10))
    fillWords(new Uint32Array(key.buffer, 8, 2), i, PURPOSE.suffix)
    fillWords(value, i, PURPOSE.value)
    yield { key, value: new Uint8Array(value.buffer) }
  }
}

function writeTime(key: Uint8Array<ArrayBuffer>, milliseconds: number): void {
  new DataView(key.buffer).setBigUint64(0, BigInt(milliseconds))
}

function* clusteredRows(size: number): Generator<Put, void, undefined> {
  const key = new Uint8Array(16)
  const value = new Uint32Array(16)
  const groups = new Entries(Math.ceil(size / CLUSTER_ROWS))
  for (let i = 0; i < size; i++) {
    if (i % CLUSTER_ROWS === 0) key.set(groups.at(i / CLUSTER_ROWS).key.subarray(0, 8))
    new DataView(key.buffer).setUint32(12, i % CLUSTER_ROWS)
    fillWords(value, i, PURPOSE.value)
    yield { key, value: new Uint8Array(value.buffer) }
  }
}

function* longRows(size: number): Generator<Put, void, undefined> {
  const key = new Uint8Array(LONG_KEY_BYTES)
  key.set(LONG_PREFIX)
  const suffix = new Uint32Array((LONG_KEY_BYTES - LONG_PREFIX.length - 16) / 4)
  for (const { key: order, value } of new Entries(size).all()) {
    fillWords(suffix, order[15] as number, PURPOSE.suffix)
    key.set(order, LONG_PREFIX.length)
    key.set(new Uint8Array(suffix.buffer), LONG_PREFIX.length + order.length)
    yield { key, value }
  }
}

function* tinyRows(size: number): Generator<Put, void, undefined> {
  for (const { key, value } of new Entries(size).all()) yield { key: key.subarray(0, 8), value: value.subarray(0, 8) }
}

/** At most `size` documents of the newer release the demo uses, taken evenly from all of them. */
async function compatRows(size: number): Promise<Rows> {
  const release = await loadRelease('bcd-new')
  const encoder = new TextEncoder()
  const all = [...release.lines()].map((line): Put => {
    const { feature, browser } = JSON.parse(line) as { feature: string; browser: string }
    return { key: encoder.encode(`${feature} ${browser}`), value: encoder.encode(line.trimEnd()) }
  })
  all.sort((a, b) => compareBytes(a.key, b.key))
  const wanted = Math.min(size, all.length)
  return Rows.collect(Array.from({ length: wanted }, (_, i) => all[Math.floor((i * all.length) / wanted)] as Put))
}
