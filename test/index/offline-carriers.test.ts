/**
 * An author key that is nowhere near a network, over BitTorrent's DHT and IPNS: whoever knows the address alone finds the newest root, by a
 * grant, after rotations, and where the key signed the root itself; and helpers put it all again.
 */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { areOfRoot, ATTACHMENT_IDS, endOfWay } from '../../src/carriers/index.ts'
import { readAttachments } from '../../src/db/roots/attachments.ts'
import { Database, KeyFile, Replica, resolve, serve, type SignedElsewhere, type Signer } from '../../src/index.ts'
import { envelopeGrant, envelopeRotation } from '../../src/keys.ts'
import {
  addRotation,
  createAuthority,
  decodeRotation,
  encodeRotations,
  signGrant,
  signRotation,
} from '../../src/pointer/index.ts'
import { Bep44Swarm } from '../support/bep44-swarm.ts'
import { failureOf, utf8 } from '../support/database-lab.ts'
import { addressesOfStock, startStockNodes } from '../support/stock-ipns.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('index/offline-carriers')

/** However busy the machine is. */
const deadlineMs = 60_000
const NAME = 'cities'

/** Carriers that keep what is put, and their settings. */
interface Networks extends AsyncDisposable {
  readonly bep44: readonly string[]
  readonly ipns: readonly string[]
}

async function networks(): Promise<Networks> {
  const [swarm, stock] = await Promise.all([Bep44Swarm.start(5), startStockNodes(3)])
  return {
    bep44: swarm.addresses.slice(0, 2).map(({ host, port }) => `${host}:${port}`),
    ipns: addressesOfStock(stock),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([swarm.stop(), ...stock.map(async (node) => await node.stop())])
    },
  }
}

async function configure(db: Database | Replica, { bep44, ipns }: Networks): Promise<void> {
  await db.setCarrierSettings({ bep44: { bootstrap: bep44 }, ipns: { bootstrap: ipns } })
}

/** What a reader that knows the address alone finds by each. */
async function found(address: string, { bep44, ipns }: Networks): Promise<number[]> {
  const roots = await Promise.all([resolve(address, { bep44, deadlineMs }), resolve(address, { ipns, deadlineMs })])
  return roots.map(({ root }) => root.payload.sequence)
}

async function grantOf(
  author: Uint8Array,
  by: Signer,
  signer: Signer,
  epoch: number,
  name = NAME,
): Promise<Uint8Array> {
  const grant = { author, name, epoch, signer: signer.publicKey, firstSequence: 1, expires: null }
  return await signGrant(by, grant)
}

async function put(db: Database, value: string): Promise<void> {
  await db.put(utf8('k'), utf8(value))
}

const STANDS = [
  ['ipns', 'stands'],
  ['bep44', 'stands'],
]

async function publish(db: Database, options: Parameters<Database['publish']>[0]): Promise<void> {
  const { carriers } = await db.publish(options)
  const outcomes = carriers.map(({ name, outcome }) => [name, outcome])
  assert.equal(outcomes, STANDS, JSON.stringify(carriers))
}

/** Prepared here, signed with the key of that file, completed here. */
async function publishSigned(db: Database, key: string, options: { readonly newEpoch?: boolean } = {}): Promise<void> {
  const signed = await signElsewhere(db, key, options)
  await db.completePublish(signed.bytes, { envelopes: signed.envelopes })
}

async function signElsewhere(
  db: Database,
  key: string,
  options: { readonly newEpoch?: boolean } = {},
): Promise<SignedElsewhere> {
  const unsigned = await db.preparePublish(options)
  const signed = unsigned && (await KeyFile.sign(key, unsigned.bytes))
  if (signed === undefined) throw new Error('expected it to be signed')
  assert.equal(signed.problems, [])
  return signed
}

test('found by a grant, after a rotation, by a grant of the new authority; replicas have all that it takes to put it again', () =>
  inDirectory(async (directory, use) => {
    const nets = use(await networks())
    const [authorKey, secondKey] = [join(directory, 'author.key'), join(directory, 'second.key')]
    const { signer: author } = await KeyFile.create(authorKey)
    const { signer: second } = await KeyFile.create(secondKey)
    const path = join(directory, 'db')
    await (await Database.create(path, { name: NAME, author: author.publicKey })).close()
    const { signer } = await KeyFile.create(join(path, 'signer.key'), { role: 'signer' })
    // Another database of the same key: its entry stays in the key's one record.
    await envelopeGrant(authorKey, await grantOf(author.publicKey, author, signer, 0, 'elsewhere'), [])

    const db = use(await Database.open(path))
    await configure(db, nets)
    await put(db, '1')
    const grant = await grantOf(author.publicKey, author, signer, 0)
    const granted = await envelopeGrant(authorKey, grant, [])
    assert.equal(granted.problems, [])
    assert.equal(await envelopeGrant(authorKey, grant, []), granted, 'the same again')
    await publish(db, { grant, envelopes: granted.envelopes })
    assert.equal(await found(db.address, nets), [1, 1])

    // The author rotates: the key knows for which databases it has signed.
    const rotation = decodeRotation(
      await signRotation(author, { author: author.publicKey, epoch: 1, newKey: second.publicKey }),
    )
    const added = addRotation(createAuthority(author.publicKey), rotation)
    if (added.outcome !== 'added') throw new Error('expected a rotation')
    const rotated = await envelopeRotation(authorKey, rotation.bytes, [], [])
    assert.equal([rotated.problems, rotated.envelopes.length], [[], 2])
    await db.adoptRotations(encodeRotations(added.authority), { envelopes: rotated.envelopes })
    await put(db, '2')
    await db.setCarrierSettings({})
    await publishSigned(db, secondKey, { newEpoch: true })
    await configure(db, nets)

    // The new authority grants, with what leads to itself.
    const next = await grantOf(author.publicKey, second, signer, 2)
    const lost = await envelopeGrant(secondKey, next, [])
    assert.equal([lost.envelopes.length, lost.problems.length], [0, 1], 'nothing leads to the second key')
    const again = await envelopeGrant(secondKey, next, rotated.envelopes)
    await put(db, '3')
    await publish(db, { grant: next, envelopes: again.envelopes })
    assert.equal(await found(db.address, nets), [3, 3])

    // A replica has it all from the author's server, and puts it again without a key.
    const server = use(await serve(db, { listen: ['/ip4/127.0.0.1/tcp/0'] }))
    const replica = use(await Replica.clone(server.addressOf(db), join(directory, 'copy')))
    const { root } = await replica.resolve({ deadlineMs })
    const attachments = await readAttachments(replica.state, root)
    const ofRoot = new Map([...attachments].filter(([id]) => id === ATTACHMENT_IDS.bep44 || id === ATTACHMENT_IDS.ipns))
    assert.ok(ofRoot.size === 2 && areOfRoot(root, ofRoot))
    assert.equal(endOfWay(db, attachments), signer.publicKey)
    assert.ok(attachments.has(ATTACHMENT_IDS.bep44Hops) && attachments.has(ATTACHMENT_IDS.ipnsHops))
    await server.close()
  }))

test('a root that the author key signed elsewhere is put by a handle that only reads; hops stay for later roots', () =>
  inDirectory(async (directory, use) => {
    const key = join(directory, 'author.key')
    const { signer: author } = await KeyFile.create(key)
    const path = join(directory, 'db')
    const nets = use(await networks())
    const db = use(await Database.create(path, { name: NAME, author: author.publicKey }))
    await put(db, '1')
    await publishSigned(db, key)
    // Configured after it was published: nobody has put it yet.
    await configure(db, nets)
    await db.close()
    const reader = use(await Database.open(path, { access: 'read' }))
    const server = use(await serve(reader, { listen: ['/ip4/127.0.0.1/tcp/0'] }))
    let sequences: number[] = []
    while (sequences.length === 0) sequences = await found(reader.address, nets).catch(() => [])
    assert.equal(sequences, [1, 1])
    await server.close()
    await reader.close()

    // Both keys in one directory: each root has the envelopes of the one that signed it.
    await copyFile(key, join(path, 'author.key'))
    const { signer } = await KeyFile.create(join(path, 'signer.key'), { role: 'signer' })
    const both = use(await Database.open(path))
    await both.setCarrierSettings({})
    const grant = await grantOf(author.publicKey, author, signer, 1)
    const { envelopes } = await envelopeGrant(key, grant, [])
    await both.publish({ grant, envelopes })
    await put(both, '2')
    const { signedRoot } = await both.publish()
    assert.equal(signedRoot.key, signer.publicKey)
    const hops = [ATTACHMENT_IDS.bep44Hops, ATTACHMENT_IDS.ipnsHops]
    assert.equal([...(await readAttachments(both.state, signedRoot)).keys()], hops)
    const own = (await both.publish({ newEpoch: true })).signedRoot
    assert.equal([...(await readAttachments(both.state, own)).keys()], [], 'they lead to another key')
  }))

test('envelopes of another root, another way, or damage are refused before anything is published; a damaged memory by name', () =>
  inDirectory(async (directory, use) => {
    const key = join(directory, 'author.key')
    const { signer: author } = await KeyFile.create(key)
    const { signer } = await KeyFile.create(join(directory, 'signer.key'), { role: 'signer' })
    const db = use(await Database.create(join(directory, 'db'), { name: NAME, author: author.publicKey }))
    await put(db, '1')
    const signed = await signElsewhere(db, key)
    const grant = await grantOf(author.publicKey, author, signer, 0)
    const { envelopes } = await envelopeGrant(key, grant, [])
    const other = await KeyFile.create(join(directory, 'other.key'))
    const theirs = await envelopeGrant(
      join(directory, 'other.key'),
      await grantOf(other.signer.publicKey, other.signer, signer, 0),
      [],
    )
    const cut = [signed.envelopes[0]?.subarray(0, 40) ?? new Uint8Array()]
    for (const bad of [theirs.envelopes, cut]) {
      assert.is((await failureOf(db.completePublish(signed.bytes, { envelopes: bad }))).code, 'SIGNED_ROOT_INVALID')
      assert.is(
        (await failureOf(db.adoptRotations(encodeRotations(createAuthority(author.publicKey)), { envelopes: bad })))
          .code,
        'SIGNED_ROOT_INVALID',
      )
    }
    assert.is(await db.published(), undefined)
    assert.is((await failureOf(db.completePublish(utf8('x'), { envelopes }))).code, 'SIGNED_ROOT_INVALID')
    await db.completePublish(signed.bytes, { envelopes: signed.envelopes })
    await writeFile(`${key}.ipns`, (await readFile(`${key}.ipns`)).subarray(1))
    assert.is((await failureOf(envelopeGrant(key, grant, []))).code, 'INPUT_SYNTAX')
  }))

test.run()
