/**
 * coppice reads what others wrote and serve: a database that Helia holds, from an archive of @helia/car, and from a gateway of
 * @helia/verified-fetch, which answers requests for raw blocks and for CAR, behind a few lines of HTTP.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { CarReader } from '@ipld/car'
import { CID } from 'multiformats/cid'
import { CarDialer, writeCar } from '../src/car/index.ts'
import { Replica as ReplicaOverStore } from '../src/db/index.ts'
import { type Database, exportCar, Replica } from '../src/index.ts'
import type { Block } from '../src/link.ts'
import { httpDialerOf } from '../src/peer-addresses.ts'
import { headBlock, type SignedRoot } from '../src/pointer/index.ts'
import { MemoryStore } from '../src/store/memory.ts'
import { surroundings } from '../src/surroundings.ts'

import { filmBytes, FILM_KEY, type Helia, load, startHelia, whole, withSite } from './lab.ts'

interface Car {
  import(reader: CarReader): Promise<void>
  export(root: CID): AsyncIterable<Uint8Array>
}

type Fetch = (resource: string, init: { headers: Record<string, string>; signal: AbortSignal }) => Promise<Response>

/** A trustless gateway in front of Helia's own implementation of one. */
async function gatewayOf(helia: Helia): Promise<{ readonly server: HttpServer; readonly formats: string[] }> {
  const { createVerifiedFetch } = await load<{ createVerifiedFetch: (helia: Helia) => Promise<Fetch> }>(
    '@helia/verified-fetch',
  )
  const verifiedFetch = await createVerifiedFetch(helia)
  const formats: string[] = []
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      const url = new URL(request.url ?? '/', 'http://localhost')
      const format = url.searchParams.get('format') ?? ''
      formats.push(format)
      const [, cid] = /^\/ipfs\/(\w+)$/.exec(url.pathname) ?? []
      if (cid === undefined) return void response.writeHead(404).end()
      if (cid === 'bafkqaaa') return void response.writeHead(200).end()
      const signal = AbortSignal.timeout(5000)
      const reply = await verifiedFetch(`ipfs://${cid}`, {
        headers: { accept: `application/vnd.ipld.${format}` },
        signal,
      })
      response.writeHead(reply.status, Object.fromEntries(reply.headers))
      for await (const chunk of reply.body ?? []) response.write(chunk)
      response.end()
    }
    answer().catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, formats }
}

/** An archive with the signed root and nothing of its tree. */
async function* headOnly(signed: SignedRoot): AsyncGenerator<Uint8Array> {
  const head = headBlock(signed)
  async function* blocks(): AsyncGenerator<Block> {
    yield await Promise.resolve(head)
  }
  yield* writeCar(head.link, blocks())
}

async function assertSame(replica: Replica, db: Database): Promise<void> {
  assert.deepEqual((await replica.published())?.bytes, (await db.published())?.bytes)
  assert.deepEqual(Buffer.from((await replica.get(FILM_KEY)) ?? []), Buffer.from(filmBytes()))
  assert.deepEqual(await replica.collection('towns').get([17]), await db.collection('towns').get([17]))
}

await withSite(async ({ db, directory }) => {
  const signed = await db.published()
  assert.ok(signed)
  const { address } = db
  const helia = await startHelia([])
  const { car } = await load<{ car: (helia: Helia) => Car }>('@helia/car')
  await car(helia).import(await CarReader.fromBytes(await whole(exportCar(db, signed))))

  const chunks = car(helia).export(CID.decode(headBlock(signed).link))
  const copy = await Replica.clone(address, join(directory, 'from-archive'), { car: { name: 'helia.car', chunks } })
  await assertSame(copy, db)
  await copy.close()
  console.log('coppice cloned from an archive that helia wrote')

  const { server, formats } = await gatewayOf(helia)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  try {
    const store = new MemoryStore()
    await store.write({ meta: ReplicaOverStore.initialMeta(db.author, db.name, []) })
    const replica = await ReplicaOverStore.load(store, { ...surroundings, isWritable: true })
    const showsRoot = new CarDialer({ name: 'head.car', chunks: headOnly(signed) }, store)
    const gateway = await httpDialerOf(url)
    assert.ok(gateway)
    const { report } = await replica.pull({ from: [showsRoot, gateway] })
    await assertSame(replica, db)
    await replica.close()
    const blocks = report.peers.find(({ name }) => name === url)?.blocks
    const counts = ['raw', 'car'].map((format) => `${formats.filter((each) => each === format).length} for ${format}`)
    console.log(`coppice had ${blocks} blocks from a gateway of helia by requests: ${counts.join(', ')}`)
  } finally {
    server.closeAllConnections()
    server.close()
    await helia.stop()
  }
})
