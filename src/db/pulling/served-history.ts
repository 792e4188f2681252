/** What a database or a replica tells others of its history. */
import type { ServedHistory } from '../../sync/index.ts'
import { answerLink } from '../roots/history.ts'
import { findInLog } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'

export function servedHistory(state: DatabaseState): ServedHistory {
  return {
    link: (question) => answerLink((name) => state.store.getMeta(name), question),
    payloads: async (names) => {
      const signedRoots: (Uint8Array | null)[] = []
      for (const name of names) signedRoots.push((await findInLog(state, name))?.bytes ?? null)
      return signedRoots
    },
  }
}
