/** Keys and positions as they are proven: the paths to where a key is or would be (proof.md, 3). */
import type { KeyRange } from '../prolly/range.ts'
import type { Answer, AtQuestion, CountQuestion, GetQuestion, RankQuestion } from './question.ts'
import { hasKeysBetween, lowerBoundOf, type Place, type Reading, type Replay } from './replay.ts'

/** `keys` are in order, each once: nodes that several share are read once. */
export function* get(replay: Replay, place: Place, keys: readonly Uint8Array[]): Reading<Answer<GetQuestion>> {
  const { node } = place
  const rows: { key: Uint8Array; value: Answer<GetQuestion>['rows'][number]['value'] }[] = []
  for (let at = 0; at < keys.length;) {
    const key = keys[at] as Uint8Array
    const i = node.lowerBound(key)
    if (i === node.length || node.level === 0) {
      const isThere = i < node.length && node.compareKey(i, key) === 0
      rows.push({ key, value: isThere ? yield* replay.value(node.value(i)) : undefined })
      at++
      continue
    }
    let end = at + 1
    while (end < keys.length && node.compareKey(i, keys[end] as Uint8Array) >= 0) end++
    const below = yield* get(replay, yield* replay.child(place, i), keys.slice(at, end))
    rows.push(...below.rows)
    at = end
  }
  return { rows }
}

export function* rank(replay: Replay, root: Place, key: Uint8Array): Reading<Answer<RankQuestion>> {
  let rows = 0
  for (let place = root; ;) {
    const { node } = place
    const i = node.lowerBound(key)
    const found = i < node.length && node.compareKey(i, key) === 0
    if (node.level === 0) return { rank: rows + i, found }
    for (let j = 0; j < i; j++) rows += node.childEntries(j)
    if (i === node.length) return { rank: rows, found }
    // The last key below a child stands in its parent already.
    if (found) return { rank: rows + node.childEntries(i) - 1, found }
    place = yield* replay.child(place, i)
  }
}

/** As {@link rank}, but not whether the key is there; one level less where nothing can lie between the last child and it. */
function* rowsBelow(replay: Replay, root: Place, key: Uint8Array): Reading<number> {
  let rows = 0
  for (let place = root; ;) {
    const { node } = place
    const i = node.lowerBound(key)
    if (node.level === 0) return rows + i
    for (let j = 0; j < i; j++) rows += node.childEntries(j)
    if (i === node.length || !hasKeysBetween(lowerBoundOf(place, i), key)) return rows
    if (node.compareKey(i, key) === 0) return rows + node.childEntries(i) - 1
    place = yield* replay.child(place, i)
  }
}

export function* count(replay: Replay, root: Place, { start, end }: KeyRange): Reading<Answer<CountQuestion>> {
  const before = start === undefined ? 0 : yield* rowsBelow(replay, root, start)
  const through = end === undefined ? root.node.entries : yield* rowsBelow(replay, root, end)
  return { count: through - before }
}

export function* at(replay: Replay, root: Place, position: number): Reading<Answer<AtQuestion>> {
  if (position >= root.node.entries) return { row: undefined }
  let left = position
  for (let place = root; ;) {
    const { node } = place
    if (node.level === 0) return { row: { key: node.key(left), value: yield* replay.value(node.value(left)) } }
    let i = 0
    while (left >= node.childEntries(i)) left -= node.childEntries(i++)
    place = yield* replay.child(place, i)
  }
}
