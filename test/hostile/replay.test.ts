/**
 * Threat 3: what was signed for one database, name or purpose is shown for another, by a peer that has the blocks for it, too.
 * The peer is named; state and floor stay. What the pure functions make of more such records: pointer/replay.test.ts.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeSignedRoot, signGrant, signRotation } from '../../src/pointer/index.ts'
import type { Put } from '../../src/prolly/index.ts'
import type { PeerReport } from '../../src/sync/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { DatabaseLab, failureOf, outcomesOf, text, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'

const test = suite('hostile/replay')

const rows = (value: string): Put[] => [{ key: utf8('n'), value: utf8(value) }]

/** The database that is attacked, at sequence 1, and what its author or another one signed for other places. */
async function scene(): Promise<{ author: RogueAuthor; foreign: ReadonlyMap<string, Uint8Array> }> {
  const author = new RogueAuthor(surroundings.clock)
  await author.publish(rows('right'))
  const elsewhere = new RogueAuthor(surroundings.clock, 'rogue', 'towns')
  const stranger = new RogueAuthor(surroundings.clock, 'stranger')
  for (const other of [elsewhere, stranger]) {
    // Higher, and complete at the very peer that shows it.
    for (const value of ['a', 'b', 'wrong']) await other.publish(rows(value))
    await author.hold(blocksOf(other))
  }
  const { signer } = author
  const base = { author: author.author, name: author.name, epoch: 1, signer: author.author }
  const grant = await signGrant(signer, { ...base, firstSequence: 1, expires: null })
  const rotation = await signRotation(signer, { author: author.author, epoch: 1, newKey: stranger.author })
  const { payloadBytes } = await author.fork().publish(rows('wrong'))
  const resealed = async (payload: Uint8Array): Promise<Uint8Array> =>
    encodeSignedRoot(payload, [{ key: signer.publicKey, signature: await signer.sign(payload) }])
  return {
    author,
    foreign: new Map([
      ['another database of the author', required(elsewhere.published?.signed.bytes)],
      ['a database of the same name by another author', required(stranger.published?.signed.bytes)],
      ['a grant', grant],
      ['a rotation', rotation],
      ['the payload of a later version', await resealed(withDomain(payloadBytes, 'coppice/root/9'))],
      ['a payload of another protocol', await resealed(withDomain(payloadBytes, 'coppace/root/1'))],
      ["a transaction of somebody else's protocol", await resealed(utf8('{"pay":"mallory"}'))],
    ]),
  }
}

function required<T>(item: T | undefined): T {
  if (item === undefined) throw new Error('expected a root')
  return item
}

function blocksOf({ store, published }: RogueAuthor): { link: Uint8Array; bytes: Uint8Array }[] {
  const link = required(published?.signed.payload.root)
  return [{ link, bytes: required(store.get(link)) }]
}

/** Element 0 of the payload, of the same length: its text begins at byte 2. */
function withDomain(payload: Uint8Array, domain: string): Uint8Array {
  const out = payload.slice()
  out.set(utf8(domain), 2)
  return out
}

const { author, foreign } = await scene()

for (const [label, bytes] of foreign) {
  test(`${label}: a replica that has a state stays there, and takes the next right one from others`, async () => {
    const lab = new DatabaseLab()
    const honest = author.fork()
    await honest.hold(blocksOf(author))
    const replica = await lab.replica(author, ['alice', 'mallory'])
    lab.handle('alice', author.showing(required(author.published?.signed)))
    lab.handle('mallory', author.showingBytes(bytes))
    const first = await replica.pull()
    assert.equal(outcomesOf(first.report), { alice: 'used', mallory: 'liar' })
    assert.is(first.judgements.find(({ name }) => name === 'mallory')?.outcome, 'invalid')
    const floor = (await replica.standing()).newest?.bytes
    await replica.setPeers(['mallory'])
    const error = await failureOf(replica.pull())
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.equal([text(await replica.get(utf8('n'))), (await replica.standing()).newest?.bytes], ['right', floor])
    assert.equal((await replica.standing()).evidence, [], 'it proves nothing against the author')
    const next = await honest.publish(rows('next'))
    lab.handle('alice', honest.showing(next))
    await replica.setPeers(['mallory', 'alice'])
    const { to } = await replica.pull()
    assert.equal([to.payload.sequence, text(await replica.get(utf8('n')))], [2, 'next'])
  })

  test(`${label}: a new replica takes nothing`, async () => {
    const lab = new DatabaseLab()
    lab.handle('mallory', author.showingBytes(bytes))
    const replica = await lab.replica(author, ['mallory'])
    const error = await failureOf(replica.pull())
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.equal(outcomesOf({ peers: error.details['peers'] as PeerReport[] }), { mallory: 'liar' })
    assert.equal([await replica.isComplete(), (await replica.standing()).newest], [false, undefined])
  })
}

test('a follower is not moved by a foreign root that is pushed to it later', async () => {
  const lab = new DatabaseLab()
  const right = required(author.published?.signed)
  const other = required(foreign.get('another database of the author'))
  let shown = right.bytes
  lab.handle(
    'mallory',
    author.showingBytes(() => shown),
  )
  lab.handle('alice', author.showing(right))
  const replica = await lab.replica(author, ['mallory', 'alice'])
  const follow = replica.follow()
  try {
    await follow.next()
    const pending = follow.next()
    pending.catch(() => {})
    shown = other
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.equal([text(await replica.get(utf8('n'))), (await replica.published())?.bytes], ['right', right.bytes])
  } finally {
    await replica.close()
  }
})

test.run()
