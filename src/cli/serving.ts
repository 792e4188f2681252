/** Serving from the command line: addresses that are ready to be copied, and a line for each new root. */
import { decodeOwn } from '../db/index.ts'
import { PUBLISHED } from '../db/meta.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { type Database, type Replica, serve, type Server } from '../index.ts'
import { formatLink } from '../link.ts'
import { peerKeySeed } from '../local.ts'
import type { Cli } from './cli.ts'
import type { Opened } from './open.ts'

export type Served = Opened & { readonly dir: string }

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
  for (const { dir, kind, db } of served) {
    const address = server.addressOf(db)
    const sequence = (await db.published())?.payload.sequence ?? null
    if (options.json === true) {
      await cli.out.json({ event: 'serving', name: db.name, dir, address, sequence })
      continue
    }
    await cli.out.line(`serving ${address}`)
    if (sequence === null) await cli.out.line(`  ${describeNothing(kind)}`)
  }
  return server
}

/** What an address that nothing can be cloned from yet is waiting for. */
function describeNothing(kind: Served['kind']): string {
  return kind === 'author'
    ? 'nothing is published yet, so there is nothing to clone: coppice publish makes the first root'
    : 'the replica is not complete yet, so there is nothing to clone from it: coppice pull goes on where it stopped'
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
