/** Rotations go from peer to peer beside signed roots (docs/spec/protocol.md, 8): who knows only the first author key follows to the key that took over. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS, encodeAttachments } from '../../src/carriers/attachments.ts'
import type { Replica } from '../../src/db/index.ts'
import { readAuthority } from '../../src/db/roots/standing.ts'
import { hearStatements } from '../../src/db/roots/statements.ts'
import {
  addRotation,
  type Authority,
  createAuthority,
  createFloor,
  decodeRotation,
  encodeRotations,
  type Signer,
  signRotation,
} from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import {
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  outcomesOf,
  signerOf,
  text,
  utf8,
} from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'

const test = suite('db/rotations-travel')

const [author, first, second, stranger] = ['author', 'first', 'second', 'stranger'].map(signerOf) as [
  Signer,
  Signer,
  Signer,
  Signer,
]
const start = createAuthority(author.publicKey)
const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]

async function rotated(before: Authority, by: Signer, epoch: number, to: Signer): Promise<Authority> {
  const rotation = decodeRotation(await signRotation(by, { author: before.author, epoch, newKey: to.publicKey }))
  const result = addRotation(before, rotation)
  if (result.outcome !== 'added') throw new Error(`expected it to be added, got ${result.outcome}`)
  return result.authority
}

/** Between two keys, to and fro. */
async function chainOf(length: number): Promise<Authority> {
  let authority = start
  for (let epoch = 1; epoch <= length; epoch++) {
    const [by, to] = epoch % 2 === 0 ? [first, author] : [author, first]
    authority = await rotated(authority, by, epoch, to)
  }
  return authority
}

async function rotationsOf(replica: Replica): Promise<number> {
  return (await readAuthority(replica.state)).rotations.length
}

function said(authority: Authority, last?: number): Uint8Array {
  return encodeAttachments(new Map([[ATTACHMENT_IDS.rotations, encodeRotations(authority, last)]]))
}

/** One who signs under `authority`. */
function authorUnder(authority: Authority, signer: Signer): RogueAuthor {
  return Object.assign(new RogueAuthor(surroundings.clock), { signer, authority })
}

test('a replica follows to the new authority, keeps the rotation, and hands it on', async () => {
  const lab = new DatabaseLab()
  const store = new MemoryStore()
  const home = await createDatabase({ store })
  await home.put(utf8('n'), utf8('1'))
  await home.publish()
  lab.serve('home', home)
  const held = new MemoryStore()
  const early = await lab.replica(home, ['home'], held)
  await early.pull()
  const authority = await rotated(start, author, 1, first)
  const moved = await openDatabase(store, { signers: [first] })
  await moved.adoptRotations(encodeRotations(authority))
  await moved.put(utf8('n'), utf8('2'))
  await moved.publish()
  lab.serve('home', moved)
  // One that has followed from the beginning, one that begins now, and one that knows that one only.
  const late = await lab.replica(home, ['home'])
  lab.serve('late', late)
  const last = await lab.replica(home, ['late'])
  for (const replica of [early, late, last]) {
    const { to } = await replica.pull()
    assert.equal([to.payload.epoch, to.key], [1, first.publicKey])
    assert.equal([text(await replica.get(utf8('n'))), await rotationsOf(replica)], ['2', 1])
  }
  const restarted = await lab.openReplica(held)
  assert.is((await restarted.pull()).changed, false)
  assert.is(await rotationsOf(restarted), 1)
})

test('a rotation takes the authority from a stolen key, whatever that has signed above it', async () => {
  const lab = new DatabaseLab()
  const thief = authorUnder(start, author)
  await thief.publish(rows('1'))
  const stolen = thief.fork()
  lab.handle('thief', stolen.showing(await stolen.publish(rows('stolen'), { epoch: 4000 })))
  const replica = await lab.replica(thief, ['thief'])
  await replica.pull()
  const authority = await rotated(start, author, 1, first)
  const owner = authorUnder(authority, first)
  owner.published = thief.published
  const next = await owner.publish(rows('2'), { epoch: 1 })
  lab.handle('owner', owner.showing(next, owner.history, { statements: () => said(authority) }))
  await replica.setPeers(['thief', 'owner'])
  assert.equal((await replica.pull()).to.link, next.link)
  assert.is(text(await replica.get(utf8('n'))), '2')
})

test('a chain that is longer than a message says is asked for as a whole; who knows its beginning needs only the end', async () => {
  for (const length of [33, 1024]) {
    const lab = new DatabaseLab()
    const authority = await chainOf(length)
    const owner = authorUnder(authority, length % 2 === 0 ? author : first)
    let asked = 0
    const attachments = (): Uint8Array => {
      asked++
      return said(authority)
    }
    const root = await owner.publish(rows('x'), { epoch: length })
    lab.handle('owner', owner.showing(root, {}, { statements: () => said(authority, 32), attachments }))
    const replica = await lab.replica({ author: author.publicKey, name: owner.name }, ['owner'])
    assert.equal((await replica.pull()).to.link, root.link)
    assert.equal([await rotationsOf(replica), asked], [length, 1])
    await replica.pull()
    assert.is(asked, 1)
    // Handed on by a peer of its own.
    lab.serve('replica', replica)
    const other = await lab.replica({ author: author.publicKey, name: owner.name }, ['replica'])
    assert.equal((await other.pull()).to.link, root.link)
    assert.is(await rotationsOf(other), length)
  }
})

test('rotations that nobody who may has signed change nothing; the peer is judged by the root that it shows', async () => {
  const lab = new DatabaseLab()
  const owner = authorUnder(start, author)
  const root = await owner.publish(rows('1'))
  lab.handle('owner', owner.showing(root))
  const replica = await lab.replica(owner, ['owner'])
  const forged = {
    author: author.publicKey,
    rotations: [
      decodeRotation(await signRotation(stranger, { author: author.publicKey, epoch: 1, newKey: second.publicKey })),
    ],
  }
  const usurper = authorUnder(forged, second)
  const statements = (): Uint8Array => said(forged)
  const foreign = said(await rotated(createAuthority(stranger.publicKey), stranger, 1, second))
  // Whoever shows an honest root beside them may have been deceived himself.
  lab.handle('deceived', owner.showing(root, {}, { statements, attachments: statements }))
  lab.handle('foreign', owner.showing(root, {}, { statements: () => foreign }))
  lab.handle(
    'usurper',
    usurper.showing(await usurper.publish(rows('x'), { epoch: 1 }), {}, { statements, attachments: statements }),
  )
  await replica.setPeers(['usurper', 'deceived', 'foreign', 'owner'])
  const { report, to } = await replica.pull()
  assert.equal(to.link, root.link)
  assert.is(outcomesOf(report)['usurper'], 'liar')
  assert.not.equal(outcomesOf(report)['deceived'], 'liar')
  assert.is(await rotationsOf(replica), 0)
})

test('of a chain with a false end the beginning is kept, and is not verified again', async () => {
  const lab = new DatabaseLab()
  const owner = authorUnder(start, author)
  const root = await owner.publish(rows('1'))
  const valid = await rotated(start, author, 1, second)
  const payload = { author: author.publicKey, epoch: 2, newKey: author.publicKey }
  const end = decodeRotation(await signRotation(stranger, payload))
  const statements = (): Uint8Array => said({ ...valid, rotations: [...valid.rotations, end] })
  const heard = hearStatements({ floor: createFloor(author.publicKey, owner.name), authority: start }, statements())
  assert.equal([heard.problem, heard.authority], ['unconnected', valid])
  lab.handle('deceiver', owner.showing(root, {}, { statements, attachments: statements }))
  const replica = await lab.replica(owner, ['deceiver'])
  await replica.pull().catch(() => {})
  assert.is(await rotationsOf(replica), 1)
})

test('two rotations for one epoch by the authority before it: the first one stands, and its epoch is over', async () => {
  const lab = new DatabaseLab()
  const one = await rotated(start, author, 1, first)
  const other = await rotated(start, author, 1, second)
  const owner = authorUnder(one, first)
  const root = await owner.publish(rows('1'), { epoch: 1 })
  lab.handle('owner', owner.showing(root, {}, { statements: () => said(one) }))
  const replica = await lab.replica({ author: author.publicKey, name: owner.name }, ['owner'])
  await replica.pull()
  const rival = authorUnder(other, second)
  const theirs = await rival.publish(rows('2'), { epoch: 1 })
  lab.handle('rival', rival.showing(theirs, {}, { statements: () => said(other) }))
  await replica.setPeers(['rival', 'owner'])
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  const { evidence } = await replica.standing()
  assert.equal([evidence[0]?.kind, evidence[0]?.epoch], ['rotations', 1])
  assert.equal((await readAuthority(replica.state)).rotations[0]?.newKey, first.publicKey)
  // It goes on with the next epoch of the one that stands.
  lab.handle('owner', owner.showing(await owner.publish(rows('3'), { epoch: 2 }), {}, { statements: () => said(one) }))
  await replica.setPeers(['owner'])
  assert.is((await replica.pull()).to.payload.epoch, 2)
})

test.run()
