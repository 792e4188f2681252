/** kill -9 of a writer at any point: what it was told is durable is there, and no batch is there in part. */
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { matchesLink } from '../../src/link.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { inDirectory, scope, type Use } from '../support/temporary-directory.ts'
import { startWriter } from './processes/child.ts'
import { numberedBatch } from './processes/writer.ts'

const test = suite('store/lmdb-kill')

const KILLS = 24
const BATCHES_MAX = 100_000

/** Every batch up to 'last' whole, none after it; the number of the next. */
async function checkBatches(path: string, from: number, use: Use): Promise<number> {
  // Opened for writing: the first kills may come before there is a store.
  const store = use(await LmdbStore.open(path, 'write'))
  const last = store.getMeta('last')
  const next = last === undefined ? 0 : Number(new TextDecoder().decode(last)) + 1
  // The batch before those of this round too, and two that were never finished.
  for (let number = Math.max(0, from - 1); number < next + 2; number++) {
    for (const { link } of numberedBatch(number).blocks) {
      const bytes = store.get(link)
      const record = store.getComplete(link)
      const whole = bytes !== undefined && matchesLink(link, bytes) && record?.bytes === number
      if (number < next) assert.ok(whole, `batch ${number} of ${next} is not whole`)
      else assert.ok(bytes === undefined && record === undefined, `batch ${number} of ${next} is partly there`)
    }
  }
  return next
}

test(`a writer killed ${KILLS} times loses nothing durable and leaves nothing partial`, () =>
  inDirectory(async (path) => {
    let next = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const writer = startWriter(path, 'numbered', String(next), String(BATCHES_MAX))
      // At once, within opening, after some lines, and at points between: a batch takes about a millisecond.
      if (kill % 6 === 0) await sleep(kill * 5)
      else {
        for (let line = 0; line < kill % 6; line++) await writer.line()
        await sleep((kill * 7.3) % 40)
      }
      await writer.kill()
      const printed = (await writer.rest()).filter((line) => line !== '').map(Number)
      const from = next
      const found = await scope((use) => checkBatches(path, from, use))
      const durable = printed.at(-1)
      assert.ok(durable === undefined || found > durable, `batch ${durable} was durable, ${found} are there`)
      assert.ok(found >= next)
      next = found
    }
    assert.ok(next > KILLS, `${next} batches`)
  }))

test.run()
