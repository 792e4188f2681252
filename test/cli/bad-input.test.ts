/** Bad input of every kind: a message with its code and what to do, exit 2, and nothing lost. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database } from '../../src/index.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { coppice, fail, succeed, succeedJson } from '../support/command-line.ts'
import { CAN_MOUNT, IS_ROOT, onSmallDisk, remount } from '../support/privileges.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/bad-input')

async function prepare(cwd: string): Promise<unknown> {
  await succeed(['init', 'db'], { cwd })
  return await prepareIn(cwd)
}

async function prepareIn(cwd: string): Promise<unknown> {
  return (await succeedJson(['put', 'db', 'c', '{"id":1,"n":"a"}', '{"id":2}', '--key', 'id'], { cwd }))['root']
}

async function assertRoot(cwd: string, root: unknown): Promise<void> {
  assert.is((await succeedJson(['status', 'db'], { cwd }))['root'], root)
}

const LONG = 'k'.repeat(2000)

test('documents and keys that cannot be', () =>
  inDirectory(async (cwd) => {
    const root = await prepare(cwd)
    const input = `{"id":5}\n{"id":"six"}\n`
    assert.match(await fail('KEY_INVALID', ['put', 'db', 'c'], { cwd, input }), 'standard input: line 2')
    assert.match(
      await fail('INPUT_SYNTAX', ['put', 'db', 'c', '{"id":5}', '{id:6}'], { cwd }),
      'argument 2: line 1, column 2',
    )
    await fail('KEY_TOO_LONG', ['put', 'db', 'long', `{"k":"${LONG}"}`, '--key', 'k'], { cwd })
    const raw = `{"key":"${'00'.repeat(1025)}","value":""}`
    assert.match(await fail('KEY_TOO_LONG', ['put', 'db', '--raw', raw], { cwd }), '1024 bytes, got 1025')
    assert.match(await fail('KEY_INVALID', ['get', 'db', 'c', 'x'], { cwd }), 'id:integer')
    assert.match(await fail('KEY_INVALID', ['get', 'db', 'c', '1', '2'], { cwd }), 'id:integer')
    assert.not.match(await fail('COLLECTION_UNKNOWN', ['scan', 'db', 'absent'], { cwd }), '--key')
    assert.match(await fail('COLLECTION_UNKNOWN', ['get', 'db', 'x', '1'], { cwd }), 'expected c, or its key alone')
    assert.match(await fail('USAGE', ['get', 'db', 'c', '-x'], { cwd }), 'comes after --')
    await fail('USAGE', ['get', 'db', '--raw', '0g'], { cwd })
    assert.match(await fail('USAGE', ['get', 'db', '--raw', '00', '--bytes', '--json'], { cwd }), '--bytes and --json')
    await fail('USAGE', ['publish', 'db', '-m', 'm'.repeat(161)], { cwd })
    const absent = 'bafyreic4lm5bmtp5lyrxdsd3ujjirp5w7xosmlmfhdc5q4xvmnnke2vhii'
    await fail('ROOT_NOT_FOUND', ['verify', 'db', absent], { cwd })
    await fail('ROOT_NOT_FOUND', ['get', 'db', 'c', '1', '--at', '@7'], { cwd })
    await fail('USAGE', ['verify', 'db', 'zebra'], { cwd })
    await assertRoot(cwd, root)
  }))

test('put takes the only collection where none is named, asks where there is no saying, and says when nothing came', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    assert.match(await fail('USAGE', ['put', 'db', '{"id":1}'], { cwd }), 'COLLECTION: expected a name before')
    await prepareIn(cwd)
    const both = await succeedJson(['put', 'db', '{"id":2,"n":"b"}', ' {"id":3}'], { cwd })
    assert.is(both['written'], 2)
    assert.is((await succeedJson(['put', 'db', '-'], { cwd, input: '{"id":4}\n' }))['written'], 1)
    assert.is((await succeedJson(['get', 'db', '3'], { cwd }))['id'], 3)
    const { root } = await succeedJson(['status', 'db'], { cwd })
    for (const args of [['c'], ['c', '-'], ['c', '{"id":5}', '-'], ['-'], ['--raw']]) {
      assert.match(await fail('INPUT_EMPTY', ['put', 'db', ...args], { cwd, input: '\n' }), 'standard input: expected')
    }
    assert.match(
      await fail('USAGE', ['put', 'db', 'my cities', '{"id":5}'], { cwd }),
      'expected one of c, or a new name',
    )
    await assertRoot(cwd, root)
    await succeed(['put', 'db', 'd', '{"id":1}', '--key', 'id'], { cwd })
    assert.match(await fail('USAGE', ['put', 'db', '{"id":5}'], { cwd }), 'expected one of c, d')
  }))

test('words of other programs, and of other commands here, are answered with those that do it', () =>
  inDirectory(async (cwd) => {
    const commands = new Set([...(await succeed(['--help'])).matchAll(/^ {2}([a-z]+) [[<]/gm)].map(([, name]) => name))
    const words = 'add branch cat checkout commit delete fetch list ls push reset revert rm show tag'.split(' ')
    for (const word of words) {
      const line = await fail('USAGE', [word, 'db'], { cwd })
      const [, meant = ''] = /^coppice: USAGE: unknown command '\w+'; coppice has (.*) for that; see/.exec(line) ?? []
      const names = meant.split(/, | and /)
      assert.ok(names.every((name) => commands.has(name)), line) // prettier-ignore
    }
    assert.match(await fail('USAGE', ['help', 'commit'], { cwd }), 'coppice has publish for that')
    assert.match(await fail('USAGE', ['verfy', 'db'], { cwd }), /Did you mean verify\?\); see/)
    for (const command of ['diff', 'inspect', 'pin', 'restore', 'unpin']) {
      for (const at of [['--at', '@1'], ['--at=@1']]) {
        const line = await fail('USAGE', [command, 'db', ...at], { cwd })
        assert.match(line, `the state is given as an argument: coppice ${command} DIR @1`)
      }
    }
    assert.not.match(await fail('USAGE', ['publish', 'db', '--at', '@1'], { cwd }), 'argument')
    for (const command of ['import', 'export']) {
      assert.match(await fail('USAGE', [command, 'db', 'c', 'c.csv'], { cwd }), `${command} DIR FILE --collection NAME`)
    }
  }))

test('directories that are no database, or not one for this', () =>
  inDirectory(async (cwd) => {
    mkdirSync(join(cwd, 'empty'))
    writeFileSync(join(cwd, 'file'), 'x')
    await fail('NOT_A_DATABASE', ['status', 'empty'], { cwd })
    await fail('NOT_A_DATABASE', ['put', 'file', 'c', '{}'], { cwd })
    assert.match(await fail('NOT_A_DATABASE', ['status', 'absent'], { cwd }), 'coppice init')
    const root = await prepare(cwd)
    await fail('DATABASE_EXISTS', ['init', 'db'], { cwd })
    assert.is((await succeedJson(['init', 'Größe  Zürich (2026)'], { cwd }))['name'], 'gro-e-zurich-2026')
    assert.match(await fail('USAGE', ['init', '\u65e5\u672c'], { cwd }), '--name: expected 1..48')
    assert.match(await fail('USAGE', ['init', 'x', '--name', '../up'], { cwd }), '--name: expected 1..48')
    writeFileSync(join(cwd, 'meta.json'), '{"title":')
    const broken = await fail('INPUT_SYNTAX', ['init', 'x', '--meta', 'meta.json'], { cwd })
    assert.match(broken, 'meta.json: line 1')
    assert.not.match(broken, /nothing was|--format/)
    await assertRoot(cwd, root)
    const store = await LmdbStore.open(join(cwd, 'db'), 'write')
    await store.write({ meta: new Map([['format', Buffer.from('2')]]) })
    await store.close()
    for (const args of [
      ['status', 'db'],
      ['put', 'db', 'c', '{"id":3}'],
    ]) {
      assert.match(await fail('FORMAT_NEWER', args, { cwd }), 'update coppice')
    }
  }))

test('a second writer is refused by the first one’s pid, readers go on', () =>
  inDirectory(async (cwd, use) => {
    const root = await prepare(cwd)
    use(await Database.open(join(cwd, 'db')))
    const line = await fail('STORE_LOCKED', ['put', 'db', 'c', '{"id":3}'], { cwd })
    assert.match(line, `process ${process.pid} `)
    assert.match(line, /coppice import, or coppice follow/)
    await assertRoot(cwd, root)
  }))

const onDisk = CAN_MOUNT ? test : test.skip

onDisk('a full disk: nothing of the import is there, and the database goes on', () =>
  onSmallDisk(6, async (cwd) => {
    const root = await prepare(cwd)
    const rows = Array.from({ length: 40_000 }, (_, i) => `{"id":${i},"n":"${String(i * 7919).repeat(40)}"}\n`)
    const args = ['import', 'db', '-', '--collection', 'c']
    assert.match(await fail('STORE_FULL', args, { cwd, input: rows.join('') }), 'free some space')
    await assertRoot(cwd, root)
    remount(cwd, 'size=64m')
    const put = await succeedJson(['put', 'db', 'c', '{"id":3}'], { cwd })
    assert.is.not(put['root'], root)
    assert.match(await succeed(['verify', 'db'], { cwd }), 'sound')
    remount(cwd, 'ro')
    await fail('STORE_READ_ONLY', ['put', 'db', 'c', '{"id":4}'], { cwd })
    await fail('STORE_READ_ONLY', ['publish', 'db'], { cwd })
    await fail('STORE_READ_ONLY', ['export', 'db', 'out.ndjson'], { cwd })
    await assertRoot(cwd, put['root'])
  }),
)

test('a file that cannot be written', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    await fail('STORE_IO', ['export', 'db', 'absent/out.ndjson'], { cwd })
    assert.match(await fail('INPUT_TYPE_UNKNOWN', ['export', 'db', 'out.json'], { cwd }), /output type.*read, never/)
    writeFileSync(join(cwd, 'kept.csv'), 'kept')
    await fail('COLLECTION_UNKNOWN', ['export', 'db', 'kept.csv', '--collection', 'absent'], { cwd })
    assert.is(readFileSync(join(cwd, 'kept.csv'), 'utf8'), 'kept')
  }))

const withoutPermission = IS_ROOT ? test.skip : test

withoutPermission('a directory without permission', () =>
  inDirectory(async (cwd) => {
    const root = await prepare(cwd)
    chmodSync(join(cwd, 'db'), 0o500)
    await fail('STORE_READ_ONLY', ['put', 'db', 'c', '{"id":4}'], { cwd })
    chmodSync(join(cwd, 'db'), 0o700)
    await assertRoot(cwd, root)
  }),
)

test('a database without its author key, or with another’s', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    await succeed(['init', 'other'], { cwd })
    assert.is((await succeedJson(['status', 'db'], { cwd }))['canPublish'], true)
    rmSync(join(cwd, 'db/author.key'))
    assert.match(
      await fail('KEY_FILE_INVALID', ['publish', 'db'], { cwd }),
      /missing: restore it from a copy; or prepare the root/,
    )
    assert.is((await succeedJson(['status', 'db'], { cwd }))['canPublish'], false)
    copyFileSync(join(cwd, 'other/author.key'), join(cwd, 'db/author.key'))
    assert.match(await fail('KEY_FILE_INVALID', ['publish', 'db'], { cwd }), 'is the key of another author')
    assert.match(await succeed(['status', 'db'], { cwd }), /problem +cannot be published from here: .*another author/)
  }))

test('a command line that cannot be', async () => {
  assert.match(await fail('USAGE', ['help', 'exprt']), "unknown command 'exprt' (Did you mean export?)")
  await fail('USAGE', ['diff', 'db', '--stat', '--limit', '3'])
  await fail('USAGE', ['verify', 'db', '@1', '--all'])
  assert.match(await fail('USAGE', ['exprt', 'db']), 'Did you mean export?')
  assert.match(await fail('USAGE', ['status', 'db', '--jsn']), 'Did you mean --json?')
  assert.match(await fail('USAGE', ['status']), "missing required argument 'DIR'")
  await fail('USAGE', ['status', 'a', 'b'])
  await fail('USAGE', ['log', 'db', '--limit', '-1x'])
  await fail('USAGE', ['import', 'db', '--max-changes', '101%'])
  await fail('USAGE', ['publish', 'db', '--expires', 'soon'])
  const { status, stderr } = await coppice([])
  assert.is(status, 2)
  assert.match(stderr, 'Usage: coppice')
})

test.run()
