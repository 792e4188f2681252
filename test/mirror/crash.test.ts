/** An export that ends at any step leaves a mirror whose root file names packs that are there and have its trees; the next one goes on. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { exportInto, type ExportMirrorOptions } from '../../src/mirror/export-mirror.ts'
import { withMirrorFiles } from '../../src/mirror/mirror-files.ts'
import type { SignedRoot } from '../../src/pointer/index.ts'
import { FaultyFiles } from '../support/faulty-files.ts'
import {
  assertSound,
  change,
  packFiles,
  publishedRows,
  readNewest,
  readRootFile,
  rowsOf,
} from '../support/mirror-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const SMALL = { packBytesFull: 64 * 1024 }

/** Exports until the change with that number fails. True: none did. */
async function exportUntil(
  db: Database,
  out: string,
  failsAt: number,
  options: ExportMirrorOptions = {},
): Promise<boolean> {
  const published = (await db.published()) as SignedRoot
  try {
    await withMirrorFiles(out, (files) =>
      exportInto(new FaultyFiles(files, failsAt), db, published, { ...SMALL, ...options }),
    )
    return true
  } catch (error) {
    if (isCoppiceError(error, 'STORE_FULL')) return false
    throw error
  }
}

/** Runs `step` on a copy of `before`, failing at each change in turn. */
async function atEveryChange(
  db: Database,
  before: string,
  options: ExportMirrorOptions,
  sequences: readonly [old: number, now: number],
): Promise<number> {
  for (let failsAt = 0; ; failsAt++) {
    const out = `${before}-${failsAt}`
    await cp(before, out, { recursive: true })
    const isDone = await exportUntil(db, out, failsAt, options)
    assert.ok(sequences.includes(await assertSound(db, out)))
    if (isDone) return failsAt
    assert.ok(await exportUntil(db, out, Number.POSITIVE_INFINITY, options))
    assert.is(await assertSound(db, out), sequences[1])
    assert.is(await readNewest(db, out), sequences[1])
    // What was left behind is not kept for ever.
    assert.ok(await exportUntil(db, out, Number.POSITIVE_INFINITY, { prune: true }))
    const { packs } = await readRootFile(out)
    assert.is((await packFiles(out)).length, packs.length)
  }
}

const test = suite('mirror/crash')

test('a first export', async () => {
  await inDirectory(async (directory) => {
    const db = await publishedRows(1500)
    for (let failsAt = 0; ; failsAt++) {
      const out = join(directory, String(failsAt))
      if (await exportUntil(db, out, failsAt)) {
        assert.ok(failsAt > 8, `${failsAt} changes`)
        return
      }
      // Without a root file there is no mirror yet; the file that names the newest root comes after it.
      const isThere = await readRootFile(out).catch(() => undefined)
      if (isThere !== undefined) assert.is(await assertSound(db, out), 1)
      else assert.is(await readNewest(db, out).catch(() => undefined), undefined)
      assert.ok(await exportUntil(db, out, Number.POSITIVE_INFINITY))
      assert.is(await assertSound(db, out), 1)
    }
  })
})

test('an update, with packs that are merged', async () => {
  await inDirectory(async (directory) => {
    const db = await publishedRows(1500)
    const before = join(directory, 'mirror')
    await exportUntil(db, before, Number.POSITIVE_INFINITY)
    await change(db, rowsOf(0, 40, 1))
    await exportUntil(db, before, Number.POSITIVE_INFINITY)
    await change(db, rowsOf(200, 260, 1))
    const files = await packFiles(before)
    assert.ok((await atEveryChange(db, before, {}, [2, 3])) >= 8)
    assert.equal(await packFiles(before), files)
  })
})

test('pruning', async () => {
  await inDirectory(async (directory) => {
    const db = await publishedRows(1500)
    const before = join(directory, 'mirror')
    for (let i = 1; i <= 8; i++) {
      await exportUntil(db, before, Number.POSITIVE_INFINITY)
      await change(db, rowsOf(0, 1500, i))
    }
    assert.ok((await atEveryChange(db, before, { prune: true }, [8, 9])) >= 12)
  })
})

test.run()
