/** Serving from the command line: addresses that are ready to be copied, and a line for each new root. */
import { decodeOwn, type PutChange } from '../db/index.ts'
import { PUBLISHED } from '../db/meta.ts'
import { keepKnown, readKnown } from '../db/roots/statements.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { type Database, openDirectory, type Replica, serve, type Server } from '../index.ts'
import { formatLink } from '../link.ts'
import { peerKeySeed } from '../local.ts'
import { type Evidence, withEvidence } from '../pointer/index.ts'
import type { HttpServeOptions } from '../serve-http.ts'
import type { Cli } from './cli.ts'
import { type DiscoveryCommandOptions, discoveryOptions } from './discovery.ts'
import { describeFork } from './evidence-text.ts'
import type { Opened } from './open.ts'

export type Served = Opened & { readonly dir: string }

export interface ServingOptions extends DiscoveryCommandOptions {
  readonly listen?: readonly string[]
  /** Further addresses under which others reach it. */
  readonly announce?: readonly string[]
  /** Relays for others. */
  readonly relay?: true
  /** Of replicas too. */
  readonly keepAlive?: true
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
  const { listen, announce, relay, keepAlive } = options
  const http = httpOf(options)
  const onEvidence = (database: Database | Replica, evidence: Evidence): void => {
    const where = served.find(({ db }) => db === database)
    if (where !== undefined) void hearOfFork(cli, where, evidence)
  }
  const onPutChange = ({ name }: Database | Replica, change: PutChange): void =>
    tellPutChange(cli, name, change, options)
  const serving = {
    onEvidence,
    onPutChange,
    peerKey,
    listen,
    announce,
    relay,
    http,
    keepAlive,
    ...discoveryOptions(options),
  }
  const server = await serve(databases, serving)
  for (const { dir, kind, db } of served) {
    const address = server.addressOf(db)
    const sequence = (await db.published())?.payload.sequence ?? null
    const keptAt = await server.keptAliveAt(db)
    if (options.json === true) {
      const url = server.urlOf(db) ?? null
      await cli.out.json({ event: 'serving', name: db.name, dir, address, url, sequence, keptAliveAt: [...keptAt] })
      continue
    }
    await cli.out.line(`serving ${address}`)
    const url = server.urlOf(db)
    if (url !== undefined) await cli.out.line(`  and ${url}`)
    if (keptAt.length > 0) await cli.out.line(`  to be kept alive at ${keptAt.map(escapeText).join(', ')}`)
    if (sequence === null) await cli.out.line(`  ${describeNothing(kind)}`)
  }
  return server
}

/** Tells of a fork that a peer has proof of, and keeps the proof where this process may: another one may have the lock. Never rejects. */
async function hearOfFork(cli: Cli, { dir, db }: Served, evidence: Evidence): Promise<void> {
  const told = `coppice: the author of ${db.name} signed ${describeFork(evidence)}, as a peer proves`
  try {
    if (!db.state.isWriter) await keepEvidence(dir, evidence)
    cli.note(`${told}; coppice evidence ${escapeText(dir)} FILE writes the proof`)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    cli.note(`${told}, which is told to others until this process ends: ${escapeText(why)}`)
  }
}

async function keepEvidence(dir: string, evidence: Evidence): Promise<void> {
  const { db } = await openDirectory(dir)
  try {
    const known = await readKnown(db.state)
    await keepKnown(db.state, { ...known, floor: withEvidence(known.floor, evidence) })
  } finally {
    await db.close()
  }
}

/** @throws {CoppiceError} `USAGE` for a name and no HTTP. */
function httpOf({ http, httpName: names }: ServingOptions): HttpServeOptions | undefined {
  if (http !== undefined) return { listen: http === true ? undefined : http, names }
  if (names !== undefined) throw new CoppiceError('USAGE', '--http-name: expected --http beside it, got none')
  return undefined
}

/** A line when puts at a carrier begin to fail, and one when they are over. Never rejects: output that fails is told by whatever writes next. */
export function tellPutChange(
  { out }: { readonly out: Pick<Cli['out'], 'line' | 'json'> },
  name: string,
  { carrier, failure }: PutChange,
  { json }: Pick<ServingOptions, 'json'>,
): void {
  const at = `${name} is ${failure === undefined ? '' : 'not '}kept alive at ${escapeText(carrier)}`
  const printing =
    json === true
      ? out.json({
          event: failure === undefined ? 'keptAlive' : 'notKeptAlive',
          name,
          carrier,
          reason: failure ?? null,
        })
      : out.line(failure === undefined ? `${at} again` : `${at}, and tried again: ${escapeText(failure)}`)
  printing.catch(() => {})
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
