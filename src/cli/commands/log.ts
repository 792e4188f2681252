/** `coppice log`: the signed roots of a database, newest first. */
import type { Command } from 'commander'
import { escapeText } from '../../escape.ts'
import { parseCount } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, type JsonOption } from '../command.ts'
import { reading } from '../open.ts'
import { renderBytes, renderCounted, renderTime } from '../render.ts'

interface LogOptions extends JsonOption {
  readonly limit?: number
}

export function addLog(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'log',
    summary: 'list the signed roots, newest first: all an author published, or those a replica completed',
    notes: 'A state that is "held" can be named by its @SEQUENCE in get, scan, diff, verify and export.',
    examples: ['log cities', 'log cities --limit 1 --json'],
  })
    .argument('<DIR>', 'the database')
    .option('--limit <N>', 'at most so many', parseCount('--limit'))
    .option('--json', 'print one JSON to a line')
    .action((dir: string, options: LogOptions) => log(cli, dir, options))
}

async function log(cli: Cli, dir: string, options: LogOptions): Promise<void> {
  const { signedRootJson } = await import('../status.ts')
  await reading(dir, async ({ db }) => {
    for await (const { signedRoot, isHeld } of db.log(options.limit === undefined ? {} : { limit: options.limit })) {
      cli.signal.throwIfAborted()
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
