/**
 * Threat 6, among peers: an author, or whoever passes its roots on, shows each replica another chain. Once two of them meet, or somebody
 * who knows both, all have the proof and stop; it travels to whoever talks to them, and strangers cannot make anybody stop.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS, encodeAttachments } from '../../src/carriers/attachments.ts'
import type { Database, Replica } from '../../src/db/index.ts'
import { readFloor } from '../../src/db/roots/standing.ts'
import {
  encodeEvidence,
  type Evidence,
  findConflict,
  type SignedRoot,
  verifyEvidence,
} from '../../src/pointer/index.ts'
import { ChannelSession } from '../../src/sync/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import {
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  outcomesOf,
  text,
  utf8,
} from '../support/database-lab.ts'
import { CopyableStore } from '../support/copyable-store.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { until } from '../support/until.ts'

const test = suite('hostile/split-views')

const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]

interface Views {
  readonly lab: DatabaseLab
  readonly author: RogueAuthor
  readonly other: RogueAuthor
  /** Both of sequence 2, each shown to one replica, which serves it under its name. */
  readonly one: SignedRoot
  readonly two: SignedRoot
  readonly anna: Replica
  readonly bert: Replica
}

/** One author, two stories: `anna` was told the one, `bert` the other. */
async function splitViews(): Promise<Views> {
  const lab = new DatabaseLab()
  const author = new RogueAuthor(surroundings.clock)
  await author.publish(rows('1'))
  const other = author.fork()
  const [one, two] = [await author.publish(rows('2a')), await other.publish(rows('2b'))]
  lab.handle('author to anna', author.showing(one))
  lab.handle('author to bert', other.showing(two))
  const anna = await lab.replica(author, ['author to anna'])
  const bert = await lab.replica(author, ['author to bert'])
  await anna.pull()
  await bert.pull()
  lab.serve('anna', anna)
  lab.serve('bert', bert)
  return { lab, author, other, one, two, anna, bert }
}

async function evidenceOf(known: Replica): Promise<Evidence | undefined> {
  return (await known.standing()).evidence[0]
}

/** It has the proof, and goes nowhere, whoever it asks. */
async function assertStopped(replica: Replica, { author }: Views, value: string): Promise<void> {
  const evidence = await evidenceOf(replica)
  assert.ok(evidence !== undefined && verifyEvidence(evidence, author.authority))
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  assert.is(text(await replica.get(utf8('n'))), value)
}

test('two replicas of different views meet: both have the proof, and stop', async () => {
  const views = await splitViews()
  const { anna, bert } = views
  await anna.setPeers(['bert'])
  assert.is((await failureOf(anna.pull())).code, 'EQUIVOCATION')
  await until(async () => (await evidenceOf(bert)) !== undefined)
  const [a, b] = [await evidenceOf(anna), await evidenceOf(bert)]
  assert.equal(a && encodeEvidence(a), b && encodeEvidence(b))
  await assertStopped(anna, views, '2a')
  await assertStopped(bert, views, '2b')
})

test('a third who is told both: it has nothing, and the two that told it know', async () => {
  const views = await splitViews()
  const { lab, author, anna, bert } = views
  const third = await lab.replica(author, ['anna', 'bert'])
  assert.is((await failureOf(third.pull())).code, 'EQUIVOCATION')
  assert.is(await third.isComplete(), false)
  await until(async () => (await evidenceOf(anna)) !== undefined && (await evidenceOf(bert)) !== undefined)
  await assertStopped(anna, views, '2a')
  await assertStopped(bert, views, '2b')
})

test('the proof goes on by hellos and welcomes, to those who were told one story only', async () => {
  const views = await splitViews()
  const { lab, author, anna, bert } = views
  const dora = await lab.replica(author, ['author to anna'])
  const erik = await lab.replica(author, ['author to anna'])
  await dora.pull()
  await erik.pull()
  lab.serve('erik', erik)
  await anna.setPeers(['bert'])
  await failureOf(anna.pull())
  // By the welcome of a peer that shows the very same root...
  await dora.setPeers(['anna'])
  assert.is((await failureOf(dora.pull())).code, 'EQUIVOCATION')
  // ...by the hello of one that asks...
  await anna.setPeers(['erik'])
  await failureOf(anna.pull())
  await until(async () => (await evidenceOf(erik)) !== undefined)
  await assertStopped(erik, views, '2a')
  // ...and from the other side as well.
  const frank = await lab.replica(author, ['author to bert'])
  await frank.pull()
  await frank.setPeers(['bert'])
  assert.is((await failureOf(frank.pull())).code, 'EQUIVOCATION')
  await assertStopped(bert, views, '2b')
})

test('who waits for the next root hears of the fork meanwhile, and stops', async () => {
  const views = await splitViews()
  const { lab, author, anna } = views
  const dora = await lab.replica(author, ['anna'])
  const following = dora.follow()
  assert.is((await following.next()).value?.to.payload.sequence, 2)
  const stopped = failureOf(following.next())
  await anna.setPeers(['bert'])
  await failureOf(anna.pull())
  assert.is((await stopped).code, 'EQUIVOCATION')
  await assertStopped(dora, views, '2a')
})

test('a server that only reads hands on what it was told, and an author hears of it', async () => {
  const lab = new DatabaseLab()
  const store = new CopyableStore()
  const home = await createDatabase({ store })
  const publish = async (db: Database, value: string): Promise<void> => {
    await db.put(utf8('n'), utf8(value))
    await db.publish()
  }
  await publish(home, '1')
  const backup = await openDatabase(await store.copy())
  await publish(home, '2')
  await publish(backup, 'other')
  lab.serve('home', home)
  lab.serve('backup', backup)
  const one = await lab.replica(home, ['home'])
  const three = await lab.replica(home, ['home'])
  await one.pull()
  await three.pull()
  lab.serve('home', await openDatabase(store, { isWritable: false }))
  await one.setPeers(['backup'])
  await failureOf(one.pull())
  // Told while it pulled.
  await until(async () => (await readFloor(backup.state)).evidence.length === 1)
  await one.setPeers(['home'])
  await failureOf(one.pull())
  assert.equal((await readFloor(home.state)).evidence, [], 'it cannot write')
  assert.is((await failureOf(three.pull())).code, 'EQUIVOCATION')
})

for (const [what, statements, outcome] of await forgeries()) {
  test(`${what}: nobody stops, and whoever says it is dropped`, async () => {
    const { lab, author, one, anna } = await splitViews()
    lab.handle('mallory', author.showing(one, {}, { statements: () => statements }))
    await anna.setPeers(['mallory', 'author to anna'])
    const { report } = await anna.pull()
    assert.equal(outcomesOf(report), { mallory: outcome, 'author to anna': 'unused' })
    assert.equal((await anna.standing()).evidence, [])
    // And from those who ask.
    const store = await lab.replica(author, ['author to anna'])
    await store.pull()
    lab.serve('asked', store)
    await sayHello(lab, 'asked', author, statements)
    assert.equal((await store.standing()).evidence, [])
    await store.pull()
  })
}

async function forgeries(): Promise<[string, Uint8Array, string][]> {
  const evidence = async (label: string, name: string): Promise<Evidence> => {
    const author = new RogueAuthor(surroundings.clock, label, name)
    const other = author.fork()
    const found = findConflict(await author.publish(rows('a')), await other.publish(rows('b')))
    if (found === undefined) throw new Error('expected a conflict')
    return found
  }
  const said = (id: number, bytes: Uint8Array): Uint8Array => encodeAttachments(new Map([[id, bytes]]))
  const real = encodeEvidence(await evidence('rogue', 'cities'))
  // The last byte of the upper root is one of its signature.
  const changed = real.with(-2, (real.at(-2) ?? 0) ^ 1)
  return [
    [
      'a fork of another author',
      said(ATTACHMENT_IDS.evidence, encodeEvidence(await evidence('stranger', 'cities'))),
      'liar',
    ],
    [
      'a fork of another database',
      said(ATTACHMENT_IDS.evidence, encodeEvidence(await evidence('rogue', 'towns'))),
      'liar',
    ],
    ['a fork with a signature that is not one', said(ATTACHMENT_IDS.evidence, changed), 'liar'],
    ['what is no evidence', said(ATTACHMENT_IDS.evidence, real.slice(1)), 'protocol'],
    ['what are no rotations', said(ATTACHMENT_IDS.rotations, real), 'protocol'],
    ['what are no statements', utf8('nonsense'), 'protocol'],
  ]
}

test('evidence of an epoch that is over is kept, and stops nobody: the leaked key of an old signer', async () => {
  const { lab, author, other, anna } = await splitViews()
  const third = await author.publish(rows('3'), { epoch: 1 })
  lab.handle('author to anna', author.showing(third))
  await anna.pull()
  const leaked = await other.publish(rows('3b'))
  const evidence = findConflict(leaked, third) as Evidence
  assert.is(evidence.epoch, 0)
  const statements = encodeAttachments(new Map([[ATTACHMENT_IDS.evidence, encodeEvidence(evidence)]]))
  lab.handle('thief', other.showing(leaked, {}, { statements: () => statements }))
  await anna.setPeers(['thief', 'author to anna'])
  await anna.pull()
  const fourth = await author.publish(rows('4'))
  lab.handle('author to anna', author.showing(fourth))
  assert.is((await anna.pull()).to.payload.sequence, 4)
  const standing = await anna.standing()
  assert.equal([standing.evidence.length, standing.fork], [1, undefined])
  assert.is(text(await anna.get(utf8('n'))), '4')
})

/** Says hello as a puller that knows these statements, and waits until it was answered twice. */
async function sayHello(lab: DatabaseLab, address: string, of: RogueAuthor, statements: Uint8Array): Promise<void> {
  const dialer = await lab.network.dialer(address)
  if (!('open' in dialer)) throw new TypeError('expected one over channels')
  const channel = await dialer.open(new AbortController().signal)
  const session = new ChannelSession(channel, address, lab.clock)
  await session.hello({ author: of.author, name: of.name, have: null, statements })
  await session.getRoot(null, 0)
  await session.close()
}

test.run()
