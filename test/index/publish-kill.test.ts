/** kill -9 of a publisher at any point: it shows the same bytes later or none, and never two roots of one sequence. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import { Database } from '../../src/index.ts'
import { checkTree } from '../../src/prolly/index.ts'
import { inDirectory, type Use } from '../support/temporary-directory.ts'
import { RELEASE_ROWS, startRole } from './processes/role.ts'

const test = suite('index/publish-kill')

const KILLS = 14

/** Everything ever signed or shown, by sequence. */
type Shown = Map<number, string>

function note(shown: Shown, sequence: number, bytes: string): void {
  assert.is(shown.get(sequence) ?? bytes, bytes, `two roots of sequence ${sequence}`)
  shown.set(sequence, bytes)
}

/** What a reader sees now: one chain of complete states. */
async function checkDirectory(path: string, shown: Shown, use: Use): Promise<number> {
  const db = use(await Database.open(path, { access: 'read' }))
  const newest = await db.published()
  let below = newest
  for await (const { signedRoot, isHeld } of db.log()) {
    note(shown, signedRoot.payload.sequence, bytesToHex(signedRoot.bytes))
    assert.ok(isHeld)
    if (below !== newest) assert.equal(below?.payload.previous, signedRoot.link)
    below = signedRoot
  }
  if (newest !== undefined) {
    const { root, entries, bytes } = newest.payload
    await checkTree(db.state.store, { root, entries, bytes })
    const rows = (await db.state.at(root)).collection('rows')
    assert.is(await rows.count(), RELEASE_ROWS)
    const releases = new Set<unknown>()
    for await (const { release } of rows.scan()) releases.add(release)
    assert.equal([...releases], [newest.payload.sequence])
  }
  return newest?.payload.sequence ?? 0
}

test(`a publisher killed ${KILLS} times`, () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'db')
    await (await Database.create(path, { name: 'cities' })).close()
    const shown: Shown = new Map()
    let sequence = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const publisher = use(startRole('publisher', path))
      await publisher.line()
      for (let line = 0; line < kill % 3; line++) await publisher.line()
      // A release takes some 20 ms: before, within and after the import, the records, the signing.
      await sleep((kill * 7.3) % 40)
      await publisher.kill()
      for (const line of await publisher.rest()) {
        const [number, bytes] = line.split(' ')
        if (bytes !== undefined) note(shown, Number(number), bytes)
      }
      const found = await checkDirectory(path, shown, use)
      assert.is(found, Math.max(...shown.keys(), 0), 'what was told is there')
      assert.ok(found >= sequence)
      sequence = found
    }
    assert.ok(sequence >= KILLS / 2, `${sequence} releases`)
  }))

test.run()
