/**
 * What all sessions over HTTP have in common: bookkeeping, faults, and asking for news by looking again, since a web server
 * does not call. What a server has, and how it is asked for, is said by those who extend this.
 */
import { equalBytes } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import { CoppiceError } from '../errors.ts'
import type { Link } from '../link.ts'
import type { Blocks, Fault, Refused, RootId, Session, SessionEnd, Traffic } from '../sync/index.ts'
import { BUSY_MS_MAX, NO_NEWS_PAUSE_MS } from '../sync/limits.ts'
import type { HttpClient } from './client.ts'

export abstract class HttpSession implements Session {
  /** The URL as the user gave it: nothing else names the peer. */
  readonly peer: string
  readonly name: string
  protected readonly client: HttpClient
  /** Aborts when the session ends. */
  protected readonly over: AbortController = new AbortController()
  readonly #clock: Clock
  #announced: Uint8Array | undefined
  #status: Session['status'] = 'empty'
  #end: SessionEnd | undefined
  #openQuestions = 0
  /** Since when the server has been busy whenever it was asked. */
  #busySince: number | undefined
  #taken: Traffic = { bytesReceived: 0, bytesSent: 0, requests: 0 }

  constructor(client: HttpClient, clock: Clock) {
    this.client = client
    this.peer = client.name
    this.name = client.name
    this.#clock = clock
  }

  get announced(): Uint8Array | undefined {
    return this.#announced
  }

  get status(): Session['status'] {
    return this.#status
  }

  get end(): SessionEnd | undefined {
    return this.#end
  }

  get isOpen(): boolean {
    return !this.over.signal.aborted
  }

  get openQuestions(): number {
    return this.#openQuestions
  }

  get traffic(): Traffic {
    return this.client.traffic
  }

  takeTraffic(): Traffic {
    const now = this.traffic
    const before = this.#taken
    this.#taken = now
    return {
      bytesReceived: now.bytesReceived - before.bytesReceived,
      bytesSent: now.bytesSent - before.bytesSent,
      requests: now.requests - before.requests,
    }
  }

  async getRoot(_have: RootId | null, waitMs: number): Promise<Uint8Array | undefined> {
    const until = this.#clock.now() + waitMs
    for (;;) {
      const shown = await this.ask(() => this.fetchRoot())
      const isNew = shown !== undefined && (this.#announced === undefined || !equalBytes(shown, this.#announced))
      if (isNew) this.announce(shown)
      if (isNew || waitMs === 0) return shown
      const pauseMs = Math.min(until - this.#clock.now(), NO_NEWS_PAUSE_MS)
      if (pauseMs <= 0) return undefined
      await this.#clock.sleep(pauseMs, this.over.signal)
    }
  }

  /** Nothing can be told to a server that only has files. */
  tell(): void {}

  fail(fault: Fault, reason: string, cause?: unknown): void {
    this.failWith(this.client.fault(fault, reason, cause))
  }

  close(): Promise<void> {
    this.#settle(this.client.fault('unreachable', 'the session was closed'))
    return Promise.resolve()
  }

  abstract getBlocks(root: Link, links: readonly Link[]): Promise<Blocks | Refused>

  /** The newest signed root there is; undefined where there is none. */
  protected abstract fetchRoot(): Promise<Uint8Array | undefined>

  /** The answer to a hello. */
  protected announce(signedRoot: Uint8Array | undefined, status: Session['status'] = 'newest'): void {
    this.#announced = signedRoot
    this.#status = signedRoot === undefined ? 'empty' : status
  }

  /**
   * Takes note of whether the server had time for a question, and gives its answer on.
   * @throws {CoppiceError} where it has had none for too long.
   */
  protected heard<T>(answer: T | 'busy'): T | 'busy' {
    if (answer !== 'busy') {
      this.#busySince = undefined
      return answer
    }
    this.#busySince ??= this.#clock.now()
    const busyMs = this.#clock.now() - this.#busySince
    if (busyMs >= BUSY_MS_MAX) throw this.client.fault('busy', `has been busy for ${Math.floor(busyMs / 1000)} s`)
    return answer
  }

  /** Runs a question for data. What it fails with ends the session. @throws the error of {@link end}. */
  protected async question<T>(work: () => Promise<T>): Promise<T> {
    this.#openQuestions++
    try {
      return await this.ask(work)
    } finally {
      this.#openQuestions--
    }
  }

  /** @throws the error of {@link end}. */
  protected async ask<T>(work: () => Promise<T>): Promise<T> {
    this.over.signal.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      if (this.isOpen && !(error instanceof CoppiceError && error.details['fault'] !== undefined)) throw error
      this.failWith(error as CoppiceError)
      throw this.over.signal.reason
    }
  }

  /** Drops the peer for what `error` says; the first fault stands. */
  protected failWith(error: CoppiceError): void {
    if (!this.isOpen) return
    this.#end = { fault: error.details['fault'] as Fault, error }
    this.#settle(error)
  }

  #settle(error: Error): void {
    if (!this.isOpen) return
    this.over.abort(error)
    this.client.close()
  }
}
