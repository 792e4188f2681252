/** Pulls that are cut short, by peers, disks, aborts and the close of the handle: nothing partial is seen, nothing fetched twice. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoppiceError } from '../../src/errors.ts'
import type { Channel } from '../../src/sync/index.ts'
import { DatabaseLab, thrownBy, utf8, WatchedStore } from '../support/database-lab.ts'
import { blockKeysOf, publishedLarge } from '../support/large-database.ts'
import { passing } from '../support/passing-channel.ts'

const test = suite('db/interrupted-pull')

test('peers lost on the way: what came is kept, and another pull fetches the rest only', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const all = (await blockKeysOf(db)).size
  const honest = lab.handlerOf(db)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  let pulls = 0
  for (let left = 1; pulls < 40; left++, pulls++) {
    lab.handle('alice', (channel) => honest(cutAfter(channel, 2 + left)))
    const outcome: unknown = await replica.pull().then(
      () => undefined,
      (error: unknown) => error,
    )
    if (outcome === undefined) break
    assert.ok(outcome instanceof CoppiceError && outcome.code === 'NO_PEER_LEFT')
    assert.is(await replica.isComplete(), false)
  }
  assert.ok(pulls > 1 && pulls < 40)
  assert.is(store.blocksWritten.length, all, 'each block was written once')
})

/** Breaks after so many frames were sent. */
function cutAfter(channel: Channel, frames: number): Channel {
  let sent = 0
  const send = (frame: Uint8Array): Promise<void> => {
    if (++sent < frames) return channel.send(frame)
    channel.abort(new Error('cut'))
    return Promise.reject(new CoppiceError('PEER_UNREACHABLE', 'cut'))
  }
  return passing(channel, {
    send,
  })
}

test('the disk fails at any write: the old state stands, and the next pull succeeds', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  await replica.pull()
  const { root } = await replica.snapshot()
  for (let failing = 0; ; failing++) {
    await db.put(utf8('n'), utf8(String(failing)))
    await db.publish()
    store.failsAtWrite = store.writes + failing
    const outcome: unknown = await replica.pull().catch((error: unknown) => error)
    store.failsAtWrite = Number.POSITIVE_INFINITY
    if (!(outcome instanceof CoppiceError)) break
    assert.is(outcome.code, 'STORE_IO')
    assert.is((await replica.snapshot()).root, root)
    assert.is((await replica.published())?.payload.sequence, 1)
    assert.ok(failing < 10)
  }
  assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
})

test("an abort at any point: the signal's reason, the old state, and the next pull goes on", async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const store = new WatchedStore()
  const replica = await lab.replica(db, ['alice'], store)
  assert.match(String(await thrownBy(replica.pull({ signal: AbortSignal.abort(new Error('stop')) }))), 'stop')
  for (let calls = 1; ; calls++) {
    const control = new AbortController()
    let seen = 0
    const outcome: unknown = await replica
      .pull({
        signal: control.signal,
        onTarget: () => void (calls === 1 && control.abort(new Error('stop'))),
        onProgress: () => void (++seen === calls && control.abort(new Error('stop'))),
      })
      .catch((error: unknown) => error)
    if (!(outcome instanceof Error)) break
    assert.is(outcome.message, 'stop')
    assert.is(await replica.isComplete(), false)
    assert.ok(calls < 50)
  }
  assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
})

test('pulls of one handle come one after the other; closing interrupts the running one and refuses the next', async () => {
  const lab = new DatabaseLab()
  const db = await publishedLarge(lab)
  const replica = await lab.replica(db, ['alice'])
  const [first, second] = await Promise.all([replica.pull(), replica.pull()])
  assert.equal([first.changed, second.changed], [true, false])
  lab.handle('alice', () => new Promise(() => {}))
  const hanging = replica.pull()
  const waiting = replica.pull()
  await new Promise((resolve) => setImmediate(resolve))
  const closed = replica.close()
  for (const pull of [hanging, waiting]) assert.is(((await thrownBy(pull)) as Error).name, 'AbortError')
  await closed
  assert.instance(await thrownBy(replica.pull()), TypeError)
  await replica.close()
})

test.run()
