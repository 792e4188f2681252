/** `coppice verify --repair`: a replica from the peers it knows, an author's database from a replica, and what nobody has. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLink, type Link } from '../../src/link.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { coppice, fail, jsonLines, start, succeed, succeedJson } from '../support/command-line.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { blocksOf, lose, spoil, wreck } from '../support/store-damage.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { lockedByAnother } from '../support/writer-lock.ts'

const test = suite('cli/repair')

const ROWS = 3000
const input = Array.from({ length: ROWS }, (_, i) => `{"id":${i},"text":"${`row ${i} `.repeat(20)}"}\n`).join('')

async function inStore<R>(path: string, body: (store: LmdbStore) => Promise<R>): Promise<R> {
  const store = await LmdbStore.open(path, 'write')
  try {
    return await body(store)
  } finally {
    await store.close()
  }
}

/** One block lost, and one with other bytes, of those that both databases hold. */
async function wreckTwo(path: string, seed: number): Promise<Link[]> {
  return await inStore(path, async (store) => {
    const random = new Random(seed)
    const leaves = (await blocksOf(store)).filter((link) => store.getComplete(link)?.level === 0)
    const [lost, changed] = random.shuffled(leaves) as [Link, Link]
    await lose(store, lost)
    await spoil(store, random, changed)
    return [lost, changed]
  })
}

test('a replica is mended by its peers, an author by a replica; what nobody has is said, with its rows and what can be done', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input })
    await succeed(['publish', 'db'], { cwd })
    const server = use(start(['serve', 'db'], { cwd }))
    const address = (await server.line(/^serving \S+$/m)).slice('serving '.length)
    await succeed(['clone', address, 'copy'], { cwd })
    const expected = await succeed(['export', 'db', '-', '--raw'], { cwd })

    await wreckTwo(join(cwd, 'copy'), 1)
    const found = await coppice(['verify', 'copy'], { cwd })
    assert.is(found.status, 1)
    assert.match(found.stdout, /^@1 \S+: 2 problems: /)
    assert.match(found.stdout, /^ {2}\d+ entries cannot be read$/m)
    assert.is((await coppice(['export', 'copy', '-', '--raw'], { cwd })).status, 2)
    const mended = await succeed(['verify', 'copy', '--repair'], { cwd })
    assert.match(mended, /^@1 \S+: repaired: .*; 2 problems found, 2 blocks fetched\n {2}used \S+, 2 blocks/)
    assert.is(await succeed(['export', 'copy', '-', '--raw'], { cwd }), expected)
    assert.match(await succeed(['verify', 'copy', '--repair', '--all'], { cwd }), /^@1 \S+: sound: [^\n]*\n$/)
    await server.end()

    const [lost] = await wreckTwo(join(cwd, 'copy'), 2)
    const alone = await coppice(['verify', 'copy', '--repair'], { cwd })
    assert.is(alone.status, 1)
    assert.match(alone.stdout, /^@1 \S+: 2 problems beyond repair: /)
    assert.match(alone.stdout, /^ {2}unreachable \S+/m)
    assert.match(
      alone.stderr,
      /ask other peers that hold the state, with --peer ADDRESS or DIRECTORY, or clone anew\n$/,
    )

    await wreckTwo(join(cwd, 'db'), 3)
    const author = await coppice(['verify', 'db', '--repair', '--json'], { cwd })
    assert.is(author.status, 1)
    const [told] = jsonLines(author.stdout)
    assert.equal([told?.['found'], told?.['problemCount'], told?.['blocksReceived'], told?.['peers']], [2, 2, 0, []])
    const nobody = await coppice(['verify', 'db', '--repair'], { cwd })
    assert.match(nobody.stdout, /^@1 \S+: 2 problems: [^;\n]*\n/, 'not beyond repair')
    assert.match(nobody.stderr, /no peer was asked; name one with --peer/)
    const replica = use(start(['serve', 'copy'], { cwd }))
    const peer = (await replica.line(/^serving \S+$/m)).slice('serving '.length)
    const once = await succeed(['verify', 'db', '--repair', '--peer', peer], { cwd })
    assert.match(once, /: repaired: /)
    assert.is(await succeed(['export', 'db', '-', '--raw'], { cwd }), expected)
    await replica.end()

    await inStore(join(cwd, 'db'), (store) => lose(store, lost as Link))
    await fail('USAGE', ['verify', 'db', '--repair', '--peer', './db'], { cwd })
    const beyond = await coppice(['verify', 'db', '--repair', '--peer', 'copy'], { cwd })
    assert.match(beyond.stdout, /: 1 problem beyond repair: [^]*^ {2}unused copy/m)
    assert.match(beyond.stderr, /restore a backup, or go back to an earlier state/)
    assert.is((await coppice(['publish', 'db', '--refresh'], { cwd })).status, 2, 'known damage is not signed over')
  }))

test('a directory of this machine is a peer as any, without any network; its working state too', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input })
    await cp(join(cwd, 'db'), join(cwd, 'backup'), { recursive: true })
    const expected = await succeed(['export', 'db', '-', '--raw'], { cwd })
    await inStore(join(cwd, 'db'), async (store) => {
      const root = (await succeedJson(['status', 'db'], { cwd }))['root']
      const [link] = (await blocksOf(store)).filter((each) => formatLink(each) !== root)
      await lose(store, link as Link)
    })
    assert.match(
      await succeed(['verify', 'db', '--repair', '--peer', 'backup'], { cwd }),
      /repaired: [^]*^ {2}used backup, 1 block/m,
    )
    assert.is(await succeed(['export', 'db', '-', '--raw'], { cwd }), expected)
  }))

test('killed at any time, a repair leaves a replica that verify understands and the next repair mends', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input })
    await succeed(['publish', 'db'], { cwd })
    const server = use(start(['serve', 'db'], { cwd }))
    const address = (await server.line(/^serving \S+$/m)).slice('serving '.length)
    await succeed(['clone', address, 'copy'], { cwd })
    for (const seed of seeds(3)) {
      const random = new Random(seed)
      await inStore(join(cwd, 'copy'), (store) => wreck(store, random, 60))
      const repair = start(['verify', 'copy', '--repair'], { cwd })
      let isOver = false
      void repair.ended.then(() => (isOver = true))
      await lockedByAnother(join(cwd, 'copy'), () => isOver)
      await delay(random.between(0, 500))
      await repair.end('SIGKILL')
      const { status, stderr } = await coppice(['verify', 'copy'], { cwd })
      assert.ok(status === 0 || status === 1, stderr)
    }
    await succeed(['verify', 'copy', '--repair'], { cwd })
    assert.match(await succeed(['verify', 'copy'], { cwd }), /sound/)
    assert.is(
      await succeed(['export', 'copy', '-', '--raw'], { cwd }),
      await succeed(['export', 'db', '-', '--raw'], { cwd }),
    )
  }))

test('choices that exclude each other', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    for (const args of [
      ['--peer', 'x'],
      ['--repair', '@1'],
      ['--repair', '--at', '@1'],
    ]) {
      const { status, stderr } = await coppice(['verify', 'db', ...args], { cwd })
      assert.is(status, 2)
      assert.match(stderr, /^coppice: USAGE: /)
    }
    assert.is((await coppice(['verify', 'db', '--repair', '--peer', 'nonsense'], { cwd })).status, 2)
    assert.match(await succeed(['verify', 'db', '--repair'], { cwd }), /sound/)
  }))

test.run()
