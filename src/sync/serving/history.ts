/** Answers about the history of a database (protocol.md, 8 and 9): what connects two signed roots, and older signed roots by name. */
import type { MaybePromise } from '../../maybe-promise.ts'
import type { LinkFound, LinkQuestion } from '../peers/session.ts'
import type { Answer, GetLink, GetPayloads, PayloadName } from '../wire/index.ts'

/** What a provider knows of the history. Where a part is absent, questions about it are refused. */
export interface ServedHistory {
  /** Undefined where that history is not known here. What is given has been checked: a provider never lies by accident. */
  readonly link?: (question: LinkQuestion) => MaybePromise<LinkFound | undefined>
  /** The signed roots, one for each name; null: not here. */
  readonly payloads?: (names: readonly PayloadName[]) => MaybePromise<readonly (Uint8Array | null)[]>
}

export async function answerHistory(
  request: GetLink | GetPayloads,
  { link, payloads }: ServedHistory,
): Promise<Answer> {
  const { id } = request
  if (request.type === 'get link') {
    const found = await link?.(request)
    if (found !== undefined) return { type: 'link', id, proof: found.proof, frontier: found.frontier }
  } else if (payloads !== undefined) {
    return { type: 'payloads', id, signedRoots: await payloads(request.names) }
  }
  return { type: 'refusal', id, reason: 'gone' }
}
