/** Repair from databases of this machine, and what is said of whom. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, Replica } from '../../src/db/index.ts'
import { type Link, linkMapKey } from '../../src/link.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { collect, createDatabase, DatabaseLab, outcomesOf, utf8 } from '../support/database-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { blocksOf, lose, spoil } from '../support/store-damage.ts'

const test = suite('db/repair-sources')

function rows(mark = 0): Edit[] {
  return Array.from({ length: 3000 }, (_, i) => ({
    key: utf8(String(i).padStart(6, '0')),
    value: i % 50 === 0 ? new Uint8Array(1500).fill(i + mark) : utf8(`value ${i} ${mark}`),
  }))
}

async function fill(db: Database, mark: number): Promise<void> {
  await db.batch((tx) => tx.apply(rows(mark)))
}

async function blocksBeside(one: Database | Replica, other: Database | Replica): Promise<Link[]> {
  const known = new Set((await blocksOf(other.state.store)).map(linkMapKey))
  return (await blocksOf(one.state.store)).filter((link) => !known.has(linkMapKey(link)))
}

test('a replica at hand mends what was published, one of another database what nobody signed; neither is named outdated', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase({ network: lab.network })
  await fill(db, 0)
  await db.publish()
  lab.serve('author', db)
  const replica = await lab.replica(db, ['author'])
  await replica.pull()
  const backup = await createDatabase({ label: 'backup' })
  await fill(backup, 1)
  await fill(db, 1)
  const draft = await blocksBeside(db, replica)
  assert.ok(draft.length > 10)
  for (const seed of seeds(4)) {
    const random = new Random(seed)
    // Of a root that nobody signed, and that is gone, not even the size is known.
    const root = linkMapKey((await db.snapshot()).tree.ref.root)
    const links = random.shuffled((await blocksOf(db.state.store)).filter((link) => linkMapKey(link) !== root))
    for (const link of links.slice(0, 20)) await lose(db.state.store, link)
    await spoil(db.state.store, random, random.pick(draft.filter((link) => linkMapKey(link) !== root)))
    const sources = [
      { name: 'replica', state: replica.state },
      { name: 'backup', state: backup.state },
    ]
    const report = await db.repair({ sources })
    for (const { left } of report.states) assert.equal(left.problems, [])
    assert.ok(['used', 'unused'].includes(outcomesOf(report)['replica'] ?? ''), `seed ${seed}`)
    assert.is(outcomesOf(report)['backup'], 'used', `seed ${seed}`)
    assert.equal(await collect(db.scan()), await collect(backup.scan()))
    assert.equal(await draftRecords(db, draft), 0, 'a draft is not served')
  }
})

async function draftRecords(db: Database, draft: readonly Link[]): Promise<number> {
  let recorded = 0
  for (const link of draft) if ((await db.state.store.getComplete(link)) !== undefined) recorded++
  return recorded
}

test('a damaged source gives what is sound in it, and nothing else', async () => {
  const db = await createDatabase()
  await fill(db, 0)
  const backup = await createDatabase({ label: 'backup' })
  await fill(backup, 0)
  const shared = (await blocksOf(db.state.store)).filter((_, i) => i > 2)
  const [lost, spoilt] = new Random(5).shuffled(shared) as [Link, Link]
  await lose(db.state.store, lost)
  await lose(db.state.store, spoilt)
  await spoil(backup.state.store, new Random(6), spoilt)
  const report = await db.repair({ sources: [{ name: 'backup', state: backup.state }] })
  assert.ok((await db.state.store.get(lost)) !== undefined)
  assert.is(await db.state.store.get(spoilt), undefined)
  assert.is(report.states[0]?.left.problemCount, 1)
})

test('a peer that gave the published blocks is named used, whatever the working state is; one that only shows another root is not', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase({ network: lab.network })
  await fill(db, 0)
  await db.publish()
  lab.serve('author', db)
  const [old, current] = [await lab.replica(db, ['author']), await lab.replica(db, ['author'])]
  await old.pull()
  await db.put(utf8('more'), utf8('1'))
  await db.publish()
  await current.pull()
  lab.serve('old', old)
  lab.serve('current', current)
  await db.put(utf8('more'), utf8('2'))
  const [link] = (await blocksOf(current.state.store)).filter((_, i) => i === 9) as [Link]
  await lose(db.state.store, link)
  const report = await db.repair({ peers: ['current'] })
  assert.equal(
    report.peers.map(({ outcome, reason, blocks }) => [outcome, reason, blocks]),
    [['used', undefined, 1]],
  )
  const leaf = (await blocksBeside(current, old))[0] as Link
  await lose(db.state.store, leaf)
  assert.equal(outcomesOf(await db.repair({ peers: ['old'] })), { old: 'outdated' })
  const shared = (await blocksOf(old.state.store))[9] as Link
  await lose(db.state.store, shared)
  assert.equal(outcomesOf(await db.repair({ peers: ['old'] })), { old: 'used' })
})

test.run()
