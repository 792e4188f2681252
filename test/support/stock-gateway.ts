/**
 * A trustless gateway that is not ours: blocks from a map, archives by @ipld/car and @ipld/dag-cbor. It counts, and can be told to be
 * as minimal, slow to find, or malicious as gateways may be.
 */
import { CarWriter } from '@ipld/car'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagPb from '@ipld/dag-pb'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CID } from 'multiformats/cid'
import type { Database } from '../../src/db/index.ts'
import { hexToBytes } from '../../src/bytes.ts'
import { httpDialerOf } from '../../src/peer-addresses.ts'
import { createMemoryDialer, type PeerDialer } from '../../src/sync/index.ts'
import { stateKeys } from './car-lab.ts'
import { ScriptedPeer } from './sync-lab.ts'

export interface StockOptions {
  /** Gives single blocks only, as the least a gateway may. */
  readonly blocksOnly?: boolean
  /** Instead of the answer to a request; false: as always. */
  readonly script?: (request: StockRequest, response: ServerResponse) => boolean | Promise<boolean>
  /** The blocks of an archive, as they go out. */
  readonly reorder?: (blocks: readonly StockBlock[]) => readonly StockBlock[]
}

export interface StockRequest {
  readonly path: string
  readonly cid: CID | undefined
  readonly format: string | null
}

export interface StockBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export class StockGateway {
  readonly blocks: Map<string, Uint8Array> = new Map()
  readonly requests: StockRequest[] = []
  readonly #server: Server
  readonly #options: StockOptions

  private constructor(options: StockOptions) {
    this.#options = options
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  /** Has all blocks of the state that `db` shows, and no signed root. */
  static async of(db: Database | undefined, options: StockOptions = {}): Promise<StockGateway> {
    const gateway = new StockGateway(options)
    for (const key of db === undefined ? [] : await stateKeys(db)) {
      const link = hexToBytes(key) as Uint8Array
      gateway.blocks.set(CID.decode(link).toString(), (await db?.state.store.get(link)) as Uint8Array)
    }
    gateway.#server.listen(0, '127.0.0.1')
    await once(gateway.#server, 'listening')
    return gateway
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  /** Requests of this format. */
  count(format: string): number {
    return this.requests.filter((request) => request.format === format).length
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Below `cid` in depth-first order, each once. */
  walk(cid: CID, seen: Set<string> = new Set()): StockBlock[] {
    const bytes = this.blocks.get(cid.toString())
    if (bytes === undefined || seen.has(cid.toString())) return []
    seen.add(cid.toString())
    return [{ cid, bytes }, ...linksOf(cid, bytes).flatMap((link) => this.walk(link, seen))]
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const [, text] = /^\/ipfs\/(\w+)$/.exec(url.pathname) ?? []
    const cid = text === undefined ? undefined : CID.parse(text)
    const asked = { path: url.pathname, cid, format: url.searchParams.get('format') }
    this.requests.push(asked)
    if ((await this.#options.script?.(asked, response)) === true) return
    if (cid === undefined) return void response.writeHead(404).end('<html>no such page</html>')
    if (cid.multihash.code === 0) return void response.writeHead(200).end()
    const bytes = this.blocks.get(cid.toString())
    if (bytes === undefined) return void response.writeHead(404).end()
    if (asked.format === 'raw') return void response.writeHead(200).end(bytes)
    if (this.#options.blocksOnly === true) return void response.writeHead(406).end()
    await this.#sendArchive(cid, response)
  }

  async #sendArchive(root: CID, response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/vnd.ipld.car; version=1' })
    const blocks = this.walk(root)
    await sendCar(root, this.#options.reorder?.(blocks) ?? blocks, response)
    response.end()
  }
}

/** A peer that shows the root of `db` and has nothing of its tree: whatever comes, comes from others. */
export async function announcer(db: Database): Promise<PeerDialer> {
  const signed = await db.published()
  return createMemoryDialer('announcer', async (channel) => {
    const peer = new ScriptedPeer(channel)
    await peer.welcome(signed?.bytes ?? null)
    for await (const request of peer.requests()) {
      if ('id' in request) await peer.send({ type: 'refusal', id: request.id, reason: 'gone' })
    }
  })
}

/** As users name it. */
export async function dialerOf(url: string): Promise<PeerDialer> {
  const found = await httpDialerOf(url)
  if (found === undefined) throw new Error(`${url} is no URL`)
  return found
}

export async function sendCar(root: CID, blocks: Iterable<StockBlock>, response: ServerResponse): Promise<void> {
  const { writer, out } = CarWriter.create([root])
  const closed = once(response, 'close')
  const sent = (async () => {
    for await (const chunk of out) {
      if (!response.write(chunk) && !response.destroyed) await Promise.race([drained(response), closed])
    }
  })()
  for (const block of blocks) {
    if (response.destroyed) break
    await writer.put(block)
  }
  await writer.close()
  await sent
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('drain', resolve))
}

function linksOf(cid: CID, bytes: Uint8Array): CID[] {
  if (cid.code === dagPb.code) return dagPb.decode(bytes).Links.map(({ Hash }) => Hash)
  if (cid.code !== dagCbor.code) return []
  const found: CID[] = []
  const visit = (value: unknown): void => {
    const link = CID.asCID(value)
    if (link !== null) found.push(link)
    else if (Array.isArray(value)) value.forEach(visit)
  }
  visit(dagCbor.decode(bytes))
  return found
}
