/** The composed library: directories, libp2p over TCP, addresses, and what it says when something is not as it should be. */
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CoppiceError, Database, openDirectory, Replica, serve } from '../../src/index.ts'
import type { PeerReport } from '../../src/sync/index.ts'
import { collect, failureOf, outcomesOf, text, thrownBy, utf8 } from '../support/database-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('index/library')

interface City {
  readonly country: string
  readonly id: number
  readonly name: string
}

const KEY = ['country', 'id'] as const
const AMSTERDAM: City = { country: 'NL', id: 2759794, name: 'Amsterdam' }

test('from a document to a replica of a replica, over TCP', () =>
  inDirectory(async (directory, use) => {
    const db = use(await Database.create(join(directory, 'author'), { name: 'cities' }))
    const cities = db.collection<City, typeof KEY>('cities', { key: KEY })
    await cities.put(AMSTERDAM)
    await db.publish({ message: 'first' })
    const server = use(await serve(db))
    const results: boolean[] = []
    const replica = use(
      await Replica.clone(server.addressOf(db), join(directory, 'copy'), {
        onPulled: ({ changed }) => results.push(changed),
      }),
    )
    assert.equal(results, [true])
    const copied = replica.collection<City, typeof KEY>('cities')
    assert.equal(await copied.get(['NL', 2759794]), AMSTERDAM)
    await cities.put({ ...AMSTERDAM, name: 'Mokum' })
    await db.publish()
    const { report, changes } = await replica.pull()
    assert.equal(outcomesOf(report), { [server.addresses[0] ?? '']: 'used' })
    assert.equal(
      (await collect(changes())).map(({ to }) => (to as unknown as City).name),
      ['Mokum'],
    )
    assert.ok(server.peers().length > 0)
    const onward = use(await serve([replica], { signal: new AbortController().signal }))
    await server.close()
    const second = use(await Replica.clone(onward.addressOf(replica), join(directory, 'copy of the copy')))
    assert.is((await second.snapshot()).root, (await db.snapshot()).root)
    assert.is((await second.published())?.message, undefined)
    assert.equal(await second.peers(), onward.addresses)
  }))

test('one server, several databases; its identity is that of the first, and stays', () =>
  inDirectory(async (directory, use) => {
    const paths = ['one', 'two'].map((name) => join(directory, name))
    const open: Database[] = []
    for (const [i, path] of paths.entries()) {
      const db = use(await Database.create(path, { name: `db-${i}` }))
      await db.put(utf8('n'), utf8(String(i)))
      await db.publish()
      open.push(db)
    }
    const server = use(await serve(open))
    for (const [i, db] of open.entries()) {
      const replica = use(await Replica.clone(server.addressOf(db), join(directory, `copy ${i}`)))
      assert.is(text(await replica.get(utf8('n'))), String(i))
    }
    await server.close()
    const again = use(await serve(open))
    assert.is(again.peerId, server.peerId)
    assert.ok(existsSync(join(directory, 'one', 'peer.key')) && !existsSync(join(directory, 'two', 'peer.key')))
    const [peerKey, authorKey] = await Promise.all(
      ['peer.key', 'author.key'].map((file) => readFile(join(directory, 'one', file), 'utf8')),
    )
    assert.not.equal(peerKey, authorKey)
    assert.is((await stat(join(directory, 'one', 'author.key'))).mode & 0o777, 0o600)
  }))

test('a clone is made once: not over other files, another database, or a complete copy', () =>
  inDirectory(async (directory, use) => {
    const db = use(await Database.create(join(directory, 'author'), { name: 'cities' }))
    const other = use(await Database.create(join(directory, 'other'), { name: 'towns' }))
    for (const each of [db, other]) {
      await each.put(utf8('n'), utf8(each.name))
      await each.publish()
    }
    const server = use(await serve([db, other]))
    const copy = join(directory, 'copy')
    await (await Replica.clone(server.addressOf(db), copy)).close()
    const files = join(directory, 'files')
    await mkdir(files)
    await writeFile(join(files, 'letter.txt'), 'dear')
    await writeFile(join(directory, 'file'), 'x')
    for (const [path, address] of [
      [copy, server.addressOf(db)],
      [copy, server.addressOf(other)],
      [files, server.addressOf(db)],
      [join(directory, 'file'), server.addressOf(db)],
    ] as const) {
      assert.is((await failureOf(Replica.clone(address, path))).code, 'DATABASE_EXISTS', path)
    }
    assert.is(await readFile(join(files, 'letter.txt'), 'utf8'), 'dear')
    assert.ok(!existsSync(join(files, 'data.mdb')))
    const opened = use(await Replica.open(copy))
    assert.is(text(await opened.get(utf8('n'))), 'cities')
  }))

test('a clone that found nothing leaves nothing behind, but a directory and a key that were there', () =>
  inDirectory(async (directory, use) => {
    const db = use(await Database.create(join(directory, 'author'), { name: 'cities' }))
    await db.put(utf8('n'), utf8('1'))
    await db.publish()
    const copy = join(directory, 'copy')
    const nowhere = '/ip4/127.0.0.1/tcp/1'
    const error = await failureOf(Replica.clone(db.address, copy, { peers: [nowhere] }))
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.equal(outcomesOf({ peers: error.details['peers'] as PeerReport[] }), { [nowhere]: 'unreachable' })
    assert.ok(!existsSync(copy))
    const server = use(await serve(db))
    const mistyped = server.addressOf(db).replace('/cities?', '/citties?')
    await mkdir(copy)
    assert.is((await failureOf(Replica.clone(mistyped, copy))).code, 'NO_PEER_LEFT')
    assert.equal(await readdir(copy), [])
    await copyFile(join(directory, 'author', 'author.key'), join(copy, 'author.key'))
    await failureOf(Replica.clone(mistyped, copy))
    assert.equal(await readdir(copy), ['author.key'], 'a key from a backup stays')
    const replica = use(await Replica.clone(server.addressOf(db), copy))
    assert.is(await replica.count(), 1)
    assert.equal(await replica.peers(), server.addresses)
    await replica.close()
    const other = use(await Database.create(join(directory, 'other'), { name: 'cities' }))
    assert.is((await failureOf(Replica.clone(other.address, copy))).code, 'DATABASE_EXISTS')
  }))

test('an address outlives a restart of the server', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const db = use(await Database.create(path, { name: 'cities' }))
    await db.publish()
    const first = await serve(db)
    const { addresses } = first
    const beside = await serve(db)
    assert.not.equal(beside.addresses, addresses, 'a taken port is no failure')
    await beside.close()
    await first.close()
    const again = use(await serve(db))
    assert.equal(again.addresses, addresses)
  }))

test('addresses that do not parse, or cannot be dialled, leave nothing behind', () =>
  inDirectory(async (directory) => {
    const db = await Database.create(join(directory, 'author'), { name: 'cities' })
    const copy = join(directory, 'copy')
    for (const address of [
      '',
      'https://example.com',
      'coppice:nonsense/cities',
      `${db.address}?peer=/ip4/127.0.0.1/udp/1`,
      `${db.address}?peer=nonsense`,
      `${db.address}?pear=/ip4/127.0.0.1/tcp/1`,
    ]) {
      assert.is((await failureOf(Replica.clone(address, copy))).code, 'ADDRESS_INVALID', address)
      assert.ok(!existsSync(copy), address)
    }
    const reason = new Error('stop')
    const signal = AbortSignal.abort(reason)
    assert.is(await thrownBy(Replica.clone(db.address, copy, { signal })), reason)
    assert.is(await thrownBy(Database.create(copy, { name: 'x', signal })), reason)
    assert.ok(!existsSync(copy))
    assert.is(await thrownBy(Database.open(join(directory, 'author'), { signal })), reason)
    assert.is(await thrownBy(openDirectory(join(directory, 'author'), { signal })), reason)
    assert.is(await thrownBy(serve(db, { signal })), reason)
    await db.close()
    await (await Database.open(join(directory, 'author'))).close()
  }))

test('kinds are told apart, and what is no database', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const db = use(await Database.create(path, { name: 'cities' }))
    const copy = join(directory, 'copy')
    await db.publish()
    const server = await serve(db)
    await (await Replica.clone(server.addressOf(db), copy)).close()
    await server.close()
    await db.close()
    assert.is((await failureOf(Database.open(copy))).code, 'DATABASE_KIND')
    assert.is((await failureOf(Replica.open(path))).code, 'DATABASE_KIND')
    for (const [expected, at] of [
      ['author', path],
      ['replica', copy],
    ] as const) {
      const opened = await openDirectory(at)
      assert.is(opened.kind, expected)
      await opened.db.close()
    }
    assert.is((await failureOf(Database.open(join(directory, 'absent')))).code, 'NOT_A_DATABASE')
    assert.is((await failureOf(Database.open(directory))).code, 'NOT_A_DATABASE')
    assert.is((await failureOf(Database.create(path, { name: 'again' }))).code, 'DATABASE_EXISTS')
    for (const name of ['', 'a/b', 'A', 'x'.repeat(100), '..']) {
      assert.is((await failureOf(Database.create(join(directory, 'new'), { name }))).code, 'USAGE', name)
    }
    assert.ok(!existsSync(join(directory, 'new')))
  }))

test('one handle writes at a time; readers see what it writes, and write nothing', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const db = use(await Database.create(path, { name: 'cities' }))
    assert.equal((await failureOf(Database.open(path))).code, 'STORE_LOCKED')
    const reader = use(await Database.open(path, { access: 'read' }))
    await db.put(utf8('n'), utf8('1'))
    assert.is(text(await reader.get(utf8('n'))), '1')
    for (const write of [reader.put(utf8('n'), utf8('2')), reader.publish(), reader.del(utf8('n'))]) {
      assert.is((await failureOf(write)).code, 'STORE_READ_ONLY')
    }
    await db.close()
    await db.close()
    const next = use(await Database.open(path))
    await next.put(utf8('n'), utf8('2'))
    assert.is(text(await reader.get(utf8('n'))), '2')
    assert.instance(await thrownBy(db.put(utf8('n'), utf8('3'))), TypeError)
  }))

test('without its author key a database can be changed and not published; one that others may read is refused', () =>
  inDirectory(async (directory, use) => {
    const path = join(directory, 'author')
    const key = join(path, 'author.key')
    await (await Database.create(path, { name: 'cities' })).close()
    await chmod(key, 0o644)
    const shared = await failureOf(Database.open(path))
    assert.is(shared.code, 'KEY_FILE_INVALID')
    const secret = (await readFile(key, 'utf8')).trim()
    assert.not.ok(JSON.stringify([shared.message, shared.details, shared.stack]).includes(secret))
    await chmod(key, 0o600)
    await copyFile(key, join(directory, 'kept'))
    await rm(key)
    const db = use(await Database.open(path))
    await db.put(utf8('n'), utf8('1'))
    assert.is((await failureOf(db.publish())).code, 'KEY_FILE_INVALID')
    await db.close()
    await copyFile(join(directory, 'kept'), key)
    await chmod(key, 0o600)
    const again = use(await Database.open(path))
    assert.is((await again.publish()).signedRoot.payload.sequence, 1)
  }))

test('the port in use, and no address to listen on: coded errors, and nothing is left open', () =>
  inDirectory(async (directory, use) => {
    const db = use(await Database.create(join(directory, 'author'), { name: 'cities' }))
    const server = use(await serve(db))
    const port = /tcp\/(\d+)/.exec(server.addresses[0] ?? '')?.[1]
    assert.is((await failureOf(serve(db, { listen: [`/ip4/127.0.0.1/tcp/${port}`] }))).code, 'LISTEN_FAILED')
    assert.is((await failureOf(serve(db, { listen: ['localhost:80'] }))).code, 'ADDRESS_INVALID')
    await assertTypeError(serve([db, db]))
  }))

async function assertTypeError(action: Promise<unknown>): Promise<void> {
  assert.instance(await thrownBy(action), TypeError)
}

test('closing while peers wait, and serving a closed database, ends channels and nothing else', () =>
  inDirectory(async (directory, use) => {
    const db = use(await Database.create(join(directory, 'author'), { name: 'cities' }))
    await db.put(utf8('n'), utf8('1'))
    await db.publish()
    const server = use(await serve(db))
    const replica = use(await Replica.clone(server.addressOf(db), join(directory, 'copy')))
    const failures: CoppiceError[] = []
    const follow = replica.follow({ onFailure: (error) => failures.push(error) })
    await follow.next()
    const failed = new Promise<void>((resolve) => {
      const look = (): unknown => (failures.length > 0 ? resolve() : setTimeout(look, 20))
      look()
    })
    const ended = follow.next()
    await db.close()
    await failed
    assert.is(failures[0]?.code, 'NO_PEER_LEFT')
    await server.close()
    await server[Symbol.asyncDispose]()
    await replica.close()
    assert.is((await ended).done, true)
  }))

test.run()
