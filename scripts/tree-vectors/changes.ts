/**
 * Trees that change, step by step: the edits, the tree after them, and what differs from the tree before. And positions of
 * keys. From a plain map and a sort; each tree is built anew.
 */
import { Random } from '../../test/support/random.ts'
import {
  REFERENCE_FORMAT_1,
  type ReferenceFormat,
  type ReferenceRow,
  referenceTree,
} from '../../test/support/tree-reference.ts'
import { vectorSet } from '../../test/support/vector-sets.ts'

/** By key in hexadecimal, which sorts as the bytes do. A value of null deletes. */
type Step = ReadonlyMap<string, Uint8Array | null>
type Rows = Map<string, Uint8Array>

interface Sequence {
  readonly name: string
  /** The set it starts with. */
  readonly set: string
  readonly steps: (rows: Rows) => Iterable<Step>
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
const sortedKeys = (rows: Rows): string[] => [...rows.keys()].sort()

/** Puts of new keys, changes, equal puts, deletes of present and of absent keys. */
function randomStep(random: Random, rows: Rows, count: number, format: ReferenceFormat): Step {
  const known = sortedKeys(rows)
  const step = new Map<string, Uint8Array | null>()
  for (let i = 0; i < count; i++) {
    const key = known.length > 0 && random.chance(0.6) ? random.pick(known) : hex(random.bytes(random.between(0, 9)))
    const long = random.chance(0.1) ? format.inlineBytesMax + 3 : Math.min(40, format.inlineBytesMax)
    const held = rows.get(key) ?? null
    step.set(key, random.chance(0.4) ? null : random.chance(0.1) ? held : random.bytes(random.between(0, long)))
  }
  return step
}

function randomSteps(seed: number, steps: number, edits: number, format: ReferenceFormat): Sequence['steps'] {
  return function* (rows) {
    const random = new Random(seed)
    for (let i = 0; i < steps; i++) yield randomStep(random, rows, random.between(1, edits), format)
  }
}

/** Rows go and come back, from the right, from the left, all but one: levels are lost and won. */
function* downAndUp(rows: Rows): Generator<Step> {
  const all = new Map(rows)
  const keys = sortedKeys(rows)
  const without = (gone: readonly string[]): Step => new Map(gone.map((key) => [key, null]))
  const back = (came: readonly string[]): Step => new Map(came.map((key) => [key, all.get(key) as Uint8Array]))
  const third = Math.floor(keys.length / 3)
  const [left, middle, right] = [keys.slice(0, third), keys.slice(third, -third), keys.slice(-third)]
  yield without(right)
  yield without(left)
  yield without(middle.slice(1))
  yield without(middle)
  yield without(middle)
  yield back(left)
  yield back([...middle, ...right])
}

/** One value over every edge of inline, there and back. */
function* inlineEdges(): Generator<Step> {
  for (const length of [1023, 1024, 1025, 1024, 0, 1025]) yield new Map([['61', new Uint8Array(length).fill(0x79)]])
}

/** Of a run that is cut by sizes alone: one row goes, comes back, grows, and the first and the last ones change. */
function* groundRun(rows: Rows): Generator<Step> {
  const keys = sortedKeys(rows)
  const [first = '', one = '', last = ''] = [keys[0], keys[20], keys.at(-1)]
  const held = rows.get(one) as Uint8Array
  yield new Map([[one, null]])
  yield new Map([[one, held]])
  yield new Map([[one, new Uint8Array(900)]])
  yield new Map([[one, held]])
  yield new Map([[first, new Uint8Array(0)], [last, null]]) // prettier-ignore
  yield new Map([['ffffffff', new Uint8Array(60)]])
}

const DEEP = vectorSet('deep-300').format
const WIDE = vectorSet('wide-3000').format

const SEQUENCES: readonly Sequence[] = [
  { name: 'random edits of a deep tree', set: 'deep-300', steps: randomSteps(11, 40, 6, DEEP) },
  { name: 'random edits of a wide tree', set: 'wide-3000', steps: randomSteps(12, 20, 12, WIDE) },
  { name: 'random edits of version 1', set: 'random-1000', steps: randomSteps(13, 12, 4, REFERENCE_FORMAT_1) },
  { name: 'from nothing', set: 'empty', steps: randomSteps(14, 8, 20, REFERENCE_FORMAT_1) },
  { name: 'a deep tree to nothing and back', set: 'deep-300', steps: downAndUp },
  { name: 'over the edges of inline', set: 'one', steps: inlineEdges },
  { name: 'a run of low hashes', set: 'ground-low-3000', steps: groundRun },
  { name: 'a run of high hashes', set: 'ground-high-3000', steps: groundRun },
]

function treeOf(rows: Rows, format: ReferenceFormat): { root: string; entries: number; bytes: number } {
  const list = [...rows].map(([key, value]): ReferenceRow => ({ key: unhex(key), value }))
  const { root, entries, bytes } = referenceTree(list, format)
  return { root: root.toString(), entries, bytes }
}

/** Key by key, in order. */
function changesOf(before: Rows, after: Rows): [type: string, key: string][] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((key): [string, string][] => {
    const [from, to] = [before.get(key), after.get(key)]
    if (from === undefined) return [['add', key]]
    if (to === undefined) return [['remove', key]]
    return Buffer.compare(from, to) === 0 ? [] : [['update', key]]
  })
}

export function sequences(): object[] {
  return SEQUENCES.map(({ name, set, steps }) => {
    const { rows: start, format } = vectorSet(set)
    const rows: Rows = new Map(start.map(({ key, value }) => [hex(key), value]))
    const made: object[] = []
    for (const step of steps(rows)) {
      const before = new Map(rows)
      for (const [key, value] of step) {
        if (value === null) rows.delete(key)
        else rows.set(key, value)
      }
      const edits = [...step].sort(([a], [b]) => (a < b ? -1 : 1))
      const shown = edits.map(([key, value]) => [key, value === null ? null : hex(value)])
      made.push({ edits: shown, ...treeOf(rows, format), changes: changesOf(before, rows) })
    }
    return { name, set, steps: made }
  })
}

/** `ranks`: rows below a key, which is there or not. `counts`: rows of [start, end), null being open. `keys`: the key at a position. */
export function positions(): object[] {
  return ['empty', 'prefix-chain-1025', 'deep-300', 'wide-3000', 'mixed-lengths-20000'].map((set, at) => {
    const random = new Random(21 + at)
    const keys = vectorSet(set).rows.map(({ key }) => hex(key))
    const rank = (key: string): number => keys.filter((each) => each < key).length
    const some = (): string =>
      keys.length > 0 && random.chance(0.5) ? random.pick(keys) : hex(random.bytes(random.between(0, 12)))
    const ranks = ['', 'ff'.repeat(1024), ...Array.from({ length: 15 }, some)].map((key) => [key, rank(key)])
    const bound = (): string | null => (random.chance(0.2) ? null : some())
    const counts = Array.from({ length: 15 }, () => {
      const [start, end] = [bound(), bound()]
      const from = start === null ? 0 : rank(start)
      return [start, end, Math.max(0, (end === null ? keys.length : rank(end)) - from)]
    })
    const chosen = [0, keys.length - 1, keys.length, ...Array.from({ length: 10 }, () => random.below(keys.length + 1))]
    return { set, ranks, counts, keys: chosen.filter((n) => n >= 0).map((n) => [n, keys[n] ?? null]) }
  })
}
