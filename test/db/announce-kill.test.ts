/** kill -9 around the moment at which a signed root leaves the process: what carriers get later are the same bytes, or none were signed. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { Database } from '../../src/db/index.ts'
import { createDatabaseDirectory, openDatabaseDirectory } from '../../src/directory/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { startScript } from '../store/processes/child.ts'
import { carriersOf } from '../support/carriers-lab.ts'
import { signerOf } from '../support/database-lab.ts'
import { MemoryNetwork } from '../support/memory-carrier.ts'
import { inDirectory, type Use } from '../support/temporary-directory.ts'

const test = suite('db/announce-kill')

const AUTHOR = signerOf('author')

async function create(path: string): Promise<void> {
  const directory = await createDatabaseDirectory(path, {
    kind: 'author',
    prepare: (_paths, store) => Database.initialMeta(store, AUTHOR.publicKey, 'cities'),
  })
  await directory.close()
}

/** Publishes in another process, and kills that at the point; what it printed. */
async function killAt(point: string, path: string, use: Use): Promise<string> {
  const child = use(startScript(new URL('processes/announcer.ts', import.meta.url), path, point))
  const line = await child.line()
  await child.kill()
  assert.match(String(line), new RegExp(`^${point} `))
  return String(line).slice(point.length + 1)
}

async function open(path: string, network: MemoryNetwork, use: Use): Promise<Database> {
  const { store } = await openDatabaseDirectory(path, 'write')
  const carriers = carriersOf(network.carrier())
  return use(await Database.load(store, { ...surroundings, isWritable: true, signers: [AUTHOR], carriers }))
}

test('killed between signing and announcing: the very bytes that were about to leave are announced', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'db')
    await create(path)
    const hex = await killAt('putting', path, use)
    const network = new MemoryNetwork()
    const db = await open(path, network, use)
    const { signedRoot, isNew, carriers } = await db.publish()
    assert.equal([bytesToHex(signedRoot.bytes), isNew, carriers[0]?.outcome], [hex, false, 'stands'])
    const { shown } = await network.carrier().get(db, new AbortController().signal)
    assert.equal(
      shown.map(({ record }) => bytesToHex(record.signedRoot)),
      [hex],
    )
    await db.close()
  }))

for (const point of ['asking', 'signing']) {
  test(`killed while ${point}: nothing was published, and the next publish is the first`, () =>
    inDirectory(async (directory, use) => {
      const path = join(directory, 'db')
      await create(path)
      await killAt(point, path, use)
      const db = await open(path, new MemoryNetwork(), use)
      assert.is(await db.published(), undefined)
      const { signedRoot, isNew } = await db.publish()
      assert.equal([signedRoot.payload.sequence, isNew], [1, true])
      await db.close()
    }))
}

test.run()
