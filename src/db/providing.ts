/** A database or a replica as a provider serves it: the signed root it announces, and word of the next one. */
import type { ProviderOptions } from '../sync/index.ts'
import { PUBLISHED } from './meta.ts'
import { decodeOwn } from './signed-log.ts'
import type { DatabaseState } from './state.ts'

/** What is announced is what the store says, so that roots which other processes publish or pull are served too. */
export function providerOptions(
  state: DatabaseState,
): Pick<ProviderOptions, 'author' | 'name' | 'store' | 'newest' | 'changed'> {
  const { author, name, store } = state
  return {
    author,
    name,
    store,
    newest: async () => {
      const signedRoot = await store.getMeta(PUBLISHED)
      if (signedRoot === undefined) return undefined
      const { link, payload } = decodeOwn(signedRoot)
      return { signedRoot, id: { payload: link, epoch: payload.epoch, sequence: payload.sequence } }
    },
    changed: async (signal) => {
      await state.changed(PUBLISHED, await store.getMeta(PUBLISHED), signal)
    },
  }
}
