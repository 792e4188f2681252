/** Keys that are elsewhere, with databases in directories: signers that are handed in, and kill -9 between preparing and completing. */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { copyFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { Database, KeyFile, type Signer } from '../../src/index.ts'
import { signGrant } from '../../src/pointer/index.ts'
import { failureOf } from '../support/database-lab.ts'
import { inDirectory, type Use } from '../support/temporary-directory.ts'
import { importRelease, RELEASE_ROWS, startRole } from './processes/role.ts'

const test = suite('index/offline-key')

/** What a token or a service does: it signs, and gives no key away. */
function tokenSigner(): Signer & { readonly asked: number } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  let asked = 0
  return {
    publicKey: new Uint8Array(Buffer.from(x, 'base64url')),
    sign: async (bytes) => {
      asked++
      await sleep(1)
      return new Uint8Array(sign(null, bytes, privateKey))
    },
    get asked() {
      return asked
    },
  }
}

test('a signer of one’s own: its database, and no key file anywhere', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'db')
    const signer = tokenSigner()
    const db = await Database.create(path, { name: 'cities', signer })
    assert.equal(db.author, signer.publicKey)
    await importRelease(db, 1, 3)
    const { signedRoot } = await db.publish()
    assert.equal([signedRoot.key, signer.asked], [signer.publicKey, 1])
    await db.publish()
    assert.is(signer.asked, 1, 'nothing new to sign')
    await db.close()
    assert.not.ok((await readdir(path)).some((name) => name.endsWith('.key')))
    const without = use(await Database.open(path))
    assert.is((await failureOf(without.publish({ refresh: true }))).code, 'KEY_FILE_INVALID')
    await without.close()
    const other = use(await Database.open(path, { signer: tokenSigner() }))
    assert.is((await failureOf(other.publish({ refresh: true }))).code, 'PUBLISH_REFUSED')
    await other.close()
    const again = use(await Database.open(path, { signer }))
    assert.is((await again.publish({ refresh: true })).signedRoot.payload.sequence, 2)
  }))

test('a database of an author whose key is nowhere here, and a key that no signature counts under', () =>
  inDirectory(async (directory, use) => {
    const { signer } = await KeyFile.create(join(directory, 'author.key'))
    const db = use(await Database.create(join(directory, 'db'), { name: 'cities', author: signer.publicKey }))
    assert.equal(db.author, signer.publicKey)
    for (const author of [new Uint8Array(32), new Uint8Array(31)]) {
      const error = await failureOf(Database.create(join(directory, 'other'), { name: 'cities', author }))
      assert.is(error.code, 'USAGE')
    }
    assert.not.ok((await readdir(directory)).includes('other'))
    // A granted signer in the directory is found by its name.
    await db.close()
    const { signer: online } = await KeyFile.create(join(directory, 'db/signer.key'), { role: 'signer' })
    const grant = await signGrant(signer, {
      author: signer.publicKey,
      name: 'cities',
      epoch: 0,
      signer: online.publicKey,
      firstSequence: 1,
      expires: null,
    })
    const granted = use(await Database.open(join(directory, 'db')))
    assert.equal((await granted.publish({ grant })).signedRoot.key, online.publicKey)
    await granted.close()
    await copyFile(join(directory, 'author.key'), join(directory, 'db/author.key'))
    const both = use(await Database.open(join(directory, 'db')))
    assert.equal((await both.publish({ refresh: true })).signedRoot.key, online.publicKey, 'the epoch has its signer')
    assert.equal((await both.publish({ newEpoch: true })).signedRoot.key, signer.publicKey)
  }))

const KILLS = 10

/** Any but the sequences and bytes that were told. */
async function openChecked(path: string, use: Use, told: Map<number, string>): Promise<Database> {
  const db = use(await Database.open(path))
  for await (const { signedRoot, isHeld } of db.log()) {
    const { sequence } = signedRoot.payload
    assert.is(
      told.get(sequence) ?? bytesToHex(signedRoot.bytes),
      bytesToHex(signedRoot.bytes),
      `two roots @${sequence}`,
    )
    told.set(sequence, bytesToHex(signedRoot.bytes))
    assert.ok(isHeld)
  }
  return db
}

test(`killed ${2 * KILLS} times between preparing and completing: each root once, as it was signed`, () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'db')
    const key = join(directory, 'author.key')
    const { signer } = await KeyFile.create(key)
    const created = await Database.create(path, { name: 'cities', author: signer.publicKey })
    await importRelease(created, 0)
    await created.close()
    const told = new Map<number, string>()
    for (let kill = 0; kill < KILLS; kill++) {
      const preparer = use(startRole('preparer', path))
      await preparer.line()
      for (let line = 0; line < kill % 2; line++) await preparer.line()
      await sleep((kill * 7.3) % 40)
      await preparer.kill()
      const last = (await preparer.rest()).at(-1)?.split(' ')[1]
      const db = await openChecked(path, use, told)
      const prepared = await db.prepared()
      if (last !== undefined) assert.ok(prepared !== undefined, 'what was told is there')
      const unsigned = prepared ?? (await db.preparePublish({ refresh: true }))
      if (unsigned === undefined) throw new Error('expected something to sign')
      await db.close()
      // Another process signs what the last one told, or what it had not told yet.
      const signed = await KeyFile.sign(key, unsigned.bytes)
      if (signed === undefined) throw new Error('expected it to be signed')
      const completer = use(startRole('completer', path, bytesToHex(signed.bytes)))
      await completer.line()
      await sleep((kill * 3.1) % 12)
      await completer.kill()
      const after = await openChecked(path, use, told)
      const waits = await after.prepared()
      const isThere = (await after.published())?.payload.sequence === signed.payload.sequence
      assert.is(waits === undefined, isThere, 'published, or waiting still')
      const { signedRoot, isNew } = await after.completePublish(signed.bytes)
      assert.equal([signedRoot.bytes, isNew], [signed.bytes, !isThere])
      told.set(signed.payload.sequence, bytesToHex(signed.bytes))
      assert.is(signed.payload.sequence, kill + 1)
      const rows = (await after.state.at(signed.payload.root)).collection('rows')
      assert.is(await rows.count(), RELEASE_ROWS)
      await after.close()
    }
  }))

test.run()
