/** Key files under a passphrase: age files that come back as they were, and say nothing of a key where they do not. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Decrypter, armor, Encrypter } from 'age-encryption'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createSignerFile, exportKeyFile, importKeyFile } from '../../src/directory/index.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { rejectsCode } from '../support/throws.ts'

const test = suite('directory/key-export')

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** As age has it, with less work than an export: 2^10. */
async function encrypt(text: string, passphrase: string): Promise<Uint8Array> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  encrypter.setScryptWorkFactor(10)
  return await encrypter.encrypt(text)
}

test('out and in again: the same file, which any age program opens', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    await createSignerFile(path, 'author')
    const line = await readFile(path, 'utf8')
    const age = await exportKeyFile(path, 'correct horse ü')
    assert.ok(age.startsWith('-----BEGIN AGE ENCRYPTED FILE-----\n'))
    assert.not.ok(age.includes(line.split(' ')[2] ?? ''))
    const decrypter = new Decrypter()
    decrypter.addPassphrase('correct horse ü')
    assert.is(await decrypter.decrypt(armor.decode(age), 'text'), line)
    const copy = join(directory, 'copy.key')
    const { role, signer } = await importKeyFile(utf8(age), 'correct horse ü', copy)
    assert.is(role, 'author')
    assert.is(signer.publicKey.length, 32)
    assert.is(await readFile(copy, 'utf8'), line)
    assert.is((await stat(copy)).mode & 0o777, 0o600)
    await rejectsCode(importKeyFile(utf8(age), 'correct horse ü', copy), 'KEY_FILE_INVALID', /never replaced/)
  }))

test('files of other programs, without armor, with CRLF', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'signer.key')
    await createSignerFile(path, 'signer')
    const line = await readFile(path, 'utf8')
    const binary = await encrypt(line, 'pw')
    assert.is((await importKeyFile(binary, 'pw', join(directory, 'a.key'))).role, 'signer')
    const crlf = utf8(armor.encode(binary).replaceAll('\n', '\r\n'))
    assert.is((await importKeyFile(crlf, 'pw', join(directory, 'b.key'))).role, 'signer')
  }))

test('what opens nothing, or holds no key, makes no file and is not quoted', () =>
  inDirectory(async (directory) => {
    const source = join(directory, 'author.key')
    await createSignerFile(source, 'author')
    const line = await readFile(source, 'utf8')
    const path = join(directory, 'new.key')
    const whole = await encrypt(line, 'pw')
    const damaged = Uint8Array.from(whole)
    damaged[damaged.length - 5] = (damaged.at(-5) ?? 0) ^ 1
    const cases: readonly [Uint8Array, string][] = [
      [whole, 'other'],
      [damaged, 'pw'],
      [whole.subarray(0, whole.length - 30), 'pw'],
      [whole.subarray(0, 40), 'pw'],
      [utf8(armor.encode(whole).slice(0, 200)), 'pw'],
      [utf8(line), 'pw'],
      [utf8('AGE-SECRET-KEY-1QQQ'), 'pw'],
      [new Uint8Array(0), 'pw'],
      [new Uint8Array(5000), 'pw'],
      [await encrypt(line.slice(0, 80), 'pw'), 'pw'],
      [await encrypt(`${line}${line}`, 'pw'), 'pw'],
      [await encrypt('', 'pw'), 'pw'],
      [utf8('age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30\nAAAA\n--- AAAA\n'), 'pw'],
    ]
    const secret = line.split(' ')[2] ?? ''
    for (const [bytes, passphrase] of cases) {
      const error: unknown = await importKeyFile(bytes, passphrase, path).catch((caught: unknown) => caught)
      if (!isCoppiceError(error, 'KEY_FILE_INVALID')) throw error
      const told = `${error.message} ${JSON.stringify(error.details)} ${String(error.cause)}`
      for (const part of [secret.slice(0, 8), 'pw']) assert.not.ok(told.includes(part), told)
    }
    await rejectsCode(importKeyFile(whole, '', path), 'USAGE')
    await rejectsCode(exportKeyFile(source, ''), 'USAGE')
    assert.equal(await readdir(directory), ['author.key'])
  }))

test.run()
