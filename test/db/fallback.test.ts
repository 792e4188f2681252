/**
 * Nobody has the newest root's blocks: the replica goes to the newest older root that this one names and somebody has, says
 * so, never goes below what it has, and takes the newest as soon as it is there.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { PullResult, Replica } from '../../src/db/index.ts'
import type { SignedRoot } from '../../src/pointer/index.ts'
import { buildTree, type Put } from '../../src/prolly/index.ts'
import type { PeerDialer, Session } from '../../src/sync/index.ts'
import { DatabaseLab, failureOf, outcomesOf, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/fallback')

const rowsOf = (mark: string): Put[] =>
  Array.from({ length: 300 }, (_, i) => ({ key: utf8(String(i).padStart(4, '0')), value: utf8(`${mark} ${i}`) }))

/** An author of some releases, and peers that have them up to some sequence. */
class Scene {
  readonly clock = new VirtualClock()
  readonly lab = new DatabaseLab(this.clock)
  readonly author = new RogueAuthor(this.clock)
  readonly roots: SignedRoot[] = []

  async publish(mark: string): Promise<SignedRoot> {
    const root = await this.author.publish(rowsOf(mark))
    this.roots.push(root)
    return root
  }

  /** Signed, and its blocks with nobody. */
  async announce(mark: string): Promise<SignedRoot> {
    const { root: link, entries, bytes } = await buildTree(rowsOf(mark), { put: () => {} })
    const root = await this.author.sign({ root: link, entries, bytes })
    this.roots.push(root)
    return root
  }

  at(sequence: number): SignedRoot {
    return this.roots[sequence - 1] as SignedRoot
  }

  serve(address: string, sequence: number): void {
    this.lab.handle(address, this.author.showing(this.at(sequence)))
  }

  async replica(...addresses: string[]): Promise<Replica> {
    return await this.lab.replica(this.author, addresses)
  }

  pull(replica: Replica): Promise<PullResult> {
    return this.clock.run(replica.pull())
  }
}

test('the newest older root that somebody has, and it says so; the floor stays, and the newest is taken when it is there', async () => {
  const scene = new Scene()
  for (const mark of ['a', 'b']) await scene.publish(mark)
  await scene.announce('c')
  scene.serve('new', 3)
  scene.serve('old', 2)
  scene.serve('older', 1)
  const replica = await scene.replica('new', 'old', 'older')
  const result = await scene.pull(replica)
  assert.equal([result.to.payload.sequence, result.newest.payload.sequence, result.isFallback], [2, 3, true])
  assert.is(outcomesOf(result.report)['old'], 'used')
  assert.is(text(await replica.get(utf8('0007'))), 'b 7')
  const { current, newest } = await replica.standing()
  assert.equal([current?.payload.sequence, newest?.payload.sequence], [2, 3])
  // Nothing older is worth anything now.
  const again = await scene.clock.run(failureOf(replica.pull()))
  assert.is(again.code, 'NO_PEER_LEFT')
  assert.is((await replica.published())?.payload.sequence, 2)
  await scene.author.holdRows(rowsOf('c'))
  const third = await scene.pull(replica)
  assert.equal([third.to.payload.sequence, third.from?.payload.sequence, third.isFallback], [3, 2, false])
})

test('the same peer lacks the newest and has an older one: it is asked again', async () => {
  const scene = new Scene()
  await scene.publish('a')
  await scene.announce('b')
  // At first the peer shows what it does not have; connected to again, what it has.
  let dials = 0
  const [lacking, having] = [scene.author.showing(scene.at(2)), scene.author.showing(scene.at(1))]
  scene.lab.handle('alice', (channel) => (dials++ === 0 ? lacking(channel) : having(channel)))
  const replica = await scene.replica('alice')
  const { to, isFallback, report } = await scene.pull(replica)
  assert.equal([to.payload.sequence, isFallback, dials], [1, true, 2])
  assert.equal(outcomesOf(report), { alice: 'used' })
})

test('what a session shows beside the newest counts, as a mirror has it', async () => {
  const scene = new Scene()
  await scene.publish('a')
  await scene.announce('b')
  scene.serve('alice', 2)
  const { store } = scene.author
  const older = [scene.at(1).bytes]
  const dialer: PeerDialer = {
    name: 'mirror',
    openSession: () => Promise.resolve(mirror(scene.clock, store, scene.at(2).bytes, older)),
  }
  const replica = await scene.replica('alice')
  const { to, isFallback } = await scene.clock.run(replica.pull({ from: [dialer] }))
  assert.equal([to.payload.sequence, isFallback], [1, true])
})

/** A session that answers from a store, and has no manners to keep. */
function mirror(
  clock: VirtualClock,
  store: RogueAuthor['store'],
  announced: Uint8Array,
  older: readonly Uint8Array[],
): Session {
  let end: Session['end']
  const traffic = { bytesReceived: 0, bytesSent: 0, requests: 0 }
  return {
    peer: 'mirror',
    name: 'mirror',
    announced,
    older,
    status: 'newest',
    get end() {
      return end
    },
    get isOpen() {
      return end === undefined
    },
    openQuestions: 0,
    traffic,
    takeTraffic: () => traffic,
    getBlocks: (root, links) => {
      const isHere = store.get(root) !== undefined
      return Promise.resolve(isHere ? links.map((link) => store.get(link) ?? null) : 'gone')
    },
    getRoot: async (_, waitMs) => {
      if (waitMs > 0) await clock.sleep(waitMs)
      return announced
    },
    tell: () => {},
    fail: (fault, reason) => {
      end ??= { fault, error: Object.assign(new Error(reason), { code: 'PEER_LIED', details: {} }) as never }
    },
    close: () => Promise.resolve(),
  }
}

test('only roots that the newest one names, never below what is here, and never of somebody else', async () => {
  const scene = new Scene()
  for (const mark of ['a', 'b', 'c', 'd', 'e', 'f']) await scene.publish(mark)
  await scene.announce('g')
  scene.serve('new', 7)
  // Five back: the newest names four.
  scene.serve('old', 2)
  const replica = await scene.replica('old')
  await scene.pull(replica)
  scene.serve('old', 1)
  await replica.setPeers(['new', 'old'])
  assert.is((await scene.clock.run(failureOf(replica.pull()))).code, 'NO_PEER_LEFT')
  assert.is((await replica.published())?.payload.sequence, 2)
  const fresh = await scene.replica('new', 'old')
  assert.is((await scene.clock.run(failureOf(fresh.pull()))).code, 'NO_PEER_LEFT')
  assert.is(await fresh.isComplete(), false)
  // A stranger's root of the right sequence, and bytes that are no root.
  const stranger = new RogueAuthor(scene.clock, 'stranger')
  for (let i = 0; i < 6; i++) await stranger.publish(rowsOf(`x${i}`))
  scene.lab.handle(
    'stranger',
    stranger.showing(() => stranger.published?.signed),
  )
  scene.serve('older', 5)
  await fresh.setPeers(['new', 'stranger', 'older'])
  assert.is((await scene.pull(fresh)).to.payload.sequence, 5)
})

test('an older root whose tree is malformed is passed over for the one before it', async () => {
  const scene = new Scene()
  await scene.publish('a')
  const { root, entries, bytes } = (await scene.publish('b')).payload
  scene.roots.push(await scene.author.sign({ root, entries: entries + 1, bytes }))
  await scene.announce('c')
  scene.serve('new', 4)
  scene.serve('bad', 3)
  scene.serve('good', 1)
  const replica = await scene.replica('new', 'bad', 'good')
  const { to, isFallback } = await scene.pull(replica)
  assert.equal([to.payload.sequence, isFallback], [1, true])
})

test('older roots whose trees are known to be malformed are not fetched again, in this pull or the next', async () => {
  const scene = new Scene()
  await scene.publish('a')
  for (const mark of ['b', 'c']) {
    const tree = await scene.author.holdRows(rowsOf(mark))
    scene.roots.push(await scene.author.sign({ ...tree, entries: tree.entries + 1 }))
  }
  await scene.announce('d')
  scene.serve('new', 4)
  scene.serve('bad', 3)
  scene.serve('worse', 2)
  const replica = await scene.replica('bad', 'worse')
  const targets: number[] = []
  const pull = (): Promise<{ code: string }> => {
    targets.length = 0
    return scene.clock.run(failureOf(replica.pull({ onTarget: ({ payload }) => void targets.push(payload.sequence) })))
  }
  assert.equal([(await pull()).code, targets], ['TREE_MALFORMED', [3]])
  await replica.setPeers(['new', 'bad', 'worse'])
  assert.equal([(await pull()).code, targets], ['NO_PEER_LEFT', [4, 2]])
  assert.equal([(await pull()).code, targets], ['NO_PEER_LEFT', [4]])
})

test('who follows goes on trying for the newest, and has it when somebody gets its blocks', async () => {
  const scene = new Scene()
  await scene.publish('a')
  await scene.announce('b')
  scene.serve('new', 2)
  scene.serve('old', 1)
  const replica = await scene.replica('new', 'old')
  const seen: [number, boolean][] = []
  const failures: string[] = []
  const control = new AbortController()
  const follow = (async (): Promise<void> => {
    const options = { signal: control.signal, onFailure: ({ code }: { code: string }) => failures.push(code) }
    for await (const { to, isFallback } of replica.follow(options)) {
      seen.push([to.payload.sequence, isFallback])
      if (to.payload.sequence === 2) control.abort()
    }
  })()
  await scene.clock.run(scene.clock.sleep(120_000))
  assert.equal(seen, [[1, true]])
  assert.ok(failures.length > 0 && failures.every((code) => code === 'NO_PEER_LEFT'), failures.join())
  await scene.author.holdRows(rowsOf('b'))
  await scene.clock.run(follow)
  assert.equal(seen, [
    [1, true],
    [2, false],
  ])
})

test('peers that were dropped for what they lacked are asked again, without a failure in between', async () => {
  const scene = new Scene()
  await scene.publish('a')
  await scene.announce('b')
  scene.serve('new', 2)
  scene.serve('old', 1)
  const replica = await scene.replica('new', 'old')
  const failures: string[] = []
  const follow = replica.follow({ onFailure: ({ code }) => failures.push(code) })
  const next = async (): Promise<number | undefined> => {
    const { value } = await scene.clock.run(follow.next())
    return value?.to.payload.sequence
  }
  assert.is(await next(), 1)
  await scene.author.holdRows(rowsOf('b'))
  assert.equal([await next(), failures], [2, []])
  await scene.clock.run(replica.close())
})

test.run()
