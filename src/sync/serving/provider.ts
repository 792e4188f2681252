/**
 * Serves one database to anybody: its newest signed root, and data of the trees it chooses to serve, of subtrees that are
 * complete here and belong to a signed root (protocol.md, 9). A block without a completeness record is "not here", even where the store holds it:
 * drafts, half-fetched trees and other databases cannot be probed for. Bytes are hashed before they leave, so that a
 * bad disk makes this peer incomplete and never a liar.
 *
 * A channel has one request worked on and one answer in memory; what else it sends stays unread, and its sender waits.
 */
import { equalBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { CoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import type { Packing } from '../../packings.ts'
import type { Channel } from '../channel.ts'
import {
  BYTES_PER_TURN,
  PATCH_NODES_PER_PAGE,
  PROTOCOL_VERSION,
  REQUEST_WORK_BYTES,
  TELL_INTERVAL_MS,
  TELLS_BURST,
} from '../limits.ts'
import {
  decodeRequest,
  encodeMessage,
  type Answer,
  type GetAttachments,
  type GetLink,
  type GetPayloads,
  type GetPeers,
  type GetRoot,
  type Hello,
  type Message,
  type Request,
  type RootAnswer,
  type RootId,
  type Tell,
  type WelcomeStatus,
} from '../wire/index.ts'
import { answerBlocks } from './blocks.ts'
import { Crowd, type CrowdMember } from './crowd.ts'
import { answerHave } from './have.ts'
import { answerHistory, type ServedHistory } from './history.ts'
import { type PackedFrame, Packer } from './packer.ts'
import { PatchSource, type SharedPatches } from './patch.ts'
import type { PeerExchange } from './peers.ts'
import { answerRange } from './range.ts'
import type { ServedTrees } from './served-trees.ts'
import type { Turnstile } from './turnstile.ts'

/** The newest signed root of a database, as its owner keeps it. */
export interface NewestRoot {
  readonly signedRoot: Uint8Array
  readonly id: RootId
  /** Only parts of its tree are here yet. */
  readonly isPartial?: boolean
}

export interface ProviderOptions extends ServedTrees {
  /** The author's key, 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  /** Undefined while nothing has been signed. */
  readonly newest: () => MaybePromise<NewestRoot | undefined>
  /** Whether questions about the tree of this root are answered; others are refused. Absent: those about any are. */
  readonly serves?: (root: Link) => MaybePromise<boolean>
  /** Resolves when {@link newest} may have another answer; rejects with the signal's reason when it aborts. */
  readonly changed: (signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  /** In which answers may be packed, the preferred first. */
  readonly packings: readonly Packing[]
  /** What is known of the roots before the newest. */
  readonly history?: ServedHistory | undefined
  /** What is known of rotations and forks (record.md, 7), to be said in every exchange; undefined: nothing, as nearly always. */
  readonly statements?: (() => MaybePromise<Uint8Array | undefined>) | undefined
  /** All that travels beside the newest signed root. */
  readonly attachments?: (() => MaybePromise<Uint8Array | undefined>) | undefined
  /**
   * Called with what a peer says of rotations and forks: unverified, once in a hello and at most a few times after. `caller` is its machine, or
   * the peer where that is unknown. Must not throw.
   */
  readonly onStatements?: ((statements: Uint8Array, caller: string) => void) | undefined
  /** Called with a signed root that a peer calls newer: unverified, at most a few per channel. Must not throw. */
  readonly onTell?: (signedRoot: Uint8Array, peer: string) => void
  /** Where peers that serve the database are remembered; none is named where absent. */
  readonly peers?: PeerExchange | undefined
  /** Shared by the providers of one process, so that all their channels take turns. */
  readonly turnstile: Turnstile
  readonly patches: SharedPatches
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
  readonly #patches: PatchSource
  readonly #crowd: Crowd

  constructor(options: ProviderOptions) {
    this.author = options.author
    this.name = options.name
    this.#options = options
    this.#patches = new PatchSource(options, PATCH_NODES_PER_PAGE, options.patches)
    this.#crowd = new Crowd({ ...options, isServing: (peer) => options.peers?.knows(peer) === true })
  }

  /**
   * Serves a channel whose hello has been read and names this database, until the peer ends it. `activity` is kept current.
   * @throws {CoppiceError} `PEER_PROTOCOL` where the peer breaks the protocol, or as the channel fails. Errors of the
   *   store end the channel too: the peer is told that the request failed.
   */
  async serve(channel: Channel, hello: Hello, activity: ChannelActivity): Promise<void> {
    const member = this.#crowd.join(channel.peer)
    const service = new Service(channel, this.#options, this.#patches, member, activity)
    try {
      await service.welcome(hello)
      await service.run()
    } finally {
      service.stop()
      member.leave()
    }
  }
}

/** What a provider does for one channel. */
class Service {
  readonly #channel: Channel
  readonly #options: ProviderOptions
  readonly #patches: PatchSource
  readonly #member: CrowdMember
  readonly #over = new AbortController()
  readonly #activity: ChannelActivity
  /** Whether the welcome showed that any root shown here may be one whose tree is here in part only. */
  #mayBePartial = false
  /** What this channel has had or given. */
  #statements: Uint8Array | undefined
  #tells = TELLS_BURST
  #tellsCountedAt: number
  #workThisTurn = 0
  #packer = new Packer([], [])

  constructor(
    channel: Channel,
    options: ProviderOptions,
    patches: PatchSource,
    member: CrowdMember,
    activity: ChannelActivity,
  ) {
    this.#channel = channel
    this.#patches = patches
    this.#member = member
    this.#options = options
    this.#activity = activity
    this.#tellsCountedAt = options.clock.now()
  }

  stop(): void {
    this.#over.abort(new CoppiceError('PEER_UNREACHABLE', `channel to peer ${this.#channel.peer} has ended`))
  }

  async welcome(hello: Hello): Promise<void> {
    const newest = await this.#options.newest()
    const status = welcomeStatus(newest, hello.have)
    this.#mayBePartial = status === 'empty' || status === 'partial'
    const signedRoot = status === 'newest' || status === 'partial' ? (newest?.signedRoot ?? null) : null
    this.#packer = new Packer(this.#options.packings, hello.packings)
    this.#statements = hello.statements ?? undefined
    const statements = await this.#newStatements()
    await this.#send({ type: 'welcome', version: PROTOCOL_VERSION, status, signedRoot, statements })
    if (hello.statements !== null) this.#hear(hello.statements)
  }

  async run(): Promise<void> {
    let next = this.#channel.receive()
    for (;;) {
      const frame = await next
      if (frame === undefined) return
      // Waited for while this request is worked on: the loss of the channel ends the work.
      next = this.#channel.receive()
      next.catch(() => this.stop())
      this.#activity.at = this.#options.clock.now()
      const request = decodeRequest(frame)
      if (request.type === 'tell') this.#takeTell(request)
      else if (request.type === 'get root') await this.#sendRoot(request)
      else if (request.type === 'get peers') await this.#sendPeers(request)
      else if (this.#channel.isLimited === true) await this.#send(gone(request))
      else await this.#sendAnswer(request)
      await this.#breathe()
    }
  }

  /** A peer that is reached through a relay may learn of others, which give it what this channel does not carry. */
  async #sendPeers({ id, addresses }: GetPeers): Promise<void> {
    const given = this.#options.peers?.answer(this.#channel.peer, addresses) ?? []
    this.#member.knowsOthers ||= given.length > 0
    await this.#send({ type: 'peers', id, addresses: given })
  }

  /** Answers are read in turn with those of all channels, and sent while the next channel's is read. */
  async #sendAnswer(request: DataRequest): Promise<void> {
    const { id } = request
    let answered: PackedFrame | undefined
    try {
      answered = await this.#answer(request)
    } catch (error) {
      await this.#send({ type: 'refusal', id, reason: 'failed' })
      throw error
    }
    if (answered === undefined) return this.#send({ type: 'refusal', id, reason: 'busy' })
    // The work is that of the data, however little is sent.
    this.#workThisTurn += answered.dataBytes
    const sent = this.#channel.send(answered.frame)
    // A peer may take half a minute for each 64 KiB: what the channel holds is enough.
    answered = undefined
    await sent
    this.#activity.at = this.#options.clock.now()
  }

  async #answer(request: DataRequest): Promise<PackedFrame | undefined> {
    const { signal } = this.#over
    const work = async (): Promise<PackedFrame> =>
      this.#packer.frameOf(await answer(request, this.#options, this.#patches, this.#member, signal))
    // Patches take turns among themselves.
    return request.type === 'get patch' ? await work() : await this.#options.turnstile.run(work, signal)
  }

  async #sendRoot(request: GetRoot): Promise<void> {
    const newest = await this.#newest()
    const { id } = request
    const statements = await this.#newStatements()
    const signedRoot = newest !== undefined && isNews(newest.id, request.have) ? newest.signedRoot : null
    if (signedRoot !== null || statements !== null || request.waitMs === 0) {
      return this.#send({ type: 'root', id, signedRoot, statements })
    }
    if (this.#activity.isWaiting) throw new CoppiceError('PEER_PROTOCOL', 'request for a root: one is waiting already')
    this.#activity.isWaiting = true
    // Answered beside the loop: blocks are asked for meanwhile.
    void this.#waitForRoot(request)
  }

  async #waitForRoot(request: GetRoot): Promise<void> {
    const until = this.#options.clock.now() + request.waitMs
    try {
      let news: News | undefined
      let isTimeUp = false
      while (news === undefined && !isTimeUp) {
        isTimeUp = this.#options.clock.now() >= until
        news = await this.#newsOrChange(request.have, isTimeUp ? 0 : until - this.#options.clock.now())
      }
      this.#activity.isWaiting = false
      await this.#send({ type: 'root', id: request.id, ...(news ?? { signedRoot: null, statements: null }) })
    } catch (error) {
      // The loop may be waiting for a request: it learns of the failure from the channel.
      if (!this.#over.signal.aborted) this.#channel.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** What a request for a root may be answered with: whoever was not told to expect parts takes a root for whole. */
  async #newest(): Promise<NewestRoot | undefined> {
    const newest = await this.#options.newest()
    return newest?.isPartial === true && !this.#mayBePartial ? undefined : newest
  }

  /** What is known beyond what this channel has had. */
  async #newStatements(): Promise<Uint8Array | null> {
    const now = await this.#options.statements?.()
    if (now === undefined || (this.#statements !== undefined && equalBytes(now, this.#statements))) return null
    this.#statements = now
    return now
  }

  /** The newest root, or what else there is to say, at once if it is news; else undefined after a change, or after `ms`. */
  async #newsOrChange(have: RootId | null, ms: number): Promise<News | undefined> {
    const { changed, clock } = this.#options
    const done = new AbortController()
    const signal = AbortSignal.any([done.signal, this.#over.signal])
    // Watching begins before looking, so that no change falls between the two.
    const waits = [changed(signal), clock.sleep(ms, signal)]
    const settled = Promise.allSettled(waits)
    try {
      const now = await this.#newest()
      const signedRoot = now !== undefined && isNews(now.id, have) ? now.signedRoot : null
      const statements = await this.#newStatements()
      if (signedRoot !== null || statements !== null) return { signedRoot, statements }
      await Promise.race(waits)
      return undefined
    } finally {
      done.abort()
      await settled
    }
  }

  /** More than a few tells are dropped unseen: each may cost the listener a signature check. */
  #takeTell({ signedRoot, statements }: Tell): void {
    const { clock, onTell } = this.#options
    const intervals = Math.floor((clock.now() - this.#tellsCountedAt) / TELL_INTERVAL_MS)
    if (intervals > 0) {
      this.#tells = Math.min(TELLS_BURST, this.#tells + intervals)
      this.#tellsCountedAt += intervals * TELL_INTERVAL_MS
    }
    if (this.#tells === 0) return
    this.#tells--
    if (signedRoot !== null) onTell?.(signedRoot, this.#channel.peer)
    if (statements === null) return
    this.#statements = statements
    this.#hear(statements)
  }

  #hear(statements: Uint8Array): void {
    const { host, peer } = this.#channel
    this.#options.onStatements?.(statements, host ?? peer)
  }

  async #send(message: Message): Promise<void> {
    await this.#channel.send(encodeMessage(message))
    this.#activity.at = this.#options.clock.now()
  }

  /** Reading and hashing are synchronous where the store is: let others have a turn now and then, whatever was asked for. */
  async #breathe(): Promise<void> {
    this.#workThisTurn += REQUEST_WORK_BYTES
    if (this.#workThisTurn < BYTES_PER_TURN) return
    this.#workThisTurn = 0
    await this.#options.clock.sleep(0, this.#over.signal)
  }
}

type News = Pick<RootAnswer, 'signedRoot' | 'statements'>
type DataRequest = Exclude<Request, GetRoot | GetPeers | Tell>
/** About a tree. */
type TreeRequest = Exclude<DataRequest, GetLink | GetPayloads | GetAttachments>

async function answer(
  request: DataRequest,
  options: ProviderOptions,
  patches: PatchSource,
  member: CrowdMember,
  signal: AbortSignal,
): Promise<Answer> {
  if (request.type === 'get attachments') {
    return { type: 'attachments', id: request.id, attachments: (await options.attachments?.()) ?? null }
  }
  if (request.type === 'get link' || request.type === 'get payloads') {
    return await answerHistory(request, options.history ?? {})
  }
  if ((await options.serves?.(treeOf(request))) === false) return gone(request)
  switch (request.type) {
    case 'get blocks':
    case 'get range': {
      const taken = await member.take(request)
      if (taken === undefined) return { type: 'refusal', id: request.id, reason: 'elsewhere' }
      return await (taken.type === 'get blocks' ? answerBlocks(taken, options) : answerRange(taken, options, signal))
    }
    case 'get patch':
      return await patches.answer(request, signal)
    case 'get have':
      return await answerHave(request, options)
  }
}

/** The tree that has to be served. Whether a patch can begin at `from` is for the patch to say. */
function treeOf(request: TreeRequest): Link {
  return request.type === 'get patch' ? request.to : request.root
}

function gone({ id }: DataRequest): Answer {
  return { type: 'refusal', id, reason: 'gone' }
}

/** Of a root that is here in part the peer has to know, whether or not it has the same. */
function welcomeStatus(newest: NewestRoot | undefined, have: RootId | null): WelcomeStatus {
  if (newest === undefined) return 'empty'
  if (newest.isPartial === true) return 'partial'
  return have !== null && isSame(newest.id, have) ? 'same' : 'newest'
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
