/**
 * The named sets of entries that the tree vectors speak of. The generators are part of docs/spec/tree.md; like the
 * reference implementation they import nothing of src/.
 */
import { createHash } from 'node:crypto'
import { REFERENCE_FORMAT_1, type ReferenceFormat, type ReferenceRow, referenceXxh32 } from './tree-reference.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export function u32be(n: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, n)
  return out
}

/** sha256(seed || 0), sha256(seed || 1), ... as one stream of bytes. */
function stream(seed: string): (length: number) => Uint8Array {
  let counter = 0
  let rest: Uint8Array = new Uint8Array(0)
  return (length) => {
    const parts = [rest]
    let have = rest.length
    while (have < length) {
      parts.push(createHash('sha256').update(seed).update(u32be(counter++)).digest())
      have += 32
    }
    const all = Uint8Array.from(Buffer.concat(parts))
    rest = all.slice(length)
    return all.slice(0, length)
  }
}

type Length = number | readonly [number, number]

function randomSet(seed: string, n: number, keyLength: Length, valueLength: Length): ReferenceRow[] {
  const take = stream(seed)
  const pick = (length: Length): number => {
    if (typeof length === 'number') return length
    const view = new DataView(take(4).buffer)
    return length[0] + (view.getUint32(0) % (length[1] - length[0] + 1))
  }
  const rows = new Map<string, ReferenceRow>()
  while (rows.size < n) {
    const k = pick(keyLength)
    const v = pick(valueLength)
    const key = take(k)
    rows.set(Buffer.from(key).toString('hex'), { key, value: take(v) })
  }
  return [...rows.values()]
}

/** XXH32 of `u32be(n)` with seed 0 in 32-bit integers: searches try millions. */
export function quickHash(n: number): number {
  const turn = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits))
  const swapped = ((n & 0xff) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)
  let h = (0x165667b1 + 4) | 0
  h = Math.imul(turn((h + Math.imul(swapped, 0xc2b2ae3d)) | 0, 17), 0x27d4eb2f)
  h = Math.imul(h ^ (h >>> 15), 0x85ebca77)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae3d)
  return (h ^ (h >>> 16)) >>> 0
}

function ground(top: number): ReferenceRow[] {
  const rows: ReferenceRow[] = []
  for (let i = 0; rows.length < 3000; i++) {
    if (quickHash(i) >>> 22 !== top) continue
    const key = u32be(i)
    if (referenceXxh32(key, 0) >>> 22 === top) rows.push({ key, value: utf8('v'.repeat(60)) })
  }
  return rows
}

const GENERATORS: Readonly<Record<string, () => ReferenceRow[]>> = {
  empty: () => [],
  one: () => [{ key: utf8('a'), value: utf8('1') }],
  'empty-key-and-value': () => [
    { key: utf8(''), value: utf8('') },
    { key: Uint8Array.of(0), value: utf8('') },
  ],
  'numbers-12345': () =>
    Array.from({ length: 12345 }, (_, i) => ({
      key: utf8(`key-${String(i).padStart(8, '0')}`),
      value: utf8(`value-${i}`),
    })),
  'random-1000': () => randomSet('coppice/1', 1000, 16, 64),
  'random-100000': () => randomSet('coppice/2', 100000, 16, 64),
  'mixed-lengths-20000': () => randomSet('coppice/3', 20000, [1, 40], [0, 300]),
  'long-keys-500': () => randomSet('coppice/4', 500, 1024, 8),
  'tiny-entries-20000': () =>
    Array.from({ length: 20000 }, (_, i) => ({ key: Uint8Array.of(i >> 8, i & 255), value: utf8('') })),
  'inline-edge': () =>
    [1023, 1024, 1025, 1048576].map((length, i) => ({
      key: utf8('abcd'[i] ?? ''),
      value: new Uint8Array(length).fill(0x78),
    })),
  'large-values-200': () => randomSet('coppice/5', 200, 8, [1000, 3000]),
  'ground-low-3000': () => ground(0),
  'ground-high-3000': () => ground(0x3ff),
}

/** Sets of the project's own vectors that need no file of anybody else: edges of the encoding, deep trees, equal values. */
const OWN_GENERATORS: Readonly<Record<string, () => ReferenceRow[]>> = {
  'head-widths': () =>
    [0, 1, 23, 24, 255, 256, 1023, 1024].flatMap((length) =>
      [0, 23, 24, 255, 256, 1024, 1025].map((size, i) => ({
        key: Uint8Array.from({ length }, (_, at) => (at === length - 1 ? i : 0x6b)),
        value: new Uint8Array(size).fill(0x76),
      })),
    ),
  'prefix-chain-1025': () =>
    Array.from({ length: 1025 }, (_, i) => ({ key: new Uint8Array(i).fill(0x61), value: utf8(String(i)) })),
  'times-5000': () =>
    Array.from({ length: 5000 }, (_, i) => ({ key: u32be(1_700_000_000 + 60 * i), value: utf8(`reading ${i}`) })),
  'equal-large-values-50': () =>
    Array.from({ length: 50 }, (_, i) => ({ key: u32be(i), value: new Uint8Array(3000).fill(0x65) })),
  'file-edge': () =>
    [1048576, 1048577, 3145733].map((length, i) => ({
      key: utf8('abc'[i] ?? ''),
      value: Uint8Array.from({ length }, (_, at) => at % 251),
    })),
  'deep-300': () => randomSet('coppice/deep', 300, 8, [0, 40]),
  'wide-3000': () => randomSet('coppice/wide', 3000, [0, 12], [0, 40]),
}

export interface VectorSet {
  readonly name: string
  readonly format: ReferenceFormat
  /** In key order. */
  readonly rows: readonly ReferenceRow[]
}

/** Smaller chunks for `deep-300` and `wide-3000`; version 1 for every other set. */
const FORMATS: Readonly<Record<string, ReferenceFormat>> = {
  'deep-300': { targetBits: 6, chunkBytesMin: 16, chunkBytesMax: 256, inlineBytesMax: 24 },
  'wide-3000': { targetBits: 8, chunkBytesMin: 64, chunkBytesMax: 1024, inlineBytesMax: 24 },
}

export const VECTOR_SETS: readonly string[] = [...Object.keys(GENERATORS), ...Object.keys(OWN_GENERATORS)]

export function vectorSet(name: string): VectorSet {
  const generate = GENERATORS[name] ?? OWN_GENERATORS[name]
  if (generate === undefined) throw new RangeError(`vector set: ${name} is unknown`)
  const rows = new Map(generate().map((row) => [Buffer.from(row.key).toString('hex'), row]))
  const sorted = [...rows.values()].sort((a, b) => Buffer.compare(a.key, b.key))
  return { name, format: FORMATS[name] ?? REFERENCE_FORMAT_1, rows: sorted }
}
