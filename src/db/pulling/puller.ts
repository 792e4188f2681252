/**
 * One replica's conversation with its peers: learn signed roots, judge them by the floor, fetch the tree of the best, and
 * switch to it. The order of writes is the safety: the floor is on the disk before its root is used, blocks and their
 * records before the root is switched, and the switch with the log is one batch.
 *
 * What is fetched is one root's tree at a time, the target. A newer root makes another target of it, and so does a root
 * whose blocks nobody has (protocol.md, 10); what was verified stays, and is not fetched again.
 */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { DiffOptions } from '../../prolly/index.ts'
import {
  type Evidence,
  type Freshness,
  getFreshness,
  haltingEvidence,
  type LinkState,
  type SignedRoot,
} from '../../pointer/index.ts'
import type { PeerDialer, PeerReport, PullReport } from '../../sync/index.ts'
import { type Change, changesBetween } from '../changes.ts'
import { notePeers } from '../finding/address-book.ts'
import type { Judgement } from '../roots/judgement.ts'
import { PUBLISHED, ROOT } from '../meta.ts'
import { decodeOwn, logEntryMeta } from '../roots/signed-log.ts'
import { readFloor } from '../roots/standing.ts'
import type { DatabaseState } from '../state.ts'
import type { Carriers } from '../carriers.ts'
import { keepAttachments } from '../roots/attachments.ts'
import { keepOnFork } from '../roots/on-fork.ts'
import { noteFailedReach, noteReach } from '../roots/reach.ts'
import { CarrierClaims } from './carrier-claims.ts'
import type { Dialing } from './dialing.ts'
import { type Least, leastBetween } from './least.ts'
import { PeerSessions } from './peer-sessions.ts'
import { pullPlan, type PullPlan } from './plan.ts'
import { type PullOptions, Pursuit, type Reached } from './pursuit.ts'
import { RootJudge } from './root-judge.ts'

export interface PullResult {
  /** False where the newest root was complete here before. */
  readonly changed: boolean
  /** Complete before; undefined for a first pull. */
  readonly from: SignedRoot | undefined
  /** Complete now. */
  readonly to: SignedRoot
  /** The newest accepted root: above `to` where the author has published on, and after a fallback. */
  readonly newest: SignedRoot
  /** No peer had all of `newest`: `to` is the newest of the older roots it names that could be had. */
  readonly isFallback: boolean
  /** Roots that were fetched, or begun to be, one after the other. */
  readonly targets: number
  /** How the accepted root, `to` or the one that names it, is connected with the one accepted before it. */
  readonly link: LinkState
  readonly freshness: Freshness
  /** Proof that the author signed contradicting roots of this epoch; the replica was told to go on with the highest. */
  readonly fork: Evidence | undefined
  /** Of every signed root that was shown; {@link isRefused} tells newer ones that could not be taken. */
  readonly judgements: readonly Judgement[]
  readonly report: PullReport
  /** The exact changes from `from` to `to` in key order, read when asked for; none for a first pull. */
  changes(options?: DiffOptions): AsyncIterable<Change>
  /** What had to be sent at least; reads what differs. Undefined for a first pull. */
  least(options?: { readonly signal?: AbortSignal | undefined }): Promise<Least | undefined>
}

export class Puller {
  readonly #state: DatabaseState
  readonly #peers: PeerSessions
  readonly #carriers: CarrierClaims
  readonly #judge: RootJudge
  /** Who is asked says whether the database can be reached: not those that were named for one pull, as an archive is. */
  readonly #isOwn: boolean

  /** `network`: finds peers beside `dialers`. `carriers`: asked for newer roots, too. */
  constructor(state: DatabaseState, dialers: readonly PeerDialer[], network?: Dialing, carriers?: Carriers) {
    this.#state = state
    this.#peers = new PeerSessions(state, dialers, network)
    this.#carriers = new CarrierClaims(state, carriers)
    this.#judge = new RootJudge(state, this.#carriers)
    this.#isOwn = network !== undefined || carriers !== undefined
  }

  /** Whether some peer is still connected. */
  get isConnected(): boolean {
    return this.#peers.open.length > 0
  }

  /** See `Replica.pull`. Connects at the first call; later calls use the same sessions. */
  async pull(options: PullOptions): Promise<PullResult> {
    await keepOnFork(this.#state.store, options.onFork)
    await this.#begin(options.signal)
    const from = await this.#shown()
    try {
      const reached = await this.#pursuit(options, from).run()
      // Before the switch: a pull that fails has changed nothing.
      await this.#noteReach()
      const result = await this.#arrive(from, reached)
      await this.#notePeers(result.report.peers)
      return result
    } catch (error) {
      const peers = isCoppiceError(error, 'NO_PEER_LEFT') ? error.details['peers'] : []
      await this.#notePeers(peers as readonly PeerReport[])
      // What it failed with is what there is to tell.
      if (options.signal?.aborted !== true) await this.#noteReach().catch(() => {})
      throw error
    } finally {
      this.#state.fetching = undefined
    }
  }

  /** See `Replica.plan`. */
  async plan(signal: AbortSignal | undefined): Promise<PullPlan> {
    await this.#begin(signal)
    const from = await this.#shown()
    const { to, patch } = await this.#pursuit({ signal }, from).plan()
    const cost = { bytesReceived: 0, bytesSent: 0, requests: 0 }
    for (const session of this.#peers.all) {
      const { bytesReceived, bytesSent, requests } = session.takeTraffic()
      cost.bytesReceived += bytesReceived
      cost.bytesSent += bytesSent
      cost.requests += requests
    }
    return pullPlan(from, to, patch, cost)
  }

  async #begin(signal: AbortSignal | undefined): Promise<void> {
    this.#carriers.begin()
    await this.#peers.begin(signal)
    this.#judge.begin()
  }

  #pursuit(options: PullOptions, from: SignedRoot | undefined): Pursuit {
    return new Pursuit(this.#state, this.#peers, this.#carriers, this.#judge, options, from)
  }

  /** Resolves when somebody shows another root than before, or when no peer is left; after a while in any case. */
  async waitForNews(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    await Promise.race([this.#peers.waitForNews(waitMs, signal), this.#carriers.waitForNews()])
  }

  /** Whether anybody was reached, and what it takes to put the newest root on carriers again. */
  async #noteReach(): Promise<void> {
    if (!this.#isOwn) return
    const now = Math.floor(this.#state.clock.now() / 1000)
    if (this.#judge.isReached || this.#peers.open.some(({ status }) => status === 'same')) {
      await noteReach(this.#state.store, now)
    } else {
      await noteFailedReach(this.#state.store, now, 'no peer or carrier answered with a signed root')
    }
    const { accepted } = await readFloor(this.#state)
    if (accepted === null) return
    // Each carrier has the envelopes that are its own.
    for (const { announced, attachments } of this.#carriers.claims) {
      if (announced === undefined || !equalBytes(announced, accepted.root.bytes)) continue
      await keepAttachments(this.#state, accepted.root, attachments)
    }
  }

  async #notePeers(reports: readonly PeerReport[]): Promise<void> {
    await notePeers(this.#state.store, reports, this.#state.clock.now())
  }

  /** Ends the sessions. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.#carriers.close()
    await this.#peers.close()
  }

  async #arrive(from: SignedRoot | undefined, reached: Reached): Promise<PullResult> {
    const { target: to, accepted, isFallback, targets, report } = reached
    for (const { name, outcome, reason } of report.peers) this.#state.log('peer %s: %s %s', name, outcome, reason ?? '')
    const changed = from === undefined || !equalBytes(from.link, to.link)
    if (changed) await this.#switch(to)
    this.#state.log('at @%d, %d bytes received', to.payload.sequence, report.bytesReceived)
    const floor = await readFloor(this.#state)
    return {
      changed,
      from,
      to,
      newest: floor.accepted?.root ?? to,
      isFallback,
      targets,
      link: accepted.link,
      freshness: getFreshness(to, Math.floor(this.#state.clock.now() / 1000), floor.newestTime),
      fork: haltingEvidence(floor, to.payload.epoch),
      judgements: this.#judge.judgements,
      report,
      changes: (range) => this.#changes(from, to, range),
      least: async ({ signal } = {}) => {
        if (from === undefined) return undefined
        const before = await this.#state.at(from.payload.root)
        return await leastBetween(before.tree, (await this.#state.at(to.payload.root)).tree, signal)
      },
    }
  }

  /** The signed root that is shown now. */
  async #shown(): Promise<SignedRoot | undefined> {
    const bytes = await this.#state.store.getMeta(PUBLISHED)
    return bytes === undefined ? undefined : decodeOwn(bytes)
  }

  /** Makes a fetched tree the shown one. */
  async #switch(target: SignedRoot): Promise<void> {
    const meta = new Map([
      [ROOT, target.payload.root],
      [PUBLISHED, target.bytes],
      ...(await logEntryMeta(this.#state, target.bytes)),
    ])
    await this.#state.store.write({ meta }, { durable: true })
    this.#state.notify()
  }

  async *#changes(
    from: SignedRoot | undefined,
    to: SignedRoot,
    options: DiffOptions | undefined,
  ): AsyncGenerator<Change, void, undefined> {
    if (from === undefined) return
    const before = await this.#state.at(from.payload.root)
    const after = await this.#state.at(to.payload.root)
    yield* changesBetween(before, after, options)
  }
}
