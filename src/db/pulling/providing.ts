/** A database or a replica as a provider serves it: the signed root it announces, and word of the next one. */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import type { ProviderOptions } from '../../sync/index.ts'
import { PUBLISHED } from '../meta.ts'
import { decodeOwn } from '../roots/signed-log.ts'
import type { Snapshot } from '../snapshot.ts'
import type { DatabaseState } from '../state.ts'

/** What is announced is what the store says, so that roots which other processes publish or pull are served too. */
export function providerOptions(
  state: DatabaseState,
): Pick<ProviderOptions, 'author' | 'name' | 'store' | 'newest' | 'changed'> {
  const { author, name, store } = state
  let last: Snapshot | undefined
  /** The state, which is not collected as long as somebody refers to it. A damaged one is served as far as it goes. */
  const keepState = async (root: Link): Promise<Snapshot | undefined> => {
    if (last !== undefined && equalBytes(last.tree.ref.root, root)) return last
    try {
      last = await state.at(root)
      return last
    } catch (error) {
      if (isCoppiceError(error)) return undefined
      throw error
    }
  }
  return {
    author,
    name,
    store,
    newest: async () => {
      let signedRoot = await store.getMeta(PUBLISHED)
      while (signedRoot !== undefined) {
        const { link, payload } = decodeOwn(signedRoot)
        const kept = await keepState(payload.root)
        const now = await store.getMeta(PUBLISHED)
        // Collection keeps what is published while it runs: what still is was leased in time.
        if (now !== undefined && equalBytes(now, signedRoot)) {
          return { signedRoot, id: { payload: link, epoch: payload.epoch, sequence: payload.sequence }, kept }
        }
        signedRoot = now
      }
      return undefined
    },
    changed: async (signal) => {
      await state.changed(PUBLISHED, await store.getMeta(PUBLISHED), signal)
    },
  }
}
