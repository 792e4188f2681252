/** Serving from the command line: addresses that are ready to be copied, and a line for each new root. */
import { decodeOwn } from '../db/index.ts'
import { PUBLISHED } from '../db/meta.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { type Database, type Replica, serve, type Server } from '../index.ts'
import { formatLink } from '../link.ts'
import { peerKeySeed } from '../local.ts'
import type { Cli } from './cli.ts'

export interface Served {
  readonly dir: string
  readonly db: Database | Replica
}

export interface ServingOptions {
  readonly listen?: readonly string[]
  readonly json?: true
}

/**
 * Starts to serve under the network identity of the first directory, and prints the addresses.
 * @throws {CoppiceError} `ADDRESS_INVALID`, `LISTEN_FAILED`, `USAGE` for one database twice.
 */
export async function startServing(cli: Cli, served: readonly Served[], options: ServingOptions): Promise<Server> {
  const [first] = served
  if (first === undefined) throw new RangeError('serve: expected at least one database')
  requireDistinct(served)
  const peerKey = await peerKeySeed(first.dir)
  const databases = served.map(({ db }) => db)
  const server = await serve(
    databases,
    options.listen === undefined ? { peerKey } : { peerKey, listen: options.listen },
  )
  for (const { dir, db } of served) {
    const address = server.addressOf(db)
    if (options.json === true) await cli.out.json({ event: 'serving', name: db.name, dir, address })
    else await cli.out.line(`serving ${address}`)
    if ((await db.published()) === undefined) {
      cli.note(
        `coppice: ${escapeText(dir)}: nothing is published yet, so there is nothing to serve; see coppice publish`,
      )
    }
  }
  return server
}

function requireDistinct(served: readonly Served[]): void {
  const seen = new Set<string>()
  for (const { dir, db } of served) {
    if (seen.has(db.address)) {
      throw new CoppiceError('USAGE', `${escapeText(dir)}: expected different databases, got ${db.address} twice`)
    }
    seen.add(db.address)
  }
}

/** Prints a line for each signed root that comes, whatever process made it; until the run ends. */
export async function announce({ out, signal }: Cli, db: Database | Replica, options: ServingOptions): Promise<void> {
  const { state } = db
  let known = await state.store.getMeta(PUBLISHED)
  for (;;) {
    try {
      known = await state.changed(PUBLISHED, known, signal)
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    if (known === undefined) continue
    const { sequence, root } = decodeOwn(known).payload
    if (options.json === true) await out.json({ event: 'announced', name: db.name, sequence, root: formatLink(root) })
    else await out.line(`announced ${db.name} @${sequence} ${formatLink(root)}`)
  }
}
