/** `coppice serve`: databases and replicas for anybody, until it is ended. */
import type { Command } from 'commander'
import { collect } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, type JsonOption } from '../command.ts'
import { DHT_OPTION, type DiscoveryCommandOptions, LAN_OPTION } from '../discovery.ts'
import { ANNOUNCE_OPTION, KEEP_ALIVE_OPTION } from '../pull-options.ts'
import type { Served } from '../serving.ts'

export interface ServeCommandOptions extends JsonOption, DiscoveryCommandOptions {
  readonly listen?: readonly string[]
  readonly announce?: readonly string[]
  readonly relay?: true
  readonly keepAlive?: true
  readonly http?: string | true
  readonly httpName?: readonly string[]
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
the same. To be reached from others: --listen /ip4/0.0.0.0/tcp/4001.
The newest root of one's own database is put again on its carriers (coppice carriers) before they forget it, until
it expires; --keep-alive does that for replicas, too, and keeps them findable while their author is away. A line says
where that begins to fail, and one where it is done again.
Addresses printed are those of this machine; where others reach it by another one, --announce that one, too.
With --http it speaks HTTP, too, and prints a URL for each database: replicas pull from it as from any peer,
and IPFS tools read it as a trustless gateway. It answers to addresses, to localhost, and to each --http-name.
It speaks no TLS: for https put a server in front that does.`,
    examples: [
      'serve cities',
      'serve cities copy-of-another --listen /ip4/0.0.0.0/tcp/4001',
      'serve cities --listen /ip4/0.0.0.0/tcp/4001 --announce /dns4/data.example.org/tcp/4001',
      'serve cities --http 0.0.0.0:8080 --http-name data.example.org',
    ],
  })
    .argument('<DIR...>', 'databases and replicas')
    .option(
      '--listen <MULTIADDR>',
      'where to listen; may be repeated (default: loopback, always the same port)',
      collect,
    )
    .option(...ANNOUNCE_OPTION)
    .option('--http [HOST:PORT]', 'serve over HTTP as well (default: loopback, always the same port)')
    .option('--http-name <NAME>', 'a host name under which others reach it over HTTP; may be repeated', collect)
    .option(...LAN_OPTION)
    .option(...DHT_OPTION)
    .option('--relay', 'relay for peers that cannot be dialled, within limits, until they reach each other directly')
    .option(...KEEP_ALIVE_OPTION)
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
