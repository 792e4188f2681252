/** `coppice verify`: every block of a tree read and checked against what its author signed, and damage repaired. */
import type { Command } from 'commander'
import { CoppiceError } from '../../errors.ts'
import type { CheckReport } from '../../prolly/index.ts'
import { collect } from '../arguments.ts'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand, type JsonOption } from '../command.ts'
import { type Opened, reading } from '../open.ts'
import { addQuestionOptions, hasQuestion, type QuestionOptions } from '../question-options.ts'
import { parseRoot, type RootName } from '../roots.ts'
import type { VerifyTarget } from '../verify.ts'
import type { TrustOptions } from '../verify-proof.ts'

export interface VerifyOptions extends JsonOption, TrustOptions, QuestionOptions {
  readonly all?: true
  readonly at?: RootName
  readonly repair?: true
  readonly peer?: readonly string[]
}

export function addVerify(program: Command, cli: Cli): void {
  const command = addCommand(program, {
    name: 'verify',
    summary: 'check every block of a state, and the signature and totals of its root; exit 1 on any problem',
    notes: `
Without ROOT: the working state, and the newest published one. Problems are told apart: missing (not in the
store), corrupt (other bytes than the CID's: the disk's fault), malformed (the author's fault), record (a note
of completeness that is wrong), value (one of the small values beside the tree), signature.

With --repair, what is missing or corrupt is fetched from peers again, each block verified: from those a replica
asks, or from each PEER: an address, or the directory of a replica or a backup. For a database of one's own nobody
is asked without. What nobody has stays as it is: exit 1. Safe to interrupt and to run again.

In place of DIR the file of a proof (coppice prove), or - : prints the rows that are proven, what was asked, and
whose word it is. Exit 0: proven, and there; 1: proven to be absent, or not proven; the messages differ. Without
--author, --address or --root the signature is checked all the same; whose it is, is for you to compare. Nor does
a file say what you asked: name it as for prove, with COLLECTION, KEY and options, and a proof of anything else is
none. Parts of keys are literals then: 1 is an integer, 1.0 a number, true a boolean, 0x0a bytes, '"1"' a text,
and so is all else.

Or the file of evidence (coppice evidence): says whose keys signed what, and how it contradicts itself. Exit 0:
proven; 1: not proven, or about another author or database than --author or --address name.`,
    examples: [
      'verify cities',
      'verify cities @3',
      'verify copy --all --json',
      'verify copy --repair',
      'verify cities --repair --peer copy',
      'verify amsterdam.proof cities NL 2759794 --address coppice:k51.../cities',
      'verify page.proof cities --prefix NL --limit 100 --author k51...',
      'verify fork.evidence --address coppice:k51.../cities',
    ],
  })
    .argument('<DIR>', 'the database, or the file of a proof or of evidence')
    .argument('[WORDS...]', 'ROOT, @SEQUENCE or a CID; of a proof COLLECTION and KEY, as for prove')
    .option('--at <ROOT>', 'the same as ROOT, as other commands have it', parseRoot)
    .option('--all', 'every state that is held')
    .option('--repair', 'fetch from peers again what is missing or corrupt')
    .option('--peer <PEER>', 'with --repair: ask this peer, instead of those stored; may be repeated', collect)
    .option('--json', 'print one JSON to a line for each state')
    .optionsGroup('Options of a proof:')
    .option('--author <KEY>', 'by this author, k51...')
    .option('--address <ADDRESS>', 'of this database, coppice:k51.../NAME')
    .option('--root <CID>', 'of this root')
  addQuestionOptions(command).action((path: string, words: readonly string[], options: VerifyOptions) =>
    run(cli, path, words, options),
  )
}

/** @throws {CoppiceError} `USAGE` for choices that exclude each other. */
async function run(cli: Cli, path: string, words: readonly string[], options: VerifyOptions): Promise<void> {
  const { at, all, repair, peer } = options
  if ([words[0], at, all].filter((choice) => choice !== undefined).length > 1) {
    throw new CoppiceError('USAGE', 'verify: expected one of ROOT, --at and --all, got several')
  }
  const { hasTrust, isProofFile, verifyProof } = await import('../verify-proof.ts')
  if (await isProofFile(path)) {
    if ([at, all, repair, peer].every((choice) => choice === undefined))
      return await verifyProof(cli, path, words, options)
    throw new CoppiceError(
      'USAGE',
      'verify: expected a database with such a choice, got a file; of a proof: --author, --address or --root',
    )
  }
  if (hasTrust(options) || hasQuestion(options)) {
    throw new CoppiceError('USAGE', 'verify: expected the file of a proof with options of a proof, got a directory')
  }
  const [word, ...others] = words
  if (others.length > 0) throw new CoppiceError('USAGE', 'verify: expected one ROOT of a database, got several')
  await verifyDirectory(cli, path, word === undefined ? undefined : parseRoot(word), options)
}

async function verifyDirectory(
  cli: Cli,
  dir: string,
  root: RootName | undefined,
  options: VerifyOptions,
): Promise<void> {
  const { at, repair, peer } = options
  if (repair === undefined) {
    if (peer !== undefined) throw new CoppiceError('USAGE', 'verify: --peer goes with --repair, which is not there')
    return await verify(cli, dir, root ?? at, options)
  }
  if (root !== undefined || at !== undefined) {
    throw new CoppiceError('USAGE', 'verify: --repair mends what is shown and published, or with --all every state')
  }
  const { repairDirectory } = await import('../repair.ts')
  await repairDirectory(cli, dir, options)
}

async function verify(cli: Cli, dir: string, root: RootName | undefined, options: VerifyOptions): Promise<void> {
  const { chooseTargets, countProblems, tellValues } = await import('../verify.ts')
  await reading(dir, async (opened) => {
    await tellValues(cli, opened, options)
    for (const target of await chooseTargets(opened, root, options.all === true)) {
      const report = await check(cli, opened, target)
      if (countProblems(target, report) > 0) cli.exitCode = EXIT_DIFFERENT
      await tell(cli, target, report, options)
    }
  })
}

async function check(cli: Cli, { db }: Opened, { ref }: VerifyTarget): Promise<CheckReport> {
  const { checkTree } = await import('../../prolly/index.ts')
  const { describeChecking } = await import('../verify.ts')
  let now: CheckReport | undefined
  const progress = cli.progress((seconds) => describeChecking(ref, now, seconds))
  try {
    const { signal } = cli
    const { store } = db.state
    return await checkTree(store, ref, { signal, records: store, onProgress: (report) => void (now = report) })
  } finally {
    progress.end()
  }
}

async function tell(cli: Cli, target: VerifyTarget, report: CheckReport, options: VerifyOptions): Promise<void> {
  const { countProblems, describeProblems, describeSize, reportJson } = await import('../verify.ts')
  if (options.json === true) return await cli.out.json(reportJson(target, report))
  const { renderCounted } = await import('../render.ts')
  const count = countProblems(target, report)
  await cli.out.line(
    `${target.label}: ${count === 0 ? 'sound' : renderCounted(count, 'problem')}: ${describeSize(report)}`,
  )
  for (const line of describeProblems(target, report)) await cli.out.line(line)
}
