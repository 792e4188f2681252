/** Keys on their own, through the real command: an author key that never is where the database is. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeKeyFile, encodeStatementFile, parseAddress, signGrant } from '../../src/pointer/index.ts'
import { coppice, fail, type RunOptions, start, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/keys')

/** Two machines: `online` has the database and no author key, `offline` the author key and no database. */
interface Machines extends RunOptions {
  readonly cwd: string
  readonly author: string
  readonly address: string
}

async function machines(cwd: string): Promise<Machines> {
  mkdirSync(join(cwd, 'offline'))
  const { publicKey } = await succeedJson(['key', 'new', 'offline/author.key'], { cwd })
  const author = String(publicKey)
  const { address } = await succeedJson(['init', 'online', '--name', 'cities', '--author', author], { cwd })
  assert.not.ok(existsSync(join(cwd, 'online/author.key')))
  writeFileSync(join(cwd, 'rows'), '{"id":1}\n')
  await succeed(['import', 'online', 'rows', '--collection', 'c', '--key', 'id', '--format', 'ndjson'], { cwd })
  return { cwd, author, address: String(address) }
}

async function change({ cwd }: Machines, id: number): Promise<void> {
  await succeed(['put', 'online', 'c', `{"id":${id}}`], { cwd })
}

async function newSigner({ cwd }: Machines): Promise<string> {
  const { publicKey } = await succeedJson(['key', 'new', 'online/signer.key', '--role', 'signer'], { cwd })
  return String(publicKey)
}

async function sequenceOf({ cwd }: Machines): Promise<unknown> {
  return (await succeedJson(['status', 'online'], { cwd }))['sequence']
}

const SIGN = ['key', 'sign', 'offline/author.key']

test('the whole way: a grant, roots of the signer, the authority takes over, a rotation; a reader follows', () =>
  inDirectory(async (cwd, use) => {
    const on = await machines(cwd)
    const { author, address } = on
    assert.match(await fail('KEY_FILE_INVALID', ['publish', 'online'], on), '--unsigned')
    const signer = await newSigner(on)
    const shown = await succeedJson(['key', 'show', 'online'], on)
    assert.equal([shown['epoch'], shown['nextSequence'], shown['canPublish'], shown['signer']], [0, 1, false, author])
    assert.match(await succeed(['key', 'show', 'online'], on), `${address} ${signer} GRANT --epoch 0 --first 1`)
    await fail('KEY_FILE_INVALID', ['publish', 'online'], on)

    const granting = ['key', 'grant', 'offline/author.key', address, signer]
    const told = await succeed([...granting, 'cities.grant', '--epoch', '0', '--expires', '90d'], on)
    assert.match(told, `granted epoch 0 from @1 on to ${signer}, until `)
    assert.match(
      readFileSync(join(cwd, 'cities.grant'), 'utf8'),
      /^coppice-grant\/1 u[\w-]+\ncoppice-envelopes\/1 u[\w-]+\n$/,
    )
    await succeed(['publish', 'online', '--grant', 'cities.grant', '-m', 'first', '--expires', '365d'], on)
    const status = await succeedJson(['status', 'online'], on)
    assert.equal([status['sequence'], status['canPublish']], [1, true])
    const { signer: by, grantExpires, expires } = status['newest'] as Record<string, unknown>
    assert.is(by, signer)
    assert.ok(Number(grantExpires) < Number(expires))
    assert.match(
      await succeed(['status', 'online'], on),
      /freshness +fresh until .*, when the grant of its signer ends/,
    )
    const server = use(start(['serve', 'online'], on))
    const served = await server.line(/coppice:\S+/)
    await succeed(['clone', served, 'copy'], on)
    assert.match(await succeed(['status', 'copy'], on), `${signer}, epoch 0, granted until `)
    await change(on, 2)
    assert.match(await succeed(['publish', 'online', '--grant', 'cities.grant'], on), /^published @2 bafy\S+$/m)

    // The author's turn, without a network.
    await change(on, 3)
    const prepared = await succeedJson(
      ['publish', 'online', '--unsigned', 'next.unsigned', '--new-epoch', '-m', 'taken\u001b[31m', '--expires', '30d'],
      on,
    )
    assert.equal([prepared['epoch'], prepared['sequence'], prepared['signer'], prepared['entries']], [1, 3, author, 4])
    assert.is((await succeedJson(['status', 'online'], on))['prepared'], 3)
    assert.equal(await succeedJson(['key', 'show', 'next.unsigned'], on), without(prepared, 'file'))
    await change(on, 4)
    const review = await succeed([...SIGN, 'next.unsigned', 'next.signed', '--yes'], on)
    for (const line of [
      /sequence +@3 after @2/,
      /epoch +1, which begins \(was 0\)/,
      /entries +4, was 3 \(\+1\)/,
      /message +"taken\\u001b\[31m"/,
    ])
      assert.match(review, line)
    assert.match(review, 'no record of having signed')
    assert.match(
      await succeed(['publish', 'online', '--signed', 'next.signed'], on),
      /^published @3 bafy\S+ in epoch 1$/m,
    )
    assert.is((await succeedJson(['get', 'online', 'c', '4'], on))['id'], 4)
    assert.match(
      await succeed(['publish', 'online', '--signed', 'next.signed'], on),
      /^unchanged since @3 bafy\S+ in epoch 1: /,
    )
    const pulled = (await succeedJson(['pull', 'copy'], on))['to'] as Record<string, unknown>
    assert.equal([pulled['sequence'], pulled['epoch'], pulled['signer']], [3, 1, author])
    assert.match(await fail('KEY_FILE_INVALID', ['publish', 'online'], on), 'grants for earlier ones are over')
    assert.match(await succeed(['status', 'online'], on), /problem +cannot be published from here: .*no grant/)
    await fail('PUBLISH_REFUSED', ['publish', 'online', '--grant', 'cities.grant'], on)

    // A new authority.
    const { publicKey } = await succeedJson(['key', 'new', 'offline/second.key'], on)
    const rotate = ['key', 'rotate', 'offline/author.key', String(publicKey), 'rotations', '--epoch', '2']
    const rotations = await succeedJson(rotate, on)
    assert.equal([rotations['author'], rotations['rotations']], [author, [{ epoch: 2, key: publicKey }]])
    await succeed(rotate, on)
    const again = [...granting, 'second.grant', '--epoch', '2', '--expires', 'never']
    assert.match(
      await fail('PUBLISH_REFUSED', [...again, '--rotations', 'rotations'], on),
      'has the authority of epoch 2',
    )
    again[2] = 'offline/second.key'
    await fail('PUBLISH_REFUSED', again, on)
    await succeed([...again, '--rotations', 'rotations', '--first', '4'], on)
    assert.match(
      await fail('PUBLISH_REFUSED', ['publish', 'online', '--grant', 'second.grant'], on),
      'of the authority of epoch 2',
    )
    await succeed(['publish', 'online', '--rotations', 'rotations', '--grant', 'second.grant'], on)
    assert.is(await sequenceOf(on), 4)
    const keys = await succeedJson(['key', 'show', 'online'], on)
    assert.equal(
      [keys['authority'], keys['authoritySince'], keys['epoch'], keys['canPublish']],
      [publicKey, 2, 2, true],
    )
    assert.match(await succeed(['verify', 'online'], on), 'sound')
    const log = await succeed(['log', 'online', '--json'], on)
    const signers = log
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { signer: string }).signer)
    assert.equal(signers, [signer, author, signer, signer])
  }))

function without(value: Record<string, unknown>, field: string): Record<string, unknown> {
  const { [field]: _, ...rest } = value
  return rest
}

test('a machine that has only pipes, and one that says no', () =>
  inDirectory(async (cwd) => {
    const on = await machines(cwd)
    const unsigned = await succeed(['publish', 'online', '--unsigned', '-'], on)
    assert.match(unsigned, /^coppice-unsigned-root\/1 u[\w-]+\n$/)
    const signed = await succeed([...SIGN, '-', '-', '--yes'], { cwd, input: unsigned })
    assert.match(signed, /^coppice-signed-root\/1 u[\w-]+\ncoppice-envelopes\/1 u[\w-]+\n$/)
    assert.match(await succeed(['publish', 'online', '--signed', '-'], { cwd, input: signed }), 'published @1')
    const nothing = await coppice(['publish', 'online', '--unsigned', '-'], on)
    assert.equal([nothing.status, nothing.stdout], [0, ''])
    assert.match(nothing.stderr, 'unchanged since @1')
    await change(on, 2)
    writeFileSync(join(cwd, 'u'), await succeed(['publish', 'online', '--unsigned', '-'], on))
    assert.match(await fail('USAGE', [...SIGN, 'u', 's'], on), '--yes')
    assert.not.ok(existsSync(join(cwd, 's')))
    await fail('USAGE', ['publish', 'online', '--unsigned', '-', '--json'], on)
    await fail('USAGE', [...SIGN, 'u', '-', '--yes', '--json'], on)
  }))

test('a restored backup gets no second root of one place out of the key', () =>
  inDirectory(async (cwd) => {
    const on = await machines(cwd)
    await succeed(['publish', 'online', '--unsigned', 'one'], on)
    await succeed([...SIGN, 'one', 'one.signed', '--yes'], on)
    assert.match(
      await fail('PUBLISH_REFUSED', ['publish', 'online', '--unsigned', 'two', '-m', 'other'], on),
      '--signed FILE completes it',
    )
    assert.match(await fail('PUBLISH_REFUSED', ['publish', 'online', '--unsigned', 'two', '-m', 'other'], on), 'got @1')
    await succeed(['publish', 'online', '--unsigned', 'two', '-m', 'other', '--replace-prepared'], on)
    assert.match(
      await fail('PUBLISH_REFUSED', [...SIGN, 'two', 'two.signed', '--yes'], on),
      /contradicts it.*--new-epoch/,
    )
    assert.match(
      await fail('PUBLISH_REFUSED', ['publish', 'online', '--signed', 'one.signed'], on),
      'as it was prepared',
    )
    const signed = await succeedJson(['key', 'show', 'offline/author.key'], on)
    assert.equal(signed['signed'], [{ address: on.address, epoch: 0, sequence: 1 }])
    // The same again is the same, where it was lost.
    const before = readFileSync(join(cwd, 'one.signed'), 'utf8')
    rmSync(join(cwd, 'one.signed'))
    await succeed([...SIGN, 'one', 'one.signed', '--yes'], on)
    assert.is(readFileSync(join(cwd, 'one.signed'), 'utf8'), before)
    await succeed(['publish', 'online', '--unsigned', 'three', '--replace-prepared'], on)
    assert.not.ok(existsSync(join(cwd, 'three.signed')))
  }))

test('a signer whose grant is over, not begun, another’s or forged: the reason, and nothing is signed', () =>
  inDirectory(async (cwd) => {
    const on = await machines(cwd)
    const signer = await newSigner(on)
    const { signer: key } = decodeKeyFile(readFileSync(join(cwd, 'offline/author.key'), 'utf8'), 'author')
    const { signer: thief } = decodeKeyFile(readFileSync(join(cwd, 'online/signer.key'), 'utf8'), 'signer')
    const { author } = parseAddress(on.address)
    const base = { author, name: 'cities', epoch: 0, signer: thief.publicKey, firstSequence: 1, expires: null }
    const write = async (file: string, bytes: Promise<Uint8Array>): Promise<string[]> => {
      writeFileSync(join(cwd, file), encodeStatementFile('grant', await bytes))
      return ['publish', 'online', '--grant', file]
    }
    const over = await write('over', signGrant(key, { ...base, expires: 1_700_000_000 }))
    assert.match(await fail('PUBLISH_REFUSED', over, on), /expired at 2023-11-14 22:13:20Z.*coppice key grant/)
    const early = await write('early', signGrant(key, { ...base, firstSequence: 7 }))
    assert.match(await fail('PUBLISH_REFUSED', early, on), 'expected sequence 7 or later, got 1')
    const other = await write('other', signGrant(key, { ...base, name: 'other' }))
    assert.match(await fail('PUBLISH_REFUSED', other, on), 'got one for other of')
    const forged = await write('forged', signGrant(thief, base))
    assert.match(await fail('PUBLISH_REFUSED', forged, on), 'signature of the authority of epoch 0')
    const strange = await write('strange', signGrant(key, { ...base, signer: key.publicKey }))
    assert.match(await fail('KEY_FILE_INVALID', strange, on), 'no grant to sign')
    assert.is(await sequenceOf(on), null)
    assert.match(await succeed(['key', 'show', 'forged'], on), 'another key')
    assert.equal((await succeedJson(['key', 'show', 'over'], on))['signer'], signer)
  }))

test('files that are something else, damaged, in the way, or open to others', () =>
  inDirectory(async (cwd) => {
    const on = await machines(cwd)
    const signer = await newSigner(on)
    const grant = ['key', 'grant', 'offline/author.key', on.address, signer, 'g', '--epoch', '0', '--expires', '1d']
    await succeed(grant, on)
    assert.match(await fail('USAGE', grant.with(9, '2d'), on), 'it exists already, and is not replaced')
    assert.match(await fail('USAGE', grant.with(5, 'offline/author.key'), on), 'is not replaced')
    await fail('KEY_FILE_INVALID', ['key', 'new', 'offline/author.key'], on)
    await fail('KEY_FILE_INVALID', grant.with(2, 'online/signer.key'), on)
    await fail('KEY_FILE_INVALID', grant.with(2, 'g'), on)
    await fail('KEY_FILE_INVALID', grant.with(2, 'absent.key'), on)
    await fail('ADDRESS_INVALID', grant.with(3, 'cities'), on)
    await fail('ADDRESS_INVALID', grant.with(4, signer.slice(1)), on)
    await fail('USAGE', grant.with(7, '4096'), on)
    await fail('USAGE', grant.with(9, 'soon'), on)
    await fail('USAGE', grant.slice(0, 8), on)
    await fail('USAGE', ['key', 'rotate', 'offline/author.key', on.author, 'r', '--epoch', '1'], on)
    await fail('USAGE', ['key', 'rotate', 'offline/author.key', signer, 'r', '--epoch', '0'], on)
    assert.match(
      await fail('INPUT_SYNTAX', ['publish', 'online', '--signed', 'g'], on),
      /^coppice: INPUT_SYNTAX: g: signed-root file/,
    )
    assert.match(
      await fail('INPUT_SYNTAX', ['publish', 'online', '--grant', 'offline/author.key'], on),
      'a key file, which nobody else may see',
    )
    await fail('INPUT_NOT_FOUND', ['publish', 'online', '--rotations', 'absent'], on)
    await fail('INPUT_SYNTAX', [...SIGN, 'g', 's', '--yes'], on)
    await fail('USAGE', ['publish', 'online', '--signed', 'g', '-m', 'late'], on)
    await fail('USAGE', ['publish', 'online', '--signed', 'g', '--new-epoch'], on)
    writeFileSync(join(cwd, 'large'), 'x'.repeat(1 << 20))
    await fail('INPUT_SYNTAX', ['key', 'show', 'large'], on)
    writeFileSync(join(cwd, 'foreign'), '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n', { mode: 0o600 })
    assert.match(await fail('KEY_FILE_INVALID', ['key', 'show', 'foreign'], on), 'a key of OpenSSH')
    await fail('USAGE', ['init', 'x', '--author'], on)
    await fail('ADDRESS_INVALID', ['init', 'x', '--author', 'k51'], on)
    assert.not.ok(existsSync(join(cwd, 'x')))
    chmodSync(join(cwd, 'offline/author.key'), 0o644)
    assert.match(await fail('KEY_FILE_INVALID', ['key', 'show', 'offline/author.key'], on), 'chmod 600')
    await fail('USAGE', ['key', 'sing'], on)
    const { status, stderr } = await coppice(['key'], on)
    assert.is(status, 2)
    assert.match(stderr, /Usage: coppice key COMMAND/)
  }))

test('a key moves to another machine under a passphrase', () =>
  inDirectory(async (cwd) => {
    const on = await machines(cwd)
    const env = { COPPICE_PASSPHRASE: 'correct horse' }
    assert.match(await fail('USAGE', ['key', 'export', 'offline/author.key', 'key.age'], on), 'COPPICE_PASSPHRASE')
    const made = await succeedJson(['key', 'export', 'offline/author.key', 'key.age'], { cwd, env })
    assert.equal([made['publicKey'], statSync(join(cwd, 'key.age')).mode & 0o777], [on.author, 0o600])
    const importing = ['key', 'import', 'key.age', 'copy.key', '--passphrase-fd', '0']
    await fail('KEY_FILE_INVALID', importing, { cwd, input: 'wrong\n', ownProcess: true })
    assert.match(await succeed(importing, { cwd, input: 'correct horse\n', ownProcess: true }), on.author)
    assert.is(readFileSync(join(cwd, 'copy.key'), 'utf8'), readFileSync(join(cwd, 'offline/author.key'), 'utf8'))
    renameSync(join(cwd, 'key.age'), join(cwd, 'online/author.key'))
    assert.match(await fail('KEY_FILE_INVALID', ['publish', 'online'], on), 'coppice key import')
  }))

test('no command shows any of a secret, whatever it is asked', () =>
  inDirectory(async (cwd) => {
    const on = await machines(cwd)
    await newSigner(on)
    const secrets = ['offline/author.key', 'online/signer.key'].map(
      (file) => readFileSync(join(cwd, file), 'utf8').split(' ')[2] ?? '',
    )
    const key = 'offline/author.key'
    const calls = [
      ['key', 'show', key],
      ['key', 'show', key, '--json'],
      ['key', 'show', 'online', '--json'],
      ['status', 'online', '--json'],
      ['publish', 'online', '--grant', key],
      ['publish', 'online', '--signed', key],
      ['publish', 'online', '--rotations', key],
      ['key', 'sign', key, key, 'out', '--yes'],
      ['key', 'import', key, 'out', '--passphrase-fd', '0'],
      ['key', 'grant', key, key, key, key, '--epoch', '1', '--expires', '1d'],
      ['import', 'online', key, '--format', 'ndjson', '--collection', 'x', '--key', 'id'],
    ]
    for (const args of calls) {
      const { stdout, stderr } = await coppice(args, {
        cwd,
        ownProcess: true,
        env: { DEBUG: 'coppice:*', COPPICE_PASSPHRASE: secrets[0] ?? '' },
      })
      for (const secret of secrets)
        for (let at = 0; at + 16 <= secret.length; at += 8)
          assert.not.ok(
            `${stdout}${stderr}`.includes(secret.slice(at, at + 16)),
            `${args.join(' ')}: ${stdout}${stderr}`,
          )
    }
    assert.not.ok(existsSync(join(cwd, 'out')))
  }))

test.run()
