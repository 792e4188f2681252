/**
 * Threat 22: bits, bytes and pages of the database's file are changed, or its end is missing. Reading gives the right rows or an error with
 * a code; `verify` never calls sound what cannot be read. More cases: `npm run fuzz -- damage`.
 */
import { truncate } from 'node:fs/promises'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database, openDirectory } from '../../src/index.ts'
import { failureOf, utf8 } from '../support/database-lab.ts'
import { tryDamage } from '../support/damaged-directory.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('hostile/damaged-files')

const CASES = 6

test('a damaged file: the right rows or a coded error, never others', async () => {
  let killed = 0
  for (const seed of seeds(CASES)) if ((await tryDamage(new Random(seed))).use === undefined) killed++
  assert.ok(killed < CASES / 2, `${killed} of ${CASES} ended by a signal`)
})

test('a file that was copied in part is refused when it is opened, wherever it ends', () =>
  inDirectory(async (path) => {
    const db = await Database.create(join(path, 'db'), { name: 'cut' })
    await db.batch(async (tx) => {
      for (let i = 0; i < 5000; i++) await tx.put(utf8(String(i)), utf8(`row ${i}`))
    })
    await db.publish()
    await db.close()
    const file = join(path, 'db', 'data.mdb')
    const whole = statSync(file).size
    for (const share of [0.6, 0.2, 0.05, 0.01, 0.001]) {
      await truncate(file, Math.floor(whole * share))
      for (const access of ['read', 'write'] as const) {
        const error = await failureOf(openDirectory(join(path, 'db'), { access }))
        assert.is(error.code, 'STORE_CORRUPT', `${share}: ${error.message}`)
      }
    }
  }))

test.run()
