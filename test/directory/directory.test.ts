import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError, type CoppiceError, type ErrorCode } from '../../src/errors.ts'
import { createDatabaseDirectory, openDatabaseDirectory } from '../../src/directory/directory.ts'
import { ensureKeyFile, readKeyFile } from '../../src/directory/key-files.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { failure } from '../conformance/store.ts'
import { inDirectory, scope } from '../support/temporary-directory.ts'
import { startWriter } from '../store/processes/child.ts'
import { HEX_KEY, newKey } from './processes/creator.ts'
import { until } from '../support/until.ts'

const test = suite('directory/directory')

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

async function assertCode(code: ErrorCode, action: () => Promise<unknown>): Promise<CoppiceError> {
  const error = await failure(action)
  assert.ok(isCoppiceError(error, code), `expected ${code}, got ${String(error)}`)
  return error
}

const create = (path: string): Promise<AsyncDisposable> => createDatabaseDirectory(path, { kind: 'replica' })

/** A database whose meta value `name` is then set to `value`, or deleted. */
async function databaseWith(path: string, name: string, value: string | null): Promise<void> {
  await (await createDatabaseDirectory(path, { kind: 'replica' })).close()
  const store = await LmdbStore.open(path, 'write')
  await store.write({ meta: new Map([[name, value === null ? null : utf8(value)]]) })
  await store.close()
}

test('a database is made, opened, read and written', () =>
  inDirectory(async (parent, use) => {
    const path = join(parent, 'deep', 'db')
    await scope(async (use) => {
      const made = use(
        await createDatabaseDirectory(path, {
          kind: 'author',
          prepare: async (paths) => {
            await ensureKeyFile(paths.authorKey, HEX_KEY, newKey)
            return new Map([['name', utf8('cities')]])
          },
        }),
      )
      assert.is(made.kind, 'author')
      assert.is(made.access, 'write')
      assert.equal(made.store.getMeta('name'), utf8('cities'))
      await made.store.write({ meta: new Map([['root', utf8('r')]]) })
    })
    assert.equal((await readdir(path)).toSorted(), ['author.key', 'data.mdb', 'lock.mdb'])
    const reader = use(await openDatabaseDirectory(path, 'read'))
    const writer = use(await openDatabaseDirectory(path, 'write'))
    assert.is(reader.kind, 'author')
    await writer.store.write({ meta: new Map([['root', utf8('s')]]) })
    assert.equal(reader.store.getMeta('root'), utf8('s'))
    const error = await assertCode('STORE_LOCKED', () => openDatabaseDirectory(path, 'write'))
    assert.is(error.details['pid'], process.pid)
    await assertCode('STORE_READ_ONLY', () => reader.store.write({}))
  }))

test("a database is not made twice, nor over somebody's files", () =>
  inDirectory(async (parent) => {
    const path = join(parent, 'db')
    const open = await create(path)
    await assertCode('STORE_LOCKED', () => create(path))
    await open[Symbol.asyncDispose]()
    await assertCode('DATABASE_EXISTS', () => create(path))
    await mkdir(join(parent, 'theirs'))
    await writeFile(join(parent, 'theirs', 'photo.jpg'), 'x')
    const error = await assertCode('DATABASE_EXISTS', () => create(join(parent, 'theirs')))
    assert.match(error.message, 'photo.jpg')
    assert.equal(await readdir(join(parent, 'theirs')), ['photo.jpg'])
    await assertCode('DATABASE_EXISTS', () => create(join(parent, 'theirs', 'photo.jpg')))
    await assertCode('DATABASE_EXISTS', () => create(join(parent, 'theirs', 'photo.jpg', 'db')))
    await mkdir(join(parent, 'empty'))
    await (await create(join(parent, 'empty')))[Symbol.asyncDispose]()
  }))

test('what is no database is not opened, nor touched', () =>
  inDirectory(async (parent) => {
    for (const access of ['read', 'write'] as const) {
      await assertCode('NOT_A_DATABASE', () => openDatabaseDirectory(join(parent, 'absent'), access))
      assert.not.ok(existsSync(join(parent, 'absent')))
      await mkdir(join(parent, 'empty'), { recursive: true })
      await assertCode('NOT_A_DATABASE', () => openDatabaseDirectory(join(parent, 'empty'), access))
      assert.equal(await readdir(join(parent, 'empty')), [])
      await writeFile(join(parent, 'file'), 'x')
      await assertCode('NOT_A_DATABASE', () => openDatabaseDirectory(join(parent, 'file'), access))
      await assertCode('NOT_A_DATABASE', () => openDatabaseDirectory(join(parent, 'file', 'db'), access))
      await mkdir(join(parent, 'garbage'), { recursive: true })
      await writeFile(join(parent, 'garbage', 'data.mdb'), 'not LMDB'.repeat(1000))
      await assertCode('STORE_CORRUPT', () => openDatabaseDirectory(join(parent, 'garbage'), access))
    }
  }))

test('formats: newer, damaged, absent', () =>
  inDirectory(async (parent) => {
    await databaseWith(join(parent, 'newer'), 'format', '2')
    const newer = await assertCode('FORMAT_NEWER', () => openDatabaseDirectory(join(parent, 'newer'), 'write'))
    assert.equal([newer.details['format'], newer.details['supported']], [2, 1])
    await assertCode('DATABASE_EXISTS', () => create(join(parent, 'newer')))
    for (const [i, text] of ['', '0', '01', '-1', '1.0', 'x', '99999999999'].entries()) {
      await databaseWith(join(parent, `damaged${i}`), 'format', text)
      await assertCode('STORE_CORRUPT', () => openDatabaseDirectory(join(parent, `damaged${i}`), 'read'))
    }
    await databaseWith(join(parent, 'kind'), 'kind', 'emperor')
    await assertCode('STORE_CORRUPT', () => openDatabaseDirectory(join(parent, 'kind'), 'read'))
    await databaseWith(join(parent, 'unfinished'), 'format', null)
    const unfinished = await assertCode('NOT_A_DATABASE', () =>
      openDatabaseDirectory(join(parent, 'unfinished'), 'read'),
    )
    assert.is(unfinished.details['unfinished'], true)
    await (await create(join(parent, 'unfinished')))[Symbol.asyncDispose]()
  }))

test('a refused open gives the lock and the files back', () =>
  inDirectory(async (parent, use) => {
    const path = join(parent, 'db')
    await databaseWith(path, 'kind', 'emperor')
    await assertCode('STORE_CORRUPT', () => openDatabaseDirectory(path, 'write'))
    const store = use(await LmdbStore.open(path, 'write'))
    await (await store.lockWriter()).release()
  }))

test('a creation whose preparation fails leaves no database, and can be run again', () =>
  inDirectory(async (parent, use) => {
    const path = join(parent, 'db')
    const error = await failure(() =>
      createDatabaseDirectory(path, {
        kind: 'author',
        prepare: async (paths) => {
          await ensureKeyFile(paths.authorKey, HEX_KEY, newKey)
          throw new RangeError('no')
        },
      }),
    )
    assert.instance(error, RangeError)
    await assertCode('NOT_A_DATABASE', () => openDatabaseDirectory(path, 'read'))
    const key = await readKeyFile(join(path, 'author.key'), HEX_KEY)
    const made = use(
      await createDatabaseDirectory(path, {
        kind: 'author',
        prepare: async (paths) => {
          assert.is(await ensureKeyFile(paths.authorKey, HEX_KEY, newKey), key)
          return undefined
        },
      }),
    )
    assert.is(made.kind, 'author')
  }))

test('a writer in another process is named', () =>
  inDirectory(async (parent, use) => {
    const path = join(parent, 'db')
    await (await create(path))[Symbol.asyncDispose]()
    const other = use(startWriter(path, 'hold'))
    assert.is(await other.line(), 'locked')
    const error = await assertCode('STORE_LOCKED', () => openDatabaseDirectory(path, 'write'))
    assert.is(error.details['pid'], other.pid)
    const reader = use(await openDatabaseDirectory(path, 'read'))
    assert.is(reader.kind, 'replica')
  }))

test('a creation killed at any point can be run again, and its keys are whole or absent', () =>
  inDirectory(async (parent, use) => {
    const script = fileURLToPath(new URL('processes/creator.ts', import.meta.url))
    let unfinished = 0
    for (let kill = 0; kill < 16; kill++) {
      const path = join(parent, `db${kill}`)
      // One waits in the middle for its end; for the others it comes at any point.
      const args = kill === 0 ? [script, path, 'stay'] : [script, path]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = once(child, 'close')
      await once(child.stdout, 'data')
      if (kill === 0) await until(() => existsSync(join(path, 'author.key')))
      await sleep(kill * 2.5)
      child.kill('SIGKILL')
      await exited
      const found = existsSync(join(path, 'author.key'))
        ? await readKeyFile(join(path, 'author.key'), HEX_KEY)
        : undefined
      try {
        const opened = await openDatabaseDirectory(path, 'write')
        assert.equal(opened.store.getMeta('name'), utf8('test'))
        await opened.close()
        assert.ok(found !== undefined)
      } catch (error) {
        assert.ok(isCoppiceError(error, 'NOT_A_DATABASE'), String(error))
        unfinished++
        const made = use(
          await createDatabaseDirectory(path, {
            kind: 'author',
            prepare: async (paths) => {
              const key = await ensureKeyFile(paths.authorKey, HEX_KEY, newKey)
              assert.ok(found === undefined || key === found, 'the key of the killed creation is kept')
              return undefined
            },
          }),
        )
        assert.is(made.kind, 'author')
        assert.equal(
          (await readdir(path)).filter((name) => name.startsWith('.')),
          [],
        )
      }
    }
    assert.ok(unfinished > 0, 'no kill came in time')
  }))

test.run()
