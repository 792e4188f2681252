/**
 * Threats 11 and 13: the line is cut at any message, from either side, in a first pull and in a later one, once and again and
 * again. Each pull ends well or with a code that names the peer, what was complete stays, and nothing comes twice.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, PullResult, Replica } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import type { Edit } from '../../src/prolly/index.ts'
import type { Channel, PeerReport } from '../../src/sync/index.ts'
import { createDatabase, DatabaseLab, outcomesOf, utf8, WatchedStore } from '../support/database-lab.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { passing } from '../support/passing-channel.ts'

const test = suite('hostile/cut-lines')

const COUNT = 12_000

/** Lost in place of the message with this index, counting both directions. */
function cutAt(channel: Channel, index: number): Channel {
  let messages = 0
  const pass = (): void => {
    if (messages++ < index) return
    channel.abort(new Error('the line was cut'))
    throw new CoppiceError('PEER_UNREACHABLE', 'the line was cut')
  }
  return passing(channel, {
    send: async (frame) => {
      pass()
      await channel.send(frame)
    },
    receive: async () => {
      const frame = await channel.receive()
      pass()
      return frame
    },
  })
}

class Scene {
  readonly clock = new VirtualClock()
  readonly lab = new DatabaseLab(this.clock)
  readonly store = new WatchedStore()
  readonly db: Database
  readonly replica: Replica
  bytesReceived = 0

  private constructor(db: Database, replica: Replica) {
    this.db = db
    this.replica = replica
  }

  static async make(): Promise<Scene> {
    const scene = new Scene(undefined as never, undefined as never)
    const db = await createDatabase({ clock: scene.clock })
    await release(db, 1, COUNT)
    return Object.assign(scene, { db, replica: await scene.lab.replica(db, ['alice'], scene.store) })
  }

  /** Undefined where the line was cut, which is told as it should be. */
  async pull(index: number): Promise<PullResult | undefined> {
    const honest = this.lab.handlerOf(this.db)
    this.lab.handle('alice', (channel) => honest(cutAt(channel, index)))
    try {
      const result = await this.clock.run(this.replica.pull())
      this.bytesReceived += result.report.bytesReceived
      return result
    } catch (error) {
      assert.ok(error instanceof CoppiceError && error.code === 'NO_PEER_LEFT', String(error))
      const peers = error.details['peers'] as readonly PeerReport[]
      assert.equal(outcomesOf({ peers }), { alice: 'unreachable' })
      for (const peer of peers) this.bytesReceived += peer.bytesReceived
      return undefined
    }
  }

  assertWhole(): void {
    const { blocksWritten } = this.store
    assert.is(new Set(blocksWritten).size, blocksWritten.length, 'no block was written twice')
  }
}

async function release(db: Database, number: number, count: number): Promise<void> {
  const edits = Array.from({ length: count }, (_, i): Edit => {
    const at = Math.floor((i * COUNT) / count)
    const value = `${number} ${Math.imul(at + number, 2654435761) >>> 0} ${'x'.repeat(200)}`
    return { key: utf8(String(at).padStart(6, '0')), value: utf8(value) }
  })
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
}

test('a first pull, cut at each message in turn: the next one fetches the rest', async () => {
  let cuts = 0
  for (let index = 0; ; index++) {
    const scene = await Scene.make()
    const first = await scene.pull(index)
    if (first !== undefined) break
    cuts++
    assert.is(await scene.replica.isComplete(), false)
    const second = await scene.pull(Infinity)
    assert.is(second?.to.payload.sequence, 1)
    scene.assertWhole()
    const { bytes } = second?.to.payload ?? { bytes: 0 }
    // One answer may be lost half-way; both say hello.
    assert.ok(scene.bytesReceived < 1.1 * bytes + 4096, `cut at ${index}: ${scene.bytesReceived} for ${bytes}`)
  }
  assert.ok(cuts > 4, `${cuts} messages`)
})

test('a later pull, cut at each message in turn: the state before is shown until the new one is whole', async () => {
  let cuts = 0
  for (let index = 0; ; index++) {
    const scene = await Scene.make()
    await scene.pull(Infinity)
    const before = (await scene.replica.snapshot()).root
    await release(scene.db, 2, 100)
    const cut = await scene.pull(index)
    if (cut !== undefined) break
    cuts++
    assert.is((await scene.replica.snapshot()).root, before)
    assert.is((await scene.replica.published())?.payload.sequence, 1)
    const second = await scene.pull(Infinity)
    assert.equal([second?.from?.payload.sequence, second?.to.payload.sequence], [1, 2])
    assert.is((await scene.replica.snapshot()).root, (await scene.db.snapshot()).root)
    scene.assertWhole()
  }
  assert.ok(cuts > 2, `${cuts} messages`)
})

test('cut again and again, a little later each time: it gets there, and every block is fetched once', async () => {
  for (const step of [0, 1]) {
    const scene = await Scene.make()
    let result: PullResult | undefined
    for (let index = 4; result === undefined; index += step) {
      result = await scene.pull(index)
      assert.ok(index < 60 || step === 0)
    }
    assert.is(result.to.payload.sequence, 1)
    scene.assertWhole()
    assert.ok(scene.bytesReceived < 1.2 * result.to.payload.bytes + 60 * 1024, `${scene.bytesReceived} bytes`)
  }
})

test('with a second peer on a sound line, a cut costs nothing but what was under way', async () => {
  for (let index = 1; index < 12; index++) {
    const scene = await Scene.make()
    scene.lab.serve('bob', scene.db)
    await scene.replica.setPeers(['alice', 'bob'])
    const honest = scene.lab.handlerOf(scene.db)
    scene.lab.handle('alice', (channel) => honest(cutAt(channel, index)))
    const { to, report } = await scene.clock.run(scene.replica.pull())
    assert.is(to.payload.sequence, 1)
    assert.is(outcomesOf(report)['bob'], 'used')
    scene.assertWhole()
  }
})

test.run()
