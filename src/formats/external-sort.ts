/**
 * Sorts entries by key with bounded memory: sorted runs in temporary files, merged. Inputs come in any order, the tree
 * is built in key order. What fits in memory never touches the disk.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { renderBytes } from '../escape.ts'
import { readRun, writeRun, type SortEntry } from './sort-run.ts'

export type { SortEntry } from './sort-run.ts'

/** Keys, values and what holding them costs. */
export const SORT_MEMORY_BYTES: number = 64 * 1024 * 1024
/** Of the objects around one entry's bytes, about. */
const ENTRY_OVERHEAD_BYTES = 300
/** Runs merged at once: each takes a read buffer and an open file. More runs are merged in passes. */
const MERGE_WIDTH = 64
const RUN_BUFFER_BYTES: number = 256 * 1024

export interface SortOptions {
  readonly signal?: AbortSignal | undefined
  /** {@link SORT_MEMORY_BYTES} unless told. One entry may exceed it. */
  readonly memoryBytesMax?: number | undefined
  /** Where runs go: a directory of its own is made inside, the system's place for temporary files unless told. */
  readonly directory?: string | undefined
  /** How an error names a key, safe for a terminal. */
  readonly renderKey?: ((key: Uint8Array) => string) | undefined
}

/**
 * `source` in ascending key order. Nothing comes out before all of `source` went in. Temporary files are gone once
 * the iteration ends, in whatever way. The bytes of the entries must not change until then.
 * @throws {CoppiceError} `INPUT_DUPLICATE_KEY` with `details.line` and `details.firstLine`, the two places of a key.
 */
export async function* sortEntries(
  source: AsyncIterable<SortEntry> | Iterable<SortEntry>,
  options: SortOptions = {},
): AsyncGenerator<SortEntry> {
  const sorter = new Sorter(options)
  try {
    yield* sorter.run(source)
  } finally {
    await sorter.removeFiles()
  }
}

class Sorter {
  readonly #signal: AbortSignal | undefined
  readonly #memoryBytesMax: number
  readonly #options: SortOptions
  #directory: string | undefined
  readonly #runs: string[] = []
  #runCount = 0

  constructor(options: SortOptions) {
    this.#options = options
    this.#signal = options.signal
    this.#memoryBytesMax = options.memoryBytesMax ?? SORT_MEMORY_BYTES
  }

  async *run(source: AsyncIterable<SortEntry> | Iterable<SortEntry>): AsyncGenerator<SortEntry> {
    let entries: SortEntry[] = []
    let bytes = 0
    for await (const entry of source) {
      if (entries.length % 1024 === 0) this.#signal?.throwIfAborted()
      entries.push(entry)
      bytes += entry.key.length + entry.value.length + ENTRY_OVERHEAD_BYTES
      if (bytes < this.#memoryBytesMax) continue
      await this.#spill(entries)
      entries = []
      bytes = 0
    }
    this.#signal?.throwIfAborted()
    if (this.#runs.length === 0) {
      yield* this.#unique(sorted(entries))
      return
    }
    await this.#spill(entries)
    entries = []
    yield* this.#unique(flatten(await this.#mergedRuns()))
  }

  async removeFiles(): Promise<void> {
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true })
  }

  async #spill(entries: SortEntry[]): Promise<void> {
    if (entries.length > 0) await this.#write(sorted(entries))
  }

  async #write(entries: AsyncIterable<SortEntry> | Iterable<SortEntry>): Promise<void> {
    this.#signal?.throwIfAborted()
    this.#directory ??= await mkdtemp(join(this.#options.directory ?? tmpdir(), 'coppice-sort-'))
    const path = join(this.#directory, String(this.#runCount++))
    await writeRun(path, entries)
    this.#runs.push(path)
  }

  /** One stream of all runs, after as many passes as it takes to have few enough of them. */
  async #mergedRuns(): Promise<AsyncIterable<SortEntry[]>> {
    while (this.#runs.length > MERGE_WIDTH) {
      const merging = this.#runs.splice(0, MERGE_WIDTH)
      await this.#write(flatten(this.#merge(merging)))
      for (const path of merging) await rm(path)
    }
    return this.#merge(this.#runs)
  }

  /** The smallest head of all runs, over and over, from a heap. Batches, so that an entry does not cost a promise. */
  async *#merge(paths: readonly string[]): AsyncGenerator<SortEntry[]> {
    const heap: RunHead[] = []
    const opened: RunHead[] = []
    try {
      const bufferBytes = Math.max(
        4096,
        Math.min(RUN_BUFFER_BYTES, Math.floor(this.#memoryBytesMax / (2 * paths.length))),
      )
      for (const path of paths) {
        const head = new RunHead(readRun(path, bufferBytes))
        opened.push(head)
        if (await head.fill()) heap.push(head)
      }
      heap.sort((a, b) => compareEntries(a.entry, b.entry))
      let batch: SortEntry[] = []
      while (heap.length > 0) {
        const head = heap[0] as RunHead
        batch.push(head.entry)
        const more = head.next()
        if (more) {
          siftDown(heap)
          continue
        }
        this.#signal?.throwIfAborted()
        yield batch
        batch = []
        if (!(await head.fill())) {
          const last = heap.pop() as RunHead
          if (heap.length > 0) heap[0] = last
        }
        siftDown(heap)
      }
    } finally {
      for (const head of opened) await head.close()
    }
  }

  async *#unique(entries: AsyncIterable<SortEntry> | Iterable<SortEntry>): AsyncGenerator<SortEntry> {
    let previous: SortEntry | undefined
    for await (const entry of entries) {
      if (previous !== undefined && compareBytes(previous.key, entry.key) === 0) throw this.#duplicate(previous, entry)
      previous = entry
      yield entry
    }
  }

  #duplicate(first: SortEntry, again: SortEntry): CoppiceError {
    const key = (this.#options.renderKey ?? renderBytes)(again.key)
    return new CoppiceError(
      'INPUT_DUPLICATE_KEY',
      `line ${again.line}: expected each key once, got ${key} again (first on line ${first.line})`,
      {
        details: {
          line: again.line,
          column: again.column,
          firstLine: first.line,
          firstColumn: first.column,
          key: again.key,
        },
      },
    )
  }
}

/** A run being read: its current entry, and those read with it. */
class RunHead {
  entry: SortEntry = { key: new Uint8Array(0), value: new Uint8Array(0), line: 0, column: 0 }
  #batch: readonly SortEntry[] = []
  #at = 0
  readonly #source: AsyncGenerator<SortEntry[]>

  constructor(source: AsyncGenerator<SortEntry[]>) {
    this.#source = source
  }

  /** Whether there was another entry at hand. */
  next(): boolean {
    const entry = this.#batch[++this.#at]
    if (entry === undefined) return false
    this.entry = entry
    return true
  }

  /** Reads the next batch; false at the end of the run. */
  async fill(): Promise<boolean> {
    const result = await this.#source.next()
    const batch = result.done === true ? [] : result.value
    const first = batch[0]
    if (first === undefined) return false
    this.#batch = batch
    this.#at = 0
    this.entry = first
    return true
  }

  async close(): Promise<void> {
    await this.#source.return(undefined)
  }
}

function siftDown(heap: RunHead[]): void {
  const moved = heap[0]
  if (moved === undefined) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    const right = heap[child + 1]
    let smallest = heap[child]
    if (smallest === undefined) break
    if (right !== undefined && compareEntries(right.entry, smallest.entry) < 0) {
      smallest = right
      child++
    }
    if (compareEntries(moved.entry, smallest.entry) <= 0) break
    heap[at] = smallest
    at = child
  }
  heap[at] = moved
}

/** By key; equal keys by their place, so that an error names the first one first. */
function compareEntries(a: SortEntry, b: SortEntry): number {
  return compareBytes(a.key, b.key) || a.line - b.line || a.column - b.column
}

/** In place. Entries that come sorted already, as exports do, cost one pass. */
function sorted(entries: SortEntry[]): SortEntry[] {
  return entries.sort(compareEntries)
}

async function* flatten(batches: AsyncIterable<SortEntry[]>): AsyncGenerator<SortEntry> {
  for await (const batch of batches) yield* batch
}
