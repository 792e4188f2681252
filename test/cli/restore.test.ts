/** Going back to an earlier state, out of a damaged one too, and exports that fail halfway: neither may cost what was there. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey, type Link } from '../../src/link.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { coppice, fail, start, succeed, succeedJson } from '../support/command-line.ts'
import { blocksOf, spoil } from '../support/store-damage.ts'
import { Random } from '../support/random.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/restore')

const BIN = join(import.meta.dirname, '../../bin/coppice.js')

async function inStore<R>(path: string, body: (store: LmdbStore) => Promise<R>): Promise<R> {
  const store = await LmdbStore.open(path, 'write')
  try {
    return await body(store)
  } finally {
    await store.close()
  }
}

/** Gives other bytes to the blocks that `isChosen`. */
async function damage(path: string, isChosen: (link: Link, bytes: Uint8Array) => boolean): Promise<void> {
  await inStore(path, async (store) => {
    for (const link of await blocksOf(store)) {
      if (isChosen(link, store.get(link) ?? new Uint8Array(0))) await spoil(store, new Random(1), link)
    }
  })
}

test('the way out of a damaged change that was not published', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['put', 'db', 'c', '{"id":1}', '--key', 'id'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    const { root } = await succeedJson(['status', 'db'], { cwd })
    const path = join(cwd, 'db')
    const before = new Set((await inStore(path, blocksOf)).map(linkMapKey))
    const draft = (await succeedJson(['put', 'db', 'c', '{"id":2}'], { cwd }))['root']
    await damage(path, (link) => !before.has(linkMapKey(link)))

    const line = await fail('STORE_CORRUPT', ['put', 'db', 'c', '{"id":3}'], { cwd })
    assert.match(line, 'coppice restore DIR @SEQUENCE')
    const verified = await coppice(['verify', 'db', '--repair'], { cwd })
    assert.is(verified.status, 1)
    assert.match(verified.stderr, 'coppice restore DIR @SEQUENCE')
    const told = await succeed(['restore', 'db', '@1'], { cwd })
    assert.is(
      told,
      `restored @1 ${String(root)}: 2 rows; coppice diff shows what differs\n` +
        `left ${String(draft)}, not published: until gc, coppice restore db ${String(draft)} brings it back\n`,
    )
    assert.is(await succeed(['diff', 'db', '--stat'], { cwd }).then(() => 0), 0)
    await fail('STORE_CORRUPT', ['restore', 'db', String(draft)], { cwd })
    await succeed(['gc', 'db'], { cwd })
    await fail('ROOT_NOT_FOUND', ['restore', 'db', String(draft)], { cwd })
    await fail('ROOT_NOT_FOUND', ['restore', 'db', '@2'], { cwd })
    assert.is((await succeedJson(['put', 'db', 'c', '{"id":2}'], { cwd }))['root'], draft)
    await succeed(['publish', 'db'], { cwd })
    assert.equal(await succeedJson(['restore', 'db', '@1'], { cwd }), { root, entries: 2, left: draft, isLeftPublished: true }) // prettier-ignore
    assert.is(await succeed(['restore', 'db', '@1'], { cwd }), `nothing to restore: the working state is ${String(root)}\n`) // prettier-ignore
    await succeed(['verify', 'db', '--all'], { cwd })
  }))

/** `coppice FROM | coppice TO`, by a shell. */
function pipe(cwd: string, from: string, to: string): string {
  const command = (args: string): string => `"${process.execPath}" "${BIN}" ${args}`
  const { FORCE_COLOR: _, DEBUG: __, ...env } = process.env
  const options = { cwd, encoding: 'utf8', env: { ...env, NO_COLOR: '1' } } as const
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `${command(from)} | ${command(to)}`], options)
  assert.is(status, 2, stdout + stderr)
  return stderr
}

const ROWS = 20_000

/** The same rows in `db` and `copy`. */
async function prepareTwo(cwd: string): Promise<unknown> {
  const input = Array.from({ length: ROWS }, (_, i) => `{"id":${i},"text":"row ${i}, \\"${'x'.repeat(50)}\\""}\n`).join(
    '',
  )
  for (const dir of ['db', 'copy']) {
    await succeed(['init', dir], { cwd })
    await succeed(['import', dir, '-', '--collection', 'c', '--key', 'id'], { cwd, input })
  }
  return (await succeedJson(['status', 'copy'], { cwd }))['root']
}

test('an import with --replace refuses what an export that failed halfway left of a pipe', () =>
  inDirectory(async (cwd) => {
    const root = await prepareTwo(cwd)
    const wanted = Buffer.from(`row ${ROWS - 1},`)
    await damage(join(cwd, 'db'), (_, bytes) => Buffer.from(bytes).includes(wanted))
    const inputs = [
      pipe(cwd, 'export db', 'import copy - --collection c --replace'),
      pipe(cwd, 'export db --raw', 'import copy - --raw --replace'),
    ]
    for (const stderr of inputs) {
      assert.match(stderr, /^coppice: STORE_CORRUPT: /m)
      assert.match(
        stderr,
        /^coppice: INPUT_SYNTAX: standard input: line \d{3,}, column 1: .*export failed: STORE_CORRUPT/m,
      )
    }
    // CSV is read twice, and not a byte is written before the first time is over.
    assert.match(pipe(cwd, 'export db --format csv', 'import copy - --collection c --format csv --replace'), /INPUT_/)
    assert.is((await succeedJson(['status', 'copy'], { cwd }))['root'], root)
    // Nothing was written: nothing is told twice.
    assert.is((await coppice(['export', 'db', '--collection', 'absent'], { cwd })).stdout, '')
  }))

test('so does one of CSV that is ended by a signal', () =>
  inDirectory(async (cwd) => {
    const root = await prepareTwo(cwd)
    const running = start(['export', 'db', '--format', 'csv'], { cwd })
    await running.line(/^id,text$/m)
    running.child.stdout.pause()
    running.child.kill('SIGTERM')
    running.child.stdout.resume()
    const { status, stdout } = await running.ended
    assert.is(status, 143)
    assert.match(stdout, /\n"export failed$/)
    const types = ['--types', 'text:text', '--format', 'csv']
    const line = await fail('INPUT_SYNTAX', ['import', 'copy', '-', '--collection', 'c', '--replace', ...types], { cwd, input: stdout }) // prettier-ignore
    assert.match(line, /export failed/)
    assert.is((await succeedJson(['status', 'copy'], { cwd }))['root'], root)
  }))

test.run()
