/** One writer and many readers, across processes. */
import { existsSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import process from 'node:process'
import { open as openLmdb } from 'lmdb'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { failure } from '../conformance/store.ts'
import { inDirectory, scope } from '../support/temporary-directory.ts'
import { startWriter } from './processes/child.ts'
import { numberedBatch } from './processes/writer.ts'

const test = suite('store/lmdb-processes')

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

test('a second writer is refused with the pid of the first, until that one ends', () =>
  inDirectory(async (path, use) => {
    const holder = use(startWriter(path, 'hold'))
    assert.is(await holder.line(), 'locked')
    const store = use(await LmdbStore.open(path, 'write'))
    const error = await failure(() => store.lockWriter())
    assert.ok(isCoppiceError(error, 'STORE_LOCKED'), String(error))
    assert.is(error.details['pid'], holder.pid)
    assert.match(error.message, `process ${holder.pid} is writing`)
    assert.is(await holder.end(), 0)
    await (await store.lockWriter()).release()
  }))

test('the lock of a killed writer is taken over', () =>
  inDirectory(async (path, use) => {
    const holder = use(startWriter(path, 'hold'))
    assert.is(await holder.line(), 'locked')
    await holder.kill()
    const store = use(await LmdbStore.open(path, 'write'))
    use(await store.lockWriter())
    await store.write(numberedBatch(1))
    const other = use(await LmdbStore.open(path, 'write'))
    const error = await failure(() => other.lockWriter())
    assert.ok(isCoppiceError(error, 'STORE_LOCKED') && error.details['pid'] === process.pid)
  }))

test('closing a store gives its lock back, also to other handles of this process', () =>
  inDirectory(async (path, use) => {
    const first = await LmdbStore.open(path, 'write')
    await first.lockWriter()
    const second = use(await LmdbStore.open(path, 'write'))
    assert.ok(isCoppiceError(await failure(() => second.lockWriter()), 'STORE_LOCKED'))
    await first.close()
    await (await second.lockWriter()).release()
  }))

const OWN_SPACE = '/proc/self/ns/pid'
const SPACE = existsSync(OWN_SPACE) ? readlinkSync(OWN_SPACE) : ''

/** Writes a holder's record as another process would have left it. */
async function forgeHolder(path: string, over: Record<string, unknown>): Promise<void> {
  const root = openLmdb<Uint8Array, Uint8Array>(path, {
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
  } as object)
  const meta = root.openDB<Uint8Array, Uint8Array>({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' })
  const holder = { pid: process.ppid, thread: 0, start: '', boot: '', space: SPACE, host: hostname(), ...over }
  await meta.put(utf8('.writer'), utf8(JSON.stringify(holder)))
  await root.close()
}

test('who holds the lock is told by more than a number', () =>
  inDirectory(async (path) => {
    await (await LmdbStore.open(path, 'write')).close()
    const cases: [string, Record<string, unknown>, boolean][] = [
      ['a living process', {}, true],
      ['a number that now belongs to a process started at another time', { start: '1' }, false],
      ['this process as it would have been before', { pid: process.pid, start: '1' }, false],
      ['a process before the last boot', { boot: 'another' }, false],
      ['no such process', { pid: 4_194_304 + 77 }, false],
      ['a process of another host that has nothing open here', { host: 'elsewhere' }, false],
      ['a number of another container, in which nothing is open here', { space: 'another' }, false],
      ['a damaged record', { pid: 'x' }, false],
    ]
    for (const [title, over, held] of cases) {
      await forgeHolder(path, over)
      await scope(async (use) => {
        const store = use(await LmdbStore.open(path, 'write'))
        if (held) assert.ok(isCoppiceError(await failure(() => store.lockWriter()), 'STORE_LOCKED'), title)
        else await (await store.lockWriter()).release()
      })
    }
  }))

test('a holder on another host, or in a container of the same host name, that has the store open counts as alive', () =>
  inDirectory(async (path, use) => {
    for (const [over, message] of [
      [{ host: 'elsewhere' }, 'on elsewhere'],
      // As the number of a process that ended here.
      [{ space: 'another', start: '1' }, 'is writing'],
    ] as const) {
      const other = use(startWriter(path, 'hold'))
      assert.is(await other.line(), 'locked')
      await forgeHolder(path, { ...over, pid: other.pid })
      await scope(async (inner) => {
        const store = inner(await LmdbStore.open(path, 'write'))
        const error = await failure(() => store.lockWriter())
        assert.ok(isCoppiceError(error, 'STORE_LOCKED'), String(error))
        assert.match(error.message, message)
        await other.kill()
        await (await store.lockWriter()).release()
      })
    }
  }))

test('a reader in another process sees each commit as soon as it is made', () =>
  inDirectory(async (path, use) => {
    const store = use(await LmdbStore.open(path, 'write'))
    use(await store.lockWriter())
    const reader = use(startWriter(path, 'echo'))
    assert.is(await reader.line(), 'ready')
    reader.send('last')
    assert.is(await reader.line(), '-')
    for (let number = 1; number <= 20; number++) {
      await store.write(numberedBatch(number))
      reader.send('last')
      assert.is(await reader.line(), String(number))
    }
  }))

test('readers here see what a writer in another process commits, and what another handle here does', () =>
  inDirectory(async (path, use) => {
    const store = use(await LmdbStore.open(path, 'write'))
    const reader = use(await LmdbStore.open(path, 'read'))
    assert.is(reader.getMeta('last'), undefined)
    await store.write(numberedBatch(3))
    assert.equal(reader.getMeta('last'), utf8('3'))
    const writer = use(startWriter(path, 'numbered', '10', '5'))
    for (let number = 10; number < 15; number++) {
      assert.is(await writer.line(), String(number))
      assert.ok(Number(new TextDecoder().decode(reader.getMeta('last'))) >= number)
      assert.is(reader.getMany(numberedBatch(number).blocks.map(({ link }) => link)).includes(undefined), false)
    }
    assert.is(await writer.end(), 0)
    assert.ok(isCoppiceError(await failure(() => reader.write(numberedBatch(4))), 'STORE_READ_ONLY'))
    assert.ok(isCoppiceError(await failure(() => reader.lockWriter()), 'STORE_READ_ONLY'))
  }))

test('a store closed while another handle here writes on stays open for that one', () =>
  inDirectory(async (path, use) => {
    const store = use(await LmdbStore.open(path, 'write'))
    const reader = await LmdbStore.open(path, 'read')
    const writing = store.write(numberedBatch(1), { durable: true })
    await reader.close()
    await writing
    await store.write(numberedBatch(2))
    assert.equal(store.getMeta('last'), utf8('2'))
  }))

test.run()
