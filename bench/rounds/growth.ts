/**
 * How the cost of a change grows with the tree: one size of the tree in a process of its own. Loads it, then for each
 * size of change updates so many random rows and compares before with after, several times, from cold caches. Prints
 * the medians as a line of JSON.
 *
 *     node --expose-gc bench/rounds/growth.ts '{"engine":"coppice","size":100000,"changes":[1,1000],"directory":"..."}'
 */
import { Entries } from '../data/entries.ts'
import { Rows } from '../data/rows.ts'
import type { BlockCounts, Engine } from '../engines/engine.ts'
import { engineNamed } from '../engines/index.ts'
import { median } from '../report/statistics.ts'

export interface GrowthOptions {
  readonly engine: string
  readonly size: number
  readonly changes: readonly number[]
  /** An empty one. */
  readonly directory: string
}

/** What one change of so many rows costs: medians. */
export interface GrowthPoint {
  readonly size: number
  readonly changes: number
  readonly levels: number
  readonly updateSeconds: number
  readonly updateReads: number
  readonly updateWrites: number
  readonly diffSeconds: number
  readonly diffReads: number
}

type Sample = Omit<GrowthPoint, 'size' | 'changes' | 'levels'>

/** Repetitions: more of the small changes, whose times differ most. */
const ROWS_PER_POINT = 4_000
const REPETITIONS_MIN = 3
const REPETITIONS_MAX = 25

class Growth {
  readonly #engine: Engine
  readonly #entries: Entries
  /** Of the values: each batch has its own. */
  #version = 0

  constructor(engine: Engine, entries: Entries) {
    this.#engine = engine
    this.#entries = entries
  }

  async load(): Promise<void> {
    await this.#engine.build(await this.#engine.adopt(Rows.collect(this.#entries.all())))
  }

  async point(changes: number): Promise<GrowthPoint> {
    const wanted = Math.min(REPETITIONS_MAX, Math.max(REPETITIONS_MIN, Math.ceil(ROWS_PER_POINT / changes)))
    const samples: Sample[] = []
    while (samples.length < wanted) samples.push(await this.#sample(changes))
    const middle = (name: keyof Sample): number => median(samples.map((sample) => sample[name]))
    return {
      size: this.#entries.count,
      changes,
      levels: this.#engine.levels?.() ?? 0,
      updateSeconds: middle('updateSeconds'),
      updateReads: middle('updateReads'),
      updateWrites: middle('updateWrites'),
      diffSeconds: middle('diffSeconds'),
      diffReads: middle('diffReads'),
    }
  }

  async #sample(changes: number): Promise<Sample> {
    const engine = this.#engine
    const puts = this.#entries.updates(changes, ++this.#version)
    const batch = await engine.adopt(Rows.collect(puts as { key: Uint8Array; value: Uint8Array }[]))
    await engine.mark()
    const update = await this.#timed(() => engine.update(batch))
    const diff = await this.#timed(async () => {
      const found = (await engine.diff?.()) ?? changes
      if (found !== changes) throw new Error(`wrong result: the diff gave ${found} rows instead of ${changes}`)
    })
    return {
      updateSeconds: update.seconds,
      updateReads: update.reads,
      updateWrites: update.writes,
      diffSeconds: diff.seconds,
      diffReads: diff.reads,
    }
  }

  async #timed(work: () => Promise<void>): Promise<{ seconds: number; reads: number; writes: number }> {
    const engine = this.#engine
    await engine.forget?.()
    const before: Partial<BlockCounts> = { ...engine.counts?.() }
    const start = performance.now()
    await work()
    const seconds = (performance.now() - start) / 1000
    const after = engine.counts?.()
    return {
      seconds,
      reads: (after?.blocksRead ?? 0) - (before.blocksRead ?? 0),
      writes: (after?.blocksWritten ?? 0) - (before.blocksWritten ?? 0),
    }
  }
}

const options = JSON.parse(process.argv[2] ?? '{}') as GrowthOptions
const engine = await engineNamed(options.engine).open(options.directory)
const growth = new Growth(engine, new Entries(options.size))
await growth.load()
const points: GrowthPoint[] = []
for (const changes of options.changes) if (changes <= options.size) points.push(await growth.point(changes))
console.log(JSON.stringify(points))
await engine.close()
