/**
 * The HTTP server of the gateway: connections, times, sizes and turns are bounded here, whatever is asked for. Requests have no body
 * and one host name of those it answers to. Bodies are sent as fast as they are taken; whoever takes too little is dropped.
 */
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import { parseIp } from '../ip-address.ts'
import { listenReason } from '../listen-error.ts'
import type { Log } from '../log.ts'
import { formatAuthor } from '../pointer/index.ts'
import { AnswerSlots } from './answer-slots.ts'
import { type Answer, answerTo, COMMON_HEADERS, textAnswer } from './answers.ts'
import {
  ANSWERS_AT_ONCE,
  ANSWERS_PER_HOST,
  ANSWERS_WAITING_MAX,
  ARCHIVES_AT_ONCE,
  ARCHIVES_PER_HOST,
  CONNECTIONS_MAX,
  CONNECTIONS_PER_HOST_MAX,
  KEEP_ALIVE_MS,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_TIMEOUT_MS,
  SEND_PIECE_BYTES,
  SEND_STALL_MS,
  STOP_GRACE_MS,
  TIMEOUT_CHECK_MS,
} from './limits.ts'
import { type GatewayRequest, parseRequest, RequestFailure } from './request.ts'
import { Served, type ServedDatabase } from './served.ts'

export interface GatewayOptions {
  /** An IP address, or a name that has one. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Names it answers to, beside addresses and localhost: those under which others reach it. */
  readonly names?: readonly string[] | undefined
  readonly log?: Log | undefined
  /** Tests only. */
  readonly sendStallMs?: number
  readonly requestTimeoutMs?: number
}

/** @throws {CoppiceError} `LISTEN_FAILED`. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = new Gateway(options)
  await gateway.listen()
  return gateway
}

export class Gateway {
  readonly #options: GatewayOptions
  readonly #served = new Served()
  readonly #server: HttpServer
  readonly #names: ReadonlySet<string>
  readonly #connections = new Map<string, number>()
  readonly #answers = new AnswerSlots({
    atOnce: ANSWERS_AT_ONCE,
    perHost: ANSWERS_PER_HOST,
    waitingMax: ANSWERS_WAITING_MAX,
  })
  readonly #archives = new AnswerSlots({ atOnce: ARCHIVES_AT_ONCE, perHost: ARCHIVES_PER_HOST, waitingMax: 0 })

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#names = new Set(['localhost', ...(options.names ?? []).map((name) => name.toLowerCase())])
    const timeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
    this.#server = createServer({
      maxHeaderSize: REQUEST_HEADER_BYTES_MAX,
      headersTimeout: timeout,
      requestTimeout: timeout,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, timeout),
    })
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.on('connection', (socket: Socket) => this.#admit(socket))
    // Whoever asks first whether it may send a body may not.
    for (const event of ['request', 'checkContinue', 'checkExpectation']) {
      this.#server.on(
        event,
        (request: IncomingMessage, response: ServerResponse) => void this.#handle(request, response),
      )
    }
  }

  /** Serves a database from now on; the function returned ends that. @throws {TypeError} where it is served already. */
  add(database: ServedDatabase): () => void {
    return this.#served.add(database)
  }

  /** Connections now. */
  get connections(): number {
    return [...this.#connections.values()].reduce((sum, count) => sum + count, 0)
  }

  /** `http://127.0.0.1:8080/`, or with the first of its names. */
  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo
    const host = this.#options.names?.[0] ?? (family === 'IPv6' ? `[${address}]` : address)
    return `http://${host}:${port}/`
  }

  /** The URL of a database: its signed root is `root` below it, its blocks are below `ipfs/`. */
  urlOf({ author, name }: Pick<ServedDatabase, 'author' | 'name'>): string {
    return `${this.url}${formatAuthor(author)}/${name}/`
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    this.#server.listen({ host, port, exclusive: true }, resolve)
    try {
      await promise
    } catch (cause) {
      const reason = listenReason(cause instanceof Error ? cause.message : String(cause))
      const message = `http: cannot listen on ${quoteText(`${host}:${port}`)}: ${reason}`
      throw new CoppiceError('LISTEN_FAILED', message, { cause, details: { host, port, reason } })
    } finally {
      this.#server.off('error', reject)
    }
    this.#server.on('error', (error) => this.#options.log?.('http: %s', error.message))
  }

  /** Lets what is under way end for a moment, and cuts off the rest. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), STOP_GRACE_MS)
    await closed
    clearTimeout(timer)
  }

  #admit(socket: Socket): void {
    const host = hostOf(socket)
    const count = this.#connections.get(host) ?? 0
    if (count >= CONNECTIONS_PER_HOST_MAX) {
      socket.destroy()
      return
    }
    this.#connections.set(host, count + 1)
    socket.once('close', () => {
      const left = (this.#connections.get(host) ?? 1) - 1
      if (left === 0) this.#connections.delete(host)
      else this.#connections.set(host, left)
    })
  }

  /** Never rejects. */
  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Sent before the last one was answered, as nobody does who has one question: one connection would take the turns of hundreds, and
    // Node does not tell such a response when the connection ends.
    if (response.socket === null) return void request.socket.destroy()
    const over = new AbortController()
    response.once('close', () => over.abort(new Error('the connection has ended')))
    // Its connection is gone: there is nobody to tell.
    response.on('error', () => {})
    request.on('error', () => {})
    try {
      await this.#answer(request, response, over.signal)
    } catch (error) {
      if (!over.signal.aborted) this.#options.log?.('http: %s', error instanceof Error ? error.message : String(error))
      response.destroy()
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const refused = this.#refusal(request)
    if (refused !== undefined) return await this.#send(request, response, refused, signal)
    if (request.method === 'OPTIONS') return await this.#send(request, response, PREFLIGHT, signal)
    const asked = attempt(() => parseRequest(request.url ?? '', request.headers.accept))
    if (!('value' in asked)) return await this.#send(request, response, asked.answer, signal)
    const slots = asked.value.kind === 'car' ? this.#archives : this.#answers
    const leave = await slots.enter(hostOf(request.socket), signal)
    if (leave === undefined) return await this.#send(request, response, BUSY, signal)
    try {
      if (!signal.aborted)
        await this.#send(request, response, await this.#contentOf(asked.value, request, signal), signal)
    } finally {
      leave()
    }
  }

  async #contentOf(asked: GatewayRequest, { headers }: IncomingMessage, signal: AbortSignal): Promise<Answer> {
    const conditions = { ifNoneMatch: headers['if-none-match'], cacheControl: headers['cache-control'] }
    try {
      return await answerTo(this.#served, asked, conditions, signal)
    } catch (error) {
      if (error instanceof RequestFailure) return failureAnswer(error)
      this.#options.log?.('http: %s', error instanceof Error ? error.message : String(error))
      return textAnswer(500, 'the store cannot be read')
    }
  }

  /** What is refused whatever the path. */
  #refusal({ method = '', headers, headersDistinct }: IncomingMessage): Answer | undefined {
    if (!this.#isOurs(headersDistinct['host'] ?? []))
      return textAnswer(421, 'this server does not answer to that host name')
    if (!METHODS.includes(method))
      return textAnswer(405, 'expected GET, HEAD or OPTIONS', { allow: METHODS.join(', ') })
    const hasBody = headers['transfer-encoding'] !== undefined || !/^0?$/.test(headers['content-length'] ?? '')
    return hasBody || headers.expect !== undefined
      ? textAnswer(413, 'expected no body', { connection: 'close' })
      : undefined
  }

  /**
   * A page of another site can lead its own name to this address and then read what is here as its own. It cannot do so with
   * an address, or with a name that is not its own.
   */
  #isOurs([host = '', ...others]: readonly string[]): boolean {
    if (others.length > 0) return false
    const [, name = ''] = /^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::\d{1,5})?$/.exec(host) ?? []
    return this.#names.has(name.toLowerCase()) || parseIp(name.replace(/^\[(.*)\]$/, '$1')) !== undefined
  }

  /** Resolves when the last byte has left this process; gives up where the other side takes too little. */
  async #send(request: IncomingMessage, response: ServerResponse, answer: Answer, signal: AbortSignal): Promise<void> {
    response.writeHead(answer.status, { ...COMMON_HEADERS, ...answer.headers })
    const stall = this.#options.sendStallMs ?? SEND_STALL_MS
    if (request.method !== 'HEAD') {
      for await (const piece of pieces(answer.body)) {
        if (!response.write(piece)) await taken(response, 'drain', stall, signal)
        signal.throwIfAborted()
      }
    }
    response.end()
    if (!response.writableFinished) await taken(response, 'finish', stall, signal)
    // What a refused request still sends is not read.
    if (answer.headers['connection'] === 'close') request.socket.destroySoon()
  }
}

const METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS']
const PREFLIGHT: Answer = { status: 204, headers: { 'access-control-max-age': '86400' }, body: new Uint8Array(0) }
const BUSY: Answer = textAnswer(503, 'busy: ask again later', { 'retry-after': '1' })

function failureAnswer({ status, message }: RequestFailure): Answer {
  return textAnswer(status, message)
}

function attempt<T>(work: () => T): { readonly value: T } | { readonly answer: Answer } {
  try {
    return { value: work() }
  } catch (error) {
    if (error instanceof RequestFailure) return { answer: failureAnswer(error) }
    throw error
  }
}

async function* pieces(body: Answer['body']): AsyncGenerator<Uint8Array, void> {
  const parts = body instanceof Uint8Array ? [body] : body
  for await (const part of parts) {
    for (let at = 0; at < part.length; at += SEND_PIECE_BYTES) yield part.subarray(at, at + SEND_PIECE_BYTES)
  }
}

/** Waits until the response has room, or is done. @throws where that takes too long, or the connection ends. */
async function taken(
  response: ServerResponse,
  event: 'drain' | 'finish',
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error(`took less than ${SEND_PIECE_BYTES} bytes in ${ms} ms`)), ms)
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  response.once(event, resolve)
  if (signal.aborted) onAbort()
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    response.off(event, resolve)
  }
}

/** An IPv6 host is counted by its /64, since it has all addresses of that. */
function hostOf({ remoteAddress = '' }: Socket): string {
  const bytes = parseIp(remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''))
  return bytes === undefined ? remoteAddress : bytes.slice(0, 8).join('.')
}
