/** One exchange with a server, and the response it brought: read once, within a bound, or discarded. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { concatBytes } from '../bytes.ts'
import type { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import type { Fault } from '../sync/index.ts'
import { DRAIN_BYTES_MAX } from './limits.ts'
import type { Watch, Watched } from './watch.ts'

/** A request under way, until its response was read or given up. */
export class Exchange implements Watched {
  isOwed = true
  /** Why we ended it. */
  failure: Error | undefined
  readonly watch: Watch
  readonly #request: ClientRequest
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.fail(this.#signal?.reason as Error)

  constructor(request: ClientRequest, watch: Watch, signal: AbortSignal | undefined) {
    this.#request = request
    this.watch = watch
    this.#signal = signal
    try {
      watch.add(this)
    } catch (error) {
      request.on('error', () => {})
      request.destroy()
      throw error
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  fail(error: Error): void {
    this.failure ??= error
    // Without the error, which would also be emitted by a socket that nobody listens to any more.
    this.#request.destroy()
  }

  /** Idempotent. */
  end(): void {
    this.count()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.watch.delete(this)
  }

  count(): void {
    if (this.#request.socket !== null) this.watch.count(this.#request.socket)
  }
}

export class HttpResponse {
  readonly status: number
  readonly #message: IncomingMessage
  readonly #exchange: Exchange
  readonly #fault: (fault: Fault, reason: string, cause?: unknown) => CoppiceError

  constructor(
    message: IncomingMessage,
    exchange: Exchange,
    fault: (fault: Fault, reason: string, cause?: unknown) => CoppiceError,
  ) {
    this.status = message.statusCode ?? 0
    this.#message = message
    this.#exchange = exchange
    this.#fault = fault
    exchange.isOwed = false
    exchange.count()
    exchange.watch.noteAnswer()
    // A response that breaks off while nobody reads it must not end the process.
    message.on('error', () => {})
  }

  /** A header's value; undefined where it is absent or stands there more than once. Never trusted. */
  header(name: string): string | undefined {
    const values = this.#message.headersDistinct[name.toLowerCase()]
    return values?.length === 1 ? values[0] : undefined
  }

  /** What the head says of the body's length. */
  get length(): number | undefined {
    const text = this.header('content-length')
    return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined
  }

  /** Where a redirect leads. */
  get location(): string | undefined {
    return [301, 302, 303, 307, 308].includes(this.status) ? this.header('location') : undefined
  }

  /**
   * The whole body.
   * @throws {CoppiceError} as {@link chunks}.
   */
  async read(bytesMax: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.chunks(bytesMax)) chunks.push(chunk)
    return concatBytes(...chunks)
  }

  /**
   * The body as it comes, once. Whoever stops early ends the exchange.
   * @throws {CoppiceError} `PEER_PROTOCOL` where the body is, or claims to be, above `bytesMax`, or has an encoding;
   *   `PEER_TIMEOUT`, `PEER_UNREACHABLE` where it does not come, or breaks off; the signal's reason.
   */
  async *chunks(bytesMax: number): AsyncGenerator<Uint8Array, void, undefined> {
    const encoding = this.header('content-encoding') ?? 'identity'
    try {
      if (encoding !== 'identity') {
        throw this.#fault(
          'protocol',
          `encodes what it sends (${escapeText(encoding.slice(0, 40))}), which was not asked for`,
        )
      }
      if ((this.length ?? 0) > bytesMax) {
        throw this.#fault('protocol', `wants to send ${this.length} bytes where at most ${bytesMax} were asked for`)
      }
      yield* this.#body(bytesMax)
    } finally {
      this.#finish()
    }
  }

  /** Reads the rest where it is short, so that the connection can be used again, and drops it otherwise. Never rejects. */
  async discard(): Promise<void> {
    try {
      if (this.#isShort) for await (const _ of this.#body(DRAIN_BYTES_MAX)) continue
    } catch {
      // It is not wanted.
    } finally {
      this.#finish()
    }
  }

  async *#body(bytesMax: number): AsyncGenerator<Uint8Array, void, undefined> {
    const iterator = this.#message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
    let bytes = 0
    for (;;) {
      const chunk = await this.#next(iterator)
      if (chunk === undefined) return
      bytes += chunk.length
      if (bytes > bytesMax) throw this.#fault('protocol', `sends more than the ${bytesMax} bytes that were asked for`)
      yield chunk
    }
  }

  async #next(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
    this.#exchange.isOwed = true
    try {
      const result = await iterator.next()
      return result.done === true ? undefined : result.value
    } catch (error) {
      throw this.#exchange.failure ?? this.#fault('unreachable', 'broke off in the middle of what it sent', error)
    } finally {
      this.#exchange.isOwed = false
      this.#exchange.count()
    }
  }

  get #isShort(): boolean {
    const hasNone = this.status === 204 || this.status === 304
    return hasNone || (this.length ?? Infinity) <= DRAIN_BYTES_MAX
  }

  /** A connection is free again when its response was read to the end. */
  #finish(): void {
    if (this.#message.complete) this.#message.resume()
    else this.#message.destroy()
    this.#exchange.end()
  }
}
