/** `coppice pin` and `coppice unpin`: states that gc keeps whatever their age. */
import type { Command } from 'commander'
import { escapeText, quoteText } from '../../escape.ts'
import { formatLink } from '../../link.ts'
import { usageError } from '../arguments.ts'
import { type Cli, EXIT_DIFFERENT } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { closing, type Opened, reading } from '../open.ts'
import { findRoot, namesOf, parseRoot, renderNames, type RootName, type SignedName } from '../roots.ts'

interface PinCommandOptions extends JsonOption {
  readonly note?: string
}

export function addPin(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'pin',
    summary: 'keep a state from gc until it is unpinned; without ROOT, list what is pinned',
    examples: ['pin cities @3 --note "cited in the report of 2026"', 'pin cities'],
  })
    .argument('<DIR>', 'the database')
    .argument('[ROOT]', '@SEQUENCE or CID of a root that is held', parseRoot)
    .option('--note <TEXT>', 'what it is for: one line of at most 160 bytes; replaces the one there was')
    .option(...JSON_OPTION)
    .action((dir: string, root: RootName | undefined, options: PinCommandOptions) =>
      root === undefined ? list(cli, dir, options) : pin(cli, dir, root, options),
    )
}

export function addUnpin(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'unpin',
    summary: 'let gc remove a state that was pinned, once nothing else keeps it',
    notes: 'Exits with 1 where it was not pinned.',
    examples: ['unpin cities @3'],
  })
    .argument('<DIR>', 'the database')
    .argument('<ROOT>', '@SEQUENCE or CID of a root', parseRoot)
    .option(...JSON_OPTION)
    .action((dir: string, root: RootName, options: JsonOption) => unpin(cli, dir, root, options))
}

async function list(cli: Cli, dir: string, { json, note: given }: PinCommandOptions): Promise<void> {
  if (given !== undefined) throw usageError('--note', 'the ROOT to pin with it', given)
  await reading(dir, async (opened) => {
    const pins = await opened.db.pins()
    const names = await namesOf(
      opened,
      pins.map(({ root }) => root),
      cli.signal,
    )
    for (const { root, note } of pins) {
      const signed = names.get(root) ?? []
      if (json === true) await cli.out.json({ root, note, signed })
      else await cli.out.line(describeState(root, signed) + (note === '' ? '' : `: ${escapeText(note)}`))
    }
  })
}

async function pin(cli: Cli, dir: string, name: RootName, { note, json }: PinCommandOptions): Promise<void> {
  await writingEither(dir, async (opened) => {
    const { snapshot } = await findRoot(opened, name)
    const { root } = snapshot
    const before = (await opened.db.pins()).find((pin) => pin.root === root)
    const isNew = await opened.db.pin(snapshot, { signal: cli.signal, ...(note === undefined ? {} : { note }) })
    const signed = (await namesOf(opened, [root], cli.signal)).get(root) ?? []
    if (json === true) return await cli.out.json({ root, isNew, note: note ?? before?.note ?? '', signed })
    const said = isNew
      ? 'pinned'
      : isSameNote(before?.note, note)
        ? 'was pinned already:'
        : 'pinned before, the note is new:'
    await cli.out.line(`${said} ${describeState(root, signed)}`)
  })
}

/** Without one the old note stays. */
function isSameNote(before: string | undefined, note: string | undefined): boolean {
  return note === undefined || note === before
}

/** `@4, @1 bafy...  "first release"`: by the newest message there is; escaped. */
function describeState(root: string, signed: readonly SignedName[]): string {
  const message = signed.find((each) => each.message !== null)?.message
  const name = signed.length === 0 ? '' : `${renderNames(signed)} `
  return `${name}${root}${message === undefined ? '' : `  ${quoteText(message ?? '')}`}`
}

async function unpin(cli: Cli, dir: string, name: RootName, { json }: JsonOption): Promise<void> {
  await writingEither(dir, async ({ db }) => {
    const { requireSequence } = await import('../../db/index.ts')
    const link = 'link' in name ? name.link : (await requireSequence(db.state, name.sequence)).payload.root
    const root = formatLink(link)
    const wasPinned = await db.unpin(root)
    if (!wasPinned) cli.exitCode = EXIT_DIFFERENT
    if (json === true) await cli.out.json({ root, wasPinned })
    else await cli.out.line(`${wasPinned ? 'unpinned' : 'was not pinned:'} ${root}`)
  })
}

async function writingEither(dir: string, body: (opened: Opened) => Promise<void>): Promise<void> {
  const { openDirectory } = await import('../../index.ts')
  const opened = await openDirectory(dir)
  await closing(opened.db, () => body(opened))
}
