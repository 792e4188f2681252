/** What a proof is asked for, from the arguments and options of `prove`, and of `verify` where that compares. */
import type { KeyPart, Schema, Snapshot } from '../db/index.ts'
import { documentRange } from '../db/documents/collection-view.ts'
import { CoppiceError } from '../errors.ts'
import type { Link } from '../link.ts'
import type { KeyRange } from '../prolly/index.ts'
import type { Question } from '../proof/index.ts'
import { encodeQuestion } from '../proof/question.ts'
import { parseKey, parseKeyStart, parseRawKey, parseRawRange, type RangeOptions } from './keys.ts'
import { chooseCollection } from './open.ts'
import type { QuestionOptions } from './question-options.ts'

/** Of a diff without `--limit`. */
const CHANGES_MAX = 1000

/** How words become keys of a collection. */
export interface Naming {
  readonly schema: Schema
  readonly parseKey: (texts: readonly string[]) => readonly KeyPart[]
  readonly parseStart: (text: string) => readonly KeyPart[]
}

/** How to name documents of `collection`, where `parts` and `options` are what will be parsed. */
export type FindNaming = (
  collection: string | undefined,
  parts: readonly string[],
  options: QuestionOptions,
) => Naming | Promise<Naming>

/** By the schemas of a state. */
export function schemaNaming(snapshot: Snapshot): FindNaming {
  return async (collection) => {
    const name = await chooseCollection(snapshot, collection, 'COLLECTION')
    const schema = await snapshot.collection(name).schema()
    return {
      schema,
      parseKey: (texts) => parseKey(schema, texts),
      parseStart: (text) => parseKeyStart(schema, text),
    }
  }
}

/** Keys and bounds as bytes, from whatever the command line has them as. */
interface Wanted {
  readonly keys: readonly Uint8Array[]
  readonly range: KeyRange
}

/** What besides words and options goes into a question. */
export interface QuestionContext {
  readonly findNaming: FindNaming
  /** Whether to carry the bytes of values over 1 KiB. */
  readonly values: boolean
  /** The root that changes are asked from. */
  readonly since: Link | undefined
}

/**
 * `words` are COLLECTION and KEY, or keys alone with `--raw`.
 * @throws {CoppiceError} `USAGE`, `KEY_INVALID`, `COLLECTION_UNKNOWN`.
 */
export async function questionOf(
  words: readonly string[],
  options: QuestionOptions,
  context: QuestionContext,
): Promise<Question> {
  const form = formOf(words, options, context.since !== undefined)
  const wanted = options.raw === true ? rawWanted(words, options) : await documentsWanted(words, options, context)
  return validateQuestion(toQuestion(form, wanted, options, context))
}

function toQuestion(
  form: Question['type'],
  { keys, range }: Wanted,
  { limit, reverse, nth }: QuestionOptions,
  { values, since }: QuestionContext,
): Question {
  switch (form) {
    case 'get':
      return { type: 'get', keys, values }
    case 'scan':
      return { type: 'scan', ...range, limit, reverse: reverse === true, values }
    case 'count':
      return { type: 'count', ...range }
    case 'rank':
      return { type: 'rank', key: keys[0] as Uint8Array }
    case 'at':
      return { type: 'at', position: nth as number, values }
    case 'diff':
      return { type: 'diff', from: since as Link, ...range, limit: limit ?? CHANGES_MAX, values }
  }
}

function rawWanted(words: readonly string[], options: QuestionOptions): Wanted {
  const { key = [] } = options
  const keys = [...words.map((word) => parseRawKey('KEY', word)), ...key.map((text) => parseRawKey('--key', text))]
  return { keys, range: parseRawRange(options) }
}

async function documentsWanted(
  [name, ...parts]: readonly string[],
  options: QuestionOptions,
  { findNaming }: QuestionContext,
): Promise<Wanted> {
  const { schema, parseKey, parseStart } = await findNaming(name, parts, options)
  const { key = [] } = options
  const keys = [...(parts.length === 0 ? [] : [parseKey(parts)]), ...key.map(parseStart)]
  const bound = (side: keyof RangeOptions): { readonly [side: string]: readonly KeyPart[] } =>
    options[side] === undefined ? {} : { [side]: parseStart(options[side]) }
  const range = documentRange(schema, { ...bound('prefix'), ...bound('start'), ...bound('end') })
  return { keys: keys.map((each) => schema.keyFor(each)), range }
}

/** One question at a time: what does not go together is refused, so that nobody takes a proof for one of something else. */
function formOf(words: readonly string[], options: QuestionOptions, isDiff: boolean): Question['type'] {
  const { prefix, start, end, limit, count, rank, nth, raw, key = [], reverse } = options
  const hasKey = key.length > 0 || words.length > (raw === true ? 0 : 1)
  const hasRange = [prefix, start, end].some((bound) => bound !== undefined)
  const forms = [
    ...(isDiff ? (['diff'] as const) : []),
    ...(count === true ? (['count'] as const) : []),
    ...(rank === true ? (['rank'] as const) : []),
    ...(nth === undefined ? [] : (['at'] as const)),
  ]
  const [form = hasKey ? 'get' : 'scan', ...others] = forms
  if (others.length > 0) throw usage('one of --since, --count, --rank and --nth', 'several')
  if (limit === 0) throw usage('a --limit of at least 1', '0')
  if ((form === 'rank' || form === 'at') && raw !== true) {
    throw usage(`--raw with --${form === 'rank' ? 'rank' : 'nth'}, as positions count all rows of a database`, 'none')
  }
  const takesKey = form === 'get' || form === 'rank'
  if (hasKey && !takesKey) throw usage('a range', 'a KEY too')
  if (form === 'rank' && words.length + key.length !== 1)
    throw usage('one KEY with --rank', String(words.length + key.length))
  if (hasRange && (takesKey || form === 'at')) throw usage('a KEY or a range', 'both')
  if (limit !== undefined && form !== 'scan' && form !== 'diff')
    throw usage('--limit with rows or changes', 'something else')
  if (reverse === true && form !== 'scan') throw usage('--reverse with rows', 'something else')
  return form
}

/** @throws {CoppiceError} `USAGE` for an empty range, or a key or bound that is too long. */
function validateQuestion(question: Question): Question {
  try {
    encodeQuestion(question)
    return question
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new CoppiceError('USAGE', `question: ${error.message}`, { cause: error })
  }
}

function usage(expected: string, got: string): CoppiceError {
  return new CoppiceError('USAGE', `question: expected ${expected}, got ${got}`)
}
