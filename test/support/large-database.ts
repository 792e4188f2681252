/** A published database of some hundred blocks, values out of line among them: more than one answer, less than a second. */
import { bytesToHex } from '../../src/bytes.ts'
import type { Database, Replica } from '../../src/db/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { createDatabase, type DatabaseLab, utf8 } from './database-lab.ts'
import { blockSet } from './tree-sets.ts'

/** Rows, with the keys `0000000`, `0000001`, ... */
export const LARGE_COUNT = 20_000

/** Made, published once, and served honestly at `address`. */
export async function publishedLarge(lab: DatabaseLab, address = 'alice'): Promise<Database> {
  const db = await createDatabase({ clock: lab.clock })
  const edits = Array.from({ length: LARGE_COUNT }, (_, i): Edit => {
    const key = utf8(String(i).padStart(7, '0'))
    return { key, value: i % 500 === 0 ? new Uint8Array(1500).fill(i) : utf8(`value ${i}`) }
  })
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
  lab.serve(address, db)
  return db
}

/** All blocks of the state, by link in hexadecimal digits. */
export async function blockKeysOf(db: Database | Replica): Promise<Set<string>> {
  const keys = await blockSet((await db.snapshot()).tree, true)
  return new Set([...keys].map((key) => bytesToHex(Uint8Array.from(key, (c) => c.charCodeAt(0)))))
}
