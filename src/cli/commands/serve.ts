/** `coppice serve`: databases and replicas for anybody, until it is ended. */
import type { Command } from 'commander'
import { collect } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, type JsonOption } from '../command.ts'
import type { Served } from '../serving.ts'

export interface ServeCommandOptions extends JsonOption {
  readonly listen?: readonly string[]
}

export function addServe(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'serve',
    summary:
      'serve one or several databases to anybody, until Ctrl-C; other processes may import and publish meanwhile',
    notes: `
Prints "serving ADDRESS" for each database, and "announced NAME @SEQUENCE ROOT" within a second of a new
signed root. Only what is published is served.
Addresses hold the network identity of the machine, which is kept in the first DIR: keep that one first.
Without --listen it is reached from this machine only, at a port that follows from that identity and stays
the same. To be reached from others: --listen /ip4/0.0.0.0/tcp/4001.`,
    examples: ['serve cities', 'serve cities copy-of-another --listen /ip4/0.0.0.0/tcp/4001'],
  })
    .argument('<DIR...>', 'databases and replicas')
    .option(
      '--listen <MULTIADDR>',
      'where to listen; may be repeated (default: loopback, always the same port)',
      collect,
    )
    .option('--json', 'print one JSON to a line for each event')
    .action((dirs: readonly string[], options: ServeCommandOptions) => serve(cli, dirs, options))
}

async function serve(cli: Cli, dirs: readonly string[], options: ServeCommandOptions): Promise<void> {
  const { announce, startServing } = await import('../serving.ts')
  const { openDirectory } = await import('../../index.ts')
  const served: Served[] = []
  try {
    for (const dir of dirs) served.push({ dir, ...(await openDirectory(dir, { access: 'read' })) })
    const server = await startServing(cli, served, options)
    try {
      await Promise.all(served.map(({ db }) => announce(cli, db, options)))
    } finally {
      await server.close()
    }
  } finally {
    for (const { db } of served) await db.close()
  }
}
