/** `coppice verify FILE`: whether a proof holds, for whom, and the rows that it proves. */
import { stat } from 'node:fs/promises'
import { concatBytes } from '../bytes.ts'
import type { FieldValue } from '../document-model.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText, quoteText } from '../escape.ts'
import { readFileChunks } from '../formats/index.ts'
import { formatLink, parseLink } from '../link.ts'
import {
  expiryOf,
  formatAuthor,
  parseAddress,
  parseAuthor,
  type SignedRoot,
  statementKindOf,
} from '../pointer/index.ts'
import {
  checkProof,
  decodeProof,
  PROOF_BYTES_MAX,
  type ProofContent,
  type ProofReason,
  type Proven,
  type Question,
  type Trusted,
} from '../proof/index.ts'
import { proofInvalid } from '../proof/proof-bytes.ts'
import { equalQuestions } from '../proof/question.ts'
import { type Cli, EXIT_DIFFERENT } from './cli.ts'
import type { JsonOption } from './command.ts'
import { literalNaming } from './literal-keys.ts'
import { describeOutcome, describeQuestion, isPresent, outcomeJson, questionJson, rowsOf } from './proof-text.ts'
import { hasQuestion, type QuestionOptions } from './question-options.ts'
import { questionOf } from './question.ts'
import { renderTime } from './render.ts'
import type { RootName } from './roots.ts'
import { signedRootJson } from './status.ts'

/** Its first word says what a statement is. */
const EVIDENCE_HEAD_BYTES = 32

/** Whom to believe, at most one of them, as it stands on the command line. */
export interface TrustOptions {
  readonly author?: string
  readonly address?: string
  readonly root?: string
}

export function hasTrust({ author, address, root }: TrustOptions): boolean {
  return author !== undefined || address !== undefined || root !== undefined
}

/** Whom to believe, and the question where it is named. */
export type ProofOptions = TrustOptions & QuestionOptions & JsonOption

/** Whether `path` is where a proof is rather than a database. @throws {CoppiceError} `INPUT_NOT_FOUND` where nothing is. */
export async function isProofFile(path: string): Promise<boolean> {
  if (path === '-') return true
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return false
    throw new CoppiceError(
      'INPUT_NOT_FOUND',
      `${quoteText(path)}: expected a database, or the file of a proof or of evidence, got no such file or directory`,
      { cause: error, details: { path } },
    )
  }
}

/**
 * Exit code 1 where it does not hold, answers another question than `words` and `options` ask, or proves absence.
 * @throws {CoppiceError} `USAGE`, `KEY_INVALID`, `INPUT_NOT_FOUND`, `FORMAT_NEWER`.
 */
export async function verifyProof(
  cli: Cli,
  path: string,
  words: readonly string[],
  options: ProofOptions,
): Promise<void> {
  const { author, address, root, json: isJson = false } = options
  if ([author, address, root].filter((each) => each !== undefined).length > 1) {
    throw new CoppiceError('USAGE', 'verify: expected one of --author, --address and --root, got several')
  }
  const bytes = await readProof(cli, path)
  const head = new TextDecoder().decode(bytes.subarray(0, EVIDENCE_HEAD_BYTES))
  if (statementKindOf(head) === 'evidence') {
    if (words.length > 0 || hasQuestion(options)) {
      throw new CoppiceError('USAGE', 'verify: expected evidence of a fork by itself, got a question beside it')
    }
    const { verifyEvidenceFile } = await import('./verify-evidence.ts')
    return await verifyEvidenceFile(cli, path, new TextDecoder().decode(bytes), options)
  }
  let content: ProofContent | undefined
  let asked: Question | undefined
  try {
    content = decodeProof(bytes)
    const { question } = content
    if (words.length > 0 || hasQuestion(options)) {
      asked = await askedOf(content, words, options)
      requireAsked(content, asked, options.since)
    }
    const proven = checkProof(bytes, question, trustedBy(content, options))
    if (isPresent(question, proven.answer) === false) cli.exitCode = EXIT_DIFFERENT
    if (isJson) await cli.out.json(provenJson(question, asked, proven, options))
    else await tell(cli, question, asked, proven, options)
  } catch (error) {
    if (!isCoppiceError(error, 'PROOF_INVALID') && !isCoppiceError(error, 'TREE_MALFORMED')) throw error
    cli.exitCode = EXIT_DIFFERENT
    if (isJson) await cli.out.json(invalidJson(error, content, asked))
    else await cli.out.line(escapeText(`${path}: not proven: ${error.message}`))
  }
}

/** What the words and options ask; `--since @3` means whatever root the proof has as @3, whose signature is yet to be checked. */
async function askedOf(
  { question, root, from }: ProofContent,
  words: readonly string[],
  options: ProofOptions,
): Promise<Question> {
  const { since } = options
  return await questionOf(words, options, {
    findNaming: literalNaming,
    // Whether the bytes of values are in the file makes no difference to what is asked.
    values: 'values' in question && question.values === true,
    since: since === undefined ? undefined : 'link' in since ? since.link : (from ?? root).link,
  })
}

/** @throws {CoppiceError} `PROOF_INVALID` where the file answers something else, with both. */
function requireAsked(content: ProofContent, asked: Question, since: RootName | undefined): void {
  const { question, from } = content
  const sequence = from?.signed?.payload.sequence
  const isSince = since === undefined || 'link' in since || sequence === since.sequence
  if (isSince && equalQuestions(asked, question)) return
  const found = sequence === undefined ? undefined : { sequence }
  const wanted = describeQuestion(asked) + describeSince(asked, since)
  const got =
    describeQuestion(question) + describeSince(question, since !== undefined && 'link' in since ? undefined : found)
  const unquoted = (text: string): string => text.replaceAll('"', '')
  const types =
    unquoted(wanted) === unquoted(got)
      ? `; of other types: '"1"' is a text, 1 an integer, 1.0 a number, 0x31 bytes`
      : ''
  throw proofInvalid('question', `expected one of ${wanted}, got one of ${got}${types}`)
}

function describeSince(question: Question, since: RootName | undefined): string {
  if (question.type !== 'diff') return ''
  return ` since ${since !== undefined && 'sequence' in since ? `@${since.sequence}` : formatLink(question.from)}`
}

function invalidJson(error: CoppiceError, content: ProofContent | undefined, asked: Question | undefined): FieldValue {
  // A malformed tree has a rule in place of a reason: it is its author's fault.
  const { reason = 'tree' } = error.details as { readonly reason?: ProofReason }
  return {
    valid: false,
    present: null,
    reason,
    message: error.message,
    question: content === undefined ? null : questionJson(content.question),
    asked: asked === undefined ? null : questionJson(asked),
  }
}

async function readProof(cli: Cli, path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of path === '-' ? cli.input(true) : readFileChunks(path, cli.signal)) {
    chunks.push(chunk)
    length += chunk.length
    // One byte too many is refused by the decoder; more need not be read for it.
    if (length > PROOF_BYTES_MAX) break
  }
  return concatBytes(...chunks)
}

/** Without a word of whom to trust, what the proof claims: then it is told whose word it is. */
function trustedBy({ root: { link, signed } }: ProofContent, { author, address, root }: TrustOptions): Trusted {
  if (root !== undefined) return parseLink(root)
  if (address !== undefined) return parseAddress(address)
  const claimed = signed?.payload
  if (author !== undefined) return { author: parseAuthor(author), name: claimed?.name ?? '' }
  return claimed ?? link
}

/** Documents as `get` and `scan` print them; what is no whole document as a row with its key. */
async function tell(
  cli: Cli,
  question: Question,
  asked: Question | undefined,
  proven: Proven,
  trust: TrustOptions,
): Promise<void> {
  for (const row of rowsOf(question, proven.answer)) await cli.out.json(row['document'] ?? row)
  await cli.out.flush()
  const lines = [`proven: ${describeOutcome(question, proven.answer)}`]
  if (asked === undefined)
    lines.push('whether that is your question is for you to compare; naming COLLECTION and KEY does it')
  lines.push(...whoseWord(question, proven, trust))
  for (const line of lines) cli.note(escapeText(`coppice: ${line}`))
}

function provenJson(
  question: Question,
  asked: Question | undefined,
  { answer, root, signed, signedFrom }: Proven,
  trust: TrustOptions,
): FieldValue {
  const trusted = ['root', 'address', 'author'].find((name) => name in trust) ?? null
  return {
    valid: true,
    ...outcomeJson(question, answer),
    trusted,
    author: signed === undefined ? null : formatAuthor(signed.payload.author),
    name: signed?.payload.name ?? null,
    root: formatLink(root.root),
    signed: signed === undefined ? null : { ...signedRootJson(signed) },
    from:
      question.type !== 'diff'
        ? null
        : { root: formatLink(question.from), sequence: signedFrom?.payload.sequence ?? null },
    question: questionJson(question),
    asked: asked === undefined ? null : questionJson(asked),
    rows: rowsOf(question, answer),
  }
}

function whoseWord(question: Question, { root, signed, signedFrom }: Proven, trust: TrustOptions): string[] {
  const cid = formatLink(root.root)
  const lines = [signed === undefined ? `of root ${cid}, which nobody signed here` : signedText(signed)]
  if (question.type === 'diff') {
    const from = formatLink(question.from)
    lines.push(
      signedFrom === undefined
        ? `since root ${from}, for you to compare: nobody signed it here`
        : `since @${signedFrom.payload.sequence} ${from}, signed by the same`,
    )
  }
  if (trust.root !== undefined) lines.push('that root is the one you trust')
  else if (trust.address !== undefined) lines.push('the author and the database are those you trust')
  else if (trust.author !== undefined) lines.push('the author is the one you trust')
  else if (signed === undefined)
    lines.push('whether that root is the right one is for you to compare; --root CID does it')
  else lines.push('whether that key is your author’s is for you to compare; --author or --address does it')
  return lines
}

function signedText(signed: SignedRoot): string {
  const { author, name, sequence, issued, root } = signed.payload
  const expires = expiryOf(signed)
  const until = expires === null ? '' : `, promised until ${renderTime(expires)}`
  const where = `@${sequence} of ${name}, ${formatLink(root)}`
  return `signed by ${formatAuthor(author)} at ${renderTime(issued)}${until}: ${where}`
}
