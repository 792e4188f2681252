/** Exporting: every block once, only new ones in an update, few packs whatever the number of updates, nothing unpublished. */
import { appendFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import { eventLoopTurn } from '../../src/event-loop.ts'
import { exportMirror, type ExportMirrorOptions, type MirrorReport } from '../../src/mirror/index.ts'
import { withMirrorFiles } from '../../src/mirror/mirror-files.ts'
import { type PackEntry, packPath } from '../../src/mirror/root-file.ts'
import { currentHolder, encodeHolder } from '../../src/store/lmdb-holder.ts'
import { createDatabase, failureOf } from '../support/database-lab.ts'
import {
  assertSound,
  change,
  digestsIn,
  digestsOf,
  digestsOfState,
  MirrorLab,
  packFiles,
  publishedRows,
  readRootFile,
  rowsOf,
} from '../support/mirror-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

/** Packs as small as these are ended, so that a test has many. */
const SMALL = { packBytesFull: 256 * 1024 }

function repeated(digests: readonly string[]): number {
  return digests.length - new Set(digests).size
}

async function exportOf(db: Database, out: string, options: ExportMirrorOptions = {}): Promise<MirrorReport> {
  return await exportMirror(db, out, options)
}

const test = suite('mirror/export')

test('a first export has every block of the state once, and nothing else', async () => {
  await inDirectory(async (directory) => {
    for (const coding of ['zstd', 'deflate'] as const) {
      const db = await publishedRows(8000)
      const out = join(directory, coding)
      const seen: number[] = []
      const report = await exportOf(db, out, { coding, onProgress: ({ blocks }) => seen.push(blocks) })
      const digests = await digestsOf(out)
      assert.equal(new Set(digests), await digestsOfState(db))
      assert.is(repeated(digests), 0)
      assert.equal([report.changed, report.blocks, report.packs, report.sequence], [true, digests.length, 1, 1])
      assert.equal(
        seen,
        Array.from({ length: digests.length }, (_, i) => i + 1),
      )
      assert.is((await readRootFile(out)).packs[0]?.coding, coding)
    }
  })
})

test('nothing is exported that is not published', async () => {
  await inDirectory(async (out) => {
    const db = await createDatabase()
    assert.is((await failureOf(exportOf(db, out))).code, 'ROOT_NOT_FOUND')
    await change(db, rowsOf(0, 500))
    const published = await digestsOfState(db)
    await db.batch((tx) => tx.apply(rowsOf(500, 900)))
    await exportOf(db, out)
    assert.equal(new Set(await digestsOf(out)), published)
  })
})

test('an update adds a pack with the new blocks alone, and replaces one file', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(20_000)
    await exportOf(db, out)
    const before = await digestsOfState(db)
    const files = await packFiles(out)
    await change(db, rowsOf(5000, 5010, 1))
    const report = await exportOf(db, out)
    const after = await digestsOfState(db)
    const { roots, packs } = await readRootFile(out)
    assert.equal(
      roots.map((root) => root.packs.length),
      [2, 1],
    )
    const added = packs.find((pack) => !files.some((name) => packPath(pack).endsWith(name)))
    assert.ok(added !== undefined)
    const digests = await digestsIn(out, added)
    assert.equal(new Set(digests), new Set([...after].filter((digest) => !before.has(digest))))
    assert.is(report.blocks, digests.length)
    assert.equal(
      (await packFiles(out)).filter((name) => files.includes(name)),
      files,
    )
    const again = await exportOf(db, out)
    assert.equal([again.changed, again.packsWritten], [false, 0])
  })
})

test('what a state has again is not written again, and a large value only where it changed', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(2000)
    const file = new Uint8Array(5 * 1024 * 1024).map((_, i) => (i * 2654435761) >>> 13)
    await change(db, [{ key: new Uint8Array([0xf0]), value: file }])
    await exportOf(db, out)
    const changed = file.slice()
    changed[0] = 99
    await change(db, [{ key: new Uint8Array([0xf0]), value: changed }])
    const report = await exportOf(db, out)
    assert.ok(report.bytes < 1.1 * 1024 * 1024, `${report.bytes} bytes for 1 MiB of 5`)
    await change(db, [{ key: new Uint8Array([0xf0]), value: file }])
    const back = await exportOf(db, out)
    assert.ok(back.bytes < 64 * 1024, `${back.bytes} bytes for what was there before`)
  })
})

test('with many updates there are few packs, each block is found, and bytes are copied a few times', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(3000)
    let written = (await exportOf(db, out, SMALL)).bytesWritten
    const first = written
    for (let i = 1; i <= 40; i++) {
      await change(db, rowsOf((i * 61) % 2900, ((i * 61) % 2900) + 20, i))
      const report = await exportOf(db, out, SMALL)
      written += report.bytesWritten
      assert.ok(report.packs <= 9, `${report.packs} packs after ${i} updates`)
    }
    const digests = new Set(await digestsOf(out))
    for (const digest of await digestsOfState(db)) assert.ok(digests.has(digest))
    const { packBytes } = await exportOf(db, out, SMALL)
    assert.ok(written - first < 6 * packBytes, `${written - first} bytes written for ${packBytes}`)
  })
})

test('pruning keeps what the offered roots need, drops most of the rest, and later exports build on it', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(6000)
    await exportOf(db, out, SMALL)
    for (let i = 1; i <= 12; i++) {
      await change(db, rowsOf(0, 6000, i))
      await exportOf(db, out, SMALL)
    }
    const before = await packFiles(out)
    const report = await exportOf(db, out, { ...SMALL, prune: true })
    const after = await packFiles(out)
    assert.ok(report.packsRemoved > 0 && after.length < before.length)
    const { roots, packs } = await readRootFile(out)
    assert.is(roots.length, 5)
    assert.equal(new Set(packs.map((pack) => packPath(pack).slice(6))), new Set(after))
    const digests = await digestsOf(out)
    const state = await digestsOfState(db)
    for (const digest of state) assert.ok(digests.includes(digest))
    // Five states, of which nearly every leaf is another.
    assert.ok(digests.length < 2 * 5 * state.size, `${digests.length} blocks for 5 states of ${state.size}`)
    // A state that is gone from the mirror comes back as a whole.
    await change(db, rowsOf(0, 6000, 1))
    await exportOf(db, out, SMALL)
    const found = new Set(await digestsOf(out))
    for (const digest of await digestsOfState(db)) assert.ok(found.has(digest))
    const idle = await exportOf(db, out, { ...SMALL, prune: true })
    const quiet = await exportOf(db, out, { ...SMALL, prune: true })
    assert.equal([quiet.changed, quiet.packsRemoved, quiet.packs], [false, 0, idle.packs])
  })
})

test('from another copy that never held the earlier states, only what the mirror lacks is written', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(20_000)
    await exportOf(db, out)
    await change(db, rowsOf(100, 110, 1))
    const lab = new MirrorLab()
    lab.serve('alice', db)
    const copy = await lab.replica(db, ['alice'])
    await copy.pull()
    const report = await exportMirror(copy, out)
    assert.ok(report.blocks < 20, `${report.blocks} blocks`)
    const digests = new Set(await digestsOf(out))
    for (const digest of await digestsOfState(db)) assert.ok(digests.has(digest))
    assert.is((await readRootFile(out)).roots.length, 2)
    // What cannot be looked at is not offered once what it needs may be gone.
    await exportMirror(copy, out, { prune: true })
    assert.is((await readRootFile(out)).roots.length, 1)
    await assertSound(db, out)
  })
})

test('a pack that was lost or cut short is made good by the next export', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(3000)
    await exportOf(db, out)
    await change(db, rowsOf(0, 3000, 1))
    await exportOf(db, out)
    for (const damage of ['lost', 'cut'] as const) {
      const { roots, packs } = await readRootFile(out)
      const path = join(out, packPath(packs[roots[0]?.packs[0] ?? -1] as PackEntry))
      if (damage === 'lost') await rm(path)
      else await writeFile(path, (await readFile(path)).subarray(0, 1000))
      assert.is((await exportOf(db, out)).packsWritten, 1)
      assert.is(await assertSound(db, out), 2)
    }
    // One that an older root names, too, whose other blocks do not come back.
    await change(db, rowsOf(0, 5, 2))
    await exportOf(db, out)
    const { roots, packs } = await readRootFile(out)
    await rm(join(out, packPath(packs[roots[0]?.packs.at(-1) ?? -1] as PackEntry)))
    await exportOf(db, out)
    assert.is(await assertSound(db, out), 3)
  })
})

test('a pack that has rotted is not copied into another', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(2000)
    await exportOf(db, out)
    const [name = ''] = await packFiles(out)
    const path = join(out, 'packs', name)
    const bytes = await readFile(path)
    bytes[5000] = (bytes[5000] as number) ^ 1
    await writeFile(path, bytes)
    const root = await readFile(join(out, 'root'))
    await change(db, rowsOf(0, 2000, 1))
    const error = await failureOf(exportOf(db, out))
    assert.is(error.code, 'STORE_CORRUPT')
    assert.ok(error.message.includes(name))
    assert.equal(await readFile(join(out, 'root')), root)
    await rm(path)
    assert.is((await exportOf(db, out)).changed, true)
  })
})

test('what is in the way stays as it is: another database, another file, a newer root, an export that runs', async () => {
  await inDirectory(async (directory) => {
    const db = await publishedRows(300)
    const out = join(directory, 'mirror')
    await exportOf(db, out)
    const other = await createDatabase({ label: 'other', name: 'others' })
    await change(other, rowsOf(0, 10))
    assert.is((await failureOf(exportOf(other, out))).code, 'DATABASE_EXISTS')
    const namesake = await createDatabase()
    await change(namesake, rowsOf(0, 7))
    assert.is((await failureOf(exportOf(namesake, out))).code, 'PUBLISH_REFUSED')
    await change(db, rowsOf(0, 5, 3))
    await exportOf(db, out)
    const behind = await failureOf(exportOf(namesake, out))
    assert.equal([behind.code, behind.details['mirrored']], ['PUBLISH_REFUSED', 2])
    const taken = join(directory, 'taken')
    await exportOf(db, taken)
    await writeFile(join(taken, 'root'), '<html>')
    assert.is((await failureOf(exportOf(db, taken))).code, 'DATABASE_EXISTS')
    assert.is(String(await readFile(join(taken, 'root'))), '<html>')

    let second: Promise<unknown> | undefined
    await change(db, rowsOf(0, 5, 4))
    await exportOf(db, out, { onProgress: () => void (second ??= failureOf(exportOf(db, out))) })
    const locked = (await second) as { code: string; details: Record<string, unknown> }
    assert.equal([locked.code, locked.details['pid']], ['STORE_LOCKED', process.pid])
    // A lock of a process that ended counts for nothing.
    await writeFile(
      join(out, '.lock'),
      JSON.stringify({ pid: 2 ** 22 - 1, thread: 0, start: '1', boot: '', space: '', host: '' }),
    )
    await appendFile(join(out, 'packs', '.000000000000.tmp'), 'left by it')
    const foreign = await failureOf(exportOf(db, out))
    assert.is(foreign.code, 'STORE_LOCKED', 'of another machine, nobody knows')
    await rm(join(out, '.lock'))
    await exportOf(db, out)
    assert.is(await stat(join(out, 'packs', '.000000000000.tmp')).catch(() => undefined), undefined)
  })
})

test('of several exporters that find the lock of a process that ended, one takes it', async () => {
  await inDirectory(async (out) => {
    const stale = encodeHolder({ ...currentHolder(), start: 'another' })
    for (let round = 0; round < 40; round++) {
      await writeFile(join(out, '.lock'), stale)
      if (round % 4 === 0) await writeFile(join(out, `.lock-${'0'.repeat(12)}`), stale)
      let inside = 0
      const outcomes = await Promise.all(
        Array.from({ length: 4 }, async () => {
          try {
            return await withMirrorFiles(out, async () => {
              const most = ++inside
              await readdir(out)
              inside--
              return most
            })
          } catch (error) {
            return (error as { code: string }).code
          }
        }),
      )
      const entered = outcomes.filter((outcome) => outcome !== 'STORE_LOCKED')
      assert.ok(entered.length > 0, 'somebody takes it')
      assert.ok(
        entered.every((most) => most === 1),
        `one at a time: ${outcomes.join()}`,
      )
      assert.equal(await readdir(out), ['packs'])
    }
  })
})

test('who was about to remove the lock of a process that ended leaves the one that is there by then', async () => {
  await inDirectory(async (out) => {
    const alive = encodeHolder(currentHolder())
    const other = join(out, `.lock-${'f'.repeat(12)}`)
    await writeFile(join(out, '.lock'), encodeHolder({ ...currentHolder(), start: 'another' }))
    await writeFile(other, alive)
    const failed = failureOf(withMirrorFiles(out, () => Promise.resolve()))
    while ((await readdir(out)).filter((name) => name.startsWith('.lock-')).length < 2) await eventLoopTurn()
    await writeFile(join(out, '.lock'), alive)
    await rm(other)
    assert.is((await failed).code, 'STORE_LOCKED')
    assert.equal(await readdir(out), ['.lock', 'packs'])
  })
})

test('an export that is aborted changes nothing, and the next one ends it', async () => {
  await inDirectory(async (out) => {
    const db = await publishedRows(3000)
    await exportOf(db, out)
    const root = await readFile(join(out, 'root'))
    await change(db, rowsOf(0, 3000, 1))
    const controller = new AbortController()
    const reason = new Error('stop')
    const stopped = exportOf(db, out, { signal: controller.signal, onProgress: () => controller.abort(reason) })
    assert.is(await stopped.catch((error: unknown) => error), reason)
    assert.equal(await readFile(join(out, 'root')), root)
    assert.is((await packFiles(out)).length, 1)
    assert.is((await exportOf(db, out)).changed, true)
  })
})

test.run()
