/**
 * Judges signed roots together with what connects them to the floor (record.md, 5). A root that skips sequences is accepted
 * without a proof, and only reported; so the peers that show it are asked for one, which costs a round trip and is done for roots
 * that are newer and valid only. What proofs show of the history is kept with the floor, so that the replica can prove it to others.
 *
 * A peer that cannot prove anything is not to blame; one that sends what does not belong to the root's own `history` is.
 */
import { equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import {
  type Acceptance,
  type AcceptanceContext,
  type AnySignedRoot,
  appendHistory,
  checkInclusion,
  decodeLinkProof,
  type Floor,
  frontierSubtrees,
  type HashedSubtree,
  historyLeaf,
  isFrontierOf,
  judgeSignedRoot,
  type LinkProof,
  shownSubtrees,
  type SignedRoot,
} from '../../pointer/index.ts'
import type { LinkFound, LinkQuestion, Session } from '../../sync/index.ts'
import { subtreeName } from '../meta.ts'
import { announces } from '../roots/announced.ts'
import { historyMeta, readHistory, readLinkProof } from '../roots/history.ts'
import type { DatabaseState } from '../state.ts'

/** How long roots that are judged together may wait for proofs, in all. */
const WAIT_MS = 3_000
/** The next peer is asked when the one before was of no use, or has taken so long. */
const NEXT_PEER_MS = 500

/** What the peers gave. */
interface Found {
  readonly proof: LinkProof | null
  /** Of the root's history. */
  readonly subtrees: readonly HashedSubtree[]
}

export class RootLinks {
  readonly #state: DatabaseState
  readonly #sessions: readonly Session[]
  readonly #signal: AbortSignal | undefined
  readonly #learned = new Map<string, Uint8Array>()
  /** Until when peers are waited for: from the first question on. */
  #until: number | undefined

  /** `sessions`: who may be asked. */
  constructor(state: DatabaseState, sessions: readonly Session[], signal?: AbortSignal) {
    this.#state = state
    this.#sessions = sessions
    this.#signal = signal
  }

  /** What was learned of the history: to be written with the floor. */
  get learned(): ReadonlyMap<string, Uint8Array> {
    return this.#learned
  }

  /** As `judgeSignedRoot`, with a link proof where one is needed and to be had. @throws the signal's reason; what the store throws. */
  async judge(floor: Floor, bytes: Uint8Array, context: AcceptanceContext): Promise<Acceptance> {
    const verdict = judgeSignedRoot(floor, bytes, context)
    const held = floor.accepted?.root
    if (verdict.outcome === 'stale' && held !== undefined) {
      const proof = await this.#contradiction(verdict.root, held)
      return proof === undefined ? verdict : judgeSignedRoot(floor, bytes, { ...context, proof })
    }
    if (verdict.outcome !== 'accepted' || (await this.#append(held, verdict.root))) return verdict
    const found = await this.#seek(held, verdict.root)
    if (found === undefined) return verdict
    const linked = found.proof === null ? verdict : judgeSignedRoot(floor, bytes, { ...context, proof: found.proof })
    if (linked.outcome !== 'accepted') return linked
    const shown = linked.link === 'linked' && found.proof !== null ? shownBy(found.proof, held, verdict.root) : []
    this.#learn([...shown, ...found.subtrees])
    return linked
  }

  #learn(subtrees: readonly HashedSubtree[]): void {
    for (const [name, hash] of historyMeta(subtrees)) this.#learned.set(name, hash)
  }

  readonly #getMeta = (name: string): MaybePromise<Uint8Array | undefined> =>
    this.#learned.get(name) ?? this.#state.store.getMeta(name)

  /** What our own history has at the place of a root that is below the floor, if that is another one: two chains. */
  async #contradiction(root: AnySignedRoot, held: SignedRoot): Promise<LinkProof | undefined> {
    const { sequence } = root.payload
    if (root.state === 'newer-format' || sequence >= held.payload.sequence) return undefined
    const leaf = await this.#getMeta(subtreeName(0, sequence - 1))
    if (leaf === undefined || equalBytes(leaf, historyLeaf(root.payloadBytes))) return undefined
    return await readLinkProof(this.#getMeta, sequence, held.payload)
  }

  /** The next root of a history that is known: whether it continues it. Nobody has to be asked. */
  async #append(held: SignedRoot | undefined, root: SignedRoot): Promise<boolean> {
    const { previous, sequence, history } = root.payload
    if (previous === null) return true
    if (held === undefined || !equalBytes(previous, held.link)) return false
    const before = await readHistory(this.#getMeta, held.payload)
    if (before === undefined) return false
    const { frontier, completed } = appendHistory(before, held.payloadBytes)
    if (!isFrontierOf(frontier, sequence - 1, history)) return false
    this.#learn(completed)
    return true
  }

  /** Asks the peers that show the root, one after the other. Undefined where none knows its history. */
  async #seek(held: SignedRoot | undefined, root: SignedRoot): Promise<Found | undefined> {
    const { clock } = this.#state
    const { sequence, history } = root.payload
    const older = held !== undefined && held.payload.sequence < sequence ? held.payload.sequence : null
    const asked = this.#sessions.filter((session) => session.isOpen && announces(session, null, root))
    this.#until ??= clock.now() + WAIT_MS
    const enough = Promise.withResolvers<void>()
    const over = new AbortController()
    const signal = this.#signal === undefined ? over.signal : AbortSignal.any([this.#signal, over.signal])
    let found: Found | undefined
    let isEnough = false
    const questions: Promise<void>[] = []
    for (const session of asked) {
      if (isEnough || clock.now() >= this.#until) break
      const question = ask(session, { older, newer: sequence, history }).then((answer) => {
        if (answer === undefined || isEnough) return
        found = answer
        isEnough = older === null || answer.proof !== null
        if (isEnough) enough.resolve()
      })
      questions.push(question)
      await Promise.race([question, enough.promise, this.#nap(NEXT_PEER_MS, signal)])
    }
    const time = this.#nap(this.#until - clock.now(), signal)
    await Promise.race([Promise.all(questions), enough.promise, time])
    over.abort(new Error('no more is waited for'))
    this.#signal?.throwIfAborted()
    return found
  }

  async #nap(ms: number, signal: AbortSignal): Promise<void> {
    await this.#state.clock.sleep(Math.max(0, ms), signal).catch(() => {})
  }
}

/** What one peer knows, checked; undefined where that is nothing. Never rejects: a session that ends knows nothing. */
async function ask(session: Session, question: LinkQuestion): Promise<Found | undefined> {
  const answer = await session.getLink?.(question).catch(() => undefined)
  if (answer === undefined || answer === 'busy' || answer === 'gone') return undefined
  const found = check(question, answer)
  if (found === undefined) session.fail('liar', 'sent a history that is not that of the root it shows')
  return found
}

/** Undefined for what no honest peer sends: it checks its answers by the `history` in the question. */
function check({ older, newer, history }: LinkQuestion, answer: LinkFound): Found | undefined {
  const frontier = { size: newer - 1, hashes: answer.frontier }
  if (!isFrontierOf(frontier, newer - 1, history)) return undefined
  const subtrees = frontierSubtrees(frontier)
  if (older === null || answer.proof === null) return { proof: null, subtrees }
  const proof = decode(answer.proof)
  if (proof === undefined || !checkInclusion(proof.leaf, older - 1, newer - 1, proof.inclusion, history))
    return undefined
  return { proof, subtrees }
}

function decode(bytes: Uint8Array): LinkProof | undefined {
  try {
    return decodeLinkProof(bytes)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}

/** What a proof that links two roots shows of the history of the newer one. */
function shownBy(proof: LinkProof, held: SignedRoot | undefined, { payload }: SignedRoot): HashedSubtree[] {
  if (held === undefined) return []
  return shownSubtrees(proof.leaf, held.payload.sequence - 1, payload.sequence - 1, proof.inclusion)
}
