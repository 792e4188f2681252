/** From a question to the query that answers it; provers and checkers run the same. */
import { assert } from '../errors.ts'
import type { Format } from '../prolly/format.ts'
import type { TreeRef } from '../prolly/tree-writer.ts'
import { diff } from './diff.ts'
import { at, count, get, rank } from './lookup.ts'
import type { ProofRoot } from './proof-bytes.ts'
import type { Answer, Question } from './question.ts'
import { type Reading, Replay } from './replay.ts'
import { scan } from './scan.ts'

export interface Answered {
  readonly root: TreeRef
  readonly answer: Answer
}

/** The root is read first, of a diff the other one next. */
export function* answerOf(
  question: Question,
  root: ProofRoot,
  from: ProofRoot | undefined,
  format: Format,
): Reading<Answered> {
  const replay = new Replay(format, 'values' in question && question.values === true)
  const place = yield* replay.root(knownOf(root))
  const { entries, bytes, link } = place.claim
  return { root: { root: link, entries, bytes }, answer: yield* ask() }

  function* ask(): Reading<Answer> {
    switch (question.type) {
      case 'get':
        return yield* get(replay, place, question.keys)
      case 'scan':
        return yield* scan(replay, place, question)
      case 'count':
        return yield* count(replay, place, question)
      case 'rank':
        return yield* rank(replay, place, question.key)
      case 'at':
        return yield* at(replay, place, question.position)
      case 'diff':
        assert(from !== undefined, 'a diff has two roots')
        return yield* diff(replay, yield* replay.root(knownOf(from)), place, question)
    }
  }
}

/** With the totals as signed, where it is. */
function knownOf({ link, signed }: ProofRoot): TreeRef | Uint8Array {
  return signed === undefined ? link : signed.payload
}
