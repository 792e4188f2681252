/** Serving from the command line: addresses that are ready to be copied, and a line for each new root. */
import { decodeOwn } from '../db/index.ts'
import { PUBLISHED } from '../db/meta.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { type Database, type Replica, serve, type Server } from '../index.ts'
import { formatLink } from '../link.ts'
import { peerKeySeed } from '../local.ts'
import type { HttpServeOptions } from '../serve-http.ts'
import type { Cli } from './cli.ts'
import { type DiscoveryCommandOptions, discoveryOptions } from './discovery.ts'
import type { Opened } from './open.ts'

export type Served = Opened & { readonly dir: string }

export interface ServingOptions extends DiscoveryCommandOptions {
  readonly listen?: readonly string[]
  /** Further addresses under which others reach it. */
  readonly announce?: readonly string[]
  /** Relays for others. */
  readonly relay?: true
  /** Over HTTP as well: where, or at the default place. */
  readonly http?: string | true
  readonly httpName?: readonly string[]
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
  const { listen, announce, relay } = options
  const http = httpOf(options)
  const server = await serve(databases, { peerKey, listen, announce, relay, http, ...discoveryOptions(options) })
  for (const { dir, kind, db } of served) {
    const address = server.addressOf(db)
    const sequence = (await db.published())?.payload.sequence ?? null
    if (options.json === true) {
      await cli.out.json({ event: 'serving', name: db.name, dir, address, url: server.urlOf(db) ?? null, sequence })
      continue
    }
    await cli.out.line(`serving ${address}`)
    const url = server.urlOf(db)
    if (url !== undefined) await cli.out.line(`  and ${url}`)
    if (sequence === null) await cli.out.line(`  ${describeNothing(kind)}`)
  }
  return server
}

/** @throws {CoppiceError} `USAGE` for a name and no HTTP. */
function httpOf({ http, httpName: names }: ServingOptions): HttpServeOptions | undefined {
  if (http !== undefined) return { listen: http === true ? undefined : http, names }
  if (names !== undefined) throw new CoppiceError('USAGE', '--http-name: expected --http beside it, got none')
  return undefined
}

/** What an address that nothing can be cloned from yet is waiting for. */
function describeNothing(kind: Served['kind']): string {
  return kind === 'author'
    ? 'nothing is published yet, so there is nothing to clone: coppice publish makes the first root'
    : 'the replica is not complete yet: it passes on the parts it has, and coppice pull or follow gets the rest'
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
