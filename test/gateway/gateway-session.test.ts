/** Gateways as sources of blocks: our own, which shows a root, and stock ones, which show none. What it costs is counted. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, Replica } from '../../src/db/index.ts'
import { keepKnown, readKnown } from '../../src/db/roots/statements.ts'
import {
  decodeRotation,
  encodeRotations,
  type Evidence,
  findConflict,
  signRotation,
  withEvidence,
} from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import { createMemoryDialer, type PeerDialer } from '../../src/sync/index.ts'
import { emptyReplica, publishedFilms, rowsFrom, signedOf, stateKeys } from '../support/car-lab.ts'
import {
  createDatabase,
  DatabaseLab,
  failureOf,
  openDatabase,
  outcomesOf,
  signerOf,
  utf8,
} from '../support/database-lab.ts'
import { GatewayLab } from '../support/gateway-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { announcer, dialerOf, StockGateway } from '../support/stock-gateway.ts'

const test = suite('gateway/gateway-session')

/** The author, over a channel in memory. */
function author(db: Database): PeerDialer {
  return createMemoryDialer('author', new DatabaseLab().handlerOf(db))
}

async function sameState(replica: Replica, db: Database): Promise<void> {
  assert.equal(await signedOf(replica), await signedOf(db))
  assert.equal(await stateKeys(replica), await stateKeys(db))
}

test('a clone from our own gateway: a few archives, no byte twice', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const replica = await emptyReplica(db)
    const url = lab.gateway.urlOf(db)
    const { report } = await replica.pull({ from: [await dialerOf(url)] })
    await sameState(replica, db)
    assert.equal(outcomesOf(report), { [url]: 'used' })
    assert.is(report.blocksReceived, (await stateKeys(db)).length)
    // Far fewer than blocks: most of them came in archives.
    assert.ok(report.requests < report.blocksReceived / 3, `${report.requests} requests`)
    assert.ok(report.roundTrips <= 6, `${report.roundTrips} round trips`)
    const { bytes } = (await signedOf(db)).payload
    assert.ok(report.bytesReceived < 1.05 * bytes + 10_000, `${report.bytesReceived} for ${bytes}`)
    await replica.close()
  })
})

test('what travels beside a root comes from our own gateway, too: a rotation and a fork', async () => {
  const [author, next] = [signerOf('author'), signerOf('next')]
  const store = new MemoryStore()
  await (await createDatabase({ store })).publish()
  const rotation = await signRotation(author, { author: author.publicKey, epoch: 1, newKey: next.publicKey })
  const db = await openDatabase(store, { signers: [next] })
  const authority = { author: author.publicKey, rotations: [decodeRotation(rotation)] }
  await db.adoptRotations(encodeRotations(authority))
  await db.put(utf8('n'), utf8('1'))
  await db.publish()
  await GatewayLab.serving([db], async (lab) => {
    const replica = await emptyReplica(db)
    const url = lab.gateway.urlOf(db)
    const { to } = await replica.pull({ from: [await dialerOf(url)] })
    assert.equal([to.payload.epoch, to.key], [1, next.publicKey])
    const rogue = Object.assign(new RogueAuthor(surroundings.clock), { authority, signer: next })
    const other = rogue.fork()
    const [one, two] = [
      await rogue.publish([], { epoch: 1 }),
      await other.publish([{ key: utf8('n'), value: utf8('2') }], { epoch: 1 }),
    ]
    const known = await readKnown(db.state)
    await keepKnown(db.state, { ...known, floor: withEvidence(known.floor, findConflict(one, two) as Evidence) })
    assert.is((await failureOf(replica.pull({ from: [await dialerOf(url)] }))).code, 'EQUIVOCATION')
    await replica.close()
  })
})

test('an update from our own gateway: only what changed, by single blocks', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const replica = await emptyReplica(db)
    const from = [await dialerOf(lab.gateway.urlOf(db))]
    await replica.pull({ from })
    const before = new Set(await stateKeys(db))
    await db.batch((tx) => tx.apply(rowsFrom(2000, 2010, 'changed')))
    await db.publish()
    const { report, changed } = await replica.pull({ from: [await dialerOf(lab.gateway.urlOf(db))] })
    assert.ok(changed)
    await sameState(replica, db)
    const fresh = (await stateKeys(db)).filter((key) => !before.has(key)).length
    assert.is(report.blocksReceived, fresh)
    assert.ok(report.requests <= fresh + 3, `${report.requests} requests for ${fresh} blocks`)
    const same = await replica.pull({ from: [await dialerOf(lab.gateway.urlOf(db))] })
    assert.not.ok(same.changed)
    assert.ok(same.report.requests <= 2)
    await replica.close()
  })
})

test('a stock gateway alone has no root to show', async () => {
  const db = await publishedFilms()
  const gateway = await StockGateway.of(db)
  const replica = await emptyReplica(db)
  const error = await failureOf(replica.pull({ from: [await dialerOf(gateway.url)] }))
  assert.is(error.code, 'NO_PEER_LEFT')
  assert.ok(gateway.requests.length <= 2, 'it was asked what it is, and nothing else')
  await replica.close()
  await gateway.close()
  await db.close()
})

for (const blocksOnly of [false, true]) {
  const what = blocksOnly ? 'single blocks' : 'archives'
  test(`a stock gateway of ${what} brings the tree of a root that somebody else shows`, async () => {
    const db = await publishedFilms()
    const gateway = await StockGateway.of(db, { blocksOnly })
    const replica = await emptyReplica(db)
    const { report } = await replica.pull({ from: [await announcer(db), await dialerOf(gateway.url)] })
    await sameState(replica, db)
    const helped = report.peers.find(({ name }) => name === gateway.url)
    assert.equal([helped?.outcome, helped?.blocks], ['used', (await stateKeys(db)).length])
    // Those of the questions that were under way when the first was refused.
    if (blocksOnly) assert.ok(gateway.count('car') <= 8, `asked for ${gateway.count('car')} archives`)
    else assert.ok(gateway.count('raw') < (await stateKeys(db)).length / 3, `asked for ${gateway.count('raw')} blocks`)
    await replica.close()
    await gateway.close()
    await db.close()
  })
}

test('a gateway that lacks a block is no holder: the rest of its blocks is used, the one comes from the author', async () => {
  const db = await publishedFilms()
  const gateway = await StockGateway.of(db)
  const lost = [...gateway.blocks.keys()][40] as string
  gateway.blocks.delete(lost)
  const replica = await emptyReplica(db)
  await replica.pull({ from: [author(db), await dialerOf(gateway.url)] })
  await sameState(replica, db)
  await replica.close()
  await gateway.close()
  await db.close()
})

test('a follower learns of the next root by looking again', async () => {
  const db = await publishedFilms()
  await GatewayLab.serving([db], async (lab) => {
    const peer = await dialerOf(lab.gateway.urlOf(db))
    if (!('openSession' in peer)) throw new Error('a URL is asked over requests')
    const { clock } = new DatabaseLab()
    const hello = { author: db.author, name: db.name, have: null }
    const session = await peer.openSession(hello, { clock, signal: new AbortController().signal })
    assert.equal(Buffer.from(session.announced ?? []), Buffer.from((await signedOf(db)).bytes))
    await db.put(utf8('new'), utf8('1'))
    await db.publish()
    const shown = await session.getRoot(null, 0)
    assert.equal(Buffer.from(shown ?? []), Buffer.from((await signedOf(db)).bytes))
    await session.close()
    assert.not.ok(session.isOpen)
  })
})

test('what is at a URL is found out: no gateway and no mirror is told so', async () => {
  const db = await publishedFilms()
  const gateway = await StockGateway.of(undefined, {
    script: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>welcome</html>')
      return true
    },
  })
  const replica = await emptyReplica(db)
  const error = await failureOf(replica.pull({ from: [await dialerOf(gateway.url)] }))
  assert.is(error.code, 'NO_PEER_LEFT')
  assert.match(error.message, new RegExp(gateway.url))
  await replica.close()
  await gateway.close()
  await db.close()
})

test.run()
