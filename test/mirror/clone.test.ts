/** Replicas over a real web server: few requests, few bytes, nothing asked twice; mirrors beside other peers; uploads under way. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { exportMirror } from '../../src/mirror/index.ts'
import { packPath } from '../../src/mirror/root-file.ts'
import { failureOf, outcomesOf, WatchedStore } from '../support/database-lab.ts'
import { FileServer } from '../support/file-server.ts'
import {
  change,
  digestsOfState,
  MirrorLab,
  packFiles,
  publishedRows,
  readRootFile,
  rowsOf,
} from '../support/mirror-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('mirror/clone')

test('a clone asks for each part of a pack once, in few requests, and the report names the URL', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(30_000)
    const { packBytes } = await exportMirror(db, out)
    const server = use(await FileServer.open(out))
    const store = new WatchedStore()
    const replica = await new MirrorLab().replica(db, [server.url], store)
    const { report } = await replica.pull()
    assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
    assert.is(store.blocksWritten.length, (await digestsOfState(db)).size)
    assert.equal(outcomesOf(report), { [server.url]: 'used' })
    assert.ok(server.requests.length <= 3 + packBytes / (128 * 1024), `${server.requests.length} requests`)
    assert.ok(server.bytesSent <= 1.1 * packBytes + 1024, `${server.bytesSent} bytes of ${packBytes}`)
    assert.is(report.requests, server.requests.length)
    assert.ok(report.bytesReceived >= server.bytesSent && report.bytesReceived < server.bytesSent * 1.05 + 10_000)
  })
})

test('with nothing new: one request, and less than a KiB', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(3000)
    await exportMirror(db, out)
    const server = use(await FileServer.open(out))
    const replica = await new MirrorLab().replica(db, [server.url])
    await replica.pull()
    const before = server.requests.length
    const { changed, report } = await replica.pull()
    assert.equal([changed, server.requests.length - before, report.requests], [false, 1, 1])
    assert.ok(report.bytesReceived + report.bytesSent < 1024)
    assert.equal(outcomesOf(report), { [server.url]: 'unused' })
  })
})

test('a pull takes the packs that are new, and of old ones nothing', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(30_000)
    await exportMirror(db, out)
    const server = use(await FileServer.open(out))
    const replica = await new MirrorLab().replica(db, [server.url])
    await replica.pull()
    const old = new Set((await packFiles(out)).map((name) => `packs/${name}`))
    for (const rows of [rowsOf(700, 701, 1), rowsOf(5000, 5300, 2)]) {
      await change(db, rows)
      const { bytesWritten } = await exportMirror(db, out)
      const [before, bytesBefore] = [server.requests.length, server.bytesSent]
      const { changed } = await replica.pull()
      const asked = server.requests.slice(before)
      assert.is(changed, true)
      assert.equal(
        asked.filter(({ path }) => old.has(path)),
        [],
      )
      assert.ok(asked.length <= 3, `${asked.length} requests`)
      assert.ok(server.bytesSent - bytesBefore < bytesWritten + 2048)
      for (const name of await packFiles(out)) old.add(`packs/${name}`)
    }
    assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
  })
})

test('a replica that is many states behind reads what it lacks, merged and pruned though the packs were', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(20_000)
    await exportMirror(db, out)
    const server = use(await FileServer.open(out))
    const lab = new MirrorLab()
    const behind = await lab.replica(db, [server.url])
    await behind.pull()
    for (let i = 1; i <= 15; i++) {
      await change(db, rowsOf(i * 1000, i * 1000 + 30, i))
      await exportMirror(db, out, { prune: i % 4 === 0 })
    }
    const before = server.bytesSent
    await behind.pull()
    assert.is((await behind.snapshot()).root, (await db.snapshot()).root)
    const { packBytes } = await exportMirror(db, out)
    assert.ok(server.bytesSent - before < packBytes / 2, `${server.bytesSent - before} bytes of ${packBytes}`)
    const fresh = await lab.replica(db, [server.url])
    await fresh.pull()
    assert.is((await fresh.snapshot()).root, (await db.snapshot()).root)
  })
})

test('a follower of a mirror learns of a new root by looking again', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(500)
    await exportMirror(db, out)
    const server = use(await FileServer.open(out))
    const replica = await new MirrorLab().replica(db, [server.url])
    const controller = new AbortController()
    const sequences: number[] = []
    for await (const { to } of replica.follow({ signal: controller.signal })) {
      sequences.push(to.payload.sequence)
      if (sequences.length === 2) controller.abort()
      await change(db, rowsOf(0, 3, 1))
      await exportMirror(db, out)
    }
    assert.equal(sequences, [1, 2])
  })
})

test('a mirror and other peers share the work, and one takes over where the other fails', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(30_000)
    await exportMirror(db, out)
    const lab = new MirrorLab()
    lab.serve('alice', db)
    const server = use(await FileServer.open(out))
    const both = await lab.replica(db, [server.url, 'alice'])
    const { report } = await both.pull()
    assert.is((await both.snapshot()).root, (await db.snapshot()).root)
    assert.equal(outcomesOf(report), { [server.url]: 'used', alice: 'used' })
    server.behaviour = (request, response, path) => {
      if (path === 'root' || server.packRequests < 3) return false
      response.destroy()
      return true
    }
    server.requests.length = 0
    const failing = await lab.replica(db, [server.url, 'alice'])
    const second = await failing.pull()
    assert.is((await failing.snapshot()).root, (await db.snapshot()).root)
    assert.equal(outcomesOf(second.report), { [server.url]: 'unreachable', alice: 'used' })
  })
})

test('a root whose packs are not uploaded yet: the reader falls back to a recent one, and moves on when they are', async () => {
  await inDirectory(async (directory, use) => {
    const out = join(directory, 'out')
    const site = join(directory, 'site')
    const db = await publishedRows(8000)
    await exportMirror(db, out)
    await cp(out, site, { recursive: true })
    await change(db, rowsOf(100, 8000, 1))
    await exportMirror(db, out)
    // The wrong way round: the root first.
    await cp(join(out, 'root'), join(site, 'root'))
    const server = use(await FileServer.open(site))
    const lab = new MirrorLab()
    const replica = await lab.replica(db, [server.url])
    const first = await replica.pull()
    assert.is(first.to.payload.sequence, 1)
    await cp(join(out, 'packs'), join(site, 'packs'), { recursive: true })
    assert.is((await replica.pull()).to.payload.sequence, 2)
  })
})

test('packs that are pruned while they are read: the new root file says where their blocks are now', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(20_000)
    const small = { packBytesFull: 256 * 1024 }
    await exportMirror(db, out, small)
    await change(db, rowsOf(0, 20, 1))
    await exportMirror(db, out, small)
    const old = (await readRootFile(out)).packs.map(packPath)
    const server = use(await FileServer.open(out))
    let isMoved = false
    server.behaviour = async (_request, _response, path) => {
      if (path === 'root' || isMoved || server.packRequests < 4) return false
      isMoved = true
      for (const pack of old) await rm(join(out, pack))
      await exportMirror(db, out, { packBytesFull: 512 * 1024, prune: true })
      return false
    }
    const replica = await new MirrorLab().replica(db, [server.url])
    await replica.pull()
    assert.ok(isMoved)
    assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
  })
})

test('without packs or peers that could help, the error names the URL, and what was verified stays', async () => {
  await inDirectory(async (out, use) => {
    const db = await publishedRows(20_000)
    await exportMirror(db, out, { packBytesFull: 256 * 1024 })
    const server = use(await FileServer.open(out))
    const lab = new MirrorLab()
    const store = new WatchedStore()
    const replica = await lab.replica(db, [server.url], store)
    server.behaviour = (_request, response, path) => {
      if (path === 'root' || server.packRequests < 4) return false
      response.writeHead(404).end()
      return true
    }
    const error = await failureOf(replica.pull())
    assert.is(error.code, 'NO_PEER_LEFT')
    assert.ok(error.message.includes(server.url), error.message)
    const kept = store.blocksWritten.length
    assert.ok(kept > 0)
    server.behaviour = () => false
    const { report } = await replica.pull()
    assert.is(report.blocksReceived, (await digestsOfState(db)).size - kept)
  })
})

test.run()
