/** `coppice prove`: what a state says, as one file that convinces whoever trusts its author. */
import type { Command } from 'commander'
import type { Snapshot } from '../../db/index.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText } from '../../escape.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { type Opened, reading } from '../open.ts'
import type { Answer, Question } from '../../proof/index.ts'
import { addQuestionOptions, type QuestionOptions } from '../question-options.ts'
import { renderBytes, renderCounted } from '../render.ts'
import { findRoot, parseRoot, type RootName, renderSigned } from '../roots.ts'

interface ProveOptions extends JsonOption, QuestionOptions {
  readonly values: boolean
  readonly at?: RootName
  readonly output?: string
}

export function addProve(program: Command, cli: Cli): void {
  const command = addCommand(program, {
    name: 'prove',
    summary:
      'write a proof of documents, of their absence, of a range, a count or changes: one file, for coppice verify',
    notes: `
With a KEY, of that document or that there is none; without, of all documents of the range, none left out.
KEY is one argument for each field, as in coppice get; --key takes a whole key as --start does, and may be
repeated. --prefix, --start and --end are those of coppice scan. With --raw all keys are byte keys in
hexadecimal, and there is no COLLECTION.
The proof is of the newest published state, signed; with --at of another one, which is signed where it is
named as @SEQUENCE. Whoever reads it sees the rows that happen to stand in the same leaves, too.`,
    examples: [
      'prove cities cities NL 2759794 -o amsterdam.proof',
      'prove cities cities --prefix NL --limit 100 -o page.proof',
      'prove cities cities --prefix NL --count -o count.proof',
      'prove cities cities --since @1 -o changes.proof',
    ],
  })
    .argument('<DIR>', 'the database')
    .argument('[WORDS...]', 'COLLECTION (default: the only one) and KEY')
  addQuestionOptions(command)
    .option('--at <ROOT>', 'of an earlier state: @SEQUENCE or CID', parseRoot)
    .option('--no-values', 'of values over 1 KiB only CID and size')
    .option('-o, --output <FILE>', 'where to write it, replacing a file that is there (default: standard output)')
    .option(...JSON_OPTION)
    .action((dir: string, words: readonly string[], options: ProveOptions) => prove(cli, dir, words, options))
}

async function prove(cli: Cli, dir: string, words: readonly string[], options: ProveOptions): Promise<void> {
  const { output = '-', values } = options
  if (output === '-' && cli.out.isTerminal) {
    throw new CoppiceError('USAGE', 'output: expected a file or a pipe, got a terminal; name a file with -o')
  }
  await reading(dir, async (opened) => {
    const { checkProof, prove: proveTree } = await import('../../proof/index.ts')
    const { readAuthority } = await import('../../db/roots/standing.ts')
    const { questionOf, schemaNaming } = await import('../question.ts')
    const state = await stateOf(opened, options.at)
    const { snapshot, signed } = state
    const { ref } = snapshot.tree
    const since = options.since === undefined ? undefined : await findRoot(opened, options.since)
    const context = { findNaming: schemaNaming(snapshot), values, since: since?.snapshot.tree.ref.root }
    const question = await questionOf(words, options, context)
    const authority = await readAuthority(opened.db.state)
    const signedFrom = signed === undefined ? undefined : since?.signed
    const proof = await proveTree(snapshot.tree, question, { signed, signedFrom, authority, signal: cli.signal })
    const { answer } = checkProof(proof, question, ref.root)
    if (output === '-') await cli.out.write(proof)
    else await write(cli, output, proof, state, options, { question, answer })
    await tell(cli, state, options, { question, answer })
  })
}

interface Answered {
  readonly question: Question
  readonly answer: Answer
}

interface State {
  readonly snapshot: Snapshot
  readonly signed: SignedRoot | undefined
  /** Whether the working state, which was not asked for, is another one. */
  readonly isOlder: boolean
}

/** What others can hold somebody to: the newest published state, or the working one before the first. */
async function stateOf(opened: Opened, at: RootName | undefined): Promise<State> {
  if (at !== undefined) return { ...(await findRoot(opened, at)), isOlder: false }
  const { kind, db } = opened
  const signed = await db.published()
  if (signed === undefined) return { snapshot: await db.snapshot(), signed, isOlder: false }
  const snapshot = await db.state.at(signed.payload.root)
  return { snapshot, signed, isOlder: kind === 'author' && (await db.snapshot()).root !== snapshot.root }
}

async function write(
  cli: Cli,
  file: string,
  proof: Uint8Array,
  { snapshot, signed, isOlder }: State,
  options: ProveOptions,
  { question, answer }: Answered,
): Promise<void> {
  const { writeFileWhole } = await import('../output-file.ts')
  const { decodeProof } = await import('../../proof/index.ts')
  const { outcomeJson, questionJson } = await import('../proof-text.ts')
  const bytes = await writeFileWhole(file, once(proof), () => {})
  const blocks = decodeProof(proof).blocks.length
  const { root } = snapshot
  if (options.json === true) {
    const sequence = signed?.payload.sequence ?? null
    const proven = { question: questionJson(question), ...outcomeJson(question, answer) }
    return await cli.out.json({ file, bytes, blocks, root, sequence, unpublished: isOlder, ...proven })
  }
  const state = signed === undefined ? `root ${root}` : renderSigned(signed)
  await cli.out.line(`${escapeText(file)}: ${renderBytes(bytes)}, ${renderCounted(blocks, 'block')} of ${state}`)
}

async function tell(
  cli: Cli,
  { snapshot, signed, isOlder }: State,
  options: ProveOptions,
  { question, answer }: Answered,
): Promise<void> {
  await cli.out.flush()
  const { describeOutcome } = await import('../proof-text.ts')
  if (options.json !== true) cli.note(escapeText(`coppice: proven: ${describeOutcome(question, answer)}`))
  if (signed === undefined) cli.note(`coppice: not signed: whoever reads it has to know the root ${snapshot.root}`)
  if (isOlder) cli.note('coppice: the working state has changes that are not published, and not in this proof')
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}
