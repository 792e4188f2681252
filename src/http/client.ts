/**
 * Requests to one HTTP server that nobody trusts: where they go (target.ts), how long they may take, how much may come back.
 * Patience is counted as for any peer (protocol.md, 11): over all requests under way, while an answer is waited for. Bodies
 * are taken as they are: a content encoding is refused, content types mean nothing. Nothing of ours is told but the path
 * and the headers of a request: no cookies, no credentials, no referrer.
 */
import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../clock.ts'
import type { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { type Fault, type Traffic, peerFault } from '../sync/index.ts'
import { UNREACHABLE_REASONS } from '../unreachable-reasons.ts'
import { HEADER_BYTES_MAX, IDLE_SOCKET_MS, REDIRECTS_MAX, SOCKETS_PER_HOST_MAX } from './limits.ts'
import { Exchange, HttpResponse } from './response.ts'
import { parseHttpUrl, type Reach, Target } from './target.ts'
import { Watch } from './watch.ts'

/** Finds all addresses of a name. */
export type Resolve = (
  host: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface HttpOptions {
  readonly clock: Clock
  /** `public` where strangers named the URL; `any`, the default, where the user did. */
  readonly reach?: Reach
  /** Tests only: names that lead elsewhere. */
  readonly resolve?: Resolve
}

export interface HttpRequest {
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * A client for the directory at `url`; connects at the first request.
 * @throws {CoppiceError} `ADDRESS_INVALID`.
 */
export function openHttp(url: string, options: HttpOptions): HttpClient {
  return new HttpClient(url, options)
}

export class HttpClient {
  /** As the user named the peer. */
  readonly name: string
  readonly #target: Target
  readonly #resolve: Resolve
  readonly #watch: Watch
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true, maxSockets: SOCKETS_PER_HOST_MAX, timeout: IDLE_SOCKET_MS }),
    'https:': new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS_PER_HOST_MAX, timeout: IDLE_SOCKET_MS }),
  }
  #requests = 0

  constructor(url: string, { clock, reach = 'any', resolve = systemLookup }: HttpOptions) {
    this.name = url
    this.#target = new Target(parseHttpUrl(url), reach)
    this.#resolve = resolve
    this.#watch = new Watch(clock, (fault, reason) => this.fault(fault, reason))
  }

  /** Bytes of requests and responses, headers included, TLS not; redirects are requests too. */
  get traffic(): Traffic {
    const { bytesReceived, bytesSent } = this.#watch
    return { bytesReceived, bytesSent, requests: this.#requests }
  }

  /**
   * Asks for `path` below the client's URL. Resolves when the head of the response is here, whatever its status; then the
   * body is read or discarded, which the caller must do.
   * @throws {CoppiceError} with `details.fault`: `PEER_UNREACHABLE`, `PEER_TIMEOUT`, `PEER_PROTOCOL`; the signal's reason.
   */
  async get(path: string, request: HttpRequest = {}): Promise<HttpResponse> {
    let url = new URL(path, this.#target.base)
    for (let redirects = 0; ; redirects++) {
      const response = await this.#send(url, request)
      const location = response.location
      if (location === undefined) return response
      await response.discard()
      const next = this.#target.redirect(url, location)
      if (typeof next === 'string') throw this.fault('protocol', next)
      if (redirects === REDIRECTS_MAX) throw this.fault('protocol', `redirects more than ${REDIRECTS_MAX} times`)
      url = next
    }
  }

  /** The error for what this peer did. */
  fault(fault: Fault, reason: string, cause?: unknown): CoppiceError {
    return peerFault({ peer: this.name, name: this.name }, fault, reason, cause)
  }

  /** Ends what is under way, and the connections. Idempotent. */
  close(): void {
    this.#watch.close(this.fault('unreachable', 'the session was closed'))
    this.#agents['http:'].destroy()
    this.#agents['https:'].destroy()
  }

  /** A connection that was kept may have been closed by the server just now: that is no answer, and asked again once. */
  async #send(url: URL, request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.#sendOnce(url, request)
    } catch (error) {
      if (!(error instanceof LostReused)) throw error
    }
    try {
      return await this.#sendOnce(url, request)
    } catch (error) {
      throw error instanceof LostReused ? this.fault('unreachable', 'closed the connection', error) : error
    }
  }

  async #sendOnce(url: URL, { headers, signal }: HttpRequest): Promise<HttpResponse> {
    signal?.throwIfAborted()
    if (!this.#target.mayAsk(url)) {
      throw this.fault('protocol', `leads to ${url.host}, which is in a private network`)
    }
    this.#requests++
    const isSecure = url.protocol === 'https:'
    const outgoing = (isSecure ? httpsRequest : httpRequest)(url, {
      agent: this.#agents[isSecure ? 'https:' : 'http:'],
      headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'coppice' },
      lookup: this.#lookup(this.#target.judge(url)),
      maxHeaderSize: HEADER_BYTES_MAX,
    })
    const exchange = new Exchange(outgoing, this.#watch, signal)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    outgoing.once('response', resolve)
    outgoing.on('error', reject)
    outgoing.end()
    try {
      return new HttpResponse(await promise, exchange, (fault, reason, cause) => this.fault(fault, reason, cause))
    } catch (error) {
      exchange.end()
      if (exchange.failure !== undefined) throw exchange.failure
      if (outgoing.reusedSocket && isLost(error)) throw new LostReused(undefined, { cause: error })
      if (error instanceof Forbidden) throw this.fault('protocol', error.message, error)
      if (isMalformed(error)) throw this.fault('protocol', 'sends what is no HTTP', error)
      throw this.fault('unreachable', reasonOf(error), error)
    }
  }

  /** Checked when the name is resolved, for all its addresses: a look beforehand could be answered otherwise. */
  #lookup(mayAsk: (address: string) => boolean): LookupFunction {
    return (host, options, callback) => {
      this.#resolve(host, { ...options, all: true }, (error, addresses) => {
        if (error !== null) return callback(error, '')
        if (!addresses.every(({ address }) => mayAsk(address))) {
          return callback(new Forbidden(`${escapeText(host)} leads into a private network`), '')
        }
        const [first] = addresses
        if (first === undefined) return callback(new Error('the host name has no address'), '')
        if (options.all === true) return callback(null, addresses)
        callback(null, first.address, first.family)
      })
    }
  }
}

class Forbidden extends Error {}
class LostReused extends Error {}

function isLost(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

/** Node's parser refused it: headers without end, for one. */
function isMalformed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('HPE_')
}

const REASONS: Readonly<Record<string, string>> = {
  ...UNREACHABLE_REASONS,
  EPROTO: 'no TLS is spoken there: is it http?',
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (!(error instanceof Error)) return escapeText(String(error))
  const code = 'code' in error ? String(error.code) : ''
  return REASONS[code] ?? escapeText(error.message)
}
