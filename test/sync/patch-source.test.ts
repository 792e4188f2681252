/** The provider's side of patches: pages that make up the difference, what they cost, and what is refused. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes } from '../../src/bytes.ts'
import { type Link, linkMapKey } from '../../src/link.ts'
import type { MaybePromise } from '../../src/maybe-promise.ts'
import { diffTrees, isValueRef, type Put, Tree, type Value } from '../../src/prolly/index.ts'
import { PATCH_NODES_PER_PAGE, PATCHES_AT_ONCE, PATCHES_WAITING_MAX } from '../../src/sync/limits.ts'
import { ChannelSession, createChannelPair, serveChannel } from '../../src/sync/index.ts'
import { PatchSource, SharedPatches } from '../../src/sync/serving/patch.ts'
import type { GetPatch, PatchAnswer, Refusal } from '../../src/sync/wire/index.ts'
import { type PatchCase, patchCase } from '../support/patch-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { AUTHOR, CountingStore, Lab, NAME, publish } from '../support/sync-lab.ts'
import { applyEdits, collect, FORMATS, randomEdits, randomRows, u32be } from '../support/tree-sets.ts'

const test = suite('sync/patch-source')
const signal = new AbortController().signal

/** A store in which reads of blocks are counted. */
class ReadCounts {
  readonly #store: CountingStore
  reads = 0

  constructor(store: CountingStore) {
    this.#store = store
  }

  get(link: Link): MaybePromise<Uint8Array | undefined> {
    this.reads++
    return this.#store.get(link)
  }

  getMany(links: readonly Link[]): MaybePromise<(Uint8Array | undefined)[]> {
    return links.map((link) => this.#store.get(link))
  }

  getComplete(link: Link): ReturnType<CountingStore['getComplete']> {
    return this.#store.getComplete(link)
  }
}

type Row = readonly [key: Uint8Array, value: Value | null]

async function difference({ from, to }: PatchCase): Promise<Row[]> {
  const [a, b] = [await Tree.open(to.store, from.target.root), await Tree.open(to.store, to.target.root)]
  const changes = await collect(diffTrees(a, b))
  return changes.map((change) => [change.key, change.type === 'remove' ? null : change.to])
}

function question({ from, to }: PatchCase, given: Partial<GetPatch> = {}): GetPatch {
  const [a, b] = [from.target.root, to.target.root]
  return { type: 'get patch', id: 1, from: a, to: b, after: null, until: null, bytesMax: 1_000_000, ...given }
}

async function page(source: PatchSource, request: GetPatch): Promise<PatchAnswer> {
  const answer = await source.answer(request, signal)
  if (answer.type === 'refusal') throw new Error(`refused: ${answer.reason}`)
  return answer
}

/** All pages from `after` on. */
async function allRows(source: PatchSource, request: GetPatch): Promise<Row[]> {
  const rows: Row[] = []
  for (let after = request.after; ;) {
    const { keys, values, isLast } = await page(source, { ...request, after })
    keys.forEach((key, i) => rows.push([key, values[i] ?? null]))
    if (isLast) return rows
    assert.ok(keys.length > 0, 'a page that is not the last has rows')
    after = keys.at(-1) ?? null
  }
}

function textOf(rows: readonly Row[]): string[] {
  return rows.map(([key, value]) => {
    if (value === null) return `${linkMapKey(key)} -`
    return `${linkMapKey(key)} ${isValueRef(value) ? `${linkMapKey(value.link)} ${value.size}` : linkMapKey(value)}`
  })
}

async function randomCase(seed: number): Promise<{ made: PatchCase; random: Random }> {
  const random = new Random(seed)
  const [, format] = random.pick(FORMATS)
  const rows = randomRows(random, random.pick([0, 1, 60, 250]), format)
  const edits = randomEdits(random, rows, random.pick([0, 1, 20, 200]), format)
  return { made: await patchCase(rows, applyEdits(rows, edits), format), random }
}

test('pages of any size, within any bounds, make up the difference', async () => {
  for (const seed of seeds(60)) {
    const { made, random } = await randomCase(seed)
    const source = new PatchSource({ store: made.to.store }, random.pick([1, 5, 40, 10_000]))
    const all = await difference(made)
    const bound = (): Uint8Array | null =>
      random.chance(0.3)
        ? null
        : random.chance(0.5)
          ? random.pick([...all, [u32be(7), null] as Row])[0]
          : random.bytes(2)
    const [after, until] = [bound(), bound()]
    const wanted = all.filter(
      ([key]) => (after === null || compareBytes(key, after) > 0) && (until === null || compareBytes(key, until) <= 0),
    )
    const bytesMax = random.pick([1, 30, 200, 10_000])
    let rows: Row[] = []
    try {
      rows = await allRows(source, question(made, { after, until, bytesMax }))
    } catch (error) {
      // With so few nodes allowed that no row is found.
      assert.is((error as Error).message, 'refused: gone', `seed ${seed}`)
      continue
    }
    assert.equal(textOf(rows), textOf(wanted), `seed ${seed}`)
  }
})

const spread: readonly Put[] = Array.from({ length: 30_000 }, (_, i) => ({ key: u32be(i), value: u32be(i) }))
const changed = spread.map((row, i) => (i % 300 === 7 ? { key: row.key, value: u32be(1) } : row))

test('a page costs the nodes that differ, once for all who ask', async () => {
  const made = await patchCase(spread, changed)
  const store = new ReadCounts(made.to.store)
  const source = new PatchSource({ store })
  const first = await page(source, question(made))
  assert.equal([first.keys.length, first.isLast], [100, true])
  const differing = [...made.to.blocks].filter((key) => !made.from.blocks.has(key)).length
  assert.ok(store.reads <= 2.2 * differing + 4, `${store.reads} nodes read where ${differing} are new`)
  const again = await page(source, question(made, { id: 9 }))
  assert.is(again.id, 9)
  assert.ok(again.keys === first.keys && again.values === first.values, 'the page that was kept')
})

test('a budget of nodes ends a page, and the next one goes on', async () => {
  const made = await patchCase(spread, changed)
  const store = new ReadCounts(made.to.store)
  const source = new PatchSource({ store }, 40)
  const pages: number[] = []
  for (let after: Uint8Array | null = null; ;) {
    store.reads = 0
    const { keys, isLast }: PatchAnswer = await page(source, question(made, { after }))
    assert.ok(store.reads <= 80, `${store.reads} nodes for a page`)
    pages.push(keys.length)
    if (isLast) break
    after = keys.at(-1) ?? null
  }
  assert.is(
    pages.reduce((a, b) => a + b),
    100,
  )
  assert.ok(pages.length > 2 && pages.length < 20, `pages of ${pages.join(', ')} rows`)
})

test('pages that nobody asked for lately are forgotten', async () => {
  const made = await patchCase(
    spread,
    spread.map(({ key }) => ({ key, value: new Uint8Array(600).fill(key[3] ?? 0) })),
  )
  const store = new ReadCounts(made.to.store)
  const source = new PatchSource({ store })
  const first = await page(source, question(made))
  let after = first.keys.at(-1) ?? null
  // 18 MB of values in all, and 16 MiB are kept.
  for (let isLast = false; !isLast;) {
    const next = await page(source, question(made, { after }))
    after = next.keys.at(-1) ?? null
    isLast = next.isLast
  }
  store.reads = 0
  assert.equal((await page(source, question(made))).keys.length, first.keys.length)
  assert.ok(store.reads > 0, 'read anew')
})

test('questions without an answer to keep are forgotten too', async () => {
  const made = await patchCase([{ key: u32be(1), value: u32be(1) }], [{ key: u32be(2), value: u32be(1) }])
  const source = new PatchSource({ store: made.to.store })
  const first = await page(source, question(made))
  const ask = async (i: number): Promise<void> => {
    const after = new Uint8Array(1000).fill(255)
    after.set(u32be(i), 8)
    assert.equal((await page(source, question(made, { after, until: after }))).keys, [])
  }
  for (let i = 0; i < 100; i++) await ask(i)
  assert.ok((await page(source, question(made))).keys === first.keys, 'few are kept')
  // With bounds of 1,000 bytes each, some 6,000 take 16 MiB.
  for (let i = 0; i < 7000; i++) await ask(i)
  assert.ok((await page(source, question(made))).keys !== first.keys, 'kept for ever')
})

test('databases of one process share the pages that are kept, and each answers for its own trees', async () => {
  const made = await patchCase(spread, changed)
  const shared = new SharedPatches()
  const [one, two] = [0, 0].map(() => new PatchSource({ store: made.to.store }, PATCH_NODES_PER_PAGE, shared))
  assert.ok(one && two)
  assert.ok((await page(one, question(made))).keys === (await page(two, question(made))).keys)
  const other = new PatchSource({ store: (await publish(spread)).store }, PATCH_NODES_PER_PAGE, shared)
  assert.is((await other.answer(question(made), signal)).type, 'refusal')
})

test('a page that is kept waits for nobody, and few wait', async () => {
  const made = await patchCase(spread, changed)
  const gate = Promise.withResolvers<void>()
  let isShut = false
  const store = {
    get: async (link: Link): Promise<Uint8Array | undefined> => {
      if (isShut) await gate.promise
      return made.to.store.get(link)
    },
    getMany: (links: readonly Link[]) => made.to.store.getMany(links),
    getComplete: (link: Link) => made.to.store.getComplete(link),
  }
  const source = new PatchSource({ store })
  const first = await page(source, question(made))
  isShut = true
  const others = Array.from({ length: PATCHES_AT_ONCE + PATCHES_WAITING_MAX }, (_, i) =>
    source.answer(question(made, { from: made.to.target.root, to: made.from.target.root, bytesMax: 1000 + i }), signal),
  )
  assert.ok((await page(source, question(made))).keys === first.keys)
  assert.equal(await source.answer(question(made, { bytesMax: 5 }), signal), { type: 'refusal', id: 1, reason: 'busy' })
  gate.resolve()
  assert.ok((await Promise.all(others)).every(({ type }) => type === 'patch'))
})

test('gone: trees that are not whole here, that are values, or that no row comes of', async () => {
  const made = await patchCase(spread, changed)
  const other = await publish([{ key: u32be(1), value: new Uint8Array(2000) }])
  const onDamage = (): void => assert.unreachable('nothing is damaged')
  const source = new PatchSource({ store: made.to.store, onDamage })
  const gone = { type: 'refusal', id: 1, reason: 'gone' } satisfies Refusal
  const value = [...other.store.records.values()].find(({ level }) => level < 0)
  assert.ok(value)
  for (const root of [other.target.root, value.link]) {
    assert.equal(await source.answer(question(made, { from: root }), signal), gone)
    assert.equal(await source.answer(question(made, { to: root }), signal), gone)
  }
  assert.equal(
    await new PatchSource({ store: other.store, onDamage }).answer(
      question(made, { from: value.link, to: value.link }),
      signal,
    ),
    gone,
  )
  assert.equal(await new PatchSource({ store: made.to.store }, 1).answer(question(made), signal), gone)
})

test('a tree that is damaged is gone, and its owner learns which block it was', async () => {
  const made = await patchCase(spread, changed)
  const victim = [...made.to.store.records.values()].find(
    ({ link, level }) => level === 0 && !made.from.blocks.has(linkMapKey(link)),
  )
  assert.ok(victim)
  const damaged: string[] = []
  const rotten = Uint8Array.from(made.to.store.get(victim.link) ?? [])
  rotten[9] = (rotten[9] ?? 0) ^ 1
  await made.to.store.write({ blocks: [{ link: victim.link, bytes: rotten }] })
  const onDamage = (link: Link): void => void damaged.push(linkMapKey(link))
  const source = new PatchSource({ store: made.to.store, onDamage })
  assert.is((await source.answer(question(made), signal)).type, 'refusal')
  assert.equal(damaged, [linkMapKey(victim.link)])
})

test('a question is given up when it is over, and a lost channel ends it', async () => {
  const made = await patchCase(spread, changed)
  const over = new AbortController()
  over.abort(new Error('over'))
  const failed = await new PatchSource({ store: made.to.store })
    .answer(question(made), over.signal)
    .catch((e: Error) => e)
  assert.is((failed as Error).message, 'over')

  const lab = new Lab()
  let reads = 0
  const slow = new CountingStore()
  slow.getComplete = (link) => made.to.store.getComplete(link)
  slow.get = (async (link: Link) => {
    reads++
    await lab.clock.sleep(10)
    return made.to.store.get(link)
  }) as unknown as CountingStore['get']
  const handler = lab.handlerOf({ ...made.to, store: slow })
  const [ours, theirs] = createChannelPair()
  const served = serveChannel(theirs, handler)
  const session = new ChannelSession(ours, 'provider', lab.clock)
  await lab.clock.run(session.hello({ author: AUTHOR, name: NAME, have: null }))
  const { from, to, after, until, bytesMax } = question(made)
  const asked = session.getPatch({ from, to, after, until, bytesMax }).catch((error: unknown) => error)
  await lab.clock.run(lab.clock.sleep(95))
  ours.abort(new Error('lost'))
  await lab.clock.run(Promise.all([asked, served]))
  await lab.clock.run(lab.clock.sleep(10_000))
  assert.ok(reads > 3 && reads < 15, `${reads} nodes read`)
})

test.run()
