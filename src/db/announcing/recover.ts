/**
 * Going on after a backup was restored, or after two machines have signed with one key (record.md, 5, "Ending a fork"). The newer
 * root of one's own is fetched as a replica does, every block verified, and what was changed here since both were one is merged
 * with it: so nothing is lost. Where two roots contradict each other, a new epoch ends the fork, which names both.
 *
 * The order of writes is the safety: blocks, then the merged working state, then what the next signed root follows from. Stopped
 * anywhere, it is done again: a merge of what is merged changes nothing.
 */
import type { Carrier } from '../../carriers/carrier.ts'
import { CoppiceError } from '../../errors.ts'
import {
  adoptPublished,
  type Authority,
  authorityKeyAt,
  comparePositions,
  decodeGrant,
  decodePublished,
  encodePublished,
  formatAuthor,
  type Frontier,
  type Published,
  type SignedRoot,
  type Signer,
} from '../../pointer/index.ts'
import { equalBytes } from '../../bytes.ts'
import type { Link } from '../../link.ts'
import { fetchTree, type PeerDialer, type PullProgress } from '../../sync/index.ts'
import { type MergeOptions, type MergeResult, mergeInto } from '../merging/merge.ts'
import { CHAIN, PREPARED, PUBLISHED } from '../meta.ts'
import type { Dialing } from '../pulling/dialing.ts'
import { PeerSessions } from '../pulling/peer-sessions.ts'
import { announces } from '../roots/announced.ts'
import { Publisher, type PublishOptions, type SigningReport } from '../roots/publisher.ts'
import { rotationsMeta } from '../roots/rotations.ts'
import { logEntryMeta, readLog, requireSequence } from '../roots/signed-log.ts'
import type { Snapshot } from '../snapshot.ts'
import type { DatabaseState } from '../state.ts'
import { CommonRoot } from './fork-point.ts'
import { type AskedCarrier, rivalError, RivalFinder, type RivalRoot } from './rivals.ts'

export interface RecoverOptions
  extends
    Pick<MergeOptions, 'resolve' | 'onConflict'>,
    Pick<PublishOptions, 'message' | 'expiresInSeconds' | 'grant' | 'envelopes'> {
  /** Peers to ask beside the carriers: multiaddrs or URLs. */
  readonly peers?: readonly string[] | undefined
  /** Ends a fork, where there is one, by a root of a new epoch: `message`, `expiresInSeconds`, `grant` and its `envelopes` are that one's. */
  readonly endFork?: boolean | undefined
  /** The sequence of the newest root here that the found one goes on from; `empty`: none. Where absent, peers prove which. */
  readonly base?: number | 'empty' | undefined
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RecoverReport {
  /**
   * `nothing`: nobody shows a newer root. `recovered`: the next root follows `to`. `fork-ended`: `signed` begins a new epoch, which names both. `conflicts`: both
   * sides changed the same rows, and nothing changed here: `merge` says how many.
   */
  readonly outcome: 'nothing' | 'recovered' | 'fork-ended' | 'conflicts'
  /** The last root that was signed here. */
  readonly from: SignedRoot | undefined
  /** The root that was found elsewhere. */
  readonly to: SignedRoot | undefined
  /** What became of the changes made here since both were one; `right` is the state of `to`. */
  readonly merge: (MergeResult & { readonly right: Snapshot }) | undefined
  /** Of `fork-ended`. */
  readonly signed: SigningReport | undefined
  readonly asked: readonly AskedCarrier[]
}

export interface RecoverSources {
  readonly carriers: readonly Carrier[]
  readonly dialers: readonly PeerDialer[]
  /** Finds further peers. */
  readonly network: Dialing | undefined
}

/** See `Database.recover`. */
export async function recoverState(
  state: DatabaseState,
  signers: readonly Signer[],
  sources: RecoverSources,
  options: RecoverOptions,
): Promise<RecoverReport> {
  const peers = new PeerSessions(state, sources.dialers, sources.network)
  try {
    return await new Recovery(state, signers, peers, options).run(sources)
  } finally {
    await peers.close()
  }
}

class Recovery {
  readonly #state: DatabaseState
  readonly #signers: readonly Signer[]
  readonly #peers: PeerSessions
  readonly #options: RecoverOptions

  constructor(state: DatabaseState, signers: readonly Signer[], peers: PeerSessions, options: RecoverOptions) {
    this.#state = state
    this.#signers = signers
    this.#peers = peers
    this.#options = options
  }

  async run({ carriers }: RecoverSources): Promise<RecoverReport> {
    const bytes = await this.#state.store.getMeta(CHAIN)
    const own = bytes === undefined ? null : decodePublished(bytes)
    const finder = await RivalFinder.begin(this.#state, own?.signed ?? null)
    const asked = await this.#ask(finder, carriers)
    const [rival] = finder.rivals
    const report = { from: own?.signed, to: undefined, merge: undefined, signed: undefined, asked }
    if (rival === undefined) {
      const isHalted = own !== null && finder.evidence.some(({ epoch }) => epoch >= own.signed.payload.epoch)
      if (!isHalted || this.#options.endFork !== true) return { ...report, outcome: 'nothing' }
      // What there is proof of is not to be had any more.
      this.#requireAuthority(own.signed, finder.authority)
      return { ...report, outcome: 'fork-ended', signed: await this.#endFork(own, [own.signed.link]) }
    }
    const target = requireReadable(rival)
    const common = new CommonRoot(this.#state, this.#peers, target, finder.authority, this.#options.signal)
    const base = own === null ? undefined : await this.#baseOf(own.signed, common)
    const isLinked = own === null || (base !== undefined && equalBytes(base.link, own.signed.link))
    const isDivided = !isLinked && own.signed.payload.epoch === target.payload.epoch
    if (isDivided && this.#options.endFork !== true) throw rivalError(own.signed, rival, true)
    const history = await common.history(base)
    // A chain whose history nobody knows cannot go on; a new epoch of one's own chain can name it.
    const isFork = own !== null && (isDivided || (history === undefined && this.#options.endFork === true))
    if (isFork) this.#requireAuthority(target, finder.authority)
    const isOwnHigher = own !== null && comparePositions(own.signed.payload, target.payload) >= 0
    const chain = isFork && (isOwnHigher || history === undefined) ? own : await this.#adopt(target, history)
    await this.#fetch(target, base)
    const merge = await this.#merge(target, base)
    const found = { ...report, to: target, merge }
    if (!merge.isMerged) return { ...found, outcome: 'conflicts' }
    // Hashes of the other chain are of no use to one that goes on from one's own.
    const learned = [...(chain === own ? [] : common.learned), ...(await rotationsMeta(this.#state, finder.authority))]
    if (!isFork) {
      await this.#goOn(chain, learned)
      return { ...found, outcome: 'recovered' }
    }
    await this.#state.store.write({ meta: new Map(learned) })
    const signed = await this.#endFork(chain, [own.signed.link, target.link])
    return { ...found, outcome: 'fork-ended', signed }
  }

  /** Asks no carrier again: the tips are what they show. */
  async #endFork(chain: Published, tips: readonly Link[]): Promise<SigningReport> {
    const { message, expiresInSeconds, grant, signal } = this.#options
    const epoch = { grant, newEpoch: grant === undefined, replacePrepared: true }
    const options = { message, expiresInSeconds, ...epoch, signal }
    return await new Publisher(this.#state, this.#signers).endFork({ chain, tips }, options)
  }

  async #baseOf(own: SignedRoot, common: CommonRoot): Promise<SignedRoot | undefined> {
    const { base } = this.#options
    if (base === undefined) return await common.find(own)
    return base === 'empty' ? undefined : await requireSequence(this.#state, base)
  }

  /** Carriers and peers at once. @throws {CoppiceError} `NO_PEER_LEFT` where nobody answered. */
  async #ask(finder: RivalFinder, carriers: readonly Carrier[]): Promise<AskedCarrier[]> {
    const { signal } = this.#options
    const [asked] = await Promise.all([finder.ask(carriers, signal), this.#connect()])
    for (const { name, statements } of this.#peers.all) {
      if (statements !== undefined) await finder.hear(name, statements)
    }
    for (const { name, announced } of this.#peers.all) {
      if (announced !== undefined) await finder.look(name, announced)
    }
    const isAnswered = asked.some(({ shows }) => shows !== 'failed' && shows !== 'late') || this.#peers.open.length > 0
    if (isAnswered) return asked
    const reasons = [
      ...asked.map(({ name, shows, reason }) => `${name}: ${reason ?? shows}`),
      ...this.#peers.failed.map(({ name, outcome, reason }) => `${name}: ${reason ?? outcome}`),
    ]
    throw new CoppiceError(
      'NO_PEER_LEFT',
      `${this.#state.name}: expected a carrier or a peer that answers, got ${reasons.join('; ') || 'none to ask; name a peer'}`,
      { details: { peers: this.#peers.failed, carriers: asked } },
    )
  }

  async #connect(): Promise<void> {
    const { signal } = this.#options
    await this.#peers.begin(signal)
    if (this.#peers.hasLate) await this.#peers.connectLate(signal)
  }

  /** Told before anything is fetched. @throws {CoppiceError} `PUBLISH_REFUSED`. */
  #requireAuthority({ payload }: SignedRoot, authority: Authority): void {
    const least = Math.max(payload.epoch + 1, authority.rotations.at(-1)?.epoch ?? 0)
    const grant = this.#options.grant === undefined ? undefined : decodeGrant(this.#options.grant)
    const epoch = grant?.epoch ?? least
    if (epoch < least) {
      throw new CoppiceError(
        'PUBLISH_REFUSED',
        `grant: expected one for epoch ${least} or a later one, got epoch ${epoch}`,
        {
          details: { reason: 'grant-epoch', epoch },
        },
      )
    }
    const key = grant?.signer ?? authorityKeyAt(authority, epoch)
    if (this.#signers.some(({ publicKey }) => equalBytes(publicKey, key))) return
    throw new CoppiceError(
      'PUBLISH_REFUSED',
      `recover: expected the key ${formatAuthor(key)}, which may begin epoch ${epoch}, got none; ` +
        'end the fork where that key is, or with a grant of it for a signer here',
      { details: { reason: 'signer', epoch } },
    )
  }

  /** @throws {CoppiceError} `PUBLISH_REFUSED` where its history is not known. */
  async #adopt(target: SignedRoot, history: Frontier | undefined): Promise<Published> {
    if (history !== undefined) return adoptPublished(target, history, await this.#recentRoots(target))
    const { sequence } = target.payload
    throw new CoppiceError(
      'PUBLISH_REFUSED',
      `recover: expected the history below @${sequence} from some peer, got none; ` +
        'ask a peer that knows it, or go on in a new epoch',
      { details: { reason: 'history', sequence } },
    )
  }

  /** The trees of the first of its recent roots that are in the log here. */
  async #recentRoots({ payload }: SignedRoot): Promise<Link[]> {
    const known = new Map<number, SignedRoot>()
    for await (const { signedRoot } of readLog(this.#state)) known.set(signedRoot.payload.sequence, signedRoot)
    const roots: Link[] = []
    for (const { sequence, link } of payload.recent) {
      const entry = known.get(sequence)
      if (entry === undefined || !equalBytes(entry.link, link)) break
      roots.push(entry.payload.root)
    }
    return roots
  }

  /** @throws {CoppiceError} `NO_PEER_LEFT`, `TREE_MALFORMED`, `STORE_*`. */
  async #fetch(target: SignedRoot, base: SignedRoot | undefined): Promise<void> {
    const { store, clock, random } = this.#state
    const { root, entries, bytes } = target.payload
    if (((await store.getComplete(root))?.bytes ?? 0) > 0) return
    const { signal, onProgress } = this.#options
    await fetchTree({ root, entries, bytes, signedRoot: target.bytes }, this.#peers.all, store, {
      clock,
      random,
      signal,
      onProgress,
      absent: this.#peers.failed,
      holds: (session) => session.status !== 'partial' && announces(session, null, target),
      base: base?.payload.root,
      joining: (join) => this.#peers.onJoin(join),
    })
  }

  async #merge(target: SignedRoot, base: SignedRoot | undefined): Promise<MergeResult & { readonly right: Snapshot }> {
    const { resolve, onConflict, signal } = this.#options
    const right = await this.#state.at(target.payload.root)
    const source = { snapshot: () => Promise.resolve(right), state: undefined, isReplica: false }
    const both = base === undefined ? 'empty' : await this.#state.at(base.payload.root)
    const merge = await mergeInto(this.#state, source, { base: both, resolve, onConflict, signal })
    this.#state.notify()
    return { ...merge, right }
  }

  /** The found root as one's own last one, in one batch. What waited for a signature would contradict it. */
  async #goOn(chain: Published, learned: readonly (readonly [string, Uint8Array])[]): Promise<void> {
    const { bytes, payload } = chain.signed
    const meta = new Map<string, Uint8Array | null>([
      ...learned,
      [CHAIN, encodePublished(chain)],
      [PUBLISHED, bytes],
      ...(await logEntryMeta(this.#state, bytes)),
    ])
    if ((await this.#state.store.getMeta(PREPARED)) !== undefined) meta.set(PREPARED, null)
    await this.#state.store.write({ meta }, { durable: true })
    this.#state.log('goes on from @%d', payload.sequence)
  }
}

/** @throws {CoppiceError} `FORMAT_NEWER`. */
function requireReadable({ root, from }: RivalRoot): SignedRoot {
  if (root.state === 'known') return root
  const { sequence } = root.payload
  throw new CoppiceError(
    'FORMAT_NEWER',
    `recover: expected a root that this version of coppice knows, got @${sequence} at ${from}; update coppice`,
    { details: { sequence } },
  )
}
