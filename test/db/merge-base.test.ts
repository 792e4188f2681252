/** Which state a merge begins with: the newest that both have, however they came to have it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { formatLink } from '../../src/link.ts'
import { copyState, forkMeta, readBases } from '../../src/db/index.ts'
import { BASES, PUBLISHED } from '../../src/db/meta.ts'
import { payloadMerged } from '../../src/pointer/index.ts'
import { MemoryStore, type Store } from '../../src/store/index.ts'
import { DatabaseLab, failureOf, openDatabase, signerOf, text, utf8 } from '../support/database-lab.ts'
import { forkOf, putAll, rowsOf, withRows } from '../support/fork-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('db/merge-base')

test('a fork takes in its origin again and again, and the origin the fork through a replica', async () => {
  const lab = new DatabaseLab()
  const origin = await withRows({ a: '1', b: '1', c: '1' })
  lab.serve('origin', origin)
  const upstream = await lab.replica(origin, ['origin'])
  await upstream.pull()
  const fork = await forkOf(upstream, 'fork')
  lab.serve('fork', fork)
  await putAll(fork, { b: 'fork' })
  for (const round of ['2', '3']) {
    await putAll(origin, { a: round })
    await origin.publish()
    await upstream.pull()
    const { isMerged, conflicts, base } = await fork.merge(upstream)
    assert.ok(isMerged)
    assert.is(conflicts, 0)
    assert.is((await base.get(utf8('a'))) && text(await base.get(utf8('a'))), String(Number(round) - 1))
    assert.equal(await rowsOf(fork), { a: round, b: 'fork', c: '1' })
  }
  await fork.publish()
  await putAll(fork, { d: 'fork' })
  await fork.publish()

  // The replica is a new one, and has seen the fork's newest state only.
  const contribution = await lab.replica(fork, ['fork'])
  await contribution.pull()
  await putAll(origin, { c: 'later' })
  await origin.publish()
  assert.ok((await origin.merge(contribution)).isMerged)
  assert.equal(await rowsOf(origin), { a: '3', b: 'fork', c: 'later', d: 'fork' })

  // Both went on after it: neither sees as a conflict what it has already taken in.
  await origin.publish()
  await upstream.pull()
  await fork.merge(upstream)
  await putAll(fork, { b: 'again', c: 'fork' })
  await fork.publish()
  await contribution.pull()
  await putAll(origin, { a: 'origin' })
  assert.equal((await origin.merge(contribution)).conflicts, 0)
  assert.equal(await rowsOf(origin), { a: 'origin', b: 'again', c: 'fork', d: 'fork' })
})

test('a base that was never published is found where the fork is at hand', async () => {
  const origin = await withRows({ a: '1', b: '1' })
  await putAll(origin, { a: '2' })
  const fork = await forkOf(origin, 'fork')
  await putAll(origin, { a: '3' })
  await putAll(fork, { b: 'fork' })
  const first = await origin.merge(fork)
  assert.equal([first.conflicts, await rowsOf(origin)], [0, { a: '3', b: 'fork' }])
  // The fork went on, and so did its origin: what was merged last is the later one, published or not.
  await fork.publish()
  await putAll(fork, { b: 'again' })
  await putAll(origin, { a: '4' })
  assert.is((await origin.merge(fork)).conflicts, 0)
  await putAll(origin, { a: '5', b: 'origin' })
  assert.is((await fork.merge(origin)).conflicts, 0)
  assert.equal(await rowsOf(fork), { a: '5', b: 'origin' })
  await putAll(origin, { a: '6' })
  await putAll(fork, { b: 'fork' })
  assert.is((await origin.merge(fork)).conflicts, 0)
  assert.equal(await rowsOf(origin), { a: '6', b: 'fork' })
})

/** How many changes of each side's own row a state has in it. */
type Seen = readonly [origin: number, fork: number]

/** Two databases that change a row each, publish, and merge, at hand, by replicas of what was published, or both, the replicas often behind. Gives the merges that had one best base. */
async function runHistory(random: Random, where: string): Promise<number> {
  const lab = new DatabaseLab()
  const origin = await withRows({ 'row 0': '0', 'row 1': '0' })
  const sides = [origin, await forkOf(origin, 'fork')] as const
  for (const [i, each] of sides.entries()) lab.serve(String(i), each)
  const replicas = [await lab.replica(sides[0], ['0']), await lab.replica(sides[1], ['1'])] as const
  const way = random.pick(['at hand', 'replica', 'both'])
  const seen: [Seen, Seen] = [
    [0, 0],
    [0, 0],
  ]
  const published: [Seen, Seen | undefined] = [[0, 0], undefined]
  /** What the replicas show. */
  const pulled: [Seen | undefined, Seen | undefined] = [undefined, undefined]
  /** Of the other, what each merged last. */
  const taken: [Seen, Seen] = [
    [0, 0],
    [0, 0],
  ]
  let checked = 0
  for (let step = 0; step < 30; step++) {
    const me = random.below(2) === 0 ? 0 : 1
    const they = me === 0 ? 1 : 0
    const act = random.pick(['put', 'put', 'publish', 'pull', 'merge', 'merge'])
    const [a, b] = seen[me]
    const byReplica = way === 'replica' || (way === 'both' && random.chance(0.5))
    const other = byReplica ? pulled[they] : seen[they]
    if (act === 'put') {
      seen[me] = me === 0 ? [a + 1, b] : [a, b + 1]
      await putAll(sides[me], { [`row ${me}`]: String(seen[me][me]) })
    } else if (act === 'publish') {
      await sides[me].publish()
      published[me] = seen[me]
    } else if (act === 'pull') {
      if (published[they] !== undefined) await replicas[they].pull()
      pulled[they] = published[they]
    } else if (other !== undefined) {
      const hasBase =
        way !== 'both' && taken.some((each) => each.join() === [Math.min(a, other[0]), Math.min(b, other[1])].join())
      const merging = sides[me].merge(byReplica ? replicas[they] : sides[they])
      // What an old replica signed may name states that nobody published and that are shown no more.
      if (way === 'both' && (await isWithoutBase(merging))) return checked
      const { conflicts, isMerged } = await merging
      if (hasBase) assert.is(conflicts, 0, `${where}, step ${step}`)
      if (hasBase) checked++
      if (!isMerged) return checked
      seen[me] = [Math.max(a, other[0]), Math.max(b, other[1])]
      taken[me] = other
      const rows = { 'row 0': String(seen[me][0]), 'row 1': String(seen[me][1]) }
      assert.equal(await rowsOf(sides[me]), rows, `${where}, step ${step}`)
    }
  }
  return checked
}

async function isWithoutBase(merging: Promise<unknown>): Promise<boolean> {
  return await merging.then(
    () => false,
    (error: unknown) => isCoppiceError(error, 'NO_COMMON_BASE'),
  )
}

test('any history of two: nothing is lost or undone, and where one state has all that both have there is no conflict', async () => {
  let checked = 0
  for (const seed of seeds(40)) checked += await runHistory(new Random(seed), `seed ${seed}`)
  assert.ok(checked > 100, `${checked} merges had one best base`)
})

test('a replica that is behind what was merged has nothing new, and undoes nothing', async () => {
  const lab = new DatabaseLab()
  const origin = await withRows({ a: '1' })
  const fork = await forkOf(origin, 'fork')
  lab.serve('fork', fork)
  await putAll(fork, { b: '1' })
  await fork.publish()
  const [current, behind] = [await lab.replica(fork, ['fork']), await lab.replica(fork, ['fork'])]
  await behind.pull()
  await putAll(fork, { b: '2', c: '1' })
  await fork.publish()
  await current.pull()
  await origin.merge(current)
  const old = await origin.merge(behind)
  assert.equal([old.isMerged, old.from === old.to, old.base.root], [true, true, (await behind.snapshot()).root])
  assert.equal(await rowsOf(origin), { a: '1', b: '2', c: '1' })

  // What was merged may be newer than all that is published; that of a database at hand may be an older one again.
  await putAll(fork, { c: '2' })
  await origin.merge(fork)
  await origin.merge(current)
  assert.equal(await rowsOf(origin), { a: '1', b: '2', c: '2' })
  await putAll(fork, { c: '1' })
  await origin.merge(fork)
  assert.equal(await rowsOf(origin), { a: '1', b: '2', c: '1' })
  await putAll(fork, { b: '3' })
  await fork.publish()
  await current.pull()
  await origin.merge(current)
  assert.equal(await rowsOf(origin), { a: '1', b: '3', c: '1' }, 'the replica is not behind any more')

  // The same of what a fork began with, published or not.
  lab.serve('origin', origin)
  await origin.publish()
  const upstream = await lab.replica(origin, ['origin'])
  await upstream.pull()
  await putAll(origin, { d: '1' })
  const another = await forkOf(origin, 'another')
  await another.merge(upstream)
  assert.is((await rowsOf(another))['d'], '1')
  await origin.publish()
  await upstream.pull()
  assert.is((await another.merge(upstream)).from.root, (await another.snapshot()).root)
  await putAll(origin, { e: '1' })
  await origin.publish()
  await upstream.pull()
  await another.merge(upstream)
  assert.is((await rowsOf(another))['e'], '1')
})

test('what the other takes in while a merge waits for its turn is not undone', async () => {
  const origin = await withRows({ a: '1' })
  const fork = await forkOf(origin, 'fork')
  await putAll(origin, { b: '1' })
  const { promise: end, resolve } = Promise.withResolvers<void>()
  const before = origin.batch(() => end)
  const merging = origin.merge(fork)
  await fork.snapshot()
  await fork.merge(origin)
  resolve()
  await before
  await merging
  assert.equal(await rowsOf(origin), { a: '1', b: '1' })

  await putAll(origin, { c: '1' })
  onFirstRead(fork.state.store, PUBLISHED, () => fork.merge(origin))
  await origin.merge(fork)
  assert.equal(await rowsOf(origin), { a: '1', b: '1', c: '1' })
})

test('what a replica pulls while a merge looks at it is not taken for old; nor is what was published while it was forked', async () => {
  const lab = new DatabaseLab()
  const origin = await withRows({ a: '1' })
  lab.serve('origin', origin)
  const upstream = await lab.replica(origin, ['origin'])
  await upstream.pull()
  await putAll(origin, { b: '1' })
  const fork = await forkOf(origin, 'fork')
  await putAll(origin, { c: '1' })
  onFirstRead(upstream.state.store, BASES, async () => {
    await origin.publish()
    await upstream.pull()
  })
  await fork.merge(upstream)
  assert.equal(await rowsOf(fork), { a: '1', b: '1', c: '1' })

  const store = new MemoryStore()
  const snapshot = await origin.snapshot()
  await putAll(origin, { d: '1' })
  await origin.publish()
  await upstream.pull()
  const author = signerOf('late').publicKey
  await copyState(snapshot, store, {})
  await store.write({ meta: await forkMeta(origin, snapshot, { author, name: 'late', peers: [] }) })
  const late = await openDatabase(store, { label: 'late' })
  await late.merge(upstream)
  assert.is((await rowsOf(late))['d'], '1')
})

/** Does `act` when the value is asked for, before the answer. */
function onFirstRead(store: Store, wanted: string, act: () => Promise<unknown>): void {
  const getMeta = store.getMeta.bind(store)
  store.getMeta = async (name) => {
    if (name !== wanted) return getMeta(name)
    store.getMeta = getMeta
    const found = await getMeta(name)
    await act()
    return found
  }
}

test("what a replica of a fork signed finds a state that is shown and not published; a replica of one's own has nothing new", async () => {
  const lab = new DatabaseLab()
  const origin = await withRows({ a: '1' })
  await putAll(origin, { a: '2' })
  const fork = await forkOf(origin, 'fork')
  await putAll(fork, { b: '1' })
  await fork.publish()
  lab.serve('fork', fork)
  const contribution = await lab.replica(fork, ['fork'])
  await contribution.pull()
  assert.is(
    (await origin.merge(contribution)).base.root,
    formatLink((await readBases(fork.state.store))[0]?.root ?? new Uint8Array(0)),
  )

  lab.serve('origin', origin)
  const copy = await lab.replica(origin, ['origin'])
  await copy.pull()
  await putAll(origin, { a: '3' })
  const own = await origin.merge(copy)
  assert.equal([own.isMerged, own.from === own.to, own.blocksWritten], [true, true, 0])

  // A fork's first state is one of its origin, too.
  const ofFork = await forkOf(origin, 'another')
  await ofFork.publish()
  lab.serve('another', ofFork)
  const copyOfFork = await lab.replica(ofFork, ['another'])
  await putAll(ofFork, { a: '4' })
  await ofFork.publish()
  await copyOfFork.pull()
  await putAll(ofFork, { a: '3' })
  assert.equal((await ofFork.merge(copyOfFork)).conflicts, 0)
  assert.is((await rowsOf(ofFork))['a'], '3', 'what was taken back stays so')
})

test('of each other database one state is remembered, that merged last first', async () => {
  const origin = await withRows({ a: '1' })
  const [one, other] = [await forkOf(origin, 'one'), await forkOf(origin, 'other')]
  for (const round of ['1', '2']) {
    for (const fork of [one, other]) {
      await putAll(fork, { [fork.author.join()]: round })
      await origin.merge(fork)
    }
  }
  const bases = await readBases(origin.state.store)
  const roots = [(await other.snapshot()).tree.ref.root, (await one.snapshot()).tree.ref.root]
  assert.equal(
    bases.map(({ root }) => root),
    roots,
  )
  assert.equal(payloadMerged((await origin.publish()).signedRoot.payload), roots)
})

test('what has nothing in common needs a base; a base that nobody holds is said to be missing', async () => {
  const [one, other] = [await withRows({ a: '1', b: '1' }), await withRows({ b: '1', c: '2' }, 'other')]
  assert.is((await failureOf(one.merge(other))).code, 'NO_COMMON_BASE')
  await one.merge(other, { base: 'empty' })
  assert.equal(await rowsOf(one), { a: '1', b: '1', c: '2' })
  await putAll(other, { c: '3', b: null })
  await one.merge(other)
  assert.equal(await rowsOf(one), { a: '1', c: '3' }, 'the last merge is the base')
  const thrown = await one.merge(await other.snapshot()).catch((error: unknown) => error)
  assert.instance(thrown, TypeError)

  const store = new MemoryStore()
  const fork = await forkOf(one, 'fork', store)
  const { root } = (await one.snapshot()).tree.ref
  await putAll(fork, { d: '4' })
  await putAll(one, { e: '5' })
  await store.write({ removeBlocks: [root] })
  const fresh = await openDatabase(store, { label: 'fork' })
  assert.is((await fresh.merge(one, { dryRun: true })).conflicts, 0, 'the other holds it')
  await one.state.store.write({ removeBlocks: [root] })
  const error = await failureOf(
    (await openDatabase(store, { label: 'fork' })).merge(await openDatabase(one.state.store)),
  )
  assert.is(error.code, 'ROOT_NOT_FOUND')
  assert.is(error.details['root'], formatLink(root))
})

test.run()
