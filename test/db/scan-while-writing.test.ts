/**
 * Snapshot semantics: a scan sees exactly the state of its first row, whatever batches and publishes run until its last,
 * through the handle that writes or another one, in memory and on the disk.
 */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes } from '../../src/bytes.ts'
import type { Database, Row } from '../../src/db/index.ts'
import type { Store } from '../../src/store/index.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { createDatabase, openDatabase, utf8 } from '../support/database-lab.ts'
import { assertProperty } from '../support/property.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('db/scan-while-writing')

/** About 20 leaves. */
const KEYS = 600

type Command =
  | { readonly type: 'batch'; readonly edits: readonly (readonly [key: number, size: number | null])[] }
  | { readonly type: 'clear'; readonly from: number; readonly to: number }
  | { readonly type: 'publish' }
  | {
      readonly type: 'scan'
      readonly reverse: boolean
      readonly isOther: boolean
      readonly from: number
      readonly to: number
    }
  | { readonly type: 'step'; readonly scan: number; readonly rows: number }

const key = fc.nat(KEYS - 1)
const size = fc.oneof(
  { weight: 9, arbitrary: fc.nat(120) },
  { weight: 1, arbitrary: fc.integer({ min: 1025, max: 3000 }) },
)
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('batch' as const),
      edits: fc.array(fc.tuple(key, fc.option(size)), { minLength: 1, maxLength: 60 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('clear' as const), from: key, to: key }) },
  { weight: 1, arbitrary: fc.constant({ type: 'publish' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('scan' as const),
      reverse: fc.boolean(),
      isOther: fc.boolean(),
      from: fc.oneof(fc.constant(0), key),
      to: fc.oneof(fc.constant(KEYS), key),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('step' as const), scan: fc.nat(5), rows: fc.nat(200) }) },
)

const keyOf = (n: number): Uint8Array => utf8(`k${String(n).padStart(4, '0')}`)
/** Tells by its bytes which write it is from. */
const valueOf = (length: number, write: number): Uint8Array => new Uint8Array(length).fill(write)

interface Running {
  readonly rows: AsyncGenerator<Row, void, undefined>
  readonly expected: readonly Row[]
  readonly seen: Row[]
}

class Play {
  readonly #db: Database
  readonly #other: Database
  readonly #model = new Map<number, Uint8Array>()
  readonly #running: Running[] = []
  #writes = 0

  constructor(db: Database, other: Database) {
    this.#db = db
    this.#other = other
  }

  async run(step: Command): Promise<void> {
    switch (step.type) {
      case 'batch':
        return await this.write(step.edits)
      case 'clear':
        return await this.write(
          Array.from({ length: Math.max(0, step.to - step.from) }, (_, i) => [step.from + i, null] as const),
        )
      case 'publish':
        return void (await this.#db.publish())
      case 'scan':
        return await this.#open(step)
      case 'step': {
        const scan = this.#running[step.scan % Math.max(1, this.#running.length)]
        return scan === undefined ? undefined : await advance(scan, step.rows)
      }
    }
  }

  async write(edits: readonly (readonly [key: number, size: number | null])[]): Promise<void> {
    const write = ++this.#writes % 256
    await this.#db.batch(
      async (tx) => {
        for (const [k, length] of edits) {
          if (length === null) {
            await tx.del(keyOf(k))
            this.#model.delete(k)
            continue
          }
          const value = valueOf(length, write)
          await tx.put(keyOf(k), value)
          this.#model.set(k, value)
        }
      },
      { durable: false },
    )
  }

  /** The first row is asked for at once: from then on the scan's state is fixed. */
  async #open({ reverse, isOther, from, to }: Command & { readonly type: 'scan' }): Promise<void> {
    const expected = [...this.#model]
      .filter(([k]) => k >= from && k < to)
      .map(([k, value]) => ({ key: keyOf(k), value }))
      .sort((a, b) => compareBytes(a.key, b.key))
    if (reverse) expected.reverse()
    const db = isOther ? this.#other : this.#db
    const rows = db.scan({ start: keyOf(from), end: keyOf(to), reverse })
    const scan = { rows, expected, seen: [] }
    this.#running.push(scan)
    await advance(scan, 1)
  }

  async end(): Promise<void> {
    for (const scan of this.#running) {
      await advance(scan, Number.POSITIVE_INFINITY)
      assert.is(scan.seen.length, scan.expected.length)
      for (const [i, row] of scan.seen.entries()) assert.equal(row, scan.expected[i])
    }
  }
}

async function advance({ rows, seen }: Running, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { value } = await rows.next()
    if (value === undefined) return
    // Views of blocks: they too must stay as they are.
    seen.push(value)
  }
}

async function play(writing: Store, reading: Store, commands: readonly Command[]): Promise<void> {
  const db = await createDatabase({ store: writing })
  const run = new Play(db, await openDatabase(reading, { isWritable: false }))
  await run.write(Array.from({ length: KEYS }, (_, k) => [k, (k * 7) % 120] as const))
  for (const step of commands) await run.run(step)
  await run.end()
}

const commands = fc.array(command, { minLength: 5, maxLength: 40 })

test('in memory', () =>
  assertProperty(
    fc.asyncProperty(commands, async (steps) => {
      const store = new MemoryStore()
      await play(store, store, steps)
    }),
    40,
  ))

test('on the disk, the reader with a store of its own', () =>
  assertProperty(
    fc.asyncProperty(commands, (steps) =>
      inDirectory(async (path, use) => {
        const writing = use(await LmdbStore.open(path, 'write'))
        // What is read needs to be there first: the environment, and then the database in it.
        await writing.write({})
        const reading = use(await LmdbStore.open(path, 'read'))
        await play(writing, reading, steps)
      }),
    ),
    12,
  ))

test.run()
