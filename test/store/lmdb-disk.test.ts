/** Disks and files that are not as they should be: full, read-only, damaged, somebody else's. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { open as openLmdb } from 'lmdb'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError, type ErrorCode } from '../../src/errors.ts'
import { CODEC_RAW, linkTo, type Block } from '../../src/link.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { Staging } from '../../src/store/staging.ts'
import { failure } from '../conformance/store.ts'
import { CAN_MOUNT, IS_ROOT, onSmallDisk, remount } from '../support/privileges.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('store/lmdb-disk')

const withSmallDisk = CAN_MOUNT ? test : test.skip
const withoutRoot = IS_ROOT ? test.skip : test

function randomBlocks(count: number, from: number): Block[] {
  return Array.from({ length: count }, (_, i) => {
    const bytes = new Uint8Array(3800)
    new DataView(bytes.buffer).setUint32(0, from + i)
    return { link: linkTo(CODEC_RAW, bytes), bytes }
  })
}

async function assertCode(code: ErrorCode, action: () => Promise<unknown>): Promise<void> {
  const error = await failure(action)
  assert.ok(isCoppiceError(error, code), `expected ${code}, got ${String(error)}`)
}

const MARK = new Map([['root', new Uint8Array([1])]])

withSmallDisk('a full disk is STORE_FULL, with nothing of the batch visible and the store usable', () =>
  onSmallDisk(8, async (path, use) => {
    const noise: unknown[] = []
    const hear = (error: unknown): void => void noise.push(error)
    process.on('unhandledRejection', hear)
    const printed = console.error
    console.error = hear
    try {
      const store = use(await LmdbStore.open(join(path, 'db'), 'write'))
      use(await store.lockWriter())
      let written = 0
      const error = await failure(async () => {
        for (;;) {
          await Promise.all([
            store.write({ blocks: randomBlocks(50, written) }),
            store.write({ blocks: randomBlocks(50, written + 50) }),
          ])
          written += 100
        }
      })
      assert.ok(isCoppiceError(error, 'STORE_FULL'), String(error))
      assert.match(error.message, 'free some space')
      assert.ok(written >= 500)
      for (const durable of [false, true]) {
        await assertCode('STORE_FULL', () =>
          store.write({ blocks: randomBlocks(3000, 10 ** 6), meta: MARK }, { durable }),
        )
        assert.is(store.getMeta('root'), undefined)
        assert.equal(store.getMany(randomBlocks(20, 10 ** 6).map(({ link }) => link)).filter(Boolean), [])
      }
      assert.not.ok(store.getMany(randomBlocks(written, 0).map(({ link }) => link)).includes(undefined))
      // More room again, as when somebody deletes something.
      execFileSync('mount', ['-o', 'remount,size=32m', path])
      await store.write({ blocks: randomBlocks(1000, 10 ** 6), meta: MARK }, { durable: true })
      assert.equal(store.getMeta('root'), new Uint8Array([1]))
    } finally {
      process.off('unhandledRejection', hear)
      console.error = printed
    }
    assert.equal(noise, [], 'no line of lmdb and no rejection out of reach')
  }),
)

withSmallDisk('closing after a full disk does not hang, and all committed before is there', () =>
  onSmallDisk(4, async (path, use) => {
    const store = await LmdbStore.open(join(path, 'db'), 'write')
    await store.lockWriter()
    await store.write({ blocks: randomBlocks(10, 0), meta: MARK }, { durable: true })
    await assertCode('STORE_FULL', () => store.write({ blocks: randomBlocks(3000, 100) }))
    await store.close()
    const again = use(await LmdbStore.open(join(path, 'db'), 'write'))
    assert.equal(again.getMeta('root'), new Uint8Array([1]))
    await (await again.lockWriter()).release()
  }),
)

withSmallDisk('a staging over a full disk commits nothing', () =>
  onSmallDisk(4, async (path, use) => {
    const store = use(await LmdbStore.open(join(path, 'db'), 'write'))
    const staging = new Staging(store, { bufferBytesMax: 256 * 1024 })
    await assertCode('STORE_FULL', async () => {
      for (const block of randomBlocks(2000, 0)) await staging.put(block)
      await staging.commit({ meta: MARK })
    })
    await staging.abort()
    assert.is(store.getMeta('root'), undefined)
  }),
)

withSmallDisk('a disk with no room for an empty store', () =>
  onSmallDisk(1, async (path) => {
    await failure(() => writeFile(join(path, 'filler'), new Uint8Array(2 * 1024 * 1024)))
    await assertCode('STORE_FULL', () => LmdbStore.open(join(path, 'db'), 'write'))
  }),
)

withSmallDisk('a read-only disk can be read, and not written to', () =>
  onSmallDisk(4, async (path, use) => {
    const directory = join(path, 'db')
    const blocks = randomBlocks(10, 0)
    const store = await LmdbStore.open(directory, 'write')
    await store.write({ blocks, meta: MARK }, { durable: true })
    await store.close()
    remount(path, 'ro')
    await assertCode('STORE_READ_ONLY', () => LmdbStore.open(directory, 'write'))
    await assertCode('STORE_READ_ONLY', () => LmdbStore.open(join(path, 'new'), 'write'))
    const reader = use(await LmdbStore.open(directory, 'read'))
    assert.equal(reader.getMeta('root'), new Uint8Array([1]))
    assert.equal(
      reader.getMany(blocks.map(({ link }) => link)),
      blocks.map(({ bytes }) => bytes),
    )
    await assertCode('STORE_READ_ONLY', () => reader.write({ meta: MARK }))
  }),
)

test('files that are not an LMDB store', () =>
  inDirectory(async (path) => {
    const cases: [string, Uint8Array][] = [
      ['text', new TextEncoder().encode('hello world '.repeat(1000))],
      ['one byte', new Uint8Array(1)],
      ['zeros', new Uint8Array(8192)],
    ]
    for (const [name, bytes] of cases) {
      const directory = join(path, name)
      await mkdir(directory)
      await writeFile(join(directory, 'data.mdb'), bytes)
      await assertCode('STORE_CORRUPT', () => LmdbStore.open(directory, 'read'))
      await assertCode('STORE_CORRUPT', () => LmdbStore.open(directory, 'write'))
    }
    await mkdir(join(path, 'directory', 'data.mdb'), { recursive: true })
    await assertCode('STORE_CORRUPT', () => LmdbStore.open(join(path, 'directory'), 'write'))
    await assertCode('STORE_IO', () => LmdbStore.open(join(path, 'text', 'data.mdb'), 'write'))
  }))

test('a data file still empty is a store not begun', () =>
  inDirectory(async (path, use) => {
    await writeFile(join(path, 'data.mdb'), '')
    await assertCode('NOT_A_DATABASE', () => LmdbStore.open(path, 'read'))
    const store = use(await LmdbStore.open(path, 'write'))
    assert.is((await store.usage()).blocks, 0)
  }))

test('nothing to read, and nothing is made by reading', () =>
  inDirectory(async (path) => {
    await assertCode('NOT_A_DATABASE', () => LmdbStore.open(join(path, 'absent'), 'read'))
    await assertCode('NOT_A_DATABASE', () => LmdbStore.open(path, 'read'))
    await rm(join(path, 'absent'), { recursive: true }).then(
      () => assert.unreachable('made by a read'),
      () => {},
    )
  }))

test('the LMDB file of another program is left alone', () =>
  inDirectory(async (path) => {
    const root = openLmdb(path, { noSubdir: false } as object)
    await root.put('theirs', 'value')
    await root.close()
    await assertCode('NOT_A_DATABASE', () => LmdbStore.open(path, 'write'))
    const again = openLmdb(path, { noSubdir: false } as object)
    assert.equal([...again.getKeys()], ['theirs'])
    await again.close()
  }))

test('a damaged completeness record is STORE_CORRUPT, not absence', () =>
  inDirectory(async (path, use) => {
    const [block] = randomBlocks(1, 0) as [Block]
    await (await LmdbStore.open(path, 'write')).close()
    const binary = { encoding: 'binary', keyEncoding: 'binary', noSubdir: false } as object
    const root = openLmdb<Uint8Array, Uint8Array>(path, binary)
    await root
      .openDB<Uint8Array, Uint8Array>({ name: 'complete', ...binary })
      .put(block.link, new Uint8Array([0x11, 1]))
    await root.close()
    const store = use(await LmdbStore.open(path, 'read'))
    await assertCode('STORE_CORRUPT', async () => store.getComplete(block.link))
  }))

withoutRoot('a directory without permission', () =>
  inDirectory(async (path) => {
    await (await LmdbStore.open(join(path, 'db'), 'write')).close()
    await chmod(join(path, 'db'), 0o500)
    await assertCode('STORE_READ_ONLY', () => LmdbStore.open(join(path, 'db'), 'write'))
    await chmod(join(path, 'db'), 0o700)
  }),
)

test.run()
