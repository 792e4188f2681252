/** What both directions of interoperability are tried on: a published database, and a node of Helia as its users make one. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { Database, serve, type Server } from '../src/index.ts'

export const ROWS = 2000
export const FILM_BYTES = 3_000_000
export const FILM_KEY: Uint8Array = new TextEncoder().encode('film')

/** Not two leaves are equal. */
export function filmBytes(): Uint8Array {
  return Uint8Array.from({ length: FILM_BYTES }, (_, i) => (i * 31 + (i >> 12)) & 0xff)
}

export interface Site {
  readonly db: Database
  readonly server: Server
  /** The gateway, without the path of the database. */
  readonly gateway: string
  readonly directory: string
}

/** Some thousand documents and a value of 3 MB, served over HTTP, until `body` is over. */
export async function withSite<T>(body: (site: Site) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'coppice-interop-'))
  const db = await Database.create(join(directory, 'towns'), { name: 'towns' })
  try {
    await db.batch(async (tx) => {
      const towns = tx.collection('towns', { key: ['id'] })
      for (let id = 0; id < ROWS; id++) await towns.put({ id, name: `town ${id}` })
    })
    await db.put(FILM_KEY, filmBytes())
    await db.publish({ message: 'for others to read' })
    const server = await serve(db, { http: { listen: '127.0.0.1:0' } })
    try {
      const url = server.urlOf(db)
      if (url === undefined) throw new Error('nothing is served over HTTP')
      return await body({ db, server, gateway: new URL('/', url).href, directory })
    } finally {
      await server.close()
    }
  } finally {
    await db.close()
    await rm(directory, { recursive: true })
  }
}

/** As much of Helia's types as is used here: its packages are installed when this runs, and not before. */
export interface Helia {
  readonly blockstore: {
    get(cid: CID, options?: object): AsyncIterable<Uint8Array>
    put(cid: CID, bytes: Uint8Array): Promise<CID>
  }
  start(): Promise<Helia>
  stop(): Promise<void>
}

export interface UnixFs {
  cat(cid: CID, options?: object): AsyncIterable<Uint8Array>
}

/** A module of a package under interop/node_modules. */
export async function load<Module>(name: string): Promise<Module> {
  return (await import(name)) as Module
}

/** Helia with what its own documentation puts together: an HTTP block broker and these gateways; nothing else is asked. */
export async function startHelia(gateways: readonly string[]): Promise<Helia> {
  const { createHeliaLight } = await load<{ createHeliaLight: (init: object) => Helia }>('helia')
  const { withHTTP } = await load<{ withHTTP: (helia: Helia, init: object) => Helia }>('@helia/http')
  const dagCbor = await load<object>('@ipld/dag-cbor')
  // Without any router but the fallback to gateways it waits for ever; a gateway that routes nothing says 404.
  const options = {
    delegatedRouters: [...gateways],
    recursiveGateways: gateways,
    allowLocal: true,
    allowInsecure: true,
  }
  return await withHTTP(createHeliaLight({ codecs: [dagCbor] }), options).start()
}

export async function whole(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of chunks) parts.push(part)
  return Buffer.concat(parts)
}
