/** Threat 35: an author's own accident. A restored backup or a second machine signs another root of the same sequence. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import { CopyableStore } from '../support/copyable-store.ts'
import { createDatabase, DatabaseLab, failureOf, openDatabase, text, utf8 } from '../support/database-lab.ts'

const test = suite('hostile/own-accident')

async function publish(db: Database, value: string): Promise<void> {
  await db.put(utf8('n'), utf8(value))
  await db.publish()
}

test('a restored backup that publishes something else is found out, with proof, and harms no state', async () => {
  const lab = new DatabaseLab()
  const store = new CopyableStore()
  const db = await createDatabase({ store })
  await publish(db, '1')
  const backup = await store.copy()
  await publish(db, '2')
  lab.serve('alice', db)
  const replica = await lab.replica(db, ['alice'])
  await replica.pull()
  const restored = await openDatabase(backup)
  lab.serve('alice', restored)
  assert.equal((await replica.pull()).judgements[0]?.outcome, 'stale')
  await publish(restored, 'other')
  assert.is((await failureOf(replica.pull())).code, 'EQUIVOCATION')
  assert.is(text(await replica.get(utf8('n'))), '2')
  assert.is((await replica.standing()).evidence.length, 1)
})

test('a restored backup that publishes the same again is no fork where nothing differs', async () => {
  const store = new CopyableStore()
  const db = await createDatabase({ store })
  await publish(db, '1')
  const restored = await openDatabase(await store.copy())
  const again = await restored.publish()
  assert.equal([again.isNew, again.signedRoot.bytes], [false, (await db.published())?.bytes])
})

test.run()
