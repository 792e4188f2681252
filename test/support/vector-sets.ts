/** The named sets of entries that the tree vectors speak of (the generators are part of docs/spec/tree.md). */
import { createHash } from 'node:crypto'
import { compareBytes, concatBytes } from '../../src/bytes.ts'
import type { Put } from '../../src/prolly/index.ts'
import { xxh32 } from '../../src/prolly/xxh32.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function u32be(n: number): Uint8Array {
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
    const all = concatBytes(...parts)
    rest = all.slice(length)
    return all.slice(0, length)
  }
}

type Length = number | readonly [number, number]

function randomSet(seed: string, n: number, keyLength: Length, valueLength: Length): Put[] {
  const take = stream(seed)
  const pick = (length: Length): number => {
    if (typeof length === 'number') return length
    const view = new DataView(take(4).buffer)
    return length[0] + (view.getUint32(0) % (length[1] - length[0] + 1))
  }
  const rows = new Map<string, Put>()
  while (rows.size < n) {
    const k = pick(keyLength)
    const v = pick(valueLength)
    const key = take(k)
    rows.set(Buffer.from(key).toString('hex'), { key, value: take(v) })
  }
  return [...rows.values()]
}

function ground(top: number): Put[] {
  const rows: Put[] = []
  for (let i = 0; rows.length < 3000; i++) {
    const key = u32be(i)
    if (xxh32(key, 0, 4, 0) >>> 22 === top) rows.push({ key, value: utf8('v'.repeat(60)) })
  }
  return rows
}

const GENERATORS: Readonly<Record<string, () => Put[]>> = {
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

export const VECTOR_SETS: readonly string[] = Object.keys(GENERATORS)

/** The rows of a set in key order. */
export function vectorSet(name: string): Put[] {
  const generate = GENERATORS[name]
  if (generate === undefined) throw new RangeError(`vector set: ${name} is unknown`)
  return generate().sort((a, b) => compareBytes(a.key, b.key))
}
