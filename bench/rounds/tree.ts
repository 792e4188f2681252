/**
 * One round of one engine in a process of its own: load, read, scan, change, compare. Prints a line of JSON per
 * measurement as it is done; then checks that the engine has what it should, so that nothing is measured that did not
 * happen, and prints `{"end":true}`. Whatever goes wrong is a line too.
 *
 *     node --expose-gc bench/rounds/tree.ts '{"engine":"coppice","shape":"uniform","size":100000,"changes":1000,"directory":"..."}'
 */
import { Entries } from '../data/entries.ts'
import { Rows } from '../data/rows.ts'
import { makeWorkload, PASSES, type Shape, type Workload } from '../data/shapes.ts'
import type { BlockCounts, Engine } from '../engines/engine.ts'
import { engineNamed } from '../engines/index.ts'
import { withDirectory } from '../process/directory.ts'
import { directoryBytes } from '../process/disk.ts'
import { readableReason } from '../report/reason.ts'

export interface RoundOptions {
  readonly engine: string
  readonly shape: Shape
  readonly size: number
  /** Rows written by the batches of a pass together. */
  readonly changes: number
  /** An empty one. */
  readonly directory: string
}

export type Operation = 'build' | 'get' | 'scan' | 'update' | 'diff' | 'put' | 'cold put'

/** What was done, how long it took, and the blocks that moved, where the engine tells. */
export interface Measurement extends Partial<BlockCounts> {
  readonly operation: Operation
  /** Rows that were written, read or found different; for `put`, puts. */
  readonly count: number
  readonly seconds: number
  /** On disk: bytes of its files afterwards. */
  readonly diskBytes?: number
  /** Levels of the tree afterwards. */
  readonly levels?: number
}

/** First `ready`, when the data stands there; the last line of a round that ended well has no error. */
export type RoundLine = Measurement | { readonly ready: true } | { readonly end: true; readonly error?: string }

/** Gets and puts go on until either bound: an engine may take milliseconds for one. */
const GETS_MAX = 100_000
const GET_SECONDS = 1
const PUTS_MAX = 500
const PUT_SECONDS = 1
const COLD_PUTS = 20
/** Rows between two looks at the clock. */
const GETS_PER_LOOK = 100
const ROWS_CHECKED = 200
/** Everything is done once with these before, unmeasured: otherwise short operations show how long V8 takes to compile them. */
const WARM_UP_ROWS = 10_000
const WARM_UP_CHANGES = 1_000
/** A scan that takes longer is not done again at the end: gets and the diff have to do. */
const CHECK_SECONDS_MAX = 2

class Round {
  readonly #engine: Engine
  readonly #workload: Workload
  readonly #directory: string | undefined
  readonly #print: (line: RoundLine) => void

  constructor(engine: Engine, workload: Workload, directory: string | undefined, print: (line: RoundLine) => void) {
    this.#engine = engine
    this.#workload = workload
    this.#directory = directory
    this.#print = print
  }

  async run(): Promise<void> {
    const engine = this.#engine
    const { rows, passes, changes } = this.#workload
    const adopted = await engine.adopt(rows)
    const adoptedPasses: unknown[][] = []
    for (const batches of passes) {
      const adoptedBatches: unknown[] = []
      for (const batch of batches) adoptedBatches.push(await engine.adopt(batch))
      adoptedPasses.push(adoptedBatches)
    }
    globalThis.gc?.()
    this.#print({ ready: true })
    await this.#measure('build', async () => {
      await engine.build(adopted)
      return rows.length
    })

    const places = new Entries(rows.length).positions(GETS_MAX, 2)
    await getUntil(engine, adopted, places)
    await this.#measure('get', () => getUntil(engine, adopted, places))
    const scanSeconds = await this.#measure('scan', async () => requireCount('scan', await engine.scan(), rows.length))

    await this.#measureOften('update', async (pass) => {
      for (const batch of adoptedPasses[pass] ?? []) await engine.update(batch)
      return passes[pass]?.reduce((sum, batch) => sum + batch.length, 0) ?? 0
    })
    if (engine.diff !== undefined) {
      await this.#measureOften('diff', async () => requireCount('diff', (await engine.diff?.()) ?? 0, changes))
    }
    await this.#checkRows(adopted, adoptedPasses.at(-1)?.at(-1))
    await this.#measurePuts()
    if (scanSeconds > CHECK_SECONDS_MAX) return
    requireCount('the scan at the end', await engine.scan(), this.#workload.rowsAfter)
  }

  async #measurePuts(): Promise<void> {
    const engine = this.#engine
    const { rows } = this.#workload
    const places = new Entries(rows.length).positions(PUTS_MAX + COLD_PUTS, 3)
    const puts = Rows.collect(places.map((i) => ({ key: rows.key(i), value: rows.value((i + 1) % rows.length) })))
    const adopted = await engine.adopt(puts)
    let next = 0
    await this.#measure('put', async () => {
      const stop = performance.now() + PUT_SECONDS * 1000
      while (next < Math.max(1, puts.length - COLD_PUTS) && performance.now() < stop) await engine.put(adopted, next++)
      return next
    })
    await requireRow(engine, adopted, next - 1)
    if (engine.forget === undefined) return
    const sums = { count: 0, seconds: 0, ...noBlocks() }
    for (let i = 0; i < COLD_PUTS && next < puts.length; i++, next++) {
      await engine.forget()
      const before = countsOf(engine)
      const start = performance.now()
      await engine.put(adopted, next)
      sums.seconds += (performance.now() - start) / 1000
      sums.count++
      const moved = difference(before, countsOf(engine))
      for (const name of BLOCK_COUNTS) sums[name] += moved[name] ?? 0
    }
    this.#print({ operation: 'cold put', ...sums, ...this.#standing() })
  }

  /** Gives the seconds it took. @param work gives how many rows it was about */
  async #measure(operation: Operation, work: () => Promise<number>): Promise<number> {
    globalThis.gc?.()
    const before = countsOf(this.#engine)
    const start = performance.now()
    const count = await work()
    const seconds = (performance.now() - start) / 1000
    this.#print({ operation, count, seconds, ...difference(before, countsOf(this.#engine)), ...this.#standing() })
    return seconds
  }

  /** Of {@link PASSES} times the median, and what the last moved. The engine's mark stands before the last; its cache is cold. */
  async #measureOften(operation: 'update' | 'diff', work: (pass: number) => Promise<number>): Promise<void> {
    const engine = this.#engine
    const times: number[] = []
    let count = 0
    let before = countsOf(engine)
    for (let pass = 0; pass < PASSES; pass++) {
      if (operation === 'update' && pass === PASSES - 1) await engine.mark()
      await engine.forget?.()
      if (pass === 0) globalThis.gc?.()
      before = countsOf(engine)
      const start = performance.now()
      count = await work(pass)
      times.push((performance.now() - start) / 1000)
    }
    const seconds = times.toSorted((a, b) => a - b)[PASSES >> 1] ?? 0
    this.#print({ operation, count, seconds, ...difference(before, countsOf(engine)), ...this.#standing() })
  }

  #standing(): Pick<Measurement, 'diskBytes' | 'levels'> {
    const levels = this.#engine.levels?.() ?? 0
    return {
      ...(this.#directory === undefined ? {} : { diskBytes: directoryBytes(this.#directory) }),
      ...(levels === 0 ? {} : { levels }),
    }
  }

  /** The last batch's rows have their new values, and others their old ones. */
  async #checkRows(adopted: unknown, lastBatch: unknown): Promise<void> {
    const { rows, passes } = this.#workload
    const last = passes.at(-1)?.at(-1) ?? rows
    for (let i = 0; i < Math.min(ROWS_CHECKED, last.length); i++) await requireRow(this.#engine, lastBatch, i)
    const changed = new Set(
      passes.flat().flatMap((batch) => Array.from(batch, ({ key }) => Buffer.from(key).toString('hex'))),
    )
    for (const i of new Entries(rows.length).positions(ROWS_CHECKED, 4)) {
      if (!changed.has(rows.keyBuffer(i).toString('hex'))) await requireRow(this.#engine, adopted, i)
    }
  }
}

async function getUntil(engine: Engine, rows: unknown, places: readonly number[]): Promise<number> {
  const stop = performance.now() + GET_SECONDS * 1000
  let n = 0
  while (n < places.length) {
    const end = Math.min(n + GETS_PER_LOOK, places.length)
    for (; n < end; n++) {
      const found = engine.get(rows, places[n] as number)
      const value = found instanceof Promise ? await (found as Promise<unknown>) : found
      if (value === undefined || value === null) throw new Error(`get: row ${places[n]} is not there`)
    }
    if (performance.now() > stop) break
  }
  return n
}

async function requireRow(engine: Engine, rows: unknown, i: number): Promise<void> {
  if (!(await engine.holds(rows, i))) throw new Error(`wrong result: row ${i} is absent or has another value`)
}

function requireCount(what: string, found: number, expected: number): number {
  if (found !== expected) throw new Error(`wrong result: ${what} gave ${found} rows instead of ${expected}`)
  return found
}

const BLOCK_COUNTS = ['blocksRead', 'bytesRead', 'blocksWritten', 'bytesWritten'] as const

function noBlocks(): Record<keyof BlockCounts, number> {
  return { blocksRead: 0, bytesRead: 0, blocksWritten: 0, bytesWritten: 0 }
}

function countsOf(engine: Engine): Partial<BlockCounts> {
  return { ...engine.counts?.() }
}

function difference(before: Partial<BlockCounts>, after: Partial<BlockCounts>): Partial<BlockCounts> {
  return Object.fromEntries(
    BLOCK_COUNTS.filter((name) => after[name] !== undefined).map((name) => [
      name,
      (after[name] ?? 0) - (before[name] ?? 0),
    ]),
  )
}

function print(line: RoundLine): void {
  console.log(JSON.stringify(line))
}

async function goThrough(
  shape: Shape,
  size: number,
  changes: number,
  directory: string,
  tell: (line: RoundLine) => void,
): Promise<void> {
  const workload = await makeWorkload(shape, size, changes)
  const engine = await kind.open(directory)
  await new Round(engine, workload, kind.place === 'disk' ? directory : undefined, tell).run()
  await engine.close()
}

const options = JSON.parse(process.argv[2] ?? '{}') as RoundOptions
const kind = engineNamed(options.engine)
try {
  if (options.size > WARM_UP_ROWS) {
    await withDirectory((directory) => goThrough('uniform', WARM_UP_ROWS, WARM_UP_CHANGES, directory, () => {}))
  }
  await goThrough(options.shape, options.size, options.changes, options.directory, print)
  print({ end: true })
} catch (error) {
  print({ end: true, error: readableReason(error) })
}
// A peer may keep handles open that nobody can close.
process.exit()
