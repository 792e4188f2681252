/** Uses the database in a directory that may be damaged, and prints what came of it: codes of errors are results, all else is a failure. */
import { createHash } from 'node:crypto'
import process from 'node:process'
import { checkMeta, type Database as Handle, heldStates } from '../../../src/db/index.ts'
import { CoppiceError, Database } from '../../../src/index.ts'
import { checkTree } from '../../../src/prolly/index.ts'
import { addRow, CHANGED_ROW, type Use } from '../damaged-directory.ts'

const path = process.argv[2] as string

async function attempt(body: () => Promise<string>): Promise<string> {
  try {
    return await body()
  } catch (error) {
    if (error instanceof CoppiceError) return error.code
    throw error
  }
}

async function scan(db: Handle): Promise<string> {
  const hash = createHash('sha256')
  for await (const row of db.scan()) addRow(hash, row)
  return hash.digest('hex')
}

async function verify(db: Handle): Promise<string> {
  const { store } = db.state
  let problems = (await checkMeta(db.state)).length
  for (const { ref } of await heldStates(db.state, true)) {
    problems += (await checkTree(store, ref, { records: store })).problemCount
  }
  return problems === 0 ? 'sound' : 'problems'
}

async function change(db: Handle): Promise<string> {
  await db.put(CHANGED_ROW.key, CHANGED_ROW.value)
  await db.publish()
  return 'published'
}

async function opened(body: (db: Handle) => Promise<string>): Promise<string> {
  return await attempt(async () => {
    const db = await Database.open(path)
    try {
      return await body(db)
    } finally {
      await db.close()
    }
  })
}

const use: Use = {
  scan: await opened(scan),
  verify: await opened(verify),
  publish: await opened(change),
  again: await opened(scan),
}
process.stdout.write(JSON.stringify(use))
