/** `coppice status`: where a database stands, on one page. */
import type { Command } from 'commander'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import type { Cli } from '../cli.ts'
import { parseDuration } from '../arguments.ts'
import { reading } from '../open.ts'

interface StatusCommandOptions extends JsonOption {
  /** Seconds. */
  readonly maxAge?: number
}

export function addStatus(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'status',
    summary: 'show where a database stands: root, size, what is published, how fresh it is',
    notes: `
The root is that of the working state, published or not; of a replica, that of the complete state.
Freshness is of the newest signed root: fresh, expired, unbounded (its author promised nothing) or future. A replica
whose last try reached no carrier or peer is unreachable.
With --max-age the exit code says how a database stands: 0 fresh or unbounded, 1 no root yet, 3 unreachable (nobody
answered for that long), 4 its author signed a fork, 6 expired, 7 future.`,
    examples: ['status cities', 'status cities --json', 'status copy --max-age 1h'],
  })
    .argument('<DIR>', 'the database')
    .option('--max-age <DURATION>', 'exit code by freshness; how long ago somebody must have answered', parseMaxAge)
    .option(...JSON_OPTION)
    .action((dir: string, options: StatusCommandOptions) => status(cli, dir, options))
}

const parseMaxAge = parseDuration('--max-age')

async function status(cli: Cli, dir: string, { json, maxAge }: StatusCommandOptions): Promise<void> {
  const { describeStatus, readStatus } = await import('../status.ts')
  await reading(dir, async (opened) => {
    const found = await readStatus(dir, opened, maxAge)
    if (maxAge !== undefined) {
      const { exitCodeOfState } = await import('../exit-codes.ts')
      cli.exitCode = exitCodeOfState(
        found.state ?? undefined,
        found.forks.some(({ ended }) => ended === false),
      )
    }
    if (json === true) await cli.out.json({ ...found })
    else for (const line of describeStatus(found)) await cli.out.line(line)
  })
}
