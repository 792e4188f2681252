/**
 * Which trees are served: the newest and, for a while, those before it, whatever process publishes; kept from garbage
 * collection as long as that, and not longer.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Database, providerOptions, type WindowOptions } from '../../src/db/index.ts'
import { type Link, linkMapKey } from '../../src/link.ts'
import { ServedWindow } from '../../src/db/pulling/served-window.ts'
import { SupersededRoots } from '../../src/db/pulling/superseded-roots.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { createChannelPair, ChannelSession, ProviderSet, serveChannel } from '../../src/sync/index.ts'
import { createDatabase, DatabaseLab, openDatabase, outcomesOf, utf8 } from '../support/database-lab.ts'
import { Random } from '../support/random.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/served-window')

const HOUR_MS = 3_600_000

/** An author, and a server in another process as far as both can tell: another handle on the store. */
class Scene {
  readonly clock = new VirtualClock()
  readonly store = new MemoryStore()
  readonly roots: Link[] = []
  readonly over = new AbortController()
  readonly db: Database
  server: Database

  private constructor(db: Database, server: Database) {
    this.db = db
    this.server = server
  }

  static async make(): Promise<Scene> {
    const scene = new Scene(undefined as never, undefined as never)
    const { clock, store } = scene
    const db = await createDatabase({ clock, store })
    return Object.assign(scene, { db, server: await openDatabase(store, { clock, isWritable: false }) })
  }

  async publish(value = String(this.roots.length)): Promise<void> {
    await this.db.put(utf8('n'), utf8(value))
    const { signedRoot } = await this.db.publish()
    this.roots.push(signedRoot.payload.root)
  }

  provide(window: WindowOptions = {}): ReturnType<typeof providerOptions> {
    return providerOptions(this.server.state, { window, signal: this.over.signal })
  }

  /** By a process that has read nothing yet. */
  async collect(): Promise<void> {
    const { clock, store } = this
    const writer = await openDatabase(store, { clock })
    await clock.run(writer.gc({ keep: 1 }))
  }

  /** Which of the published roots are served, by their sequences. */
  async served(options: ReturnType<typeof providerOptions>): Promise<number[]> {
    const served: number[] = []
    for (const [i, root] of this.roots.entries()) if ((await options.serves?.(root)) === true) served.push(i + 1)
    return served
  }

  /** By their sequences. */
  async leased(): Promise<number[]> {
    const keys = new Set((await this.store.leased()).map(({ root }) => linkMapKey(root)))
    return this.roots.flatMap((root, i) => (keys.has(linkMapKey(root)) ? [i + 1] : []))
  }
}

test('the newest, and as many before it as the window has, whoever publishes', async () => {
  const scene = await Scene.make()
  const options = scene.provide({ roots: 3 })
  assert.is(await options.newest(), undefined)
  for (let sequence = 1; sequence <= 6; sequence++) {
    await scene.publish()
    const window = Array.from({ length: Math.min(3, sequence) }, (_, i) => sequence - i).toReversed()
    assert.equal(await scene.served(options), window)
    assert.equal(await scene.leased(), window)
    assert.is((await options.newest())?.id.sequence, sequence)
  }
  const draft = await scene.db.batch(async (tx) => tx.put(utf8('n'), utf8('draft')))
  assert.is(draft, undefined)
  assert.is(await options.serves?.((await scene.db.snapshot()).tree.ref.root), false)
  scene.over.abort()
})

test('a lease that failed is taken with the next look', async () => {
  const scene = await Scene.make()
  const options = scene.provide()
  await scene.publish()
  const { store } = scene
  let failures = 0
  const lease = store.lease.bind(store)
  store.lease = (root) => (++failures === 1 ? Promise.reject(new Error('the disk is gone')) : lease(root))
  const failed = await Promise.resolve(options.newest()).catch((error: unknown) => String(error))
  assert.is(failed, 'Error: the disk is gone')
  assert.equal(await scene.leased(), [])
  assert.is((await options.newest())?.id.sequence, 1)
  assert.equal(await scene.leased(), [1])
  scene.over.abort()
})

test('what was superseded for longer than the window is served no more, and its lease is given back, though nobody asks', async () => {
  const scene = await Scene.make()
  const options = scene.provide()
  for (let i = 0; i < 3; i++) {
    await scene.publish()
    await options.newest()
    await scene.clock.run(scene.clock.sleep(HOUR_MS / 3))
  }
  assert.equal(await scene.served(options), [1, 2, 3])
  await scene.clock.run(scene.clock.sleep(HOUR_MS / 3 + 1))
  assert.equal(await scene.leased(), [2, 3])
  assert.equal(await scene.served(options), [2, 3])
  await scene.clock.run(scene.clock.sleep(HOUR_MS))
  assert.equal([await scene.leased(), await scene.served(options)], [[3], [3]])
  scene.over.abort()
  assert.equal(await scene.leased(), [])
})

test('a server that starts later goes by when the next root was issued; one that was there, by when it saw it', async () => {
  const scene = await Scene.make()
  const early = scene.provide()
  await scene.publish()
  await early.newest()
  await scene.publish()
  await scene.clock.run(scene.clock.sleep(HOUR_MS + 1))
  const late = providerOptions((await openDatabase(scene.store, { clock: scene.clock, isWritable: false })).state)
  assert.equal(await scene.served(late), [2])
  // It looks for the first time now: until now it announced the first.
  assert.equal(await scene.served(early), [1, 2])
  await scene.clock.run(scene.clock.sleep(HOUR_MS + 1))
  assert.equal(await scene.served(early), [2])
  scene.over.abort()
})

test('garbage collection keeps the window, and what has left it goes', async () => {
  const scene = await Scene.make()
  const options = scene.provide({ roots: 2, seconds: 60 })
  for (let i = 0; i < 4; i++) {
    await scene.publish()
    await options.newest()
  }
  await scene.collect()
  const held = (): boolean[] => scene.roots.map((root) => scene.store.getComplete(root) !== undefined)
  assert.equal(held(), [false, false, true, true])
  await scene.clock.run(scene.clock.sleep(61_000))
  await scene.collect()
  assert.equal(held(), [false, false, false, true])
  assert.equal(await scene.served(options), [4])
  // What was collected is not served, though the log has it and it is young.
  await scene.publish('5')
  const other = providerOptions((await openDatabase(scene.store, { clock: scene.clock, isWritable: false })).state)
  assert.equal(await scene.served(other), [4, 5])
  scene.over.abort()
})

test('a tree that is published again, or renewed, is the newest again', async () => {
  const scene = await Scene.make()
  const options = scene.provide({ roots: 2 })
  for (const value of ['a', 'b', 'a']) {
    await scene.publish(value)
    await options.newest()
  }
  await scene.db.publish({ refresh: true })
  await scene.clock.run(scene.clock.sleep(2 * HOUR_MS))
  assert.equal(await scene.served(options), [1, 3])
  scene.over.abort()
})

test('any order of publishing, looking and waiting: what is served is leased, and is what the rule says', async () => {
  const random = new Random(7)
  for (let round = 0; round < 30; round++) {
    const scene = await Scene.make()
    const [roots, seconds] = [random.between(1, 5), random.between(1, 100)]
    const options = scene.provide({ roots, seconds })
    const publishedAt: number[] = []
    for (let step = 0; step < 30; step++) {
      if (random.chance(0.5)) {
        await scene.publish()
        publishedAt.push(scene.clock.now())
        await options.newest()
      } else await scene.clock.run(scene.clock.sleep(random.between(1, 60_000)))
      const expected = publishedAt.flatMap((_, i) => {
        const next = publishedAt[i + 1]
        const isYoung = next === undefined || next > scene.clock.now() - seconds * 1000
        return isYoung && i >= publishedAt.length - roots ? [i + 1] : []
      })
      assert.equal(await scene.served(options), expected, `round ${round}, step ${step}`)
      assert.equal(await scene.leased(), expected, `round ${round}, step ${step}`)
    }
    scene.over.abort()
  }
})

test('root nodes of a log without end: the newest are remembered, those signed again among them', async () => {
  const scene = await Scene.make()
  const { state } = scene.server
  const window = new ServedWindow(state, { roots: 1 }, scene.over.signal)
  const superseded = new SupersededRoots(state, window, 3)
  const asked = async (): Promise<boolean[]> => {
    const found: boolean[] = []
    for (const root of scene.roots) found.push(await superseded.has(root))
    return found
  }
  for (const value of ['a', 'b', 'c', 'd', 'e']) await scene.publish(value)
  assert.equal(await asked(), [false, false, true, true, false], 'of what was there before')
  await scene.publish('c')
  await scene.publish('f')
  // c, d, e, c, f: d is the oldest but three.
  assert.equal(await asked(), [false, false, true, false, true, true, false], 'and of what came later')
  scene.over.abort()
})

test('bounds of the window', async () => {
  const { server } = await Scene.make()
  for (const window of [{ roots: 0 }, { roots: 1.5 }, { seconds: -1 }, { seconds: Number.NaN }]) {
    assert.throws(() => providerOptions(server.state, { window }), RangeError)
  }
})

test('questions about other trees are refused as gone, also for blocks that are served under their own tree', async () => {
  const scene = await Scene.make()
  await scene.publish()
  await scene.publish()
  const set = new ProviderSet({ clock: scene.clock })
  set.add(scene.provide({ roots: 1 }))
  const [channel, theirs] = createChannelPair()
  const served = serveChannel(theirs, set.handle)
  const session = new ChannelSession(channel, 'alice', scene.clock)
  await session.hello({ author: scene.db.author, name: 'cities', have: null })
  const [old, newest] = scene.roots as [Link, Link]
  assert.is(await session.getBlocks(old, [newest]), 'gone')
  assert.is(await session.getHave(old, [newest]), 'gone')
  assert.is(await session.getRange({ root: old, base: null, links: [old], bytesMax: 1000 }), 'gone')
  assert.equal(await session.getHave(newest, [newest]), [true])
  assert.is(((await session.getBlocks(newest, [newest])) as Uint8Array[]).length, 1)
  await session.close()
  await served
  scene.over.abort()
})

test('a replica serves a window of what it completed, and of its own accord', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase({ clock })
  lab.serve('alice', db)
  const replica = await lab.replica(db, ['alice'])
  const options = providerOptions(replica.state)
  const roots: Link[] = []
  for (const value of ['a', 'b', 'c']) {
    await db.put(utf8('n'), utf8(value))
    const { signedRoot } = await db.publish()
    roots.push(signedRoot.payload.root)
    if (value === 'b') continue
    assert.equal(outcomesOf((await clock.run(replica.pull())).report), { alice: 'used' })
    await options.newest()
  }
  const served: boolean[] = []
  for (const root of roots) served.push((await options.serves?.(root)) === true)
  assert.equal(served, [true, false, true])
})

test.run()
