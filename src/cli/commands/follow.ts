/** `coppice follow`: a replica that moves on by itself. */
import type { Command } from 'commander'
import { parseSome } from '../arguments.ts'
import { escapeText } from '../../escape.ts'
import type { PutChange } from '../../db/index.ts'
import type { Replica } from '../../index.ts'
import type { Cli } from '../cli.ts'
import { addCommand } from '../command.ts'
import { DHT_OPTION, LAN_OPTION } from '../discovery.ts'
import {
  type AlsoServingOptions,
  ANNOUNCE_OPTION,
  KEEP_ALIVE_OPTION,
  LISTEN_OPTION,
  ON_FORK_OPTION,
  PEER_NOTES,
  PEER_OPTION,
  type PullCommandOptions,
  servesToo,
} from '../pull-options.ts'

interface FollowCommandOptions extends PullCommandOptions, AlsoServingOptions {
  readonly exec?: string
  readonly keepAlive?: true
}

export function addFollow(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'follow',
    summary: 'pull, and again whenever a peer shows a newer root, until Ctrl-C',
    notes: `
One line for each new root; peers that fail are tried again. With --serve it passes on what it has, also while
it is not complete yet.
With --exec the shell runs CMD when the replica has a new root, with the changes on its standard input as
coppice diff --json prints them, and COPPICE_NAME, COPPICE_DIR, COPPICE_SEQUENCE, COPPICE_ROOT and
COPPICE_FROM (the sequence the changes begin at) in its environment. The first time COPPICE_FROM is empty and
every row is an "add". CMD runs once at a time; roots that come meanwhile are handed on together. If it does
not end with exit code 0, it gets the same changes again later, also after a restart.${PEER_NOTES}`,
    examples: [
      'follow copy',
      'follow copy --serve --listen /ip4/0.0.0.0/tcp/4001',
      `follow copy --exec 'jq -c .to > "changes-$COPPICE_SEQUENCE.ndjson"'`,
    ],
  })
    .argument('<DIR>', 'the replica')
    .option(...PEER_OPTION)
    .option(...LAN_OPTION)
    .option(...DHT_OPTION)
    .option(...ON_FORK_OPTION)
    .option('--serve', 'serve the replica to others at the same time')
    .option(...LISTEN_OPTION)
    .option(...ANNOUNCE_OPTION)
    .option(...KEEP_ALIVE_OPTION)
    .option('--exec <CMD>', 'run this for what is new', parseSome('--exec', 'a command'))
    .option('--json', 'print one JSON to a line for each new root')
    .action((dir: string, options: FollowCommandOptions) => follow(cli, dir, options))
}

async function follow(cli: Cli, dir: string, options: FollowCommandOptions): Promise<void> {
  const { startServing } = await import('../serving.ts')
  const { pulling } = await import('../pulling.ts')
  const { followReplica } = await import('../following.ts')
  await pulling(dir, options, async (db) => {
    const isServing = servesToo(options)
    const server = isServing ? await startServing(cli, [{ dir, kind: 'replica', db }], options) : undefined
    const over = new AbortController()
    const keeping =
      options.keepAlive === true && !isServing ? keepAliveBeside(cli, db, options, over.signal) : undefined
    try {
      await followReplica(cli, db, dir, options)
    } finally {
      over.abort()
      await Promise.all([keeping, server?.close()])
    }
  })
}

/** What is served is kept alive by the server. */
async function keepAliveBeside(
  cli: Cli,
  { name, state, carriers }: Replica,
  options: FollowCommandOptions,
  signal: AbortSignal,
): Promise<void> {
  if (carriers === undefined) return
  const [{ keepAlive }, { tellPutChange }] = await Promise.all([import('../../db/index.ts'), import('../serving.ts')])
  const onPutChange = (change: PutChange): void => tellPutChange(cli, name, change, options)
  await keepAlive(state, carriers, { isReplica: true, signal, onPutChange }).catch((error: unknown) => {
    cli.note(`coppice: its root is kept alive no longer: ${escapeText(String(error))}`)
  })
}
