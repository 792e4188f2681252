/** `coppice verify`: every block of a tree read and checked against what its author signed. */
import type { Command } from 'commander'
import { CoppiceError } from '../../errors.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import type { CheckProblem, CheckReport } from '../../prolly/index.ts'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand, type JsonOption } from '../command.ts'
import { type Opened, reading } from '../open.ts'
import { Pacer } from '../pacer.ts'
import { renderBytes, renderCounted, renderRate, renderShare } from '../render.ts'
import { parseRoot, type RootName } from '../roots.ts'
import type { VerifyTarget } from '../verify.ts'

interface VerifyOptions extends JsonOption {
  readonly all?: true
  readonly at?: RootName
}

export function addVerify(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'verify',
    summary: 'check every block of a state, and the signature and totals of its root; exit 1 on any problem',
    notes: `
Without ROOT: the working state, and the newest published one. Problems are told apart: missing (not in the
store), corrupt (other bytes than the CID's: the disk's fault), malformed (the author's fault), signature.`,
    examples: ['verify cities', 'verify cities @3', 'verify copy --all --json'],
  })
    .argument('<DIR>', 'the database')
    .argument('[ROOT]', '@SEQUENCE or the CID of a root', parseRoot)
    .option('--at <ROOT>', 'the same as ROOT, as other commands have it', parseRoot)
    .option('--all', 'every state that is held')
    .option('--json', 'print one JSON to a line for each state')
    .action((dir: string, root: RootName | undefined, options: VerifyOptions) =>
      verify(cli, dir, chooseRoot(root, options), options),
    )
}

/** @throws {CoppiceError} `USAGE` for more than one choice. */
function chooseRoot(root: RootName | undefined, { at, all }: VerifyOptions): RootName | undefined {
  const choices = [root, at, all].filter((choice) => choice !== undefined)
  if (choices.length > 1) throw new CoppiceError('USAGE', 'verify: expected one of ROOT, --at and --all, got several')
  return root ?? at
}

async function verify(cli: Cli, dir: string, root: RootName | undefined, options: VerifyOptions): Promise<void> {
  const { chooseTargets } = await import('../verify.ts')
  await reading(dir, async (opened) => {
    for (const target of await chooseTargets(opened, root, options.all === true)) {
      const report = await check(cli, opened, target)
      if (report.problemCount > 0 || target.signatureProblem !== undefined) cli.exitCode = EXIT_DIFFERENT
      await tell(cli, target, report, options)
    }
  })
}

async function check(cli: Cli, { db }: Opened, { ref }: VerifyTarget): Promise<CheckReport> {
  const { checkTree } = await import('../../prolly/index.ts')
  const { pacedReader } = await import('../pacer.ts')
  let now: CheckReport | undefined
  const progress = cli.progress((seconds) => {
    const { entries = 0, bytes = 0 } = now ?? {}
    const share = renderShare(bytes, ref.bytes)
    return `verifying: ${renderCounted(entries, 'entry', 'entries')}, ${share} of ${renderBytes(ref.bytes)}, ${renderRate(entries, seconds)}`
  })
  try {
    const { signal } = cli
    const reader = pacedReader(db.state.store, new Pacer(signal))
    return await checkTree(reader, ref, { signal, onProgress: (report) => void (now = report) })
  } finally {
    progress.end()
  }
}

async function tell(cli: Cli, target: VerifyTarget, report: CheckReport, options: VerifyOptions): Promise<void> {
  const { describeProblem, problemJson } = await import('../verify.ts')
  const { nodes, values, entries, bytes, levels, problems, problemCount } = report
  const { root, signed, signatureProblem } = target
  const total = problemCount + (signatureProblem === undefined ? 0 : 1)
  if (options.json === true) {
    const sequence = (signed satisfies SignedRoot | undefined)?.payload.sequence ?? null
    const found: CheckProblem[] = problems
    const signature = signed === undefined ? null : (signatureProblem ?? 'valid')
    const counts = { nodes, values, entries, bytes, levels }
    await cli.out.json({ root, sequence, ...counts, signature, problemCount: total, problems: found.map(problemJson) })
    return
  }
  const size = `${renderCounted(nodes, 'node')}, ${renderCounted(values, 'large value')}, ${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)}`
  await cli.out.line(`${target.label}: ${total === 0 ? 'sound' : renderCounted(total, 'problem')}: ${size}`)
  if (signatureProblem !== undefined) await cli.out.line(`  signature: ${signatureProblem}`)
  for (const problem of problems) await cli.out.line(`  ${describeProblem(problem)}`)
  if (problemCount > problems.length) await cli.out.line(`  and ${problemCount - problems.length} more`)
}
