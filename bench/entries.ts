/** The data of the benchmarks: small entries, the same in every run, made when asked for and never held as a whole. */
import type { Edit, Put } from '../src/prolly/index.ts'

export const ENTRIES = 1_000_000
export const UPDATES = 1_000
const KEY_BYTES = 16
const VALUE_BYTES = 64

/** Distance of two neighbours' leading 32 bits, so that keys come out sorted and look random. */
const STRIDE = Math.floor(0x1_0000_0000 / ENTRIES)

/** Entry `i` of `0 <= i < ENTRIES`, in key order. Another `version` has the same key and another value. */
export function entryAt(i: number, version: number = 0): Put {
  const key = new Uint8Array(KEY_BYTES)
  fill(key, i, 0)
  new DataView(key.buffer).setUint32(0, i * STRIDE + Math.floor(randomAt(i, 1) * STRIDE))
  const value = new Uint8Array(VALUE_BYTES)
  fill(value, i, 2 + version)
  return { key, value }
}

export function* allEntries(): Generator<Put, void, undefined> {
  for (let i = 0; i < ENTRIES; i++) yield entryAt(i)
}

/** UPDATES entries at random places with new values, in key order. Each `version` >= 1 has other places. */
export function randomUpdates(version: number): Edit[] {
  return randomPositions(UPDATES, version)
    .toSorted((a, b) => a - b)
    .map((i) => entryAt(i, version))
}

/** `count` different positions in random order. */
export function randomPositions(count: number, seed: number): number[] {
  const positions = new Set<number>()
  for (let i = 0; positions.size < count; i++) positions.add(Math.floor(randomAt(i, 1_000 + seed) * ENTRIES))
  return [...positions]
}

/** 0 <= n < 1, by place and purpose. */
function randomAt(i: number, purpose: number): number {
  return mix(Math.imul(i, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b)) / 0x1_0000_0000
}

function fill(bytes: Uint8Array, i: number, purpose: number): void {
  const words = new Uint32Array(bytes.buffer)
  let state = Math.imul(i, 0x9e3779b1) ^ Math.imul(purpose + 1, 0xc2b2ae35)
  for (let word = 0; word < words.length; word++) words[word] = mix((state = (state + 0x6d2b79f5) | 0))
}

/** The finalizer of MurmurHash3: spreads 32 bits over 32 bits. */
function mix(bits: number): number {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
