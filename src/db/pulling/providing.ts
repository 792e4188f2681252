/**
 * A database or a replica as a provider serves it: the signed root it announces, word of the next one, and which trees
 * are served. A replica passes on what is complete of the tree that it fetches (protocol.md, 9).
 */
import { equalBytes } from '../../bytes.ts'
import { encodeAttachments, NO_ATTACHMENTS } from '../../carriers/attachments.ts'
import type { Link } from '../../link.ts'
import { comparePositions, type Evidence, type SignedRoot } from '../../pointer/index.ts'
import type { Store } from '../../store/interface.ts'
import type { ProviderOptions } from '../../sync/index.ts'
import { PUBLISHED } from '../meta.ts'
import { rootId } from '../roots/announced.ts'
import { readAttachments } from '../roots/attachments.ts'
import { Hearing } from '../roots/hearing.ts'
import { decodeOwn } from '../roots/signed-log.ts'
import { readStanding } from '../roots/standing.ts'
import { servedHistory } from './served-history.ts'
import type { DatabaseState } from '../state.ts'
import { ServedWindow, type WindowOptions } from './served-window.ts'
import { SupersededRoots } from './superseded-roots.ts'

export interface ProvidingOptions {
  /** Called with evidence of a fork that a peer brought, and that is new here; verified. Must not throw. */
  readonly onEvidence?: ((evidence: Evidence) => void) | undefined
  readonly window?: WindowOptions | undefined
  /** Ends the leases of the window, which are given back in time, too, where there is one. */
  readonly signal?: AbortSignal | undefined
}

/** What a provider needs of a database, and a gateway, which serves by the same window. */
export interface Providing extends Pick<
  ProviderOptions,
  'author' | 'name' | 'newest' | 'changed' | 'history' | 'statements' | 'attachments' | 'onStatements'
> {
  readonly store: Store
  readonly serves: (root: Link) => Promise<boolean>
  /** Whether that block is the root node of a signed tree that is served no more, and part of none that is. */
  readonly isSuperseded: (link: Link) => Promise<boolean>
}

/** @throws {RangeError} for a window out of bounds. */
export function providerOptions(state: DatabaseState, options: ProvidingOptions = {}): Providing {
  const { author, name, store } = state
  const { signal } = options
  const ends = signal && AbortSignal.any([signal, state.closing])
  const window = new ServedWindow(state, options.window ?? {}, ends)
  const superseded = new SupersededRoots(state, window)
  const hearing = new Hearing(state, options.onEvidence)
  return {
    author,
    name,
    store,
    history: servedHistory(state),
    newest: async () => {
      const published = await window.newest()
      const fetching = await rootBeingFetched(state, published)
      const signedRoot = fetching ?? published
      const id = rootId(signedRoot)
      if (signedRoot === undefined || id === null) return undefined
      return { signedRoot: signedRoot.bytes, id, isPartial: fetching !== undefined }
    },
    serves: async (root) => {
      if (await window.serves(root)) return true
      const fetching = await rootBeingFetched(state, await window.newest())
      return fetching !== undefined && equalBytes(fetching.payload.root, root)
    },
    statements: hearing.statements,
    attachments: async () => {
      const published = await window.newest()
      const attachments = published === undefined ? NO_ATTACHMENTS : await readAttachments(state, published)
      return attachments.size === 0 ? undefined : encodeAttachments(attachments)
    },
    onStatements: (statements, caller) => void hearing.hear(statements, caller),
    isSuperseded: (link) => superseded.has(link),
    changed: async (signal) => {
      const before = await announced(state)
      const said = await hearing.statements()
      await state.waitUntil(async () => {
        const now = await announced(state)
        if (now.isPartial !== before.isPartial || !isSame(now.signedRoot, before.signedRoot)) return true
        return !isSame(await hearing.statements(), said)
      }, signal)
    },
  }
}

/**
 * The root above the published one of which parts are here: while this handle fetches it; and as long as nothing else is
 * complete, whoever fetches it. Otherwise the complete one is worth more to others, if peers do not have the newer one.
 */
async function rootBeingFetched(
  state: DatabaseState,
  published: SignedRoot | undefined,
): Promise<SignedRoot | undefined> {
  const { fetching } = state
  if (fetching !== undefined) {
    return published === undefined || comparePositions(fetching.payload, published.payload) > 0 ? fetching : undefined
  }
  if (published !== undefined) return undefined
  const { newest, invalid } = await readStanding(state)
  return invalid === undefined ? newest : undefined
}

/** What a provider would announce now, without a look at its tree. */
async function announced(
  state: DatabaseState,
): Promise<{ readonly signedRoot: Uint8Array | undefined; readonly isPartial: boolean }> {
  const bytes = await state.store.getMeta(PUBLISHED)
  const fetching = await rootBeingFetched(state, bytes === undefined ? undefined : decodeOwn(bytes))
  return { signedRoot: fetching?.bytes ?? bytes, isPartial: fetching !== undefined }
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
