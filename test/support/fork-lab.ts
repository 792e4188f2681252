/** Forks in memory, and databases of a few rows of text. */
import { copyState, type Database, forkMeta, type Replica } from '../../src/db/index.ts'
import { MemoryStore, type Store } from '../../src/store/index.ts'
import { createDatabase, openDatabase, signerOf, text, utf8 } from './database-lab.ts'

/** A fork as directories make one, with a key of its own from its name. */
export async function forkOf(
  source: Database | Replica,
  name: string,
  store: Store = new MemoryStore(),
): Promise<Database> {
  const snapshot = await source.snapshot()
  await copyState(snapshot, store, {})
  await store.write({ meta: await forkMeta(source, snapshot, { author: signerOf(name).publicKey, name, peers: [] }) })
  return await openDatabase(store, { label: name })
}

export async function withRows(rows: Record<string, string>, label = 'author'): Promise<Database> {
  const db = await createDatabase({ label })
  await putAll(db, rows)
  await db.publish()
  return db
}

export async function putAll(db: Database, rows: Record<string, string | null>): Promise<void> {
  await db.batch(async (tx) => {
    for (const [key, value] of Object.entries(rows))
      await (value === null ? tx.del(utf8(key)) : tx.put(utf8(key), utf8(value)))
  })
}

export async function rowsOf(db: Database | Replica): Promise<Record<string, string>> {
  const rows: Record<string, string> = {}
  for await (const { key, value } of db.scan()) rows[text(key) ?? ''] = text(value) ?? ''
  return rows
}
