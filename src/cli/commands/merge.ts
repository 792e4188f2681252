/** `coppice merge`: what another database changed, into one's own. Exit codes as of git: 1 where conflicts stay. */
import type { Command } from 'commander'
import type { MergeOptions, MergeResult, RowConflict, RowResolver, Snapshot } from '../../db/index.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText } from '../../escape.ts'
import type { Database, Replica } from '../../index.ts'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { closing, writing } from '../open.ts'
import { renderBytes, renderCount, renderCounted } from '../render.ts'

interface MergeCommandOptions extends JsonOption {
  readonly base?: string
  readonly ours?: true
  readonly theirs?: true
  readonly fields?: true
  readonly dryRun?: true
}

export function addMerge(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'merge',
    summary: "bring another database's changes into one's own; exit 0 merged, 1 conflicts, 2 trouble",
    notes: `
OTHER is the directory of a fork or of a replica (its complete state), or with --base a root of DIR: @SEQUENCE
or a CID. What both changed, and not to the same, is a conflict: it is printed, with what ours (DIR) and
theirs (OTHER) made of it, and nothing changes. --fields merges documents field by field: then only a field
that both changed is a conflict. With --ours or --theirs every conflict goes to that side, with --fields every
field in conflict. All of a merge becomes visible at once, in the working state: coppice publish signs it.
The base is what both grew out of: what a fork began with, or the last merge. Where nothing says so, name it:
a root of DIR or OTHER, or "empty", which takes every row as new.`,
    examples: ['merge fork upstream', 'merge cities copy-of-fork --fields', 'merge cities other --base @3 --theirs'],
  })
    .argument('<DIR>', "one's own database")
    .argument('<OTHER>', 'what is merged into it')
    .option('--base <ROOT>', 'what both grew out of: @SEQUENCE of DIR, a CID, or empty')
    .option('--ours', 'what both changed stays as it is in DIR')
    .option('--theirs', 'what both changed becomes as it is in OTHER')
    .option('--fields', 'merge documents that both changed field by field')
    .option('--dry-run', 'change nothing, only tell')
    .option(...JSON_OPTION)
    .action((dir: string, other: string, options: MergeCommandOptions) => merge(cli, dir, other, options))
}

async function merge(cli: Cli, dir: string, otherText: string, options: MergeCommandOptions): Promise<void> {
  const { classify } = await import('../diff-operands.ts')
  const operand = classify(otherText)
  const resolve = resolverOf(options)
  if (operand.kind === 'address') {
    throw new CoppiceError('USAGE', 'OTHER: expected a directory or a root, got an address; coppice clone it first')
  }
  if (operand.kind === 'root' && options.base === undefined) {
    throw new CoppiceError(
      'USAGE',
      'merge: expected --base with a root of DIR itself, got none; name what both grew out of',
    )
  }
  const { openDirectory } = await import('../../index.ts')
  const opened = operand.kind === 'root' ? undefined : await openDirectory(otherText, { access: 'read' })
  const run = async (db: Database): Promise<void> => {
    const { findRoot } = await import('../roots.ts')
    const right = operand.kind === 'root' ? (await findRoot({ kind: 'author', db }, operand.root)).snapshot : undefined
    const base = await findBase(options.base, db, opened?.db)
    const source = right ?? opened?.db ?? db
    await mergeFrom(cli, db, source, otherText, { base, resolve, dryRun: options.dryRun }, options)
  }
  try {
    await (options.dryRun === true ? readingOwn(dir, run) : writing(dir, run))
  } finally {
    await opened?.db.close()
  }
}

async function readingOwn(dir: string, body: (db: Database) => Promise<void>): Promise<void> {
  const { Database } = await import('../../index.ts')
  const db = await Database.open(dir, { access: 'read' })
  await closing(db, () => body(db))
}

/** @throws {CoppiceError} `USAGE`. */
export function resolverOf({
  ours,
  theirs,
  fields,
}: Pick<MergeCommandOptions, 'ours' | 'theirs' | 'fields'>): RowResolver | undefined {
  if (ours === true && theirs === true) {
    throw new CoppiceError('USAGE', 'merge: expected one of --ours and --theirs, got both')
  }
  const side = ours === true ? 'left' : theirs === true ? 'right' : undefined
  if (fields !== true) return side
  return side === undefined ? 'fields' : { fields: side }
}

/** A root of DIR, or a CID that OTHER holds. @throws {CoppiceError} `USAGE`, `ROOT_NOT_FOUND`. */
async function findBase(
  text: string | undefined,
  db: Database,
  other: Database | Replica | undefined,
): Promise<MergeOptions['base']> {
  if (text === undefined || text === 'empty') return text
  const { findRoot, parseRoot } = await import('../roots.ts')
  const { isCoppiceError } = await import('../../errors.ts')
  const name = parseRoot(text)
  try {
    return (await findRoot({ kind: 'author', db }, name)).snapshot
  } catch (error) {
    if (!isCoppiceError(error, 'ROOT_NOT_FOUND') || !('link' in name) || other === undefined) throw error
    return await other.state.at(name.link)
  }
}

async function mergeFrom(
  cli: Cli,
  db: Database,
  source: Database | Replica | Snapshot,
  name: string,
  merging: MergeOptions,
  options: MergeCommandOptions,
): Promise<void> {
  const { conflictJson, renderConflict } = await import('../merge-text.ts')
  const isJson = options.json === true
  let areFieldsOfUse = false
  const progress = cli.progress(() => 'merging')
  const result = await db
    .merge(source, {
      ...merging,
      signal: cli.signal,
      onConflict: async (conflict) => {
        progress.end()
        areFieldsOfUse ||= isOfFields(conflict)
        if (isJson) await cli.out.json(await conflictJson(conflict))
        else for (const line of await renderConflict(conflict)) await cli.out.line(line)
      },
    })
    .finally(() => progress.end())
  await report(cli, result, 'tree' in source ? source : await source.snapshot(), name, {
    ...options,
    areFieldsOfUse,
  })
}

/** Whether both sides have a document there: what one deleted has no fields to merge. */
export function isOfFields({ meaning, left, right }: RowConflict): boolean {
  const isDocument = meaning?.space === 'document' || meaning?.space === 'metadata'
  return isDocument && left !== undefined && right !== undefined
}

async function report(
  cli: Cli,
  result: MergeResult,
  right: Snapshot,
  name: string,
  options: MergeCommandOptions & { readonly areFieldsOfUse: boolean },
): Promise<void> {
  const { countChanges } = await import('../../db/index.ts')
  const { isMerged, base, from, to, conflicts, unresolved, blocksWritten, bytesWritten } = result
  if (!isMerged) cli.exitCode = EXIT_DIFFERENT
  const isDry = options.dryRun === true
  const { added, removed, updated } = isDry ? await countChanges(base, right) : await countChanges(from, to ?? from)
  if (options.json === true) {
    const root = to?.root ?? null
    const counts = { added, removed, changed: updated, conflicts, unresolved }
    await cli.out.json({
      merged: isMerged && !isDry,
      base: base.root,
      from: from.root,
      to: root,
      ...counts,
      blocksWritten,
      bytesWritten,
    })
    return
  }
  const shown = escapeText(name)
  if (!isMerged) {
    const some =
      unresolved === conflicts
        ? renderCounted(unresolved, 'conflict')
        : `${renderCount(unresolved)} of ${renderCounted(conflicts, 'conflict')}`
    cli.note(
      `coppice: ${some} left, nothing was merged; settle them with ${options.areFieldsOfUse && options.fields !== true ? '--fields, ' : ''}--ours or --theirs`,
    )
    return
  }
  if (from.root === to?.root && conflicts === 0) return await cli.out.line(describeNothing(shown, result, right))
  const changes = `${renderCount(added)} added, ${renderCount(removed)} removed, ${renderCount(updated)} changed`
  const settled = conflicts === 0 ? '' : `, ${renderCounted(conflicts, 'conflict')} settled`
  if (isDry) return await cli.out.line(`would merge ${shown}: ${changes} there since ${base.root}${settled}`)
  await cli.out.line(`merged ${shown}: ${changes}${settled}`)
  const written = `${renderCounted(blocksWritten, 'block')} (${renderBytes(bytesWritten)}) written`
  await cli.out.line(`root ${to?.root ?? ''}, base ${base.root}, ${written}`)
}

/** What was merged and taken back since is not here: another base brings it again. */
function describeNothing(shown: string, { base, from }: MergeResult, right: Snapshot): string {
  if (base.root !== right.root || from.root === right.root) return `nothing to merge: all of ${shown} is here`
  return `nothing to merge: ${shown} has not changed since the base, ${base.root}; --base ROOT merges it from another one`
}
