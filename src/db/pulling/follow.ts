/**
 * Following: pull, wait until some peer shows another root, pull again; connections that end are made anew. A root whose
 * tree is malformed is reported and passed over, since the author's next one may be good. A fork of the author's chain
 * ends it: nothing that peers may still show could be taken.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import type { PeerDialer } from '../../sync/index.ts'
import { Puller, type PullResult } from './puller.ts'
import type { PullOptions } from './pursuit.ts'
import type { Carriers } from '../carriers.ts'
import type { Dialing } from './dialing.ts'
import type { DatabaseState } from '../state.ts'

export interface FollowOptions extends PullOptions {
  /** Called with what a pull failed with, before it is tried again; once for each malformed root. */
  readonly onFailure?: ((error: CoppiceError) => void) | undefined
}

/** What following needs of its replica. */
export interface Following {
  readonly state: DatabaseState
  dialers(): Promise<readonly PeerDialer[]>
  readonly network?: Dialing | undefined
  readonly carriers?: Carriers | undefined
  /** Runs a pull while nothing else of the replica does. */
  exclusively<R>(work: () => Promise<R>, signal: AbortSignal): Promise<R>
}

/** How long a peer holds back its answer until it has news. */
const WAIT_MS = 25_000
/** Peers are connected anew after so long, so that one that was away is found again. */
const RECONNECT_MS = 300_000
const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 30_000
/** Connections that lasted for so long count as good: the next retry is a quick one again. */
const STEADY_MS = 60_000

/** Yields the first result, then changes, until the signal aborts or the handle is closed. */
export async function* follow(
  following: Following,
  options: FollowOptions,
): AsyncGenerator<PullResult, void, undefined> {
  const { state } = following
  const signal = options.signal === undefined ? state.closing : AbortSignal.any([options.signal, state.closing])
  const follower = new Follower(following, { ...options, signal })
  let retryMs = RETRY_MS_MIN
  while (!isAborted(signal)) {
    const connectedAt = state.clock.now()
    try {
      yield* follower.connected()
    } catch (error) {
      if (isAborted(signal)) return
      if (!isPassing(error)) throw error
      state.log('trying again: %s', error.message)
      options.onFailure?.(error)
    }
    // A peer that answers and ends at once must not make us dial without pause.
    if (state.clock.now() - connectedAt >= STEADY_MS) retryMs = RETRY_MS_MIN
    // Peers that went away together are not asked by all their readers at the same moment.
    await state.clock.sleep(retryMs * (0.5 + state.random() / 2), signal).catch(() => {})
    retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
  }
}

class Follower {
  readonly #following: Following
  readonly #options: FollowOptions & { readonly signal: AbortSignal }
  #isFirst = true
  /** What the newest malformed root was reported with. */
  #malformed: string | undefined

  constructor(following: Following, options: FollowOptions & { readonly signal: AbortSignal }) {
    this.#following = following
    this.#options = options
  }

  /** The results over one set of connections, until all are lost or it is time for new ones. */
  async *connected(): AsyncGenerator<PullResult, void, undefined> {
    const { signal } = this.#options
    const { state, network, carriers } = this.#following
    const puller = new Puller(state, await this.#following.dialers(), network, carriers)
    const connectedAt = state.clock.now()
    // Also while whoever iterates is busy with a result, or never comes back.
    const onAbort = (): void => void puller.close()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      do {
        const result = await this.#pull(puller)
        if (result !== undefined && (result.changed || this.#isFirst)) {
          this.#isFirst = false
          yield result
        }
        // The author published on: what is known to be there is not waited for.
        if (result !== undefined && !result.isFallback && !equalBytes(result.to.link, result.newest.link)) continue
        await puller.waitForNews(WAIT_MS, signal)
      } while (puller.isConnected && state.clock.now() - connectedAt < RECONNECT_MS)
    } finally {
      signal.removeEventListener('abort', onAbort)
      await puller.close()
    }
  }

  /** Undefined where the newest root can never be had. */
  async #pull(puller: Puller): Promise<PullResult | undefined> {
    const { signal, onFailure } = this.#options
    try {
      return await this.#following.exclusively(() => puller.pull(this.#options), signal)
    } catch (error) {
      if (!isCoppiceError(error, 'TREE_MALFORMED') || isAborted(signal)) throw error
      if (error.message !== this.#malformed) onFailure?.(error)
      this.#malformed = error.message
      return undefined
    }
  }
}

/** A function, because the compiler takes a property that was looked at once for settled. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

/** What another try may mend. */
function isPassing(error: unknown): error is CoppiceError {
  if (!(error instanceof CoppiceError)) return false
  return error.code === 'NO_PEER_LEFT' || error.code.startsWith('PEER_')
}
