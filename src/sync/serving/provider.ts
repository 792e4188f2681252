/**
 * Serves one database to anybody: its newest signed root, and blocks of subtrees that are complete here and belong to a
 * signed root (protocol.md, 9). A block without a completeness record is "not here", even where the store holds it:
 * drafts, half-fetched trees and other databases cannot be probed for. Bytes are hashed before they leave, so that a
 * bad disk makes this peer incomplete and never a liar.
 *
 * A channel has one request worked on and one answer in memory; what else it sends stays unread, and its sender waits.
 */
import type { Clock } from '../../clock.ts'
import { CoppiceError } from '../../errors.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import type { Channel } from '../channel.ts'
import {
  ANSWERS_AT_ONCE,
  ANSWERS_WAITING_MAX,
  BYTES_PER_TURN,
  PROTOCOL_VERSION,
  TELL_INTERVAL_MS,
  TELLS_BURST,
} from '../limits.ts'
import {
  decodeRequest,
  encodeMessage,
  type Answer,
  type GetRoot,
  type Hello,
  type Message,
  type Request,
  type RootId,
  type Tell,
} from '../wire/index.ts'
import { answerBlocks } from './blocks.ts'
import { answerHave } from './have.ts'
import type { ServedTrees } from './served-trees.ts'
import { Turnstile } from './turnstile.ts'

/** The newest signed root of a database, as its owner keeps it. */
export interface NewestRoot {
  readonly signedRoot: Uint8Array
  readonly id: RootId
  /** Referred to by each channel that was told of this root, until it is told of another or ends: its blocks stay here meanwhile. */
  readonly kept?: unknown
}

export interface ProviderOptions extends ServedTrees {
  /** The author's key, 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  /** Undefined while nothing has been signed. */
  readonly newest: () => MaybePromise<NewestRoot | undefined>
  /** Resolves when {@link newest} may have another answer; rejects with the signal's reason when it aborts. */
  readonly changed: (signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  /** Called with a signed root that a peer calls newer: unverified, at most a few per channel. Must not throw. */
  readonly onTell?: (signedRoot: Uint8Array, peer: string) => void
  /** Shared by the providers of one process, so that all their channels take turns. */
  readonly turnstile?: Turnstile
}

/** What a channel does, for whoever has to choose which of many may stay. */
export interface ChannelActivity {
  /** When a request last came or was answered. */
  at: number
  /** It waits for a root. */
  isWaiting: boolean
}

export class Provider {
  readonly author: Uint8Array
  readonly name: string
  readonly #options: ProviderOptions
  readonly #turnstile: Turnstile

  constructor(options: ProviderOptions) {
    this.author = options.author
    this.name = options.name
    this.#options = options
    this.#turnstile = options.turnstile ?? new Turnstile(ANSWERS_AT_ONCE, ANSWERS_WAITING_MAX)
  }

  /**
   * Serves a channel whose hello has been read and names this database, until the peer ends it. `activity` is kept current.
   * @throws {CoppiceError} `PEER_PROTOCOL` where the peer breaks the protocol, or as the channel fails. Errors of the
   *   store end the channel too: the peer is told that the request failed.
   */
  async serve(channel: Channel, hello: Hello, activity?: ChannelActivity): Promise<void> {
    const seen = activity ?? { at: this.#options.clock.now(), isWaiting: false }
    const service = new Service(channel, this.#options, this.#turnstile, seen)
    try {
      await service.welcome(hello)
      await service.run()
    } finally {
      service.stop()
    }
  }
}

/** What a provider does for one channel. */
class Service {
  readonly #channel: Channel
  readonly #options: ProviderOptions
  readonly #turnstile: Turnstile
  readonly #over = new AbortController()
  readonly #activity: ChannelActivity
  /** What the peer was told last, and may be fetching. */
  #told: NewestRoot | undefined
  #tells = TELLS_BURST
  #tellsCountedAt: number
  #bytesThisTurn = 0

  constructor(channel: Channel, options: ProviderOptions, turnstile: Turnstile, activity: ChannelActivity) {
    this.#channel = channel
    this.#options = options
    this.#activity = activity
    this.#turnstile = turnstile
    this.#tellsCountedAt = options.clock.now()
  }

  stop(): void {
    this.#over.abort(new CoppiceError('PEER_UNREACHABLE', `channel to peer ${this.#channel.peer} has ended`))
  }

  async welcome(hello: Hello): Promise<void> {
    const newest = await this.#newest()
    const same = newest !== undefined && hello.have !== null && isSame(newest.id, hello.have)
    const status = newest === undefined ? 'empty' : same ? 'same' : 'newest'
    const signedRoot = newest === undefined || same ? null : newest.signedRoot
    await this.#send({ type: 'welcome', version: PROTOCOL_VERSION, status, signedRoot })
  }

  async run(): Promise<void> {
    for (;;) {
      const frame = await this.#channel.receive()
      if (frame === undefined) return
      this.#activity.at = this.#options.clock.now()
      const request = decodeRequest(frame)
      if (request.type === 'tell') this.#takeTell(request.signedRoot)
      else if (request.type === 'get root') await this.#sendRoot(request)
      else await this.#sendAnswer(request)
    }
  }

  /** Answers are read in turn with those of all channels, and sent while the next channel's is read. */
  async #sendAnswer(request: DataRequest): Promise<void> {
    const { id } = request
    let frame: Uint8Array | undefined
    try {
      frame = await this.#turnstile.run(async () => encodeMessage(await answer(request, this.#options)))
    } catch (error) {
      await this.#send({ type: 'refusal', id, reason: 'failed' })
      throw error
    }
    if (frame === undefined) return this.#send({ type: 'refusal', id, reason: 'busy' })
    this.#bytesThisTurn += frame.length
    const sent = this.#channel.send(frame)
    // A peer may take half a minute for each 64 KiB: what the channel holds is enough.
    frame = undefined
    await sent
    this.#activity.at = this.#options.clock.now()
    await this.#breathe()
  }

  async #sendRoot(request: GetRoot): Promise<void> {
    const newest = await this.#newest()
    if (newest !== undefined && isNews(newest.id, request.have)) {
      return this.#send({ type: 'root', id: request.id, signedRoot: newest.signedRoot })
    }
    if (request.waitMs === 0) return this.#send({ type: 'root', id: request.id, signedRoot: null })
    if (this.#activity.isWaiting) throw new CoppiceError('PEER_PROTOCOL', 'request for a root: one is waiting already')
    this.#activity.isWaiting = true
    // Answered beside the loop: blocks are asked for meanwhile.
    void this.#waitForRoot(request)
  }

  async #waitForRoot(request: GetRoot): Promise<void> {
    const until = this.#options.clock.now() + request.waitMs
    try {
      let signedRoot: Uint8Array | null = null
      let isTimeUp = false
      while (signedRoot === null && !isTimeUp) {
        isTimeUp = this.#options.clock.now() >= until
        signedRoot = await this.#newsOrChange(request.have, isTimeUp ? 0 : until - this.#options.clock.now())
      }
      this.#activity.isWaiting = false
      await this.#send({ type: 'root', id: request.id, signedRoot })
    } catch (error) {
      // The loop may be waiting for a request: it learns of the failure from the channel.
      if (!this.#over.signal.aborted) this.#channel.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async #newest(): Promise<NewestRoot | undefined> {
    this.#told = await this.#options.newest()
    return this.#told
  }

  /** The newest root at once if it is news; else null after a change, or after `ms`. */
  async #newsOrChange(have: RootId | null, ms: number): Promise<Uint8Array | null> {
    const { changed, clock } = this.#options
    const done = new AbortController()
    const signal = AbortSignal.any([done.signal, this.#over.signal])
    // Watching begins before looking, so that no change falls between the two.
    const waits = [changed(signal), clock.sleep(ms, signal)]
    const settled = Promise.allSettled(waits)
    try {
      const now = await this.#newest()
      if (now !== undefined && isNews(now.id, have)) return now.signedRoot
      await Promise.race(waits)
      return null
    } finally {
      done.abort()
      await settled
    }
  }

  /** More than a few tells are dropped unseen: each may cost the listener a signature check. */
  #takeTell(signedRoot: Uint8Array): void {
    const { clock, onTell } = this.#options
    const intervals = Math.floor((clock.now() - this.#tellsCountedAt) / TELL_INTERVAL_MS)
    if (intervals > 0) {
      this.#tells = Math.min(TELLS_BURST, this.#tells + intervals)
      this.#tellsCountedAt += intervals * TELL_INTERVAL_MS
    }
    if (this.#tells === 0) return
    this.#tells--
    onTell?.(signedRoot, this.#channel.peer)
  }

  async #send(message: Message): Promise<void> {
    await this.#channel.send(encodeMessage(message))
    this.#activity.at = this.#options.clock.now()
  }

  /** Reading and hashing are synchronous where the store is: let others have a turn now and then. */
  async #breathe(): Promise<void> {
    if (this.#bytesThisTurn < BYTES_PER_TURN) return
    this.#bytesThisTurn = 0
    await this.#options.clock.sleep(0, this.#over.signal)
  }
}

type DataRequest = Exclude<Request, GetRoot | Tell>

async function answer(request: DataRequest, trees: ServedTrees): Promise<Answer> {
  switch (request.type) {
    case 'get blocks':
      return await answerBlocks(request, trees)
    case 'get have':
      return await answerHave(request, trees)
    default:
      return { type: 'refusal', id: request.id, reason: 'gone' }
  }
}

function isSame(a: RootId, b: RootId): boolean {
  return a.payload.every((byte, i) => byte === b.payload[i])
}

/** Above what the peer has, or another root of the same place in the order, which is evidence of equivocation. */
function isNews(ours: RootId, theirs: RootId | null): boolean {
  if (theirs === null) return true
  if (ours.epoch !== theirs.epoch) return ours.epoch > theirs.epoch
  if (ours.sequence !== theirs.sequence) return ours.sequence > theirs.sequence
  return !isSame(ours, theirs)
}
