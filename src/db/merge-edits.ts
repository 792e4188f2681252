/** The rows of a snapshot with writes laid over them, in order: what a transaction sees. */
import { compareBytes } from '../bytes.ts'
import type { Edit, Entry, KeyRange, Value } from '../prolly/index.ts'

/** `rows` are those of the range, in its direction; `edits` ascend by key and may lie outside the range. */
export async function* mergeEdits(
  rows: AsyncIterable<Entry>,
  edits: readonly Edit<Value>[],
  range: KeyRange & { readonly reverse?: boolean },
): AsyncGenerator<Entry, void, undefined> {
  const { start, end, reverse = false } = range
  const within = edits.filter(
    ({ key }) =>
      (start === undefined || compareBytes(key, start) >= 0) && (end === undefined || compareBytes(key, end) < 0),
  )
  if (reverse) within.reverse()
  let next = 0
  for await (const row of rows) {
    let isReplaced = false
    for (let edit = within[next]; edit !== undefined; edit = within[next]) {
      const order = compareBytes(edit.key, row.key) * (reverse ? -1 : 1)
      if (order > 0) break
      isReplaced ||= order === 0
      next++
      if (edit.value !== null) yield { key: edit.key, value: edit.value }
    }
    if (!isReplaced) yield row
  }
  for (const edit of within.slice(next)) if (edit.value !== null) yield { key: edit.key, value: edit.value }
}
