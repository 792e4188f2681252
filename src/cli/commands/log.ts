/** `coppice log`: the signed roots of a database, newest first. */
import type { Command } from 'commander'
import { escapeText } from '../../escape.ts'
import { parseCount } from '../arguments.ts'
import { type Cli, EXIT_DIFFERENT } from '../cli.ts'
import { addCommand, type JsonOption } from '../command.ts'
import { reading } from '../open.ts'
import { renderBytes, renderCounted, renderTime } from '../render.ts'

interface LogOptions extends JsonOption {
  readonly limit?: number
  readonly verify?: true
}

export function addLog(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'log',
    summary: 'list the signed roots, newest first: all an author published, or those a replica completed',
    notes: `
A state that is "held" can be named by its @SEQUENCE in get, scan, diff, verify and export.

With --verify the roots come oldest first, each with its signature checked and how it follows from the one before:
linked (it names that one, or a proof kept here shows it), unlinked (a skip without a proof), resolved or
superseded (a new epoch). "consistent": its history is the other's, continued; "unknown": this copy cannot say.
Exit 1 where anything contradicts; a skip that is not proven is no contradiction.`,
    examples: ['log cities', 'log cities --limit 1 --json', 'log copy --verify'],
  })
    .argument('<DIR>', 'the database')
    .option('--limit <N>', 'at most so many', parseCount('--limit'))
    .option(
      '--verify',
      'check signatures, and that each root continues the history of the one before; exit 1 on any problem',
    )
    .option('--json', 'print one JSON to a line')
    .action((dir: string, options: LogOptions) => (options.verify === true ? verify : log)(cli, dir, options))
}

async function log(cli: Cli, dir: string, options: LogOptions): Promise<void> {
  const { signedRootJson } = await import('../status.ts')
  await reading(dir, async ({ db }) => {
    for await (const { signedRoot, isHeld } of db.log(logOptions(cli, options))) {
      const signed = signedRootJson(signedRoot)
      if (options.json === true) {
        await cli.out.json({ ...signed, held: isHeld })
        continue
      }
      const { sequence, root, entries, bytes, issued, message } = signed
      const size = `${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)}`
      await cli.out.line(`@${sequence}  ${renderTime(issued)}  ${root}  ${size}, ${isHeld ? 'held' : 'not held'}`)
      if (message !== null) await cli.out.line(`    ${escapeText(message)}`)
    }
  })
}

function logOptions({ signal }: Cli, { limit }: LogOptions): { readonly signal: AbortSignal; readonly limit?: number } {
  return limit === undefined ? { signal } : { signal, limit }
}

async function verify(cli: Cli, dir: string, options: LogOptions): Promise<void> {
  const { signedRootJson } = await import('../status.ts')
  await reading(dir, async ({ db }) => {
    let [entries, unlinked, problems] = [0, 0, 0]
    for await (const { position, signedRoot, link, history, problem } of db.verifyLog(logOptions(cli, options))) {
      entries++
      if (link === 'unlinked') unlinked++
      if (problem !== undefined) problems++
      const signed = signedRoot === undefined ? undefined : signedRootJson(signedRoot)
      if (options.json === true) {
        await cli.out.json({ ...signed, position, link: link ?? null, history, problem: problem ?? null })
        continue
      }
      const name = signed === undefined ? `entry ${position}` : `@${signed.sequence}  ${renderTime(signed.issued)}`
      await cli.out.line(`${name}  ${link ?? 'broken'}, history ${history}`)
      if (problem !== undefined) await cli.out.line(`    ${problem}`)
    }
    if (problems > 0) cli.exitCode = EXIT_DIFFERENT
    if (options.json === true) return
    const verdict = problems === 0 ? 'sound' : renderCounted(problems, 'problem')
    const skips = unlinked === 0 ? '' : `, ${renderCounted(unlinked, 'skip')} not proven`
    await cli.out.line(`${renderCounted(entries, 'signed root')}: ${verdict}${skips}`)
  })
}
