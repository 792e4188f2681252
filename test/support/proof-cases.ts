/**
 * Questions at random, and what plain sorted rows answer to them: the model that proofs are held against. Answers are text,
 * one line per row, so that they compare whatever form a value has.
 */
import { bytesToHex, compareBytes, equalBytes } from '../../src/bytes.ts'
import type { Format, Put, Tree, Value } from '../../src/prolly/index.ts'
import type { Answer, Question } from '../../src/proof/index.ts'
import { isValueRef } from '../../src/prolly/index.ts'
import type { Random } from './random.ts'

const compare = (a: Put, b: Put): number => compareBytes(a.key, b.key)

/** A key that is there, one that is near, or any. */
function someKey(random: Random, rows: readonly Put[]): Uint8Array {
  const known = rows.length > 0 && random.chance(0.8) ? random.pick(rows).key : undefined
  if (known === undefined) return random.bytes(random.below(6))
  if (random.chance(0.6)) return known
  return random.chance(0.5) ? Uint8Array.of(...known, 0) : known.subarray(0, Math.max(0, known.length - 1))
}

function someRange(random: Random, rows: readonly Put[]): { start?: Uint8Array; end?: Uint8Array } {
  const bound = (): Uint8Array | undefined => (random.chance(0.2) ? undefined : someKey(random, rows))
  for (;;) {
    const [start, end] = [bound(), bound()]
    const low = start !== undefined && end !== undefined && compareBytes(start, end) > 0 ? end : start
    const high = low === end && low !== start ? start : end
    if (low !== undefined && high !== undefined && equalBytes(low, high)) continue
    return { ...(low === undefined ? {} : { start: low }), ...(high === undefined ? {} : { end: high }) }
  }
}

/** `from` is another tree, of which `rows` are no part. */
export function someQuestion(random: Random, rows: readonly Put[], from: Tree): Question {
  const values = random.chance(0.5)
  const range = someRange(random, rows)
  const limit = random.between(1, random.pick([1, 5, 40]))
  switch (random.below(7)) {
    case 0:
      return { type: 'get', keys: [someKey(random, rows)], values }
    case 1: {
      const keys = Array.from({ length: random.between(1, 12) }, () => someKey(random, rows))
      return { type: 'get', keys, values }
    }
    case 2:
      return { type: 'scan', ...range, values, reverse: random.chance(0.3) }
    case 3:
      return { type: 'scan', ...range, values, limit, reverse: random.chance(0.5) }
    case 4:
      return random.chance(0.5) ? { type: 'count', ...range } : { type: 'rank', key: someKey(random, rows) }
    case 5:
      return { type: 'at', position: random.below(rows.length + 3), values }
    default:
      return { type: 'diff', from: from.ref.root, ...range, limit, values }
  }
}

/** What rows and those of the other tree answer. */
export function modelAnswer(question: Question, rows: readonly Put[], from: readonly Put[], format: Format): string {
  const carried = 'values' in question && question.values === true
  const line = (sign: string, key: Uint8Array, value: Uint8Array): string =>
    `${sign}${bytesToHex(key)}=${carried || value.length <= format.inlineBytesMax ? bytesToHex(value) : `out ${value.length}`}`
  const within = (all: readonly Put[]): Put[] => {
    const { start, end } = question as { start?: Uint8Array; end?: Uint8Array }
    return all.filter(
      ({ key }) =>
        (start === undefined || compareBytes(key, start) >= 0) && (end === undefined || compareBytes(key, end) < 0),
    )
  }
  switch (question.type) {
    case 'get': {
      const keys = question.keys.toSorted(compareBytes)
      const distinct = keys.filter((key, i) => i === 0 || !equalBytes(key, keys[i - 1] as Uint8Array))
      const found = (key: Uint8Array): Put | undefined => rows.find((row) => equalBytes(row.key, key))
      return distinct
        .map((key) => line('', key, found(key)?.value ?? new Uint8Array(0)) + (found(key) ? '' : ' absent'))
        .join('\n')
    }
    case 'scan': {
      const all = within(rows)
      const taken = (question.reverse === true ? all.toReversed() : all).slice(0, question.limit)
      return [...taken.map(({ key, value }) => line('', key, value)), `more ${taken.length < all.length}`].join('\n')
    }
    case 'count':
      return `${within(rows).length}`
    case 'rank': {
      const { key } = question
      const below = rows.filter((row) => compareBytes(row.key, key) < 0).length
      return `${below} ${rows.some((row) => equalBytes(row.key, key))}`
    }
    case 'at': {
      const row = rows[question.position]
      return row === undefined ? 'none' : line('', row.key, row.value)
    }
    case 'diff': {
      const [old, next] = [within(from), within(rows)]
      const at = (all: readonly Put[], key: Uint8Array): Put | undefined => all.find((row) => equalBytes(row.key, key))
      const removed = old.filter((row) => at(next, row.key) === undefined)
      const changed = next.filter((row) => {
        const before = at(old, row.key)
        return before === undefined || !equalBytes(before.value, row.value)
      })
      const changes = [...removed, ...changed].sort(compare).slice(0, question.limit)
      const lines = changes.flatMap(({ key }) => {
        const [before, after] = [at(old, key), at(next, key)]
        return [...(before ? [line('-', key, before.value)] : []), ...(after ? [line('+', key, after.value)] : [])]
      })
      const last = changes.length === question.limit ? changes.at(-1)?.key : undefined
      return [...lines, `through ${last === undefined ? 'all' : bytesToHex(last)}`].join('\n')
    }
  }
}

/** What a proof answered, as the model says it. */
export function answerText(question: Question, answer: Answer): string {
  const line = (sign: string, key: Uint8Array, value: Value): string =>
    `${sign}${bytesToHex(key)}=${isValueRef(value) ? `out ${value.size}` : bytesToHex(value)}`
  switch (question.type) {
    case 'get':
      return (answer as Answer<typeof question>).rows
        .map(({ key, value }) => line('', key, value ?? new Uint8Array(0)) + (value === undefined ? ' absent' : ''))
        .join('\n')
    case 'scan': {
      const { rows, more } = answer as Answer<typeof question>
      return [...rows.map(({ key, value }) => line('', key, value)), `more ${more}`].join('\n')
    }
    case 'count':
      return `${(answer as Answer<typeof question>).count}`
    case 'rank': {
      const { rank, found } = answer as Answer<typeof question>
      return `${rank} ${found}`
    }
    case 'at': {
      const { row } = answer as Answer<typeof question>
      return row === undefined ? 'none' : line('', row.key, row.value)
    }
    case 'diff': {
      const { changes, through } = answer as Answer<typeof question>
      const lines = changes.flatMap((change) => [
        ...(change.type === 'add' ? [] : [line('-', change.key, change.from)]),
        ...(change.type === 'remove' ? [] : [line('+', change.key, change.to)]),
      ])
      return [...lines, `through ${through === undefined ? 'all' : bytesToHex(through)}`].join('\n')
    }
  }
}
