/**
 * Threats 5 and 6, seen through proofs about the history: peers that send wrong ones, of another database, of another time, none at
 * all, or slowly; and an author whose own history shows that it signed two chains.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import type { Replica } from '../../src/db/index.ts'
import { namedRoots } from '../../src/db/pulling/named-roots.ts'
import { readHistory } from '../../src/db/roots/history.ts'
import { encodeLinkProof, decodeLinkProof, type SignedRoot, verifyEvidence } from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { LinkFound, LinkQuestion, ServedHistory } from '../../src/sync/index.ts'
import { ChannelSession } from '../../src/sync/index.ts'
import { DatabaseLab, failureOf, outcomesOf, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('hostile/history')

const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]

/** An author of 20 roots, and a replica that has the third. */
interface Scene {
  readonly clock: VirtualClock
  readonly lab: DatabaseLab
  readonly author: RogueAuthor
  readonly roots: readonly SignedRoot[]
  readonly replica: Replica
  readonly store: MemoryStore
}

async function publishMany(author: RogueAuthor, count: number): Promise<SignedRoot[]> {
  const roots: SignedRoot[] = []
  for (let i = 0; i < count; i++) roots.push(await author.publish(rows(`${author.name} ${i}`)))
  return roots
}

async function prepare(): Promise<Scene> {
  const clock = new VirtualClock()
  const lab = new DatabaseLab(clock)
  const author = new RogueAuthor(clock)
  const roots = await publishMany(author, 20)
  const store = new MemoryStore()
  const replica = await lab.replica(author, ['honest'], store)
  lab.handle('honest', author.showing(roots[2] as SignedRoot, author.history))
  await clock.run(replica.pull())
  return { clock, lab, author, roots, replica, store }
}

/** What an honest peer would answer. */
async function honest({ author }: Scene, question: LinkQuestion): Promise<LinkFound> {
  const found = await author.history.link?.(question)
  assert.ok(found)
  return found
}

/** The replica pulls the newest root from a peer that answers so, and from an honest one behind it. */
async function pullFrom(scene: Scene, link: ServedHistory['link'], others: readonly string[] = []) {
  const { clock, lab, author, roots, replica } = scene
  const newest = roots.at(-1) as SignedRoot
  lab.handle('mallory', author.showing(newest, link === undefined ? {} : { link }))
  lab.handle('honest', author.showing(newest, author.history))
  await replica.setPeers(['mallory', ...others])
  const begun = clock.now()
  const { link: state, to, report } = await clock.run(replica.pull())
  assert.equal(to.link, newest.link)
  return { state, outcomes: outcomesOf(report), ms: clock.now() - begun }
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

/** Answers that no honest peer gives, made of the one it would give. */
const LIES: Readonly<Record<string, (scene: Scene, question: LinkQuestion) => Promise<LinkFound>>> = {
  'a leaf that is not there': async (scene, question) => {
    const { proof, frontier } = await honest(scene, question)
    return { proof: flipped(proof as Uint8Array, 3), frontier }
  },
  'a path that is changed': async (scene, question) => {
    const { proof, frontier } = await honest(scene, question)
    const { leaf, inclusion, consistency } = decodeLinkProof(proof as Uint8Array)
    const spoiled = inclusion.map((hash, i) => (i === 1 ? flipped(hash, 9) : hash))
    return { proof: encodeLinkProof({ leaf, inclusion: spoiled, consistency }), frontier }
  },
  'bytes that are no proof': async (scene, question) => {
    return { proof: utf8('linked!'), frontier: (await honest(scene, question)).frontier }
  },
  'the proof of another place': async (scene, question) => {
    const { frontier } = await honest(scene, question)
    return { proof: (await honest(scene, { ...question, older: 7 })).proof, frontier }
  },
  'the proof of another time': async (scene, question) => {
    const { frontier } = await honest(scene, question)
    const earlier = (scene.roots[14] as SignedRoot).payload
    return { proof: (await honest(scene, { ...question, newer: 15, history: earlier.history })).proof, frontier }
  },
  'the proof of another database': async (scene, question) => {
    const other = new RogueAuthor(scene.clock, 'other', 'others')
    const roots = await publishMany(other, 20)
    const { history } = (roots[19] as SignedRoot).payload
    const found = await other.history.link?.({ ...question, history })
    assert.ok(found)
    return found
  },
  'a history that is another': async (scene, question) => {
    const { proof, frontier } = await honest(scene, question)
    return { proof, frontier: frontier.map((hash, i) => (i === 0 ? flipped(hash, 0) : hash)) }
  },
}

for (const [name, lie] of Object.entries(LIES)) {
  test(`${name}: the peer is dropped, the next one is asked, and nothing of it is kept`, async () => {
    const scene = await prepare()
    const { state, outcomes } = await pullFrom(scene, (question) => lie(scene, question), ['honest'])
    assert.is(state, 'linked')
    assert.equal(outcomes, { mallory: 'liar', honest: 'used' })
    const found = await scene.clock.run(servedLink(scene))
    assert.equal(found, shown(await honest(scene, QUESTION(scene))))
  })
}

const QUESTION = ({ roots }: Scene): LinkQuestion => {
  return { older: 3, newer: 20, history: (roots[19] as SignedRoot).payload.history }
}

/** What the replica proves to others now. */
async function servedLink(scene: Scene): Promise<unknown> {
  const { lab, clock, author, replica } = scene
  lab.serve('replica', replica)
  const session = await connect(lab, clock, 'replica', author)
  const found = await session.getLink(QUESTION(scene))
  await session.close()
  return typeof found === 'string' ? found : shown(found)
}

function shown({ proof, frontier }: LinkFound): string[] {
  return [proof, ...frontier].map((bytes) => (bytes === null ? 'none' : bytesToHex(bytes)))
}

async function connect(lab: DatabaseLab, clock: VirtualClock, address: string, author: RogueAuthor) {
  const dialer = await lab.network.dialer(address)
  assert.ok('open' in dialer)
  const session = new ChannelSession(await dialer.open(new AbortController().signal), address, clock)
  await session.hello({ author: author.author, name: author.name, have: null })
  return session
}

test('a sum of hashes that cannot be, and a proof nobody asked for, break the protocol', async () => {
  const scene = await prepare()
  const short = await pullFrom(
    scene,
    async (question) => {
      const { proof, frontier } = await honest(scene, question)
      return { proof, frontier: frontier.slice(1) }
    },
    ['honest'],
  )
  assert.equal([short.state, short.outcomes['mallory']], ['linked', 'protocol'])
  const fresh = await prepare()
  const { clock, lab, author, roots } = fresh
  const newest = roots.at(-1) as SignedRoot
  const link = async (question: LinkQuestion): Promise<LinkFound> => honest(fresh, { ...question, older: 3 })
  lab.handle('mallory', author.showing(newest, { link }))
  const replica = await lab.replica(author, ['mallory'])
  assert.is((await failureOf(clock.run(replica.pull()))).code, 'NO_PEER_LEFT')
})

test('a peer that cannot, one that will not, and one that never answers: unlinked, and nobody is blamed for it', async () => {
  for (const link of [undefined, () => undefined]) {
    const { state, outcomes, ms } = await pullFrom(await prepare(), link)
    assert.equal([state, outcomes], ['unlinked', { mallory: 'used' }])
    assert.ok(ms < 500)
  }
  const silent = await pullFrom(await prepare(), () => new Promise<undefined>(() => {}), ['honest'])
  assert.is(silent.state, 'linked')
  assert.ok(silent.ms < 1_000, `${silent.ms} ms`)
})

test('however many peers are silent, a pull waits three seconds for proofs at most', async () => {
  const scene = await prepare()
  const { lab, author, roots } = scene
  const names = Array.from({ length: 20 }, (_, i) => `silent ${i}`)
  for (const name of names) {
    const link = (): Promise<undefined> => new Promise(() => {})
    lab.handle(name, author.showing(roots.at(-1) as SignedRoot, { link }))
  }
  // The blocks come from one that knows nothing of the history.
  const { state, ms } = await pullFrom(scene, undefined, names)
  assert.is(state, 'unlinked')
  assert.ok(ms < 3_500, `${ms} ms`)
})

test('an author whose history has another root where the replica stands has signed two chains: evidence, for good', async () => {
  const { clock, lab, author, roots, replica, store } = await prepare()
  // the same first two roots, and then a chain of its own, which is past the window of recent ones
  const other = new RogueAuthor(clock)
  const first = await publishMany(other, 2)
  assert.equal(first.map((root) => bytesToHex(root.link)), roots.slice(0, 2).map((root) => bytesToHex(root.link))) // prettier-ignore
  await other.publish(rows('a secret'))
  const forked = (await publishMany(other, 17)).at(-1) as SignedRoot
  assert.is(forked.payload.sequence, 20)
  // whoever shows it without a proof is taken for a skip
  const blind = await lab.replica(author, ['honest'])
  lab.handle('blind', other.showing(forked))
  await clock.run(blind.pull())
  await blind.setPeers(['blind'])
  assert.is((await clock.run(blind.pull())).link, 'unlinked')

  lab.handle('forked', other.showing(forked, other.history))
  await replica.setPeers(['forked'])
  assert.is((await failureOf(clock.run(replica.pull()))).code, 'EQUIVOCATION')
  // and nothing of the other chain's history is kept
  assert.is(await readHistory((name) => store.getMeta(name), forked.payload), undefined)
  const again = await lab.openReplica(store)
  const { newest, evidence } = await again.standing()
  assert.is(newest?.payload.sequence, 3)
  const [piece] = evidence
  assert.ok(piece !== undefined && verifyEvidence(piece, author.authority))
  assert.is(piece.kind === 'roots' ? piece.reason : piece.kind, 'history')
  await again.setPeers(['honest'])
  lab.handle('honest', author.showing(roots[19] as SignedRoot, author.history))
  assert.is((await failureOf(clock.run(again.pull()))).code, 'EQUIVOCATION')
})

test('a root below the floor that is not in its history is evidence too: the replica proves it to itself', async () => {
  const { clock, lab, author, roots, replica } = await prepare()
  lab.handle('honest', author.showing(roots[19] as SignedRoot, author.history))
  await clock.run(replica.pull())
  const other = new RogueAuthor(clock)
  await publishMany(other, 2)
  const forked = await other.publish(rows('a secret'))
  const forge = forked.bytes.length - 1
  lab.handle('forger', other.showingBytes(flipped(forked.bytes, forge)))
  lab.handle('honest', author.showing(roots[19] as SignedRoot))
  await replica.setPeers(['forger', 'honest'])
  assert.equal(outcomesOf((await clock.run(replica.pull())).report), { forger: 'liar', honest: 'unused' })
  lab.handle('forked', other.showingBytes(forked.bytes))
  await replica.setPeers(['forked'])
  assert.is((await failureOf(clock.run(replica.pull()))).code, 'EQUIVOCATION')
  const { evidence } = await replica.standing()
  assert.ok(evidence.length === 1 && evidence.every((piece) => verifyEvidence(piece, author.authority)))
})

test('signed roots by name: what a peer sends is the root of that CID, or the peer is dropped', async () => {
  const { clock, lab, author, roots } = await prepare()
  const names = roots.slice(4, 7).map(({ payload, link }) => ({ sequence: payload.sequence, link }))
  const open = async (payloads: ServedHistory['payloads']): Promise<ChannelSession> => {
    const served = payloads === undefined ? {} : { payloads }
    lab.handle('peer', author.showing(roots[19] as SignedRoot, served))
    return await connect(lab, clock, 'peer', author)
  }
  const bytesOf = (...indexes: (number | null)[]): (Uint8Array | null)[] =>
    indexes.map((i) => (i === null ? null : (roots[i] as SignedRoot).bytes))
  const cases: readonly (readonly [ServedHistory['payloads'], readonly number[], string | undefined])[] = [
    [() => bytesOf(4, 5, 6), [5, 6, 7], undefined],
    [() => bytesOf(null, 5, null), [6], undefined],
    [undefined, [], undefined],
    [() => bytesOf(4, 6, 5), [], 'liar'],
    [() => [utf8('x'), null, null], [], 'liar'],
    [() => bytesOf(4, 5), [], 'protocol'],
  ]
  for (const [payloads, found, fault] of cases) {
    const session = await clock.run(open(payloads))
    const got = await clock.run(namedRoots([session], names))
    assert.equal(got.map(({ root }) => root.payload.sequence), found) // prettier-ignore
    assert.is(session.end?.fault, fault)
  }
  const one = await clock.run(open(() => bytesOf(null, 5, null)))
  const both = await clock.run(open(() => bytesOf(4, 5, null)))
  const found = await clock.run(namedRoots([one, both], names))
  assert.equal(found.map(({ root }) => root.payload.sequence), [5, 6]) // prettier-ignore
  assert.equal(found.map(({ from }) => from), [[both], [one, both]]) // prettier-ignore
  const sessions = [one, both]
  assert.equal(await namedRoots(sessions, []), [])
})

test.run()
