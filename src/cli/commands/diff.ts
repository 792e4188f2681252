/** `coppice diff`: what differs between two states, wherever they are. Exit codes as of diff(1). */
import type { Command } from 'commander'
import { CoppiceError } from '../../errors.ts'
import type { PullProgress } from '../../sync/index.ts'
import { parseCount } from '../arguments.ts'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import type { DiffPrinter, DiffRangeOptions } from '../diff.ts'
import { Pacer } from '../pacer.ts'

interface DiffOptions extends JsonOption, DiffRangeOptions {
  readonly stat?: true
  readonly keys?: true
  readonly limit?: number
  readonly dir?: string
}

export function addDiff(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'diff',
    summary: 'show what differs between two states; exit 0 same, 1 different, 2 trouble',
    notes: `
STATE is a directory (its working state), the address of a served database (its newest state), @SEQUENCE or
the CID of a root. Roots are looked up in --dir, else in the first directory named:
  diff DIR             what is not published yet: everything, before the first publish
  diff DIR @3          @3 against the working state
  diff DIR @2 @3       two published states
  diff DIR1 DIR2       the same for a CID or an address in place of either
Of an address, only what DIR lacks is fetched, into a temporary place.
--start and --end take the first parts of a primary key of --collection (default: the only one), with commas
between, or a JSON array; with --raw a byte key in hexadecimal. A range holds its --start and not its --end,
as in coppice scan. --json prints one change to a line.`,
    examples: [
      'diff cities @1 @2 --stat',
      'diff copy "coppice:k51...?peer=..." --keys',
      'diff cities @1 --start NL --end PL',
    ],
  })
    .argument('<STATE...>', 'a directory and what to compare it with, or two states')
    .option('--stat', 'only numbers: added, removed, changed, for each collection')
    .option('--keys', 'only keys, with + for added, - for removed, ~ for changed')
    .option('--collection <NAME>', 'only documents of this collection')
    .option('--start <KEY>', 'only from this key on')
    .option('--end <KEY>', 'only up to this key, not included')
    .option('--raw', '--start and --end are byte keys in hexadecimal')
    .option('--limit <N>', 'end after so many changes', parseCount('--limit'))
    .option('--dir <DIR>', 'where to look up roots')
    .option(...JSON_OPTION)
    .action((states: readonly string[], options: DiffOptions) => diff(cli, states, options))
}

async function diff(cli: Cli, texts: readonly string[], options: DiffOptions): Promise<void> {
  const { DiffStates, planDiff } = await import('../diff-operands.ts')
  const { describePull } = await import('../pull-report.ts')
  const { signal } = cli
  if (options.stat === true && options.limit !== undefined) {
    throw new CoppiceError('USAGE', 'diff: expected one of --stat and --limit, got both; --stat counts every change')
  }
  const plan = planDiff(texts, options.dir)
  let pulled: PullProgress | undefined
  const progress = cli.progress((seconds) => (pulled === undefined ? 'connecting' : describePull(pulled, seconds)))
  const states = new DiffStates(plan.home, { signal, onProgress: (now) => void (pulled = now) })
  try {
    const from = await states.find(plan.from)
    const to = await states.find(plan.to)
    progress.end()
    const { createPrinter, diffRange } = await import('../diff.ts')
    const range = await diffRange(from.snapshot, to.snapshot, options)
    await print(cli, createPrinter(options, from, to, { ...range, signal }), options.limit)
  } finally {
    progress.end()
    await states.close()
  }
}

async function print(cli: Cli, printer: DiffPrinter, limit: number = Number.POSITIVE_INFINITY): Promise<void> {
  const pacer = new Pacer(cli.signal)
  let changes = 0
  for await (const lines of pacer.over(printer.changes())) {
    cli.exitCode = EXIT_DIFFERENT
    if (changes++ === limit) {
      cli.note(`coppice: more changes follow; --limit ${limit} ends here`)
      break
    }
    if (lines.length > 0) await cli.out.line(lines.join('\n'))
  }
  for (const line of printer.end()) await cli.out.line(line)
}
