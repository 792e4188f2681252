/**
 * Which answers to a question keep the protocol, as far as that can be said without knowing the tree (protocol.md, 8). What
 * the author says of sizes must not decide over a peer, so only the format's own bounds count.
 */
import { compareBytes } from '../../bytes.ts'
import { ANSWER_BYTES_MAX } from '../../limits.ts'
import { CODEC_DAG_CBOR, linkCodec } from '../../link.ts'
import { countOnes } from '../../pointer/index.ts'
import { FORMAT_1, KEY_BYTES_MAX, NODE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from '../../prolly/index.ts'
import { PATCH_PAGE_ROWS_GOOD } from '../limits.ts'
import {
  type Answer,
  type BlocksAnswer,
  dataBytesOf,
  type GetBlocks,
  type GetLink,
  type GetPatch,
  type LinkAnswer,
  type PatchAnswer,
  type RangeAnswer,
  type Request,
  type Tell,
} from '../wire/index.ts'

/** What is answered. */
export type Question = Exclude<Request, Tell>

export interface Judgement {
  /** The broken rule, for people. */
  readonly broken?: string
  /** Whether the answer counts for the peer's patience beyond its bytes: feeding crumbs must not. */
  readonly earns: boolean
}

const ANSWERS: Readonly<Record<Question['type'], Answer['type']>> = {
  'get root': 'root',
  'get blocks': 'blocks',
  'get range': 'range',
  'get patch': 'patch',
  'get have': 'have',
  'get peers': 'peers',
  'get link': 'link',
  'get payloads': 'payloads',
  'get attachments': 'attachments',
}

export function judgeAnswer(question: Question, answer: Answer): Judgement {
  const expected = ANSWERS[question.type]
  if (answer.type === 'refusal') return { earns: true }
  if (answer.type !== expected) {
    return { broken: `answered with ${answer.type} where ${expected} was asked for`, earns: false }
  }
  if (question.type === 'get blocks' && answer.type === 'blocks') return judgeBlocks(question, answer)
  if (question.type === 'get range' && answer.type === 'range') return judgeRange(question.bytesMax, answer)
  if (question.type === 'get patch' && answer.type === 'patch') return judgePatch(question, answer)
  if (question.type === 'get have' && answer.type === 'have' && answer.has.length !== question.links.length) {
    return { broken: `sent ${answer.has.length} flags where ${question.links.length} were asked for`, earns: false }
  }
  if (question.type === 'get link' && answer.type === 'link') return judgeLink(question, answer)
  if (question.type === 'get payloads' && answer.type === 'payloads') {
    const [sent, asked] = [answer.signedRoots.length, question.names.length]
    if (sent !== asked) return { broken: `sent ${sent} signed roots where ${asked} were asked for`, earns: false }
  }
  return { earns: true }
}

/** Of blocks, or of keys and values, that an answer may have; 0 for one that has no data. */
export function dataBytesMaxOf(question: Question): number {
  switch (question.type) {
    case 'get blocks':
    case 'get range':
      return Math.max(question.bytesMax, RAW_VALUE_BYTES_MAX)
    case 'get patch':
      return Math.max(question.bytesMax, ROW_BYTES_MAX)
    default:
      return 0
  }
}

/** Of a row in a patch: it is sent whatever the budget, if it is the first. */
const ROW_BYTES_MAX = KEY_BYTES_MAX + FORMAT_1.inlineBytesMax

function judgeLink({ older, newer }: GetLink, { proof, frontier }: LinkAnswer): Judgement {
  const expected = countOnes(newer - 1)
  if (frontier.length !== expected) {
    return { broken: `sent ${frontier.length} hashes of a history that consists of ${expected}`, earns: false }
  }
  return older === null && proof !== null ? { broken: 'sent a proof nobody asked for', earns: false } : { earns: true }
}

/** A provider sends the longest prefix that fits the budget, so one that stops early is found out. */
function judgeBlocks({ links, bytesMax }: GetBlocks, answer: BlocksAnswer): Judgement {
  const { blocks } = answer
  const bytes = dataBytesOf(answer)
  const earns = blocks.length === links.length || bytes >= ANSWER_BYTES_MAX / 2
  if (blocks.length > links.length) {
    return { broken: `sent ${blocks.length} blocks where ${links.length} were asked for`, earns }
  }
  if (bytes > bytesMax && blocks.length > 1) return { broken: tooMany(bytes, bytesMax), earns }
  const next = links[blocks.length]
  if (next === undefined) return { earns }
  const nextMax = linkCodec(next) === CODEC_DAG_CBOR ? NODE_BYTES_MAX : RAW_VALUE_BYTES_MAX
  if (bytes + nextMax > bytesMax) return { earns }
  return { broken: `sent ${blocks.length} of ${links.length} blocks though more would fit`, earns }
}

/** What is left out is for whoever knows the tree to judge; a question that was sized well is answered with most of it. */
function judgeRange(bytesMax: number, answer: RangeAnswer): Judgement {
  const bytes = dataBytesOf(answer)
  const earns = bytes >= bytesMax / 2
  return bytes > bytesMax && answer.blocks.length > 1 ? { broken: tooMany(bytes, bytesMax), earns } : { earns }
}

/** The order of the keys was checked when they were decoded. */
function judgePatch({ after, until, bytesMax }: GetPatch, answer: PatchAnswer): Judgement {
  const { keys, isLast } = answer
  const bytes = dataBytesOf(answer)
  // Where few rows are far apart, a page ends with the nodes that were read for it.
  const earns = isLast || bytes >= bytesMax / 2 || keys.length >= PATCH_PAGE_ROWS_GOOD
  if (bytes > bytesMax && keys.length > 1) return { broken: tooMany(bytes, bytesMax), earns }
  const [first, last] = [keys[0], keys.at(-1)]
  if (first === undefined || last === undefined) {
    return isLast ? { earns } : { broken: 'sent no rows and says that there are more', earns }
  }
  const isWithin =
    (after === null || compareBytes(first, after) > 0) && (until === null || compareBytes(last, until) <= 0)
  return isWithin ? { earns } : { broken: 'sent rows outside the range that was asked for', earns }
}

function tooMany(bytes: number, bytesMax: number): string {
  return `sent ${bytes} bytes where ${bytesMax} were allowed`
}
