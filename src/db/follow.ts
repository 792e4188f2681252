/** Following: pull, wait until some peer shows another root, pull again; connections that end are made anew. */
import { CoppiceError } from '../errors.ts'
import type { PeerDialer } from '../sync/index.ts'
import { Puller, type PullOptions, type PullResult } from './puller.ts'
import type { DatabaseState } from './state.ts'

export interface FollowOptions extends PullOptions {
  /** Called with what a pull failed with, before it is tried again. */
  readonly onFailure?: ((error: CoppiceError) => void) | undefined
}

/** How long a peer holds back its answer until it has news. */
const WAIT_MS = 25_000
/** Peers are connected anew after so long, so that one that was away is found again. */
const RECONNECT_MS = 300_000
const RETRY_MS_MIN = 500
const RETRY_MS_MAX = 30_000

/** `exclusively` runs a pull while nothing else of this replica does. Yields the first result, then changes. */
export async function* follow(
  state: DatabaseState,
  dialers: () => Promise<readonly PeerDialer[]>,
  exclusively: <R>(work: () => Promise<R>) => Promise<R>,
  options: FollowOptions,
): AsyncGenerator<PullResult, void, undefined> {
  const { signal } = options
  let retryMs = RETRY_MS_MIN
  let isFirst = true
  while (!isAborted(signal)) {
    const puller = new Puller(state, await dialers())
    const connectedAt = state.clock.now()
    try {
      do {
        const result = await exclusively(() => puller.pull(options))
        retryMs = RETRY_MS_MIN
        if (result.changed || isFirst) yield result
        isFirst = false
        await puller.waitForNews(WAIT_MS, signal)
      } while (puller.isConnected && state.clock.now() - connectedAt < RECONNECT_MS)
    } catch (error) {
      if (isAborted(signal)) return
      if (!isPassing(error)) throw error
      options.onFailure?.(error)
    } finally {
      await puller.close()
    }
    if (puller.isConnected) continue
    // Peers that went away together are not asked by all their readers at the same moment.
    await state.clock.sleep(retryMs * (0.5 + state.random() / 2), signal).catch(() => {})
    retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
  }
}

/** A function, because the compiler takes a property that was looked at once for settled. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

/** What another try, or a later root of the author, may mend. */
function isPassing(error: unknown): error is CoppiceError {
  if (!(error instanceof CoppiceError)) return false
  return ['NO_PEER_LEFT', 'TREE_MALFORMED', 'EQUIVOCATION'].includes(error.code) || error.code.startsWith('PEER_')
}
