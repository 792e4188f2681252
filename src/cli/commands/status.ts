/** `coppice status`: where a database stands, on one page. */
import type { Command } from 'commander'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import type { Cli } from '../cli.ts'
import { reading } from '../open.ts'

export function addStatus(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'status',
    summary: 'show where a database stands: root, size, what is published, how fresh it is',
    notes: `
The root is that of the working state, published or not; of a replica, that of the complete state.
Freshness is of the newest signed root: fresh, expired, unbounded (its author promised nothing) or future.`,
    examples: ['status cities', 'status cities --json'],
  })
    .argument('<DIR>', 'the database')
    .option(...JSON_OPTION)
    .action((dir: string, options: JsonOption) => status(cli, dir, options))
}

async function status(cli: Cli, dir: string, options: JsonOption): Promise<void> {
  const { describeStatus, readStatus } = await import('../status.ts')
  await reading(dir, async (opened) => {
    const found = await readStatus(dir, opened)
    if (options.json === true) await cli.out.json({ ...found })
    else for (const line of describeStatus(found)) await cli.out.line(line)
  })
}
