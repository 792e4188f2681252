/** Signing with a key file what another machine prepared: remembered before it leaves, the same again, and never a second one. */
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  createKeyFile,
  createSignerFile,
  keyCodec,
  newKey,
  readSignedRecord,
  signFile,
} from '../../src/directory/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import {
  createAuthority,
  prepareUnsignedRoot,
  type Published,
  type Signer,
  signNextRoot,
  type UnsignedRoot,
} from '../../src/pointer/index.ts'
import { START, treeOf } from '../support/author-chain.ts'
import { IS_ROOT } from '../support/privileges.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { rejectsCode } from '../support/throws.ts'

const test = suite('directory/key-signing')

const NOW = { now: (START + 1e5) * 1000 }

function prepared({ publicKey }: Signer, previous: Published | null, tree: number, name = 'test'): UnsignedRoot {
  const authority = createAuthority(publicKey)
  return prepareUnsignedRoot(previous, { authority, name, tree: treeOf(tree), key: publicKey, now: START + 60 })
}

async function reasonOf(action: Promise<unknown>): Promise<unknown> {
  const error = await action.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  return error instanceof CoppiceError ? (error.details['reason'] ?? error.code) : error
}

test('the record is there, for its owner only, and the same is signed again', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    const signer = await createSignerFile(path, 'author')
    const first = prepared(signer, null, 1)
    const signed = await signFile(path, first.bytes, NOW)
    if (signed === undefined) throw new Error('expected a signed root')
    assert.equal((await readdir(directory)).toSorted(), ['author.key', 'author.key.signed'])
    assert.is((await stat(`${path}.signed`)).mode & 0o777, 0o600)
    assert.equal(
      (await readSignedRecord(path)).map(({ bytes }) => bytes),
      [signed.bytes],
    )
    const before = (await stat(`${path}.signed`)).mtimeMs
    assert.equal((await signFile(path, first.bytes, NOW))?.bytes, signed.bytes)
    assert.is((await stat(`${path}.signed`)).mtimeMs, before, 'nothing to write')
    assert.is(await reasonOf(signFile(path, prepared(signer, null, 2).bytes, NOW)), 'contradiction')
    const { published } = await signNextRoot(null, {
      authority: createAuthority(signer.publicKey),
      name: 'test',
      tree: treeOf(1),
      signer,
      now: START + 60,
    })
    const second = await signFile(path, prepared(signer, published, 3).bytes, NOW)
    assert.is(second?.payload.sequence, 2)
    assert.is(await reasonOf(signFile(path, first.bytes, NOW)), 'older')
    // Other databases of the author have their own.
    assert.is((await signFile(path, prepared(signer, null, 2, 'other').bytes, NOW))?.payload.sequence, 1)
    const names = (await readSignedRecord(path)).map(({ payload }) => `${payload.name} @${payload.sequence}`)
    assert.equal(names, ['other @1', 'test @2'])
  }))

test('nothing is remembered of what was refused, or not confirmed', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    const signer = await createSignerFile(path, 'author')
    const unsigned = prepared(signer, null, 1)
    let asked = 0
    const confirm = (seen: UnsignedRoot): Promise<boolean> => {
      asked++
      assert.equal(seen.bytes, unsigned.bytes)
      return Promise.resolve(false)
    }
    assert.is(await signFile(path, unsigned.bytes, { ...NOW, confirm }), undefined)
    assert.is(await reasonOf(signFile(path, unsigned.bytes, { now: 0, confirm })), 'future')
    const other = await createSignerFile(join(directory, 'other.key'), 'author')
    assert.is(await reasonOf(signFile(path, prepared(other, null, 1).bytes, { ...NOW, confirm })), 'signer')
    await rejectsCode(signFile(path, unsigned.bytes.subarray(1), { ...NOW, confirm }), 'SIGNED_ROOT_INVALID')
    assert.is(asked, 1, 'only what may be signed is asked for')
    assert.equal((await readdir(directory)).toSorted(), ['author.key', 'other.key'])
  }))

test('a record that is damaged lets nothing out', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    const signer = await createSignerFile(path, 'author')
    const unsigned = prepared(signer, null, 1)
    for (const damage of ['nothing\n', 'coppice-signed-root/1 uAAAA\n', 'coppice-signed-root/1 uAAAA\n'.repeat(1025)]) {
      await writeFile(`${path}.signed`, damage)
      await rejectsCode(signFile(path, unsigned.bytes, NOW), 'INPUT_SYNTAX', /signed/)
    }
    await writeFile(`${path}.signed`, 'coppice-signed-root/2 uAAAA\n')
    await rejectsCode(signFile(path, unsigned.bytes, NOW), 'FORMAT_NEWER')
    await writeFile(`${path}.signed`, 'x'.repeat(1024 * 1400 + 1))
    await rejectsCode(signFile(path, unsigned.bytes, NOW), 'INPUT_SYNTAX', /at most/)
    await rm(`${path}.signed`)
    await mkdir(`${path}.signed`)
    await rejectsCode(signFile(path, unsigned.bytes, NOW), 'STORE_IO', /signed/)
  }))

const unprivileged = IS_ROOT ? test.skip : test

unprivileged('a record that cannot be written lets nothing out', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'author.key')
    const unsigned = prepared(await createSignerFile(path, 'author'), null, 1)
    await chmod(directory, 0o500)
    try {
      await rejectsCode(signFile(path, unsigned.bytes, NOW), 'STORE_IO', /no permission/)
    } finally {
      await chmod(directory, 0o700)
    }
  }),
)

test('a network identity signs nothing, and a signer key what it is granted', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'peer.key')
    const key = newKey('peer')
    await createKeyFile(path, key, keyCodec('peer'))
    await rejectsCode(signFile(path, prepared(key.signer, null, 1).bytes, NOW), 'KEY_FILE_INVALID', /network identity/)
    const signer = await createSignerFile(join(directory, 'signer.key'), 'signer')
    const unsigned = prepared(signer, null, 1)
    assert.ok(await signFile(join(directory, 'signer.key'), unsigned.bytes, NOW))
    assert.match(await readFile(join(directory, 'signer.key.signed'), 'utf8'), /^coppice-signed-root\/1 u\S+\n$/)
  }))

test.run()
