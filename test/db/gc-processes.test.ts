/** Collection of garbage beside other processes that read, serve and collect, and under kill -9 and a full disk. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { Database } from '../../src/index.ts'
import { formatLink, type Link } from '../../src/link.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { failureOf } from '../support/database-lab.ts'
import { checkOnly, checkRecords, forgetUnused } from '../support/gc-lab.ts'
import { CAN_MOUNT, onSmallDisk } from '../support/privileges.ts'
import { inDirectory, scope } from '../support/temporary-directory.ts'
import { type Child, startScript } from '../store/processes/child.ts'

const test = suite('db/gc-processes')
const withSmallDisk = CAN_MOUNT ? test : test.skip

const COUNT = 3000

const start = (...args: string[]): Child => startScript(new URL('processes/collector.ts', import.meta.url), ...args)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function rows(release: number): Edit[] {
  return Array.from({ length: COUNT }, (_, i): Edit => {
    return { key: utf8(String(i).padStart(6, '0')), value: utf8(`release ${release} `.repeat(i % 100 === 0 ? 120 : 2)) }
  })
}

/** In `path`/db, published so often, and closed again. */
async function author(path: string, releases: number): Promise<string> {
  const directory = join(path, 'db')
  const db = await Database.create(directory, { name: 'cities' })
  for (let release = 1; release <= releases; release++) {
    await db.batch((tx) => tx.apply(rows(release)))
    await db.publish()
  }
  await db.close()
  return directory
}

/** The roots of the log that are held, newest first. */
async function heldRoots(db: Database): Promise<Link[]> {
  const roots: Link[] = []
  for await (const { signedRoot, isHeld } of db.log()) if (isHeld) roots.push(signedRoot.payload.root)
  return roots
}

test('a state that another process reads is kept: replaced and unpublished, or an old one by its root; a killed process keeps nothing', () =>
  inDirectory(async (path, use) => {
    const directory = await author(path, 3)
    const oldest = formatLink(
      (await scope(async (inner) => await heldRoots(inner(await Database.open(directory))))).at(-1) as Link,
    )
    await scope(async (inner) => await inner(await Database.open(directory)).put(utf8('n'), utf8('unpublished')))
    const reading = use(start(directory, 'read'))
    const holding = use(start(directory, 'hold', oldest))
    assert.equal([await reading.line(), await holding.line()], ['reading', 'holding'])
    const db = use(await Database.open(directory))
    await db.put(utf8('n'), utf8('replaced'))
    await forgetUnused()
    const report = await db.gc({ keep: 1 })
    assert.equal(
      report.kept.map(({ sequence, reasons }) => [sequence, ...reasons]),
      [
        [undefined, 'shown'],
        [undefined, 'in use'],
        [3, 'published', 'recent'],
        [1, 'in use'],
      ],
    )
    assert.is(report.statesRemoved, 1)
    reading.send('go on')
    assert.is(await reading.line(), String(COUNT + 1))
    await reading.end()
    await holding.kill()
    await forgetUnused()
    await db.gc({ keep: 1 })
    await checkOnly(db.state, [(await db.snapshot()).tree.ref.root, ...(await heldRoots(db))])
    assert.is((await heldRoots(db)).length, 1)
  }))

test('one collects at a time, and none while another process writes', () =>
  inDirectory(async (path) => {
    const directory = await author(path, 3)
    await scope(async (use) => {
      use(await Database.open(directory))
      assert.is(await use(start(directory, 'collect-once', '1')).line(), 'STORE_LOCKED')
    })
    const [first, second] = await scope((use) =>
      Promise.all([1, 2].map(async () => await use(start(directory, 'collect-once', '1')).line())),
    )
    const removed = [first, second].filter((line) => line !== 'STORE_LOCKED').map(Number)
    assert.ok(
      removed.length > 0 && removed.every((count) => count >= 0) && removed.some((count) => count > 0),
      `${first} ${second}`,
    )
    await scope(async (use) => {
      const db = use(await Database.open(directory))
      await checkOnly(db.state, await heldRoots(db))
    })
  }))

const KILLS = 8

test(`a collector killed ${KILLS} times: what is recorded is whole, so are all held states, and the database goes on`, () =>
  inDirectory(async (path) => {
    const directory = await author(path, 2)
    for (let kill = 0; kill < KILLS; kill++) {
      await scope(async (use) => {
        const collector = use(start(directory, 'collect', String(1 + (kill % 3))))
        assert.is(await collector.line(), 'open')
        for (let i = 0; i < kill % 5; i++) await collector.line()
        await sleep((kill * 7.3) % 30)
        await collector.kill()
      })
      await scope(async (use) => {
        const db = use(await Database.open(directory))
        await checkRecords(db.state.store)
        await db.gc()
        await checkOnly(db.state, [(await db.snapshot()).tree.ref.root, ...(await heldRoots(db))])
      })
    }
  }))

withSmallDisk('a disk that is full: collected or not, everything is whole, and with some room it is collected', () =>
  onSmallDisk(16, async (path, use) => {
    const directory = await author(path, 2)
    const db = use(await Database.open(directory))
    for (let i = 0; ; i++) {
      const edits = rows(0).map(({ key }): Edit => ({
        key,
        value: new Uint8Array(1200).fill(i).map((byte, at) => key[at] ?? byte),
      }))
      const outcome: unknown = await db.batch((tx) => tx.apply(edits)).catch((error: unknown) => error)
      if (isCoppiceError(outcome, 'STORE_FULL')) break
      assert.ok(i < 1000 && !(outcome instanceof Error), String(outcome))
    }
    await scope(async (inner) => {
      const reader = inner(await Database.open(directory, { access: 'read' }))
      assert.is(await reader.count(), COUNT)
    })
    await forgetUnused()
    let outcome: unknown
    for (let attempt = 0; attempt < 3; attempt++) {
      outcome = await db.gc({ keep: 1 }).catch((error: unknown) => error)
      await checkRecords(db.state.store)
      if (!(outcome instanceof Error)) break
      assert.ok(isCoppiceError(outcome, 'STORE_FULL'), String(outcome))
    }
    assert.not.instance(outcome, Error, 'removing makes room for itself')
    await db.put(utf8('n'), utf8('there is room again'))
    await checkRecords(db.state.store)
  }),
)

test('a handle that only reads gives its lease back when it is closed', () =>
  inDirectory(async (path, use) => {
    const directory = await author(path, 2)
    const db = use(await Database.open(directory))
    const old = (await heldRoots(db)).at(-1) as Link
    const reader = await Database.open(directory, { access: 'read' })
    const state = await reader.state.at(old)
    assert.equal(
      (await db.state.store.leased()).map(({ root }) => formatLink(root)),
      [formatLink(old)],
    )
    await reader.close()
    assert.equal(await db.state.store.leased(), [])
    await db.gc({ keep: 1 })
    assert.is((await failureOf(db.state.at(old))).code, 'ROOT_NOT_FOUND')
    assert.is(state.root, formatLink(old))
  }))

test.run()
