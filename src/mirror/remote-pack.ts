/**
 * One pack of a mirror as a reader uses it (mirror.md, 6): finds digests by its index, of which only what is needed is asked
 * for, and reads batches, neighbours with one request. A request that goes on from where one ended before asks for more
 * than it needs, and ever more: whoever fetches a tree goes through its leaves in order.
 */
import { concatBytes, copyBytes } from '../bytes.ts'
import type { ByteCache } from './byte-cache.ts'
import { GAP_BYTES_MAX, PACK_BLOCKS_MAX, RANGE_BYTES_MAX, WHOLE_INDEX_BYTES, WHOLE_PACK_BYTES } from './limits.ts'
import {
  type BatchPlace,
  bucketOf,
  decodeBuckets,
  decodeTable,
  findEntry,
  INDEX_ENTRY_BYTES,
  layoutOf,
  malformed,
  type PackLayout,
  type PackPlace,
} from './pack-format.ts'
import type { Missing, PackSource } from './pack-source.ts'
import type { PackEntry } from './root-file.ts'

/** What packs share: bounded, however many there are. */
export interface PackMemory {
  /** Compressed batches, by {@link RemotePack.keyOf}. */
  readonly batches: ByteCache<number, Uint8Array>
  /** Packs whose directories and indexes are here; who is put out forgets them. */
  readonly directories: ByteCache<RemotePack, true>
}

interface Directory {
  /** Of each bucket, in entries of the index. */
  readonly ends: Uint32Array
  readonly batches: readonly BatchPlace[]
  /** Parts of the index that are here. */
  readonly buckets: Map<number, Uint8Array>
}

/** Bytes of memory for a batch's place. */
const BATCH_PLACE_BYTES = 100

/** Where a reader is expected to go on, and how much more it is then given. */
interface Stream {
  next: number
  ahead: number
}

const STREAMS_MAX = 8
/** Batches that may be passed over and still count as going on. */
const STREAM_GAP = 2
const AHEAD_BYTES_MIN: number = 512 * 1024

type Coming = Promise<Uint8Array | Missing>

/** Tells packs apart. */
let packsMade = 0

export class RemotePack {
  readonly entry: PackEntry
  readonly #source: PackSource
  readonly #memory: PackMemory
  readonly #layout: PackLayout
  readonly #number: number
  #directory: Directory | undefined
  #opening: Promise<Directory | Missing> | undefined
  /** Batches that are asked for. */
  readonly #coming = new Map<number, Coming>()
  /** The one that went on last stands last. */
  #streams: Stream[] = []

  /** @throws {CoppiceError} `PEER_PROTOCOL` where the entry contradicts itself. */
  constructor(entry: PackEntry, source: PackSource, memory: PackMemory) {
    this.entry = entry
    this.#source = source
    this.#memory = memory
    this.#layout = layoutOf(entry)
    this.#number = packsMade++
  }

  /** Of a batch, among those of all packs: a number, since one is looked up for each block. */
  keyOf(batch: number): number {
    return this.#number * PACK_BLOCKS_MAX + batch
  }

  /** Gives back the memory of its index. */
  forget(): void {
    this.#directory = undefined
  }

  /**
   * Where each digest is found; undefined where it is not in this pack.
   * @throws {CoppiceError} `PEER_PROTOCOL`, with `details.fault` or without.
   */
  async find(digests: readonly Uint8Array[]): Promise<(PackPlace | undefined)[] | Missing> {
    const directory = await this.#open()
    if (typeof directory === 'string') return directory
    this.#memory.directories.get(this)
    const wanted = digests.map((digest) => bucketOf(digest, this.#layout.bucketCount))
    const missing = await this.#loadBuckets(directory, wanted)
    if (missing !== undefined) return missing
    return digests.map((digest, i) => {
      const bucket = directory.buckets.get(wanted[i] as number)
      return bucket === undefined ? undefined : findEntry(bucket, digest)
    })
  }

  /** Where the batch stands. @throws {CoppiceError} `PEER_PROTOCOL` where the index named one that there is not. */
  async placeOf(batch: number): Promise<BatchPlace | Missing> {
    const directory = await this.#open()
    if (typeof directory === 'string') return directory
    const place = directory.batches[batch]
    if (place === undefined) throw malformed(`an index that names batch ${batch} of ${directory.batches.length}`)
    return place
  }

  /** Asks for those of `batches` that are not here, ascending; the compressed bytes of each, when they come. */
  async load(batches: readonly number[]): Promise<Map<number, Coming>> {
    const directory = await this.#open()
    if (typeof directory === 'string') return new Map(batches.map((batch) => [batch, Promise.resolve(directory)]))
    const { batches: places } = directory
    const wanted = batches.filter((batch) => !this.#isHere(batch))
    for (const [from, to] of this.#runs(places, wanted)) this.#ask(places.slice(from, to), from)
    return new Map(batches.map((batch) => [batch, this.#batch(batch)]))
  }

  #batch(batch: number): Coming {
    const held = this.#memory.batches.get(this.keyOf(batch))
    return held === undefined ? (this.#coming.get(batch) ?? Promise.resolve('absent')) : Promise.resolve(held)
  }

  #isHere(batch: number): boolean {
    return this.#coming.has(batch) || this.#memory.batches.has(this.keyOf(batch))
  }

  #open(): Promise<Directory | Missing> {
    if (this.#directory !== undefined) return Promise.resolve(this.#directory)
    this.#opening ??= this.#readDirectory().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  async #readDirectory(): Promise<Directory | Missing> {
    const { index, buckets, table, end } = this.#layout
    const isSmall = end <= WHOLE_PACK_BYTES
    const hasIndex = isSmall || end - index <= WHOLE_INDEX_BYTES
    const start = isSmall ? 0 : hasIndex ? index : buckets
    const bytes = await this.#read(start, end)
    if (typeof bytes === 'string') return bytes
    const part = (from: number, to: number): Uint8Array => bytes.subarray(from - start, to - start)
    const directory: Directory = {
      ends: decodeBuckets(part(buckets, table), this.entry.blocks),
      batches: decodeTable(part(table, end), index),
      buckets: new Map(),
    }
    if (hasIndex) this.#keepBuckets(directory, 0, directory.ends.length, part(index, buckets))
    if (isSmall)
      for (const [i, place] of directory.batches.entries()) this.#keepBatch(i, copyBytes(part(place.start, place.end)))
    this.#directory = directory
    this.#count(directory)
    return directory
  }

  #count({ ends, batches, buckets }: Directory): void {
    let bytes = ends.byteLength + batches.length * BATCH_PLACE_BYTES
    for (const bucket of buckets.values()) bytes += bucket.length
    this.#memory.directories.set(this, true, bytes)
  }

  async #read(start: number, end: number): Promise<Uint8Array | Missing> {
    const chunks = await this.#source.range(this.entry, start, end)
    if (typeof chunks === 'string') return chunks
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    return concatBytes(...parts)
  }

  /** Those of the buckets that are not here, neighbours together. */
  async #loadBuckets(directory: Directory, wanted: readonly number[]): Promise<Missing | undefined> {
    const start = (bucket: number): number => (bucket === 0 ? 0 : (directory.ends[bucket - 1] as number))
    const lacking = [...new Set(wanted)].filter((bucket) => !directory.buckets.has(bucket)).toSorted((a, b) => a - b)
    const runs: [from: number, to: number][] = []
    for (const bucket of lacking) {
      const last = runs.at(-1)
      const gap = last === undefined ? Infinity : (start(bucket) - start(last[1])) * INDEX_ENTRY_BYTES
      if (last !== undefined && gap <= GAP_BYTES_MAX) last[1] = bucket + 1
      else runs.push([bucket, bucket + 1])
    }
    const results = await Promise.all(
      runs.map(async ([from, to]) => {
        const [first, last] = [start(from), start(to)]
        const at = this.#layout.index
        const isEmpty = first === last
        const bytes = isEmpty
          ? new Uint8Array(0)
          : await this.#read(at + first * INDEX_ENTRY_BYTES, at + last * INDEX_ENTRY_BYTES)
        if (typeof bytes === 'string') return bytes
        this.#keepBuckets(directory, from, to, bytes)
        return undefined
      }),
    )
    if (runs.length > 0 && this.#directory === directory) this.#count(directory)
    return results.find((result) => result !== undefined)
  }

  /** `bytes` are those of the buckets from `from` up to `to`. */
  #keepBuckets({ ends, buckets }: Directory, from: number, to: number, bytes: Uint8Array): void {
    const first = from === 0 ? 0 : (ends[from - 1] as number)
    let start = 0
    for (let bucket = from; bucket < to; bucket++) {
      const end = ((ends[bucket] as number) - first) * INDEX_ENTRY_BYTES
      buckets.set(bucket, bytes.subarray(start, end))
      start = end
    }
  }

  #keepBatch(batch: number, compressed: Uint8Array): void {
    this.#memory.batches.set(this.keyOf(batch), compressed, compressed.length)
  }

  /** Runs of batches to ask for together: those that are near each other, and what is expected to be wanted next. */
  #runs(places: readonly BatchPlace[], wanted: readonly number[]): [from: number, to: number][] {
    const bytesOf = (from: number, to: number): number => (places[to - 1]?.end ?? 0) - (places[from]?.start ?? 0)
    const runs: [from: number, to: number][] = []
    for (const batch of wanted) {
      const last = runs.at(-1)
      const gap = last === undefined ? Infinity : bytesOf(last[1], batch)
      if (last !== undefined && gap <= GAP_BYTES_MAX && bytesOf(last[0], batch + 1) <= RANGE_BYTES_MAX) {
        last[1] = batch + 1
      } else runs.push([batch, batch + 1])
    }
    for (const run of runs) {
      const stream = this.#streamOf(run[0])
      const budget = Math.min(RANGE_BYTES_MAX, bytesOf(run[0], run[1]) + stream.ahead)
      while (run[1] < places.length && !this.#isHere(run[1]) && bytesOf(run[0], run[1] + 1) <= budget) run[1]++
      stream.next = run[1]
    }
    return runs
  }

  #streamOf(batch: number): Stream {
    const found = this.#streams.find(({ next }) => batch >= next && batch <= next + STREAM_GAP)
    const stream = found ?? { next: batch, ahead: 0 }
    if (found !== undefined) stream.ahead = Math.min(RANGE_BYTES_MAX, Math.max(AHEAD_BYTES_MIN, 2 * stream.ahead))
    this.#streams = [...this.#streams.filter((other) => other !== stream).slice(1 - STREAMS_MAX), stream]
    return stream
  }

  /** `places` are of the batches from number `from` on. */
  #ask(places: readonly BatchPlace[], from: number): void {
    const waiting = new Map<number, PromiseWithResolvers<Uint8Array | Missing>>()
    for (const i of places.keys()) {
      const batch = from + i
      if (this.#isHere(batch)) continue
      const deferred = Promise.withResolvers<Uint8Array | Missing>()
      // Nobody may wait for what was asked for beyond what was wanted.
      deferred.promise.catch(() => {})
      waiting.set(batch, deferred)
      this.#coming.set(batch, deferred.promise)
    }
    void this.#receive(places, from, waiting)
  }

  /** Never rejects. */
  async #receive(
    places: readonly BatchPlace[],
    from: number,
    waiting: ReadonlyMap<number, PromiseWithResolvers<Uint8Array | Missing>>,
  ): Promise<void> {
    const settle = (batch: number, value: Uint8Array | Missing): void => {
      waiting.get(batch)?.resolve(value)
      this.#coming.delete(batch)
    }
    try {
      const missing = await this.#cut(places, (i, compressed) => {
        if (!waiting.has(from + i)) return
        this.#keepBatch(from + i, compressed)
        settle(from + i, compressed)
      })
      if (missing !== undefined) for (const batch of waiting.keys()) settle(batch, missing)
    } catch (error) {
      for (const [batch, { reject }] of waiting) {
        reject(error)
        this.#coming.delete(batch)
      }
    }
  }

  /** Asks for neighbouring batches, and hands each over when its last byte is here. */
  async #cut(
    places: readonly BatchPlace[],
    onBatch: (i: number, compressed: Uint8Array) => void,
  ): Promise<Missing | undefined> {
    const [start, end] = [places[0]?.start ?? 0, places.at(-1)?.end ?? 0]
    const chunks = await this.#source.range(this.entry, start, end)
    if (typeof chunks === 'string') return chunks
    let i = 0
    let batch = new Uint8Array(lengthOf(places[0]))
    let filled = 0
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length && i < places.length;) {
        const part = chunk.subarray(at, at + batch.length - filled)
        batch.set(part, filled)
        at += part.length
        filled += part.length
        if (filled < batch.length) break
        onBatch(i++, batch)
        batch = new Uint8Array(lengthOf(places[i]))
        filled = 0
      }
    }
    return undefined
  }
}

function lengthOf(place: BatchPlace | undefined): number {
  return place === undefined ? 0 : place.end - place.start
}
