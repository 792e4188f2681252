/**
 * How a database changes between two pulls: the shapes that a change of rows has, on the uniform entries of ./entries.ts.
 * Every one is made as it is asked for, in key order, and names the place of each row, so that a flat file can be
 * changed in place.
 */
import { type Entries, ENTRY_BYTES, fillWords, KEY_BYTES, VALUE_BYTES } from './entries.ts'

/** Each with what it stands for. */
export const CHANGE_SHAPES = {
  nothing: 'nothing',
  one: '1 row',
  thousand: '1,000 random rows',
  percent: '1 % random rows',
  cluster: '1 % of the rows, neighbours',
  append: '1 % new rows at the end',
  all: 'all rows',
} as const

export type ChangeShape = keyof typeof CHANGE_SHAPES

/** A row that is put. */
export interface Change {
  /** Of the row among all, in key order. */
  readonly place: number
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export const THOUSAND = 1_000
/** Of random bits, beside those of ./entries.ts. */
const APPENDED_PURPOSE = 1_000_003

/** Rows that a change of that shape puts. */
export function changeCount({ count }: Entries, shape: ChangeShape): number {
  if (shape === 'nothing') return 0
  if (shape === 'one') return 1
  if (shape === 'thousand') return Math.min(THOUSAND, count)
  return shape === 'all' ? count : Math.ceil(count / 100)
}

/**
 * Rows with values of their own.
 * @param version at least 1, and another one for each change of a database
 * @param appended rows that changes of shape `append` have put before
 */
export function* changesOf(
  entries: Entries,
  shape: ChangeShape,
  version: number,
  appended: number = 0,
): Generator<Change, void, undefined> {
  const count = changeCount(entries, shape)
  if (shape === 'append') {
    for (let i = 0; i < count; i++) yield appendedAt(entries, appended + i)
    return
  }
  for (const place of placesOf(entries, shape, count, version)) yield { place, ...entries.at(place, version) }
}

function placesOf(entries: Entries, shape: ChangeShape, count: number, version: number): Iterable<number> {
  if (shape === 'all') return Iterator.from(range(0, count))
  if (shape === 'cluster') return range(Math.floor((entries.count - count) / 3), count)
  return entries.positions(count, version).toSorted((a, b) => a - b)
}

function* range(start: number, count: number): Generator<number, void, undefined> {
  for (let i = start; i < start + count; i++) yield i
}

/** Behind every key of `entries`, whose leading bits are never all set, in the order of `i`. */
function appendedAt(entries: Entries, i: number): Change {
  const words = new Uint32Array(ENTRY_BYTES / 4)
  fillWords(words, i, APPENDED_PURPOSE)
  const view = new DataView(words.buffer)
  view.setUint32(0, 0xffff_ffff)
  view.setUint32(4, i)
  return {
    place: entries.count + i,
    key: new Uint8Array(words.buffer, 0, KEY_BYTES),
    value: new Uint8Array(words.buffer, KEY_BYTES, VALUE_BYTES),
  }
}
