/** `coppice gc`: removes what no kept state needs. */
import type { Command } from 'commander'
import type { GcReport, KeptRoot } from '../../db/index.ts'
import { formatLink } from '../../link.ts'
import { parseCount, usageError } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { closing } from '../open.ts'
import { renderBytes, renderCount, renderCounted } from '../render.ts'
import { namesOf, renderNames, type SignedName } from '../roots.ts'

interface GcCommandOptions extends JsonOption {
  readonly keep?: number
  readonly dryRun?: true
}

export function addGc(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'gc',
    summary: 'remove the blocks of states that are not kept any more',
    notes: `
Kept are the working state and the published one, all that an author published (with --keep N the newest N),
the newest 2 of a replica, pinned states, bases of later merges, those that a running command or server
reads, and what an interrupted pull has fetched. The space is used again for what is written next: the file does not shrink.`,
    examples: ['gc cities', 'gc cities --keep 10 --dry-run'],
  })
    .argument('<DIR>', 'the database')
    .option('--keep <N>', 'published states to keep, the newest: 1 or more', parseKeep)
    .option('--dry-run', 'only say what would be removed')
    .option(...JSON_OPTION)
    .action((dir: string, options: GcCommandOptions) => gc(cli, dir, options))
}

function parseKeep(text: string): number {
  const keep = parseCount('--keep')(text)
  if (keep === 0) throw usageError('--keep', '1 or more', text)
  return keep
}

async function gc(cli: Cli, dir: string, { keep, dryRun, json }: GcCommandOptions): Promise<void> {
  const { openDirectory } = await import('../../index.ts')
  const opened = await openDirectory(dir)
  const { db } = opened
  let line = 'reading'
  const progress = cli.progress(() => line)
  await closing(db, async () => {
    const report = await db
      .gc({
        keep,
        isDryRun: dryRun === true,
        signal: cli.signal,
        onProgress: ({ phase, blocks, blocksTotal }) =>
          void (line = `${phase}: ${renderCount(blocks)} of ${renderCounted(blocksTotal, 'block')}`),
      })
      .finally(() => progress.end())
    if (json === true) return await cli.out.json(reportJson(report))
    // Whoever pinned @1 looks for it, though the same state was signed again.
    const pinned = report.kept.filter(({ reasons }) => reasons.includes('pinned')).map(({ root }) => formatLink(root))
    const names = await namesOf(opened, pinned, cli.signal)
    for (const each of describe(report, names)) await cli.out.line(each)
  })
}

function reportJson({ kept, fetching, ...counts }: GcReport) {
  return {
    kept: kept.map(({ root, sequence, reasons }) => ({
      root: formatLink(root),
      sequence: sequence ?? null,
      reasons: [...reasons],
    })),
    fetching: fetching === undefined ? null : formatLink(fetching),
    ...counts,
  }
}

/** States told one by one; of more only those that are kept for another reason than their age. */
const SHOWN_MAX = 20

function describe(report: GcReport, names: ReadonlyMap<string, readonly SignedName[]>): string[] {
  const { kept, fetching, statesRemoved, blocksRemoved, bytesRemoved, blocksLeft, diskBytes, isDryRun } = report
  const isOrdinary = ({ reasons }: KeptRoot): boolean => reasons.every((reason) => reason === 'recent')
  const told = kept.length > SHOWN_MAX ? kept.filter((each) => !isOrdinary(each)) : kept
  const lines = told.map(({ root, sequence, reasons }) => {
    const cid = formatLink(root)
    const name = renderNames(names.get(cid) ?? []) || (sequence === undefined ? '' : `@${sequence}`)
    return `kept ${name === '' ? '' : `${name} `}${cid}  ${reasons.join(', ')}`
  })
  if (told.length < kept.length) lines.push(`kept ${renderCount(kept.length - told.length)} more that are recent`)
  if (fetching !== undefined) lines.push(`kept what is here of ${formatLink(fetching)}, the newest accepted`)
  const removed = `${renderCounted(blocksRemoved, 'block')}, ${renderBytes(bytesRemoved)}`
  const states = statesRemoved === 0 ? '' : `, ${renderCounted(statesRemoved, 'published state')} among them`
  lines.push(`${isDryRun ? 'would remove' : 'removed'} ${removed}${states}`)
  const left = `${renderCounted(blocksLeft, 'block')} ${isDryRun ? 'would be left' : 'left'}`
  lines.push(`${left}; the file takes ${renderBytes(diskBytes)} as before, and uses what is free again`)
  return lines
}
