/**
 * Pulling where carriers and peers know different things: what carriers show is judged by the same floor, late ones count, blocks
 * come from whoever has them, and where nobody does the replica falls back, says so and goes on trying.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import type { Carrier } from '../../src/carriers/carrier.ts'
import { peerCarrier } from '../../src/carriers/peer/peer-carrier.ts'
import { type PullResult, Replica, writeCarrierSettings } from '../../src/db/index.ts'
import { encodeText, PEERS } from '../../src/db/meta.ts'
import { readSupport } from '../../src/db/pulling/root-support.ts'
import { readAttachments } from '../../src/db/roots/attachments.ts'
import type { SignedRoot } from '../../src/pointer/index.ts'
import { buildTree, type Put } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Session } from '../../src/sync/index.ts'
import { DatabaseLab, failureOf, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { carriersOf, ScriptedCarrier, type ScriptedOptions } from '../support/scripted-carrier.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('db/carriers')

const rowsOf = (mark: string): Put[] =>
  Array.from({ length: 300 }, (_, i) => ({ key: utf8(String(i).padStart(4, '0')), value: utf8(`${mark} ${i}`) }))

class Scene {
  readonly clock = new VirtualClock()
  readonly lab = new DatabaseLab(this.clock)
  readonly author = new RogueAuthor(this.clock)
  readonly roots: SignedRoot[] = []

  /** Signed, and its blocks with everybody. */
  async publish(...marks: readonly string[]): Promise<void> {
    for (const mark of marks) this.roots.push(await this.author.publish(rowsOf(mark)))
  }

  /** Signed, and its blocks with nobody. */
  async announce(mark: string): Promise<void> {
    const { root, entries, bytes } = await buildTree(rowsOf(mark), { put: () => {} })
    this.roots.push(await this.author.sign({ root, entries, bytes }))
  }

  at(sequence: number): SignedRoot {
    return this.roots[sequence - 1] as SignedRoot
  }

  /** A peer that shows one root and has the blocks of all. */
  serve(address: string, sequence: number): void {
    this.lab.handle(address, this.author.showing(this.at(sequence)))
  }

  carrier(name: string, sequences: readonly number[], options: ScriptedOptions = {}): ScriptedCarrier {
    return new ScriptedCarrier(
      name,
      this.clock,
      sequences.map((sequence) => this.at(sequence).bytes),
      options,
    )
  }

  async replica(peers: readonly string[], carriers: readonly Carrier[], store = new MemoryStore()): Promise<Replica> {
    const { author, name } = this.author
    await store.write({ meta: Replica.initialMeta(author, name, peers) })
    const { clock, lab } = this
    const options = {
      clock,
      random: () => 0.5,
      isWritable: true,
      network: lab.network,
      carriers: carriersOf(...carriers),
    }
    return await Replica.load(store, options)
  }

  pull(replica: Replica): Promise<PullResult> {
    return this.clock.run(replica.pull())
  }
}

test('peers show an older root, a carrier knows the newest: the newest is fetched from the peers', async () => {
  const scene = new Scene()
  await scene.publish('a', 'b', 'c')
  scene.serve('old', 1)
  const dht = scene.carrier('dht', [3], { ms: 2_000 })
  const replica = await scene.replica(['old'], [dht, scene.carrier('bep44', [2])])
  const result = await scene.pull(replica)
  assert.equal([result.to.payload.sequence, result.isFallback], [3, false])
  assert.is(text(await replica.get(utf8('0007'))), 'c 7')
  assert.equal(Object.fromEntries(result.judgements.map(({ name, outcome }) => [name, outcome])), {
    old: 'accepted',
    bep44: 'accepted',
    dht: 'accepted',
  })
  await scene.clock.run(replica.close())
  assert.ok(dht.isClosed)
})

test('a carrier that is away or silent holds a pull up for a few seconds and no more', async () => {
  const scene = new Scene()
  await scene.publish('a')
  scene.serve('peer', 1)
  const begin = scene.clock.now()
  const carriers = [scene.carrier('silent', [1], { isSilent: true }), scene.carrier('away', [], { isAway: true })]
  const replica = await scene.replica(['peer'], carriers)
  assert.is((await scene.pull(replica)).to.payload.sequence, 1)
  assert.ok(scene.clock.now() - begin <= 6_000, `${scene.clock.now() - begin} ms`)
})

test('a carrier alone: up to date without a peer, and what nobody has is said', async () => {
  const scene = new Scene()
  await scene.publish('a')
  scene.serve('peer', 1)
  const dht = scene.carrier('dht', [1])
  const replica = await scene.replica(['peer'], [dht])
  await scene.pull(replica)
  scene.lab.stop('peer')
  const same = await scene.pull(replica)
  assert.equal([same.changed, same.to.payload.sequence], [false, 1])
  await scene.announce('b')
  dht.roots = [scene.at(2).bytes]
  const error = await scene.clock.run(failureOf(replica.pull()))
  assert.is(error.code, 'NO_PEER_LEFT')
  const { current, newest, reach } = await replica.standing()
  assert.equal([current?.payload.sequence, newest?.payload.sequence, reach.failure], [1, 2, undefined])
})

test('what a carrier shows and nobody has: the newest older root that can be had, told as such, and the newest when it is there', async () => {
  const scene = new Scene()
  await scene.publish('a', 'b')
  await scene.announce('c')
  scene.serve('peer', 2)
  const replica = await scene.replica(['peer'], [scene.carrier('dht', [3])])
  const seen: [number, boolean][] = []
  const control = new AbortController()
  const follow = (async (): Promise<void> => {
    for await (const { to, isFallback } of replica.follow({ signal: control.signal })) {
      seen.push([to.payload.sequence, isFallback])
      if (to.payload.sequence === 3) control.abort()
    }
  })()
  await scene.clock.run(scene.clock.sleep(90_000))
  assert.equal(seen, [[2, true]])
  await scene.author.holdRows(rowsOf('c'))
  await scene.clock.run(follow)
  assert.equal(seen, [
    [2, true],
    [3, false],
  ])
})

test('who follows hears of what a carrier shows late', async () => {
  const scene = new Scene()
  await scene.publish('a', 'b')
  scene.serve('peer', 1)
  const silent = scene.carrier('silent', [], { isSilent: true })
  const replica = await scene.replica(['peer'], [silent, scene.carrier('dht', [2], { ms: 12_000 })])
  const begin = scene.clock.now()
  const follow = replica.follow()
  const next = async (): Promise<number | undefined> =>
    (await scene.clock.run(follow.next())).value?.to.payload.sequence
  assert.equal([await next(), await next()], [1, 2])
  assert.ok(scene.clock.now() - begin < 20_000, `${scene.clock.now() - begin} ms`)
  await scene.clock.run(replica.close())
})

test('forged and older roots of carriers move nothing, and forgers hurt nobody', async () => {
  const scene = new Scene()
  await scene.publish('a', 'b')
  const stranger = new RogueAuthor(scene.clock, 'stranger')
  const forged = new ScriptedCarrier('forged', scene.clock, [
    (await stranger.publish(rowsOf('x'))).bytes,
    utf8('garbage'),
  ])
  scene.serve('peer', 2)
  const replica = await scene.replica(['peer'], [forged, scene.carrier('old', [1])])
  const { to, judgements } = await scene.pull(replica)
  assert.is(to.payload.sequence, 2)
  assert.equal(
    new Set(judgements.filter(({ name }) => name === 'forged').map(({ outcome }) => outcome)),
    new Set(['invalid']),
  )
})

test('directories of one web server are one source, however many are named, and so is a peer with several addresses', async () => {
  const store = new MemoryStore()
  await writeCarrierSettings(store, { quorum: 2 })
  const urls = ['https://one.example/a/', 'https://one.example:8443/b/', 'https://two.example/']
  await store.write({ meta: new Map([[PEERS, encodeText(urls.join('\n'))]]) })
  const announced = utf8('root')
  const sessions = urls.map((url) => ({ peer: url, name: url, announced }) as unknown as Session)
  const missing = async (...of: Session[]): Promise<string | undefined> =>
    (await readSupport(store, of, [])).missing(announced)
  assert.match((await missing(...sessions.slice(0, 2))) ?? '', '1 of 2')
  assert.is(await missing(...sessions.slice(1)), undefined)
  const { clock } = new Scene()
  const network = { dialer: () => Promise.reject(new Error('nothing is dialled')) }
  const sources = ['/ip4/192.0.2.1/tcp/1/p2p/Qm', '/dns4/x/tcp/1/p2p/Qm'].map(
    (each) => peerCarrier(each, network, clock).source,
  )
  assert.is(new Set(sources).size, 1)
})

test('a quorum in the settings: one source alone moves nothing, and it says so', async () => {
  const scene = new Scene()
  await scene.publish('a', 'b')
  scene.serve('peer', 1)
  const store = new MemoryStore()
  const dht = scene.carrier('dht', [2])
  const bep44 = scene.carrier('bep44', [1])
  const replica = await scene.replica(['peer'], [dht, bep44], store)
  await writeCarrierSettings(store, { quorum: 2 })
  const first = await scene.pull(replica)
  assert.is(first.to.payload.sequence, 1)
  assert.equal(
    first.judgements.filter(({ outcome }) => outcome === 'unsupported').map(({ name, reason }) => [name, reason]),
    [['dht', '1 of 2 sources show its root']],
  )
  bep44.roots = [scene.at(2).bytes]
  assert.is((await scene.pull(replica)).to.payload.sequence, 2)
})

test('what too few sources show moves nothing, and yet stops a replica where it proves a fork', async () => {
  const scene = new Scene()
  await scene.publish('a')
  const rival = await scene.author.fork().publish(rowsOf('rival'))
  await scene.publish('b')
  scene.lab.handle('peer', scene.author.showing(rival))
  const store = new MemoryStore()
  const replica = await scene.replica(['peer'], [scene.carrier('dht', [2]), scene.carrier('bep44', [2])], store)
  await writeCarrierSettings(store, { quorum: 2 })
  assert.is((await scene.clock.run(failureOf(replica.pull()))).code, 'EQUIVOCATION')
  assert.is((await replica.standing()).newest?.payload.sequence, 2)
})

test('envelopes that a carrier shows beside the newest root are kept, so that a replica can put it again', async () => {
  const scene = new Scene()
  await scene.publish('a')
  scene.serve('peer', 1)
  const attachments = new Map([[ATTACHMENT_IDS.bep44 as number, utf8('envelope')]])
  const replica = await scene.replica(['peer'], [scene.carrier('bep44', [1], { attachments })])
  await scene.pull(replica)
  assert.equal((await readAttachments(replica.state, scene.at(1))).get(ATTACHMENT_IDS.bep44), utf8('envelope'))
})

test('replica.resolve asks and keeps the floor, fetches nothing, and never goes below what it has seen', async () => {
  const scene = new Scene()
  await scene.publish('a', 'b')
  const dht = scene.carrier('dht', [2])
  const store = new MemoryStore()
  const replica = await scene.replica([], [dht, scene.carrier('old', [1])], store)
  const { root, carriers, told } = await scene.clock.run(replica.resolve())
  assert.equal(
    [root.payload.sequence, carriers.map(({ outcome }) => outcome), told.map(({ name }) => name)],
    [2, ['newest', 'older'], ['old']],
  )
  assert.is(await replica.isComplete(), false)
  assert.is((await replica.standing()).newest?.payload.sequence, 2)
  dht.roots = [scene.at(1).bytes]
  const again = await scene.clock.run(replica.resolve())
  assert.equal([again.root.payload.sequence, again.sources], [2, 1])
  // A handle that only reads keeps nothing.
  const reader = await Replica.load(store, {
    clock: scene.clock,
    random: () => 0,
    carriers: carriersOf(scene.carrier('dht', [2])),
  })
  assert.is((await scene.clock.run(reader.resolve())).root.payload.sequence, 2)
})

test('freshness is a state with reasons: fresh, expired, unbounded, unreachable, and reached again', async () => {
  const scene = new Scene()
  const hour = 3600
  const now = Math.floor(scene.clock.now() / 1000)
  scene.roots.push(await scene.author.publish(rowsOf('a'), { expires: now + hour }))
  scene.serve('peer', 1)
  const replica = await scene.replica(['peer'], [scene.carrier('dht', [], { isAway: true })])
  assert.equal(
    [(await replica.standing()).state, (await replica.standing()).reasons],
    [undefined, ['no signed root has been accepted yet']],
  )
  await scene.pull(replica)
  const fresh = await replica.standing()
  assert.equal([fresh.state, fresh.reasons, fresh.reach.failure], ['fresh', [], undefined])
  const reachedAt = fresh.reach.reachedAt ?? 0
  scene.lab.stop('peer')
  for (let i = 0; i < 2; i++) await scene.clock.run(failureOf(replica.pull()))
  const away = await replica.standing()
  assert.equal(
    [away.state, away.freshness, away.reach.reachedAt, away.reach.failure?.tries],
    ['unreachable', 'fresh', reachedAt, 2],
  )
  assert.match(away.reasons[0] ?? '', /the last answer came at .*; 2 tries since/)
  // Within an age that is allowed, a try that failed changes nothing; beyond it, an answer is missed that nobody tried to get.
  assert.is((await replica.standing({ maxAgeSeconds: hour })).state, 'fresh')
  await scene.clock.run(scene.clock.sleep(2 * hour * 1000))
  const expired = await replica.standing({ maxAgeSeconds: hour })
  assert.is(expired.state, 'expired')
  assert.equal(expired.reasons.length, 2)
  scene.serve('peer', 1)
  await scene.pull(replica)
  assert.equal([(await replica.standing()).state, (await replica.standing()).reach.failure], ['expired', undefined])
  scene.roots.push(await scene.author.publish(rowsOf('b')))
  scene.serve('peer', 2)
  await scene.pull(replica)
  const unbounded = await replica.standing()
  assert.equal([unbounded.state, unbounded.reasons], ['unbounded', ['its author promised no newer root']])
  await scene.clock.run(scene.clock.sleep(2 * hour * 1000))
  assert.is((await replica.standing({ maxAgeSeconds: hour })).state, 'unreachable')
})

test.run()
