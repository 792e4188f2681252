/**
 * From sorted rows to the edits that make a database hold them. Rows equal to what is there are no edits, so that the
 * next release of a dataset becomes the smallest change.
 */
import { compareBytes } from '../bytes.ts'
import type { EntryReader, Row } from '../db/index.ts'
import { CoppiceError } from '../errors.ts'
import { type Edit, isSameValue, type KeyRange } from '../prolly/index.ts'

export interface EditCounts {
  added: number
  updated: number
  removed: number
  unchanged: number
}

/** At most so many changes: a number of rows, or a share (0..1) of the rows that are there. */
export type ChangeLimit = { readonly rows: number } | { readonly share: number }

/** Counts changes as they come and stops at the limit, long before anything is committed. */
export class ChangeCounter {
  readonly counts: EditCounts = { added: 0, updated: 0, removed: 0, unchanged: 0 }
  readonly #limit: number

  /** `rowsBefore`: rows in the range before the import. A limit as a share does not bind a first import into nothing. */
  constructor(limit: ChangeLimit | undefined, rowsBefore: number) {
    if (limit === undefined) this.#limit = Number.POSITIVE_INFINITY
    else if ('rows' in limit) this.#limit = limit.rows
    else this.#limit = rowsBefore === 0 ? Number.POSITIVE_INFINITY : Math.floor(limit.share * rowsBefore)
  }

  /** @throws {CoppiceError} `TOO_MANY_CHANGES`. */
  count(what: 'added' | 'updated' | 'removed'): void {
    this.counts[what]++
    const { added, updated, removed } = this.counts
    if (added + updated + removed <= this.#limit) return
    throw new CoppiceError(
      'TOO_MANY_CHANGES',
      `import: expected at most ${this.#limit} change${this.#limit === 1 ? '' : 's'}, got more (${added} added, ${updated} updated, ${removed} removed so far); nothing was imported`,
      { details: { limit: this.#limit, added, updated, removed } },
    )
  }
}

/** Puts of the rows that are not there yet or differ; each is looked up. */
export async function* upserts(
  rows: AsyncIterable<Row>,
  reader: EntryReader,
  counter: ChangeCounter,
): AsyncGenerator<Edit, void, undefined> {
  for await (const { key, value } of rows) {
    const found = reader.getValue(key)
    const before = found instanceof Promise ? await found : found
    const same = before !== undefined && isSameValue(before, value)
    if (same instanceof Promise ? await same : same) {
      counter.counts.unchanged++
      continue
    }
    counter.count(before === undefined ? 'added' : 'updated')
    yield { key, value }
  }
}

/** The edits after which the range holds exactly `rows`: both are read side by side. */
export async function* replacements(
  rows: AsyncIterable<Row>,
  reader: EntryReader,
  range: KeyRange,
  counter: ChangeCounter,
): AsyncGenerator<Edit, void, undefined> {
  const old = reader.entries(range)[Symbol.asyncIterator]()
  try {
    let before = await old.next()
    for await (const { key, value } of rows) {
      while (before.done !== true && compareBytes(before.value.key, key) < 0) {
        counter.count('removed')
        yield { key: before.value.key, value: null }
        before = await old.next()
      }
      const isThere = before.done !== true && compareBytes(before.value.key, key) === 0
      const same = isThere && before.done !== true && isSameValue(before.value.value, value)
      if (same instanceof Promise ? await same : same) {
        counter.counts.unchanged++
      } else {
        counter.count(isThere ? 'updated' : 'added')
        yield { key, value }
      }
      if (isThere) before = await old.next()
    }
    for (; before.done !== true; before = await old.next()) {
      counter.count('removed')
      yield { key: before.value.key, value: null }
    }
  } finally {
    await old.return?.()
  }
}
