/** Verifying the log of signed roots that is kept: an author's, a replica's with gaps, and logs that lie. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, Replica } from '../../src/db/index.ts'
import { encodeSignedRoot, type SignedRoot } from '../../src/pointer/index.ts'
import { encodePayload } from '../../src/pointer/payload.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { collect, createDatabase, DatabaseLab, signerOf, utf8 } from '../support/database-lab.ts'

const test = suite('db/verify-log')

async function publishMany(db: Database, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await db.publish({ refresh: true })
}

/** "@7 linked consistent", and what is wrong behind it. */
async function verdicts(handle: Database | Replica, limit?: number): Promise<string[]> {
  const entries = await collect(handle.verifyLog(limit === undefined ? {} : { limit }))
  return entries.map(({ signedRoot, position, link, history, problem }) => {
    const name = signedRoot === undefined ? `#${position}` : `@${signedRoot.payload.sequence}`
    return `${name} ${link ?? 'broken'} ${history}${problem === undefined ? '' : `: ${problem}`}`
  })
}

async function replaceEntry(store: MemoryStore, position: number, bytes: Uint8Array): Promise<void> {
  await store.write({ meta: new Map([[`log/${position}`, bytes]]) })
}

async function rootsOf(db: Database): Promise<SignedRoot[]> {
  return (await collect(db.log())).map(({ signedRoot }) => signedRoot).toReversed()
}

/** A root with other fields, signed by the author. */
async function resigned(root: SignedRoot, changes: Partial<SignedRoot['payload']>): Promise<Uint8Array> {
  const payloadBytes = encodePayload({ ...root.payload, ...changes })
  const signer = signerOf('author')
  return encodeSignedRoot(payloadBytes, [{ key: signer.publicKey, signature: await signer.sign(payloadBytes) }])
}

test("an author's log is one chain with one history, whether or not the hashes are kept", async () => {
  const store = new MemoryStore()
  const db = await createDatabase({ store })
  assert.equal(await verdicts(db), [])
  await publishMany(db, 9)
  const sound = ['@1 first consistent', ...[2, 3, 4, 5, 6, 7, 8, 9].map((n) => `@${n} linked consistent`)]
  assert.equal(await verdicts(db), sound)
  assert.equal(await verdicts(db, 9), sound)
  assert.equal(await verdicts(db, 2), sound.slice(7))
  const names = Array.from({ length: 9 }, (_, i) => `history/0/${i}`)
  await store.write({ meta: new Map(names.map((name) => [name, null])) })
  assert.equal(await verdicts(db), sound)
})

test('a replica: proven skips are linked, others unlinked, and the next root continues a history that is known', async () => {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  lab.serve('author', db)
  const store = new MemoryStore()
  const replica = await lab.replica(db, ['author'], store)
  for (const step of [4, 3, 1, 1, 5]) {
    await publishMany(db, step)
    await replica.pull()
  }
  const sound = ['@4 first unknown', '@7 linked consistent', '@8 linked consistent', '@9 linked consistent', '@14 linked consistent'] // prettier-ignore
  assert.equal(await verdicts(replica), sound)
  // a leaf of the proof between 9 and 14
  await store.write({ meta: new Map([['history/0/8', null]]) })
  assert.equal(await verdicts(replica), [...sound.slice(0, 4), '@14 unlinked unknown'])
})

test('what is wrong is told once, at the entry where it is', async () => {
  const store = new MemoryStore()
  const db = await createDatabase({ store })
  await publishMany(db, 6)
  const roots = await rootsOf(db)
  const third = roots[2] as SignedRoot
  const fourth = roots[3] as SignedRoot
  const five = '@5 linked consistent'
  const contradicted = '@5 broken unknown: expected one chain, got a root that contradicts @4: previous'
  const cases: readonly (readonly [Uint8Array, readonly string[]])[] = [
    [utf8('damage'), ['#3 broken unknown: expected a signed root, got damage', '@5 first unknown']],
    [
      fourth.bytes.map((byte, i) => (i === fourth.bytes.length - 1 ? byte ^ 1 : byte)),
      ['@4 broken unknown: expected a root that its author signed, got a wrong signature', five],
    ],
    [third.bytes, ['@3 broken unknown: expected a root above @3, which stands before it', five]],
    [
      await resigned(fourth, { previous: (roots[1] as SignedRoot).link, recent: [] }),
      ['@4 broken unknown: expected one chain, got a root that contradicts @3: previous', contradicted],
    ],
    [
      await resigned(fourth, { history: new Uint8Array(32) }),
      ['@4 linked unknown: expected the history of @3 continued, got another', contradicted],
    ],
    [
      await resigned(fourth, { name: 'other' }),
      ['@4 broken unknown: expected a root that its author signed, got a wrong name', '@5 first unknown'],
    ],
  ]
  for (const [bytes, expected] of cases) {
    await replaceEntry(store, 3, bytes)
    const before = ['@1 first consistent', '@2 linked consistent', '@3 linked consistent']
    // Whatever stands there, the next one is judged by it, and what follows is sound.
    assert.equal(await verdicts(db), [...before, ...expected, '@6 linked consistent'])
    await replaceEntry(store, 3, fourth.bytes)
  }
  assert.is((await verdicts(db)).filter((line) => line.endsWith('consistent')).length, 6)
})

test('a log that swaps another root of the same sequence in is found out by the history alone', async () => {
  const store = new MemoryStore()
  const db = await createDatabase({ store })
  await publishMany(db, 12)
  const roots = await rootsOf(db)
  // A replica's log without 3 to 7, and with another root 2, which none of those left names.
  const other = await resigned(roots[1] as SignedRoot, { entries: 77 })
  const kept = [roots[0], undefined, ...roots.slice(7)].map((root) => root?.bytes ?? other)
  for (const [position, bytes] of kept.entries()) await replaceEntry(store, position, bytes)
  await store.write({ meta: new Map([['log', utf8(String(kept.length))]]) })
  const found = await verdicts(db)
  assert.equal(found.slice(0, 4), [
    '@1 first consistent',
    '@2 linked consistent',
    '@8 broken unknown: expected one chain, got a root that contradicts @2: history',
    '@9 linked consistent',
  ])
})

test('it ends when it is told to', async () => {
  const db = await createDatabase()
  await publishMany(db, 3)
  const abort = new AbortController()
  const seen: number[] = []
  try {
    for await (const { position } of db.verifyLog({ signal: abort.signal })) {
      seen.push(position)
      abort.abort(new Error('enough'))
    }
    assert.unreachable()
  } catch (error) {
    assert.is(error, abort.signal.reason)
  }
  assert.equal(seen, [0])
})

test.run()
