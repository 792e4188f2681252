/** This project: a database served over libp2p, or as files by a web server; cloned and pulled into LMDB, every block verified. */
import { join } from 'node:path'
import { Database, exportMirror, Replica, serve } from '../../src/index.ts'
import { formatAddress } from '../../src/pointer/index.ts'
import { editTree } from '../../src/prolly/index.ts'
import type { PullReport } from '../../src/sync/index.ts'
import type { Change } from '../data/changes.ts'
import type { Entries } from '../data/entries.ts'
import type { CourierAuthor, CourierReplica, CourierReport, CourierSides } from './courier.ts'
import { SocketMeter } from './socket-meter.ts'
import { serveFiles } from './static-server.ts'

/** How others get what is published. */
interface Outlet {
  /** Called after each publication. */
  published?(): Promise<void>
  close(): Promise<void>
}

class CoppiceAuthor implements CourierAuthor {
  readonly address: string
  readonly port: number
  readonly #db: Database
  readonly #outlet: Outlet

  constructor(db: Database, address: string, outlet: Outlet) {
    this.#db = db
    this.address = address
    this.port = portIn(address)
    this.#outlet = outlet
  }

  async publish(changes: Iterable<Change>): Promise<void> {
    await this.#db.batch((tx) => tx.apply(changes))
    await this.#db.publish()
    await this.#outlet.published?.()
  }

  async changedBlockBytes(changes: Iterable<Change>): Promise<number> {
    let bytes = 0
    const { tree } = await this.#db.snapshot()
    await editTree(tree, changes, { put: (block) => void (bytes += block.bytes.length) })
    return bytes
  }

  close(): Promise<void> {
    return this.#outlet.close()
  }
}

class CoppiceReplica implements CourierReplica {
  readonly #path: string
  readonly #meter = new SocketMeter()
  #replica: Replica | undefined

  constructor(path: string) {
    this.#path = path
  }

  async prepare(): Promise<void> {
    // Loaded at first use by what is measured; other couriers have loaded theirs by now.
    await Promise.all([import('../../src/local.ts'), import('../../src/net/index.ts')])
    if (this.#replica === undefined) return
    await this.#replica.close()
    this.#replica = await Replica.open(this.#path)
  }

  async pull(address: string): Promise<CourierReport> {
    this.#meter.take()
    const report = await this.#pull(address)
    const { roundTrips, bytesReceived, bytesSent, entriesTotal, bytesTotal } = report
    const messageBytes = bytesReceived + bytesSent
    return {
      ...this.#meter.take(),
      details: {
        way: report.patch?.way ?? 'blocks',
        roundTrips,
        messageBytes,
        entriesTotal,
        blockBytesTotal: bytesTotal,
      },
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const snapshot = await this.#replica?.snapshot()
    return await snapshot?.get(key)
  }

  async close(): Promise<void> {
    await this.#replica?.close()
  }

  async #pull(address: string): Promise<PullReport> {
    if (this.#replica !== undefined) return (await this.#replica.pull()).report
    let report: PullReport | undefined
    this.#replica = await Replica.clone(address, this.#path, { onPulled: (result) => (report = result.report) })
    if (report === undefined) throw new TypeError('clone: expected a report')
    return report
  }
}

/** Of the first peer that an address names. */
function portIn(address: string): number {
  const port = /(?:\/tcp\/|127\.0\.0\.1:)(\d+)/.exec(decodeURIComponent(address))?.[1]
  if (port === undefined) throw new TypeError(`address: expected a port in ${address}`)
  return Number(port)
}

/** An author's database of all entries, published. */
async function build(directory: string, entries: Entries): Promise<Database> {
  const db = await Database.create(join(directory, 'author'), { name: 'bench' })
  await db.batch((tx) => tx.apply(entries.all()))
  await db.publish()
  return db
}

async function author(directory: string, entries: Entries): Promise<CourierAuthor> {
  const db = await build(directory, entries)
  const server = await serve([db], {
    peerKey: crypto.getRandomValues(new Uint8Array(32)),
    listen: ['/ip4/127.0.0.1/tcp/0'],
  })
  return new CoppiceAuthor(db, server.addressOf(db), {
    close: async () => {
      await server.close()
      await db.close()
    },
  })
}

/** A directory of files behind a web server that knows nothing of them. */
async function mirrorAuthor(directory: string, entries: Entries): Promise<CourierAuthor> {
  const db = await build(directory, entries)
  const files = join(directory, 'mirror')
  await exportMirror(db, files)
  const { port, server } = await serveFiles(files)
  const address = formatAddress({ author: db.author, name: db.name, peers: [`http://127.0.0.1:${port}/`] })
  return new CoppiceAuthor(db, address, {
    published: async () => void (await exportMirror(db, files)),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await db.close()
    },
  })
}

async function replica(directory: string): Promise<CourierReplica> {
  return new CoppiceReplica(join(directory, 'replica'))
}

export const sides: CourierSides = { author, replica }
export const mirrorSides: CourierSides = { author: mirrorAuthor, replica }
