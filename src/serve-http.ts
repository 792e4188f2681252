/** Serving databases over HTTP, beside libp2p and in the same process: a gateway, and for each database what it has published. */
import type { Database, Providing, Replica } from './db/index.ts'
import { CoppiceError, isCoppiceError } from './errors.ts'
import { quoteText } from './escape.ts'
import { type Gateway, startGateway } from './gateway/index.ts'
import { createLogger } from './net/index.ts'

export interface HttpServeOptions {
  /** `HOST:PORT`, `[::]:8080` for IPv6; port 0 takes a free one. By default this machine alone, at a port that stays the same. */
  readonly listen?: string | undefined
  /** Names under which others reach it, beside addresses: requests for other names are refused. */
  readonly names?: readonly string[] | undefined
}

export interface ServedOverHttp {
  readonly database: Database | Replica
  /** With the window that it is served by to peers. */
  readonly providing: Providing
}

export interface HttpServing {
  /** Undefined where nothing was said. */
  readonly listen: HostPort | undefined
  readonly names: readonly string[] | undefined
}

interface HostPort {
  readonly host: string
  readonly port: number
}

/** Before anything is started for it. @throws {CoppiceError} `USAGE`. */
export function parseHttp({ listen, names }: HttpServeOptions): HttpServing {
  return { listen: listen === undefined ? undefined : parseHostPort(listen), names }
}

/** `defaultPort` is tried where nothing was said; a free one where it is taken. @throws {CoppiceError} `LISTEN_FAILED`. */
export async function serveHttp(
  databases: readonly ServedOverHttp[],
  { listen, names }: HttpServing,
  defaultPort: number,
): Promise<Gateway> {
  const gateway = await start(listen, names, defaultPort)
  for (const { database, providing } of databases) {
    const { author, name, store, serves, isSuperseded, attachments } = providing
    gateway.add({ author, name, store, serves, isSuperseded, attachments, published: () => database.published() })
  }
  return gateway
}

async function start(
  listen: HostPort | undefined,
  names: readonly string[] | undefined,
  defaultPort: number,
): Promise<Gateway> {
  const log = createLogger('http')
  if (listen !== undefined) return await startGateway({ ...listen, names, log })
  try {
    return await startGateway({ host: '127.0.0.1', port: defaultPort, names, log })
  } catch (error) {
    if (!isCoppiceError(error, 'LISTEN_FAILED')) throw error
    return await startGateway({ host: '127.0.0.1', port: 0, names, log })
  }
}

/** @throws {CoppiceError} `USAGE`. */
function parseHostPort(text: string): HostPort {
  const [, ip6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? []
  const host = ip6 ?? name
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) }
  throw new CoppiceError(
    'USAGE',
    `http: expected HOST:PORT such as 127.0.0.1:8080, got ${quoteText(text.slice(0, 80))}`,
  )
}
