/** Batches, publishes, pins, leases and collections in any order, some of them killed, against a model of what is kept. */
import * as assert from 'uvu/assert'
import type { Edit } from '../src/prolly/index.ts'
import { formatLink, type Link, parseLink } from '../src/link.ts'
import type { Lease } from '../src/store/interface.ts'
import { createDatabase, openDatabase, utf8 } from '../test/support/database-lab.ts'
import { checkOnly, checkRecords, KilledStore } from '../test/support/gc-lab.ts'
import { Random } from '../test/support/random.ts'

export const summary = 'after any history, collection leaves what the model keeps, whole, and nothing else'

const KEYS = 400

/** Roots as text: what a collection has to keep, and why. */
interface Model {
  shown: string
  /** Newest first. */
  readonly published: string[]
  readonly held: Set<string>
  readonly pinned: Set<string>
  readonly leased: Map<string, Lease>
}

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const store = new KilledStore()
  const created = await createDatabase({ store })
  const model: Model = {
    shown: (await created.snapshot()).root,
    published: [],
    held: new Set(),
    pinned: new Set(),
    leased: new Map(),
  }
  for (let step = 0; step < 25; step++) await act(random, store, model)
  await collect(random, store, model)
}

async function act(random: Random, store: KilledStore, model: Model): Promise<void> {
  const choice = random.below(10)
  // A new handle each time: none has given out anything that would be in use.
  const db = await openDatabase(store)
  if (choice < 4) {
    await db.batch((tx) => tx.apply(edits(random)))
    model.shown = (await db.snapshot()).root
  } else if (choice < 6) {
    const { isNew } = await db.publish({ refresh: random.chance(0.1) })
    if (isNew) model.published.unshift(model.shown)
    model.held.add(model.shown)
  } else if (choice === 6) {
    await db.pin(await db.snapshot(), { note: random.chance(0.5) ? 'a note' : '' })
    model.pinned.add(model.shown)
  } else if (choice === 7 && model.pinned.size > 0) {
    const root = random.pick([...model.pinned])
    assert.is(await db.unpin(root), true)
    model.pinned.delete(root)
  } else if (choice === 8) await leaseOrRelease(random, store, model)
  else await collect(random, store, model)
}

function edits(random: Random): Edit[] {
  const keys = new Set(Array.from({ length: random.pick([1, 5, 60, 300]) }, () => random.below(KEYS)))
  return [...keys]
    .sort((a, b) => a - b)
    .map((key): Edit => {
      const length = random.pick([10, 40, 200, 1100, 2000])
      const value = random.chance(0.2) ? null : new Uint8Array(length).fill(random.below(3))
      return { key: utf8(String(key).padStart(5, '0')), value }
    })
}

async function leaseOrRelease(random: Random, store: KilledStore, model: Model): Promise<void> {
  if (model.leased.size > 0 && random.chance(0.5)) {
    const [root, lease] = random.pick([...model.leased])
    await lease.release()
    model.leased.delete(root)
    return
  }
  const root = random.pick([model.shown, ...model.held])
  if (model.leased.has(root)) return
  const lease = await store.lease(parseLink(root))
  assert.ok(lease !== undefined, `${root} is held and cannot be leased`)
  model.leased.set(root, lease)
}

async function collect(random: Random, store: KilledStore, model: Model): Promise<void> {
  const keep = random.pick([1, 2, 3, Number.POSITIVE_INFINITY])
  if (random.chance(0.4)) {
    store.killedAt = store.steps + random.below(8)
    await (await openDatabase(store)).gc({ keep }).catch(() => {})
    store.killedAt = Number.POSITIVE_INFINITY
    await checkRecords(store)
  } else if (random.chance(0.3)) await (await openDatabase(store)).gc({ keep, isDryRun: true })
  const db = await openDatabase(store)
  const report = await db.gc({ keep })
  const expected = keptBy(model, keep)
  assert.equal(report.kept.map(({ root }) => formatLink(root)).sort(), [...expected].sort())
  await checkOnly(
    db.state,
    [...expected].map((root): Link => parseLink(root)),
  )
  for (const root of model.held) if (!expected.has(root)) model.held.delete(root)
}

function keptBy({ shown, published, held, pinned, leased }: Model, keep: number): Set<string> {
  const states = [...new Set(published.filter((root) => held.has(root)))]
  return new Set([shown, ...published.slice(0, 1), ...states.slice(0, keep), ...pinned, ...leased.keys()])
}
