/**
 * An author publishes while a replica pulls: the replica goes to the newer root, fetches no block twice, and ends, however
 * fast the author is. Time is virtual; lines have a speed.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, PullResult, Replica } from '../../src/db/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { bytesToHex } from '../../src/bytes.ts'
import { type Channel, type NewestRoot, ProviderSet } from '../../src/sync/index.ts'
import { decodeAnswer } from '../../src/sync/wire/index.ts'
import { between } from '../support/between.ts'
import { createDatabase, DatabaseLab, failureOf, outcomesOf, utf8, WatchedStore } from '../support/database-lab.ts'
import { paced } from '../support/paced-channel.ts'
import { passing } from '../support/passing-channel.ts'
import { tampered } from '../support/patch-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/moving-target')

/** Bytes in a second: a clone of COUNT rows takes about 20 s. */
const RATE = 80_000
const COUNT = 9_000

class Scene {
  readonly clock = new VirtualClock()
  readonly lab = new DatabaseLab(this.clock)
  readonly store = new WatchedStore()
  readonly db: Database
  readonly replica: Replica
  release = 0

  private constructor(db: Database, replica: Replica) {
    this.db = db
    this.replica = replica
  }

  static async make(rate = RATE): Promise<Scene> {
    const scene = new Scene(undefined as never, undefined as never)
    const { clock, lab, store } = scene
    const db = await createDatabase({ clock })
    const honest = lab.handlerOf(db)
    lab.handle('alice', (channel) => honest(paced(channel, clock, rate)))
    return Object.assign(scene, { db, replica: await lab.replica(db, ['alice'], store) })
  }

  /** All rows anew, or those of a part: `[from, to)`. */
  async publish(from = 0, to = COUNT): Promise<void> {
    this.release++
    const edits = Array.from({ length: to - from }, (_, i): Edit => {
      const key = String(from + i).padStart(7, '0')
      return {
        key: utf8(key),
        value: utf8(`release ${this.release} ${hash(from + i, this.release)} ${'x'.repeat(100)}`),
      }
    })
    await this.db.batch((tx) => tx.apply(edits))
    await this.db.publish()
  }

  /** Publishes every `ms`, for as long as `work` goes on. */
  async whilePublishing<T>(ms: number, work: Promise<T>, publish: () => Promise<void>): Promise<T> {
    const over = new AbortController()
    const publishing = (async (): Promise<void> => {
      for (;;) {
        await this.clock.sleep(ms, over.signal)
        await publish()
      }
    })().catch(() => {})
    try {
      return await this.clock.run(work)
    } finally {
      over.abort()
      await publishing
    }
  }
}

/** Text that does not pack. */
function hash(a: number, b: number): string {
  let h = (a * 2654435761 + b * 40503) >>> 0
  let out = ''
  for (let i = 0; i < 6; i++) {
    h = Math.imul(h ^ (h >>> 15), 2246822519) >>> 0
    out += h.toString(36)
  }
  return out
}

function assertAt(result: PullResult, sequence: number): void {
  assert.equal([result.changed, result.to.payload.sequence, result.isFallback], [true, sequence, false])
}

test('a publish during a clone: it ends at the newer root, having fetched every block once', async () => {
  const scene = await Scene.make()
  await scene.publish()
  const targets: number[] = []
  const pull = scene.replica.pull({ onTarget: ({ payload }) => targets.push(payload.sequence) })
  await scene.clock.run(scene.clock.sleep(8_000))
  await scene.publish(3_000, 3_010)
  const result = await scene.clock.run(pull)
  assertAt(result, 2)
  assert.equal(targets, [1, 2])
  assert.is(result.targets, 2)
  assert.is((await scene.replica.snapshot()).root, (await scene.db.snapshot()).root)
  const { blocksWritten } = scene.store
  assert.is(new Set(blocksWritten).size, blocksWritten.length, 'no block came twice')
  assert.is(result.report.blocksReceived, blocksWritten.length)
  assert.equal(outcomesOf(result.report), { alice: 'used' })
  assert.is(result.report.peers[0]?.blocks, blocksWritten.length)
  // Nothing of what was under way is lost: there are no more bytes than blocks, but for frames and links.
  const bytes = result.to.payload.bytes
  assert.ok(result.report.bytesReceived < 1.05 * bytes, `${result.report.bytesReceived} for ${bytes}`)
})

test('a short pull does not listen: nothing is asked beside what it needs', async () => {
  const scene = await Scene.make(1e9)
  await scene.publish()
  const { report, targets } = await scene.clock.run(scene.replica.pull())
  assert.ok(report.requests <= 1 + report.asked.blocks.questions + report.asked.range.questions, `${report.requests}`)
  assert.is(targets, 1)
})

test('an author who replaces everything faster than it can be fetched: the clone ends all the same, within four times one fetch', async () => {
  const alone = await Scene.make()
  await alone.publish()
  const before = alone.clock.now()
  await alone.clock.run(alone.replica.pull())
  const fetchMs = alone.clock.now() - before
  assert.ok(fetchMs > 12_000, `${fetchMs} ms`)

  const scene = await Scene.make()
  await scene.publish()
  const startedAt = scene.clock.now()
  const result = await scene.whilePublishing(1_500, scene.replica.pull(), () => scene.publish())
  const took = scene.clock.now() - startedAt
  assert.ok(took < 4.5 * fetchMs, `${took} ms where one fetch takes ${fetchMs} ms`)
  assert.ok(result.targets >= 3 && result.targets <= 8, `${result.targets} targets`)
  assert.ok(result.newest.payload.sequence > result.to.payload.sequence, 'and says that there is a newer one')
  assert.ok(result.to.payload.sequence > 1)
  assert.equal((await scene.replica.published())?.bytes, result.to.bytes)
})

test('who follows such an author has one complete state after the other', async () => {
  const scene = await Scene.make()
  await scene.publish()
  const control = new AbortController()
  const seen: number[] = []
  const follow = async (): Promise<void> => {
    for await (const { to } of scene.replica.follow({ signal: control.signal })) {
      seen.push(to.payload.sequence)
      if (seen.length === 3) control.abort()
    }
  }
  await scene.whilePublishing(4_000, follow(), () => scene.publish())
  assert.is(seen.length, 3)
  assert.equal(
    seen,
    seen.toSorted((a, b) => a - b),
  )
})

test('a target that is served no more is left at once, whatever it was promised', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const db = await createDatabase({ clock })
  const honest = lab.handlerOf(db, { roots: 1 })
  lab.handle('alice', (channel) => honest(paced(channel, clock, RATE)))
  const scene = Object.assign(await Scene.make(), { clock, lab, db, replica: await lab.replica(db, ['alice']) })
  await scene.publish()
  const targets: [number, number][] = []
  const startedAt = clock.now()
  const pull = scene.replica.pull({
    onTarget: ({ payload }) => targets.push([payload.sequence, clock.now() - startedAt]),
  })
  for (const [ms, release] of [
    [2_000, 2],
    [9_000, 3],
    [3_000, 4],
  ] as const) {
    await clock.run(clock.sleep(ms))
    await scene.publish()
    assert.is(scene.release, release)
  }
  const result = await clock.run(pull)
  assertAt(result, 4)
  assert.equal(
    targets.map(([sequence]) => sequence),
    [1, 2, 3, 4],
  )
  const [, , [, third] = [0, 0], [, fourth] = [0, 0]] = targets
  // By patience the third would have been kept for as long as the pull had run.
  assert.ok(fourth - third < 8_000 && third > 10_000, JSON.stringify(targets))
  assert.equal(outcomesOf(result.report), { alice: 'used' })
})

test('and before it listens, too: whoever says "gone" is asked what it has', async () => {
  const scene = await Scene.make()
  await scene.publish()
  const honest = scene.lab.handlerOf(scene.db, { roots: 1 })
  scene.lab.handle('alice', (channel) =>
    honest(
      between(channel, async (answers) => (answers === 1 && scene.release === 1 ? scene.publish(0, 10) : undefined)),
    ),
  )
  const startedAt = scene.clock.now()
  const result = await scene.clock.run(scene.replica.pull())
  assertAt(result, 2)
  assert.ok(scene.clock.now() - startedAt < 3_000, `${scene.clock.now() - startedAt} ms`)
})

test('a newer root of another peer, which the first one does not have yet', async () => {
  const scene = await Scene.make()
  await scene.publish()
  const behind = await scene.lab.replica(scene.db, ['alice'])
  await scene.clock.run(behind.pull())
  scene.lab.serve('behind', behind)
  await scene.replica.setPeers(['behind', 'alice'])
  const pull = scene.replica.pull()
  await scene.clock.run(scene.clock.sleep(10))
  const { to, report } = await scene.clock.run(pull)
  assert.is(to.payload.sequence, 1)
  assert.is(outcomesOf(report)['behind'], 'used')
})

test('contradicting roots that come to light during a pull end it; what was complete stays', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const rogue = new RogueAuthor(clock)
  const rows = (mark: string): { key: Uint8Array; value: Uint8Array }[] =>
    Array.from({ length: 8000 }, (_, i) => {
      return { key: utf8(String(i).padStart(6, '0')), value: utf8(`${mark} ${hash(i, mark.length)}`) }
    })
  await rogue.publish(rows('a'))
  const other = rogue.fork()
  await rogue.publish(rows('bb'))
  const rival = await other.publish(rows('ccc'))
  let shown = rogue.published?.signed
  const honest = rogue.showing(() => shown)
  lab.handle('alice', (channel) => honest(paced(channel, clock, 20_000)))
  const replica = await lab.replica(rogue, ['alice'])
  const pull = failureOf(replica.pull())
  await clock.run(clock.sleep(3_000))
  shown = rival
  assert.is((await clock.run(pull)).code, 'EQUIVOCATION')
  assert.is((await replica.standing()).evidence.length, 1)
  assert.is(await replica.isComplete(), false)
})

test('an author who signs one root after the other without blocks ends in NO_PEER_LEFT, not in a loop', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const rogue = new RogueAuthor(clock)
  await rogue.publish([{ key: utf8('n'), value: utf8('1') }])
  const { root, entries, bytes } = rogue.published?.signed.payload ?? { root: new Uint8Array(), entries: 0, bytes: 0 }
  const signNext = (): Promise<unknown> => rogue.sign({ root: changed(root, clock.now()), entries, bytes })
  await signNext()
  const { author: key, name, store } = rogue
  const providers = new ProviderSet({ clock })
  providers.add({
    author: key,
    name,
    store,
    newest: () => newestRoot(rogue),
    changed: (signal) => clock.sleep(100, signal),
    serves: () => false,
  })
  lab.handle('alice', providers.handle)
  const replica = await lab.replica(rogue, ['alice'])
  const signing = new AbortController()
  const author = (async (): Promise<void> => {
    for (;;) {
      await clock.sleep(300, signing.signal)
      await signNext()
    }
  })().catch(() => {})
  const targets: number[] = []
  const startedAt = clock.now()
  const error = await clock.run(failureOf(replica.pull({ onTarget: ({ payload }) => targets.push(payload.sequence) })))
  signing.abort()
  await author
  assert.is(error.code, 'NO_PEER_LEFT')
  assert.ok(targets.length > 20 && targets.length <= 64 + 4, `${targets.length} targets`)
  assert.ok(clock.now() - startedAt < 120_000)
})

test('an author who signs one malformed tree after the other ends in TREE_MALFORMED; the next pull goes on', async () => {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const rogue = new RogueAuthor(clock)
  await rogue.publish([{ key: utf8('n'), value: utf8('0') }])
  const { author: key, name, store } = rogue
  const providers = new ProviderSet({ clock })
  const changed = (signal: AbortSignal): Promise<void> => clock.sleep(100, signal)
  providers.add({ author: key, name, store, newest: () => newestRoot(rogue), changed })
  lab.handle('alice', (channel) => providers.handle(lateData(channel, clock, 3_000)))
  const replica = await lab.replica(rogue, ['alice'])
  await clock.run(replica.pull())
  let signed = 0
  const signNext = async (): Promise<void> => {
    const tree = await rogue.holdRows([{ key: utf8('n'), value: utf8(String(++signed)) }])
    await rogue.sign({ ...tree, entries: 2 })
  }
  const targets: number[] = []
  const onTarget = ({ payload }: { payload: { sequence: number } }): void => {
    targets.push(payload.sequence)
    void signNext()
  }
  await signNext()
  for (let i = 0; i < 2; i++) {
    const error = await clock.run(failureOf(replica.pull({ onTarget })))
    assert.is(error.code, 'TREE_MALFORMED')
    // Some are left for newer ones before their trees are known.
    assert.ok(targets.length >= 4 && targets.length <= 12, targets.join())
    targets.length = 0
  }
  assert.is((await replica.published())?.payload.sequence, 1)
})

/** Rows and blocks come late, roots at once: during each fetch newer roots are heard of. */
function lateData(channel: Channel, clock: VirtualClock, ms: number): Channel {
  let isWelcome = true
  return passing(channel, {
    send: async (frame) => {
      const type = isWelcome ? undefined : decodeAnswer(frame).type
      isWelcome = false
      if (type === undefined || type === 'root') return await channel.send(frame)
      void clock
        .sleep(ms)
        .then(() => channel.send(frame))
        .catch(() => {})
    },
  })
}

test('whose rows did not come to a target that was left is asked for none of the next; blocks of it are had', async () => {
  const scene = await Scene.make()
  await scene.publish()
  await scene.clock.run(scene.replica.pull())
  const honest = scene.lab.handlerOf(scene.db)
  const questions: string[] = []
  scene.lab.handle('alice', (channel) =>
    honest(
      paced(
        tampered(channel, (answer, { to }) => {
          questions.push(bytesToHex(to))
          return answer.type === 'patch' ? { ...answer, values: answer.values.map(() => utf8('a lie')) } : answer
        }),
        scene.clock,
        RATE,
      ),
    ),
  )
  await scene.replica.setPeers(['alice'])
  await scene.publish(0, 1_000)
  const first = bytesToHex((await scene.db.snapshot()).tree.ref.root)
  const pull = scene.replica.pull()
  await scene.clock.run(scene.clock.sleep(1_500))
  await scene.publish(0, 10)
  const result = await scene.clock.run(pull)
  assertAt(result, 3)
  assert.is(result.targets, 2)
  assert.equal([...new Set(questions)], [first])
  // Whether the tree that was left keeps the rules, nobody knows: the peer is not said to lie.
  assert.equal(outcomesOf(result.report), { alice: 'used' })
})

function newestRoot({ published }: RogueAuthor): NewestRoot | undefined {
  if (published === null) return undefined
  const { bytes, link, payload } = published.signed
  return { signedRoot: bytes, id: { payload: link, epoch: payload.epoch, sequence: payload.sequence } }
}

/** A root that nobody has. */
function changed(root: Uint8Array, salt: number): Uint8Array {
  const other = Uint8Array.from(root)
  new DataView(other.buffer).setFloat64(20, salt)
  return other
}

test.run()
