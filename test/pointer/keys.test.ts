/** Signers and key files: secrets stay inside, damage is found, nothing of a key is in an error. */
import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import {
  createSigner,
  decodeKeyFile,
  encodeKeyFile,
  keyRoleOf,
  verifySignature,
  type KeyRole,
} from '../../src/pointer/index.ts'
import { throwsType } from '../support/throws.ts'

const test = suite('pointer/keys')

const SEED = Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 1)
const SECRET = bytesToHex(SEED)

test('a signer signs for its public key', async () => {
  const signer = createSigner(SEED)
  const message = new TextEncoder().encode('message')
  const signature = await signer.sign(message)
  assert.ok(verifySignature(signer.publicKey, message, signature))
  assert.equal(await createSigner(SEED).sign(message), signature)
})

test('the seed is copied: its owner may overwrite it', async () => {
  const seed = SEED.slice()
  const signer = createSigner(seed)
  const before = await signer.sign(seed)
  const message = seed.slice()
  seed.fill(0)
  assert.equal(await signer.sign(message), before)
})

test('no view of a signer shows its secret', () => {
  const signer: unknown = createSigner(SEED)
  const shown = bytesToHex(createSigner(SEED).publicKey)
  const views = [
    String(signer),
    ''.concat(signer as string),
    JSON.stringify(signer),
    JSON.stringify({ nested: [signer] }),
    inspect(signer, { showHidden: true, depth: 10 }),
    inspect({ signer }, { showHidden: true, depth: 10 }),
    inspect(Object.entries(signer as object), { depth: 10 }),
    inspect(structuredClone({ key: createSigner(SEED).publicKey })),
  ]
  const decimal = SEED.slice(0, 6).join(', ')
  for (const view of views) assert.not.ok(view.includes(SECRET) || view.includes(decimal), view)
  for (const view of views.slice(0, 6)) assert.ok(view.includes(shown), view)
})

test('seeds of another size or type', () => {
  throwsType(() => createSigner(SEED.subarray(1)), RangeError)
  throwsType(() => createSigner(SECRET as never), TypeError)
})

test('a key file is one line and comes back for its role', () => {
  for (const role of ['author', 'signer', 'peer'] satisfies KeyRole[]) {
    const text = encodeKeyFile(role, SEED)
    assert.match(text, /^coppice-secret-key\/1 [a-z]+ [0-9a-f]{64} [0-9a-f]{64}\n$/)
    const { signer, seed } = decodeKeyFile(text, role)
    assert.equal(seed, SEED)
    assert.equal(signer.publicKey, createSigner(SEED).publicKey)
    assert.equal(decodeKeyFile(text.replace('\n', '\r\n'), role).seed, SEED)
  }
})

test('a network identity is no author key, nor the other way round', () => {
  for (const [held, wanted] of [
    ['peer', 'author'],
    ['author', 'peer'],
    ['signer', 'author'],
  ] satisfies [KeyRole, KeyRole][]) {
    assert.throws(
      () => decodeKeyFile(encodeKeyFile(held, SEED), wanted),
      (error: unknown) => isCoppiceError(error, 'KEY_FILE_INVALID') && error.message.includes(held),
    )
  }
})

test('any damage is found, and no error holds any of the line', () => {
  const text = encodeKeyFile('author', SEED)
  const damaged = Array.from(text.slice(0, -1), (char, i) => {
    const other = char === '0' ? '1' : char === ' ' ? '_' : '0'
    return text.slice(0, i) + other + text.slice(i + 1)
  })
  const odd = ['', '\n', 'nothing', text + text, ` ${text}`, text.slice(0, 40), text.toUpperCase(), 'x'.repeat(5000)]
  for (const one of [...damaged, ...odd]) {
    try {
      decodeKeyFile(one, 'author')
      assert.unreachable(one)
    } catch (error) {
      if (!isCoppiceError(error, 'KEY_FILE_INVALID')) throw error
      assert.not.match(`${error.message} ${JSON.stringify(error.details)}`, /[0-9a-f]{8}/)
    }
  }
})

test('keys of other programs are named as what they are, and not quoted', () => {
  const body = 'b3BlbnNzaC1rZXktdjEAAAAABG5vbmU'
  const files: readonly [text: string, name: RegExp][] = [
    [`-----BEGIN AGE ENCRYPTED FILE-----\n${body}\n`, /age file; coppice key import/],
    [`age-encryption.org/v1\n-> scrypt ${body} 18\n`, /age file; coppice key import/],
    [`-----BEGIN OPENSSH PRIVATE KEY-----\n${body}\n`, /OpenSSH/],
    [`-----BEGIN PRIVATE KEY-----\n${body}\n`, /PEM/],
    [`# created: 2026\n# public key: age1\nAGE-SECRET-KEY-1${body}\n`, /age identity/],
    [`{"kty":"OKP","d":"${body}"}`, /JSON/],
    [`coppice-grant/1 u${body}\n`, /another kind/],
  ]
  for (const [text, name] of files) {
    for (const decode of [() => decodeKeyFile(text, 'author'), () => keyRoleOf(text)]) {
      assert.throws(
        decode,
        (error: unknown) =>
          isCoppiceError(error, 'KEY_FILE_INVALID') &&
          error.details['reason'] === 'foreign' &&
          name.test(error.message) &&
          !error.message.includes(body.slice(0, 6)),
      )
    }
  }
  assert.is(keyRoleOf(encodeKeyFile('signer', SEED)), 'signer')
})

test('a file of a newer version says so', () => {
  assert.throws(() => decodeKeyFile('coppice-secret-key/2 author x y\n', 'author'), /another version/)
})

test.run()
