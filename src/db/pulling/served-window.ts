/**
 * Which trees a provider serves: that of the newest published root, and for a while those it superseded, so that whoever
 * fetches one of these can end (protocol.md, 9). A lease keeps each from garbage collection, of other processes too, and
 * is given back when its time is over: serving takes no disk for ever. The store is looked at with each question, since
 * the author may publish in another process.
 */
import { equalBytes } from '../../bytes.ts'
import { type Link, linkMapKey } from '../../link.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import type { Lease } from '../../store/interface.ts'
import { PUBLISHED } from '../meta.ts'
import { decodeOwn, readLog } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'

export interface WindowOptions {
  /** Signed roots, the newest included: 1 or more. */
  readonly roots?: number | undefined
  /** For how long after the next one was published. */
  readonly seconds?: number | undefined
}

/** An author who publishes every minute gives a clone a quarter of an hour. */
const WINDOW_ROOTS_DEFAULT = 16
/** As long as a clone of some GB takes at a few MB/s. One that takes longer goes on with a newer root. */
const WINDOW_SECONDS_DEFAULT = 3600

interface ServedTree {
  readonly root: Link
  /** Milliseconds since 1970; undefined for the newest. */
  supersededAt: number | undefined
  lease: Lease | undefined
}

export class ServedWindow {
  readonly #state: DatabaseState
  readonly #rootsMax: number
  readonly #ms: number
  readonly #ends: AbortSignal | undefined
  /** The signed root that the window was made for. */
  #newest: SignedRoot | undefined
  #trees = new Map<string, ServedTree>()
  #refreshing: Promise<SignedRoot | undefined> | undefined
  #isExpiring = false

  /**
   * @param signal ends it: leases are given back. Without one they end with the handle, and times are looked at with the
   *   next question only: no timer keeps a process from ending.
   * @throws {RangeError} where an option is out of bounds.
   */
  constructor(state: DatabaseState, options: WindowOptions, signal: AbortSignal | undefined) {
    const { roots = WINDOW_ROOTS_DEFAULT, seconds = WINDOW_SECONDS_DEFAULT } = options
    if (!Number.isSafeInteger(roots) || roots < 1) throw new RangeError(`window: expected 1 root or more, got ${roots}`)
    if (!(seconds >= 0)) throw new RangeError(`window: expected 0 seconds or more, got ${seconds}`)
    this.#state = state
    this.#rootsMax = roots
    this.#ms = seconds * 1000
    this.#ends = signal
    signal?.addEventListener('abort', () => this.#release([...this.#trees.values()]), { once: true })
  }

  /** The newest published root, leased. */
  newest(): Promise<SignedRoot | undefined> {
    // One at a time: two would take each lease twice.
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  async serves(root: Link): Promise<boolean> {
    await this.newest()
    return this.#trees.has(linkMapKey(root))
  }

  /** Of the trees that are served, the newest first. */
  async roots(): Promise<Link[]> {
    await this.newest()
    return [...this.#trees.values()].map(({ root }) => root)
  }

  async #refresh(): Promise<SignedRoot | undefined> {
    for (;;) {
      const bytes = await this.#state.store.getMeta(PUBLISHED)
      if (bytes === undefined) return undefined
      if (this.#newest === undefined || !equalBytes(bytes, this.#newest.bytes)) await this.#moveTo(decodeOwn(bytes))
      this.#prune()
      const now = await this.#state.store.getMeta(PUBLISHED)
      // Collection keeps what is published while it runs: what still is was leased in time.
      if (now !== undefined && equalBytes(now, bytes)) return this.#newest
    }
  }

  async #moveTo(newest: SignedRoot): Promise<void> {
    const now = this.#state.clock.now()
    const trees = new Map<string, ServedTree>()
    let next: SignedRoot | undefined
    for await (const signedRoot of this.#recent(newest)) {
      const { root } = signedRoot.payload
      const key = linkMapKey(root)
      const known = this.#trees.get(key)
      const supersededAt =
        next === undefined ? undefined : (known?.supersededAt ?? this.#whenSuperseded(known, next, now))
      if (!trees.has(key)) trees.set(key, { root, supersededAt, lease: known?.lease })
      next = signedRoot
    }
    const left = [...this.#trees].filter(([key]) => !trees.has(key)).map(([, tree]) => tree)
    this.#trees = trees
    this.#release(left)
    this.#prune()
    for (const [key, tree] of trees) await this.#lease(key, tree)
    // Not before: where a lease fails, the next look takes it.
    this.#newest = newest
    if (this.#ends !== undefined && !this.#isExpiring) void this.#expire(this.#ends)
  }

  /** What was announced here until now ends now, whenever its successor was signed: a replica may have got that late. */
  #whenSuperseded(known: ServedTree | undefined, next: SignedRoot, now: number): number {
    return known === undefined ? Math.min(now, next.payload.issued * 1000) : now
  }

  /** The newest and those before it in the log, which has it from the moment on in which it is published. */
  async *#recent(newest: SignedRoot): AsyncGenerator<SignedRoot, void, undefined> {
    let isBelow = false
    // A root that was published meanwhile stands above: room for a few of those.
    for await (const { signedRoot } of readLog(this.#state, { limit: 2 * this.#rootsMax })) {
      isBelow ||= equalBytes(signedRoot.bytes, newest.bytes)
      if (isBelow) yield signedRoot
    }
    if (!isBelow) yield newest
  }

  /** One that is not here any more is not served; of the newest, what is left of it is. */
  async #lease(key: string, tree: ServedTree): Promise<void> {
    tree.lease ??= await this.#state.store.lease(tree.root)
    if (tree.lease === undefined && tree.supersededAt !== undefined) this.#trees.delete(key)
    // Its time may have ended meanwhile.
    if (this.#ends?.aborted === true || this.#trees.get(key) !== tree) this.#release([tree])
  }

  /** Drops what is beyond the window's count or time. */
  #prune(): void {
    const before = this.#state.clock.now() - this.#ms
    const old: ServedTree[] = []
    let roots = 0
    for (const [key, tree] of this.#trees) {
      const isOld = tree.supersededAt !== undefined && tree.supersededAt <= before
      if (++roots <= this.#rootsMax && !isOld) continue
      this.#trees.delete(key)
      old.push(tree)
    }
    this.#release(old)
  }

  #release(trees: readonly ServedTree[]): void {
    for (const tree of trees) {
      void tree.lease?.release()
      tree.lease = undefined
    }
  }

  /** Also where nobody asks: a lease keeps disk. */
  async #expire(ends: AbortSignal): Promise<void> {
    this.#isExpiring = true
    try {
      for (;;) {
        const times = [...this.#trees.values()].flatMap(({ supersededAt }) => supersededAt ?? [])
        if (times.length === 0) return
        const ms = Math.max(1, Math.min(...times) + this.#ms - this.#state.clock.now())
        await this.#state.clock.sleep(Math.min(ms, WAIT_MS_MAX), ends)
        this.#prune()
      }
    } catch (error) {
      if (!ends.aborted) throw error
    } finally {
      this.#isExpiring = false
    }
  }
}

/** What timers can hold, and more than a clock should be trusted with. */
const WAIT_MS_MAX: number = 24 * 3600 * 1000
