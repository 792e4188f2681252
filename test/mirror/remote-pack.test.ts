/** One pack over HTTP: what is asked for, counted, when blocks are looked up and read in this or that order. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openHttp } from '../../src/http/index.ts'
import { unpackBatch } from '../../src/mirror/batch-coding.ts'
import { ByteCache } from '../../src/mirror/byte-cache.ts'
import { withMirrorFiles } from '../../src/mirror/mirror-files.ts'
import { layoutOf, type PackPlace } from '../../src/mirror/pack-format.ts'
import { PackSource } from '../../src/mirror/pack-source.ts'
import { PackWriter } from '../../src/mirror/pack-writer.ts'
import { RemotePack } from '../../src/mirror/remote-pack.ts'
import type { PackEntry } from '../../src/mirror/root-file.ts'
import { type Link, matchesLink } from '../../src/link.ts'
import { sha256 } from '../../src/sha256.ts'
import { surroundings } from '../../src/surroundings.ts'
import { utf8 } from '../support/database-lab.ts'
import { FileServer } from '../support/file-server.ts'
import { exportPadded, openSession, publishedRows } from '../support/mirror-lab.ts'
import { inDirectory, type Use } from '../support/temporary-directory.ts'

/** Blocks that do not compress, of `bytes` each. */
function noise(count: number, bytes: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const block = new Uint8Array(bytes)
    for (let at = 0; at < bytes; at += 32) block.set(sha256(utf8(`${i}/${at}`)).subarray(0, bytes - at), at)
    // No node: it is not to be taken for one above the leaves.
    block[0] = 0
    return block
  })
}

async function written(directory: string, blocks: readonly Uint8Array[]): Promise<PackEntry> {
  return await withMirrorFiles(directory, async (files) => {
    const writer = new PackWriter(files, { coding: 'zstd', sequence: 1 })
    for (const block of blocks) await writer.add(sha256(block), block)
    await writer.finish()
    assert.is(writer.written.length, 1)
    return writer.written[0] as PackEntry
  })
}

interface Opened {
  readonly server: FileServer
  readonly pack: RemotePack
}

async function opened(directory: string, use: Use, entry: PackEntry, cacheBytes = 2 ** 24): Promise<Opened> {
  const server = use(await FileServer.open(directory))
  const client = openHttp(server.url, { clock: surroundings.clock })
  use({ [Symbol.asyncDispose]: () => Promise.resolve(client.close()) })
  const source = new PackSource(client, new AbortController().signal)
  const directories = new ByteCache<RemotePack, true>(cacheBytes, (pack) => pack.forget())
  return { server, pack: new RemotePack(entry, source, { batches: new ByteCache(2 ** 24), directories }) }
}

async function placesOf(pack: RemotePack, blocks: readonly Uint8Array[]): Promise<PackPlace[]> {
  const places = await pack.find(blocks.map(sha256))
  assert.ok(Array.isArray(places) && !places.includes(undefined))
  return places as PackPlace[]
}

async function blockAt(pack: RemotePack, { batch, place }: PackPlace): Promise<Uint8Array | undefined> {
  const compressed = await (await pack.load([batch])).get(batch)
  const at = await pack.placeOf(batch)
  if (compressed === undefined || typeof compressed === 'string' || typeof at === 'string') return undefined
  return (await unpackBatch(compressed, pack.entry.coding, at.foldedBytes))[place]
}

const test = suite('mirror/remote-pack')

test('a small pack comes with one request', async () => {
  await inDirectory(async (directory, use) => {
    const blocks = noise(30, 4000)
    const { server, pack } = await opened(directory, use, await written(directory, blocks))
    for (const [i, place] of (await placesOf(pack, blocks)).entries()) {
      assert.equal(await blockAt(pack, place), blocks[i])
    }
    assert.equal(await pack.find([sha256(utf8('none'))]), [undefined])
    assert.is(server.requests.length, 1)
  })
})

test('of a large index only what is needed is asked for, neighbours together, and each part once', async () => {
  await inDirectory(async (directory, use) => {
    const blocks = noise(60_000, 40)
    const entry = await written(directory, blocks)
    const { index, buckets } = layoutOf(entry)
    assert.ok(buckets - index > 1024 * 1024)
    const { server, pack } = await opened(directory, use, entry)
    const some = blocks.slice(0, 3)
    const places = await placesOf(pack, some)
    assert.ok(server.requests.length <= 4 && server.bytesSent < 120_000, `${server.bytesSent} bytes`)
    const before = server.requests.length
    assert.equal(await placesOf(pack, some), places)
    assert.is(server.requests.length, before)
    for (const [i, place] of places.entries()) assert.equal(await blockAt(pack, place), blocks[i])
    server.requests.length = 0
    server.bytesSent = 0
    const all = await placesOf(pack, blocks)
    assert.ok(server.requests.length <= 5, `${server.requests.length} requests`)
    assert.ok(server.bytesSent <= 1.2 * (buckets - index))
    for (let i = 0; i < blocks.length; i += 7001) assert.equal(await blockAt(pack, all[i] as PackPlace), blocks[i])
    assert.equal(await pack.find([sha256(utf8('none'))]), [undefined])
  })
})

test('what had to be forgotten is asked for again', async () => {
  await inDirectory(async (directory, use) => {
    const blocks = noise(2000, 400)
    const { server, pack } = await opened(directory, use, await written(directory, blocks))
    await placesOf(pack, blocks)
    const before = server.requests.length
    pack.forget()
    const places = await placesOf(pack, blocks)
    assert.ok(server.requests.length > before)
    for (let i = 0; i < blocks.length; i += 300) assert.equal(await blockAt(pack, places[i] as PackPlace), blocks[i])
  })
})

test('who reads on is given more and more; who reads here and there is given what he asks for', async () => {
  await inDirectory(async (directory, use) => {
    const blocks = noise(3000, 4000)
    const entry = await written(directory, blocks)
    assert.ok(entry.batches >= 20)
    const forward = await opened(directory, use, entry)
    const places = await placesOf(forward.pack, blocks)
    for (const [i, place] of places.entries()) {
      if (i % 100 === 0) assert.equal(await blockAt(forward.pack, place), blocks[i])
    }
    assert.ok(forward.server.requests.length <= entry.batches / 3, `${forward.server.requests.length} requests`)
    assert.ok(forward.server.bytesSent < 1.05 * entry.bytes)

    const scattered = await opened(directory, use, entry)
    await placesOf(scattered.pack, blocks)
    const before = scattered.server.bytesSent
    const batches = [19, 3, 11]
    let wanted = 0
    for (const batch of batches) {
      await blockAt(scattered.pack, { batch, place: 0 })
      const at = await scattered.pack.placeOf(batch)
      wanted += typeof at === 'string' ? 0 : at.end - at.start
    }
    assert.is(scattered.server.bytesSent - before, wanted)

    const together = await opened(directory, use, entry)
    await placesOf(together.pack, blocks)
    const requests = together.server.requests.length
    const loaded = await together.pack.load([2, 3, 4, 9])
    for (const batch of loaded.values()) assert.instance(await batch, Uint8Array)
    assert.is(together.server.requests.length - requests, 2)
    // Asked for while it is on its way, or when it is here: nothing more.
    await together.pack.load([2, 9])
    assert.is(together.server.requests.length - requests, 2)
  })
})

test('a batch that had to make room while others were read is asked for again', async () => {
  await inDirectory(async (directory, use) => {
    const db = await publishedRows(800)
    const { root } = (await db.snapshot()).tree.ref
    const links = await exportPadded(db, directory)
    assert.ok(links.length > 12)
    const server = use(await FileServer.open(directory))
    const session = await openSession(db, server.url)
    use({ [Symbol.asyncDispose]: () => session.close() })
    for (const link of links.slice(0, 8)) await session.getBlocks(root, [link])
    // The first is among the inflated ones now, and not when its turn comes.
    const asked = [...links.slice(8, 11), links[0] as Link]
    const answer = (await session.getBlocks(root, asked)) as readonly Uint8Array[]
    assert.is(answer.length, 4)
    for (const [i, link] of asked.entries()) assert.ok(matchesLink(link, answer[i] as Uint8Array))
  })
})

test.run()
