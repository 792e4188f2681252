import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoppiceError, isCoppiceError } from '../../src/errors.ts'
import { createKeyFile, ensureKeyFile, readKeyFile, type KeyCodec } from '../../src/directory/key-files.ts'
import { failure } from '../conformance/store.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { HEX_KEY, newKey } from './processes/creator.ts'

const test = suite('directory/key-files')

async function assertInvalid(reason: string, action: () => Promise<unknown>): Promise<CoppiceError> {
  const error = await failure(action)
  assert.ok(isCoppiceError(error, 'KEY_FILE_INVALID'), String(error))
  assert.is(error.details['reason'], reason)
  return error
}

test("a key comes back; the file is its owner's alone, and there is nothing beside it", () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    const key = newKey()
    await createKeyFile(path, key, HEX_KEY)
    assert.is(await readKeyFile(path, HEX_KEY), key)
    assert.is((await stat(path)).mode & 0o777, 0o600)
    assert.equal(await readdir(directory), ['author.key'])
  }))

test('a key file is never replaced', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    const key = newKey()
    await createKeyFile(path, key, HEX_KEY)
    const error = await assertInvalid('exists', () => createKeyFile(path, newKey(), HEX_KEY))
    assert.match(error.message, 'exists already')
    assert.is(await readKeyFile(path, HEX_KEY), key)
    assert.is(await ensureKeyFile(path, HEX_KEY, newKey), key)
    assert.equal(await readdir(directory), ['author.key'])
  }))

test('of several creations at once one wins, whole', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'peer.key')
    const keys = Array.from({ length: 8 }, newKey)
    const results = await Promise.allSettled(keys.map((key) => createKeyFile(path, key, HEX_KEY)))
    const won = results.flatMap(({ status }, i) => (status === 'fulfilled' ? [keys[i]] : []))
    assert.equal(won, [await readKeyFile(path, HEX_KEY)])
    assert.equal(await readdir(directory), ['peer.key'])
  }))

test('an absent file is made by ensure, and refused by read', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    await assertInvalid('absent', () => readKeyFile(path, HEX_KEY))
    const key = await ensureKeyFile(path, HEX_KEY, newKey)
    assert.is(await readKeyFile(path, HEX_KEY), key)
  }))

test('files that others may read or write are refused', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    await createKeyFile(path, newKey(), HEX_KEY)
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644, 0o610]) {
      await chmod(path, mode)
      const error = await assertInvalid('permissions', () => readKeyFile(path, HEX_KEY))
      assert.match(error.message, 'chmod 600')
      await assertInvalid('permissions', () => ensureKeyFile(path, HEX_KEY, newKey))
    }
    await chmod(path, 0o400)
    await readKeyFile(path, HEX_KEY)
  }))

test('no error holds any of the file', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    const secret = `${newKey()}x`
    await writeFile(path, `${secret}\n`, { mode: 0o600 })
    const chatty = (error: Error): KeyCodec<string> => ({
      encode: (key) => key,
      decode: () => {
        throw error
      },
    })
    const codecs = [
      HEX_KEY,
      chatty(new Error(`cannot read ${secret}`)),
      chatty(new CoppiceError('KEY_FILE_INVALID', 'key file: expected 4 words, got 1')),
    ]
    for (const codec of codecs) {
      const error = await assertInvalid('content', () => readKeyFile(path, codec))
      assert.not.match(inspect(error, { depth: 10, showHidden: true }), secret.slice(0, 8))
      assert.match(error.message, path)
    }
  }))

test('what is no key file: too large, a directory, nothing in it', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    await writeFile(path, 'a'.repeat(5000), { mode: 0o600 })
    await assertInvalid('content', () => readKeyFile(path, HEX_KEY))
    await writeFile(path, '')
    await assertInvalid('content', () => readKeyFile(path, HEX_KEY))
    assert.is(await readFile(path, 'utf8'), '')
    await mkdir(join(directory, 'peer.key'))
    await assertInvalid('content', () => readKeyFile(join(directory, 'peer.key'), HEX_KEY))
    const error = await failure(() => createKeyFile(join(directory, 'absent', 'author.key'), newKey(), HEX_KEY))
    assert.ok(isCoppiceError(error, 'STORE_IO'))
  }))

test('made by several at the same time, all have the key of one', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'peer.key')
    const keys = await Promise.all(Array.from({ length: 8 }, () => ensureKeyFile(path, HEX_KEY, newKey)))
    const kept = await readKeyFile(path, HEX_KEY)
    for (const key of keys) assert.equal(key, kept)
  }))

test.run()
