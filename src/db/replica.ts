/**
 * A reader's copy of somebody else's database: complete at one signed root, moved to a newer one as a whole. What may be
 * taken is decided by the floor (record.md, 5), who it comes from is not: every block is verified.
 */
import type { Document } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { comparePositions, type OnFork, type Position, type SignedRoot } from '../pointer/index.ts'
import type { Store } from '../store/index.ts'
import type { PeerDialer } from '../sync/index.ts'
import type { Carriers } from './carriers.ts'
import { CollectionView, type KeyNames, type ReadOptions } from './documents/collection-view.ts'
import { type Dialing, dialersOf } from './pulling/dialing.ts'
import { encodePeers, KNOWN_PEERS_ASKED_MAX, type KnownPeer, readKnownPeers } from './finding/address-book.ts'
import { type Delivery, nextDelivery } from './pulling/delivery.ts'
import { follow, type FollowOptions } from './pulling/follow.ts'
import { Handle } from './handle.ts'
import { AUTHOR, encodeText, FORKING, NAME, PEERS, ROOT } from './meta.ts'
import type { PullPlan } from './pulling/plan.ts'
import { Puller, type PullResult } from './pulling/puller.ts'
import type { PullOptions } from './pulling/pursuit.ts'
import type { Resolution } from '../carriers/resolution.ts'
import { type ResolveRootOptions, resolveRoot } from './resolving/resolve-root.ts'
import { keepOnFork } from './roots/on-fork.ts'
import { readAuthority, readFloor, type ReplicaStanding, readStanding } from './roots/standing.ts'
import type { Snapshot } from './snapshot.ts'
import { DatabaseState, type Surroundings } from './state.ts'

export interface ReplicaOptions extends Surroundings {
  readonly isWritable?: boolean
  /** Closed with the replica. Without, it only reads what it has. */
  readonly network?: Dialing
  /** Where newer signed roots are found beside its peers. Closed with the replica. */
  readonly carriers?: Carriers
}

export interface PullSource {
  /** Asked instead of the peers it has. */
  readonly from?: readonly PeerDialer[] | undefined
}

export class Replica extends Handle {
  readonly #network: Dialing | undefined

  private constructor(state: DatabaseState, options: ReplicaOptions) {
    super(state, 'pulled', options.isWritable ?? false, options.carriers)
    this.#network = options.network
  }

  /**
   * The values of a new replica, which has nothing yet. `peers` are the addresses it asks; with `isForking` it is to become
   * somebody's own database.
   * @throws {CoppiceError} `ADDRESS_INVALID`.
   */
  static initialMeta(
    author: Uint8Array,
    name: string,
    peers: readonly string[],
    isForking = false,
  ): Map<string, Uint8Array> {
    const meta = new Map([
      [AUTHOR, author],
      [NAME, encodeText(name)],
      [PEERS, encodePeers(peers)],
    ])
    return isForking ? meta.set(FORKING, encodeText('')) : meta
  }

  static async load(store: Store, options: ReplicaOptions): Promise<Replica> {
    return new Replica(await DatabaseState.load(store, options), options)
  }

  /** Whether a first pull has completed: before, there is nothing to read. */
  async isComplete(options: ReadOptions = {}): Promise<boolean> {
    options.signal?.throwIfAborted()
    return (await this.state.store.getMeta(ROOT)) !== undefined
  }

  /** Whether it was cloned to become a fork, and has not become one. */
  async isForking(): Promise<boolean> {
    return (await this.state.store.getMeta(FORKING)) !== undefined
  }

  /** The newest complete state. @throws {CoppiceError} `ROOT_NOT_FOUND` before the first pull has completed. */
  override async snapshot(options: ReadOptions = {}): Promise<Snapshot> {
    if (!(await this.isComplete(options))) {
      throw new CoppiceError(
        'ROOT_NOT_FOUND',
        `replica of ${this.name}: expected a complete state, got none yet; pull first`,
      )
    }
    return await this.state.snapshot()
  }

  collection<T extends object = Document, K extends KeyNames<T> = KeyNames<T>>(name: string): CollectionView<T, K> {
    return new CollectionView<T, K>(name, () => this.snapshot())
  }

  /**
   * Where the replica stands: what it has, the newest it knows of, how fresh that is. With `maxAgeSeconds` it is unreachable when
   * the last answer of a carrier or peer is older; without, when the last try reached nobody.
   */
  async standing(options: ReadOptions & { readonly maxAgeSeconds?: number } = {}): Promise<ReplicaStanding> {
    options.signal?.throwIfAborted()
    return await readStanding(this.state, options.maxAgeSeconds)
  }

  /** Peers that were found and were of use, which are asked too. The most promising first. */
  async knownPeers(options: ReadOptions = {}): Promise<KnownPeer[]> {
    options.signal?.throwIfAborted()
    return await readKnownPeers(this.state.store)
  }

  /**
   * Asks carriers and peers at once for the newest signed root, and tells those that show an older one. Nothing is fetched. With a
   * handle that only reads nothing is kept either: the next {@link pull} asks again.
   * @throws {CoppiceError} `PEER_UNREACHABLE` where none of them answered, `ROOT_NOT_FOUND` where none has a root that can be taken,
   *   `EQUIVOCATION`, `QUORUM_MISSED`, each with `details.carriers`, what each said; `STORE_*`.
   * @throws the signal's reason; an AbortError when the handle is closed meanwhile.
   */
  async resolve(options: ResolveRootOptions = {}): Promise<Resolution> {
    const { state, isWritable: isKept } = this
    const signal = options.signal === undefined ? state.closing : AbortSignal.any([options.signal, state.closing])
    const work = async (): Promise<Resolution> => {
      const known = { floor: await readFloor(state), authority: await readAuthority(state) }
      return await resolveRoot(state, this.carriers, known, { ...options, signal, isKept })
    }
    return isKept ? await this.exclusively(work, signal) : await work()
  }

  /** What it does when its author turns out to have signed contradicting roots. @throws {CoppiceError} `USAGE` for what is no choice. */
  async setOnFork(choice: OnFork, options: ReadOptions = {}): Promise<void> {
    await this.exclusively(() => keepOnFork(this.state.store, choice), options.signal)
  }

  /**
   * Goes to the newest signed root that its peers and carriers show. Interrupted at any point, the replica still shows its last
   * complete state, and the next pull goes on where this one ended.
   * @throws {CoppiceError} `NO_PEER_LEFT` where no peer answered or none could bring it there, `TREE_MALFORMED` (the
   *   author's fault), `EQUIVOCATION`, `STORE_*`. The details name each peer and what became of it.
   * @throws the signal's reason; an AbortError when the handle is closed meanwhile.
   */
  async pull(options: PullOptions & PullSource = {}): Promise<PullResult> {
    return await this.#withPuller(options, (puller, signal) => puller.pull({ ...options, signal }))
  }

  /**
   * What a pull would do, and about how many bytes it would receive. The newest signed root is learned and judged, as by a
   * pull; of the rows a page of 16 KiB at most is asked for, and nothing of the tree is kept.
   * @throws as {@link pull}
   */
  async plan(options: ReadOptions & PullSource = {}): Promise<PullPlan> {
    return await this.#withPuller(options, (puller, signal) => puller.plan(signal))
  }

  async #withPuller<R>(
    { from, signal: given }: ReadOptions & PullSource,
    work: (puller: Puller, signal: AbortSignal) => Promise<R>,
  ): Promise<R> {
    const { closing } = this.state
    const signal = given === undefined ? closing : AbortSignal.any([given, closing])
    return await this.exclusively(async () => {
      const puller =
        from === undefined
          ? new Puller(this.state, await this.dialers(), this.#network, this.carriers)
          : new Puller(this.state, from)
      try {
        return await work(puller, signal)
      } finally {
        await puller.close()
      }
    }, signal)
  }

  /**
   * Pulls, and again whenever a peer shows a newer root: the first result, then every change. Ends when the signal aborts or
   * the handle is closed. Peers that fail are tried again.
   * @throws {CoppiceError} `EQUIVOCATION`, `FORMAT_NEWER`, `ADDRESS_INVALID`, `STORE_*`: what no other try mends.
   */
  async *follow(options: FollowOptions = {}): AsyncGenerator<PullResult, void, undefined> {
    this.requireWritable()
    const following = {
      state: this.state,
      dialers: () => this.dialers(),
      network: this.#network,
      carriers: this.carriers,
      exclusively: <R>(work: () => Promise<R>, signal: AbortSignal) => this.exclusively(work, signal),
    }
    yield* follow(following, options)
  }

  /**
   * Resolves when the state that is shown has come so far, whoever pulls it, in this process or another: to the newest root accepted
   * when it is called, or with `sequence`, to a root of that sequence or a later one of the same epoch. A higher epoch supersedes every root
   * below it, whatever its sequence: a state of it always counts, and one of a lower epoch never does. The epoch is that of the newest root
   * accepted when it is called, or of the first one. It pulls nothing itself.
   * @throws the signal's reason; an AbortError when the handle is closed meanwhile.
   */
  async synced(sequence?: number, options: ReadOptions = {}): Promise<SignedRoot> {
    const { state } = this
    state.closing.throwIfAborted()
    options.signal?.throwIfAborted()
    let least: Position | undefined
    let shown: SignedRoot | undefined
    const isThere = async (): Promise<boolean> => {
      const newest = (await readFloor(state)).accepted?.root.payload
      if (newest === undefined) return false
      least ??= { epoch: newest.epoch, sequence: sequence ?? newest.sequence }
      shown = await this.published()
      return shown !== undefined && comparePositions(shown.payload, least) >= 0
    }
    // Before anything else, so that what is accepted from now on is not waited for.
    if (!(await isThere())) await state.waitUntil(isThere, options.signal)
    return shown as SignedRoot
  }

  /**
   * What was completed since the last delivery that was confirmed, to be handed on at least once: see {@link Delivery}.
   * Undefined where that is nothing. @throws {CoppiceError} `STORE_READ_ONLY` on a handle that only reads.
   */
  async delivery(): Promise<Delivery | undefined> {
    this.requireWritable()
    return await nextDelivery(this.state)
  }

  protected override async dialers(addresses?: readonly string[]): Promise<PeerDialer[]> {
    if (addresses !== undefined) return await dialersOf(this.#network, addresses)
    const known = (await this.knownPeers()).slice(0, KNOWN_PEERS_ASKED_MAX).map(({ address }) => address)
    return await dialersOf(this.#network, [...new Set([...(await this.peers()), ...known])])
  }

  protected override async release(): Promise<void> {
    await this.#network?.close()
  }
}
