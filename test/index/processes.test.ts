/** One writer and many readers in processes of their own: a server announces what another process publishes; readers see whole states. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database, Replica } from '../../src/index.ts'
import { collect, failureOf } from '../support/database-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { importRelease, RELEASE_ROWS, startRole } from './processes/role.ts'

const test = suite('index/processes')

test('serve, import and publish, and follow: three processes, every release is seen, and pulled as the exact change', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const db = await Database.create(path, { name: 'cities' })
    await importRelease(db, 1)
    await db.publish()
    await db.close()
    const server = use(startRole('server', path))
    const address = (await server.line()) ?? ''
    const writer = use(startRole('writer', path))
    await writer.line()
    const locked = await failureOf(Database.open(path))
    assert.equal([locked.code, locked.details['pid']], ['STORE_LOCKED', writer.pid])
    const replica = use(await Replica.clone(address, join(directory, 'copy')))
    const watched = use(await Database.open(path, { access: 'read' }))
    const watch = watched.watch()
    const follow = replica.follow()
    assert.is((await follow.next()).value?.changed, false)
    for (let release = 2; release <= 4; release++) {
      const news = follow.next()
      const change = watch.next()
      writer.send(`release ${release}`)
      assert.is(await writer.line(), String(release))
      const { value: result } = await news
      assert.equal([result?.to.payload.sequence, result?.link], [release, 'linked'])
      assert.is((await collect(result?.changes() ?? [])).length, RELEASE_ROWS)
      const rows = replica.collection<{ id: number; release: number }, readonly ['id']>('rows')
      assert.is((await rows.get([7]))?.release, release)
      const seen = await change
      assert.is(seen.value?.origin, 'local')
      assert.is((await collect(seen.value?.changes() ?? [])).length, RELEASE_ROWS)
    }
    assert.is(await writer.end(), 0)
    await replica.close()
    assert.is((await follow.next()).done, true)
    assert.is(await server.end(), 0)
  }))

test('scans begun before see the state of their first row, while another process imports and publishes', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const db = await Database.create(path, { name: 'cities' })
    await importRelease(db, 1)
    await db.close()
    const reader = use(await Database.open(path, { access: 'read' }))
    const writer = use(startRole('writer', path))
    await writer.line()
    interface ReleaseRow {
      readonly id: number
      readonly release: number
    }
    type Scan = AsyncGenerator<ReleaseRow, void, undefined>
    const scans: { readonly scan: Scan; readonly release: number; readonly seen: ReleaseRow[] }[] = []
    for (let release = 1; release <= 4; release++) {
      for (const reverse of [false, true]) {
        const scan: Scan = reader.collection<{ id: number; release: number }>('rows').scan({ reverse })
        scans.push({ scan, release, seen: [] })
      }
      // A part of each, some rows at a time: leaves that no scan has read yet are no longer those of the newest state.
      for (const { scan, seen } of scans) {
        for (let i = 0; i < 40; i++) {
          const { value } = await scan.next()
          if (value !== undefined) seen.push(value)
        }
      }
      writer.send(`release ${release + 1}`)
      assert.is(await writer.line(), String(release))
    }
    for (const { scan, release, seen } of scans) {
      for await (const row of scan) seen.push(row)
      assert.is(seen.length, RELEASE_ROWS)
      assert.ok(seen.every((row) => row.release === release))
      assert.is(new Set(seen.map(({ id }) => id)).size, RELEASE_ROWS)
    }
    assert.is(await writer.end(), 0)
  }))

test('a reader in another process sees complete states only, while pulls go on', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const copy = join(directory, 'copy')
    const db = use(await Database.create(path, { name: 'cities' }))
    await importRelease(db, 1)
    await db.publish()
    const server = use(startRole('server', path))
    const replica = use(await Replica.clone((await server.line()) ?? '', copy))
    const reader = use(startRole('reader', copy))
    await reader.line()
    assert.is(await reader.line(), '1')
    for (let release = 2; release <= 8; release++) {
      await importRelease(db, release)
      await db.publish()
      assert.is((await replica.pull()).to.payload.sequence, release)
      if (release % 3 === 0) {
        // It is there for everybody once the pull has resolved.
        let seen = await reader.line()
        while (seen !== undefined && !seen.startsWith('mixed') && Number(seen) < release) seen = await reader.line()
        assert.is(seen, String(release))
      }
    }
    await reader.end()
    const rest = await reader.rest()
    assert.equal(
      rest.filter((line) => line.startsWith('mixed')),
      [],
    )
  }))

test('a server is killed and comes back at its address: the follower finds it again', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const db = use(await Database.create(path, { name: 'cities' }))
    await importRelease(db, 1)
    await db.publish()
    const server = use(startRole('server', path))
    const address = (await server.line()) ?? ''
    const replica = use(await Replica.clone(address, join(directory, 'copy')))
    const follow = replica.follow()
    await follow.next()
    const news = follow.next()
    await server.kill()
    await importRelease(db, 2)
    await db.publish()
    const again = use(startRole('server', path))
    assert.is(await again.line(), address, 'the same identity, and the port that follows from it')
    assert.is((await news).value?.to.payload.sequence, 2)
    await replica.close()
  }))

test.run()
