/** `coppice clone` and `pull`: replicas, made and brought to the newest signed root. */
import type { Command } from 'commander'
import type { PullPlan, PullResult } from '../../db/index.ts'
import type { Server } from '../../index.ts'
import { collect, usageError } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { DHT_OPTION, discoveryOptions, LAN_OPTION } from '../discovery.ts'
import { closing } from '../open.ts'
import { parsePeers, rejectBareAddress } from '../peers.ts'
import {
  type AlsoServingOptions,
  ANNOUNCE_OPTION,
  LISTEN_OPTION,
  ON_FORK_OPTION,
  PEER_NOTES,
  PEER_OPTION,
  type PullCommandOptions,
  servesToo,
} from '../pull-options.ts'

interface OnePullCommandOptions extends PullCommandOptions {
  readonly plan?: true
}

interface CloneCommandOptions extends PullCommandOptions, AlsoServingOptions {
  readonly car?: string
}

export function addClone(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'clone',
    summary: "make a replica of somebody's database, every block verified; interrupted, it goes on when run again",
    notes: `
With --serve others may clone from it what it has already, and when it is complete it goes on as coppice
follow --serve does, until Ctrl-C.${PEER_NOTES}`,
    examples: [
      'clone "coppice:k51.../cities?peer=/ip4/192.0.2.7/tcp/4001/p2p/12D3..." copy',
      'clone coppice:k51.../cities copy --car cities.car',
    ],
  })
    .argument('<ADDRESS>', 'coppice:<author>/<name>?peer=..., as coppice serve prints it')
    .argument('<DIR>', 'an absent or empty directory')
    .option('--peer <PEER>', 'ask this peer too, beside those of ADDRESS; may be repeated', collect)
    .option('--car <FILE>', 'take it from this archive; peers are only remembered; - is standard input')
    .option('--serve', 'serve it to others from the beginning on, and go on following')
    .option(...LISTEN_OPTION)
    .option(...ANNOUNCE_OPTION)
    .option(...LAN_OPTION)
    .option(...DHT_OPTION)
    .option(...ON_FORK_OPTION)
    .option(...JSON_OPTION)
    .action((address: string, dir: string, options: CloneCommandOptions) => clone(cli, address, dir, options))
}

export function addPull(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'pull',
    summary: 'bring a replica to the newest signed root that its peers show; only what changed is fetched',
    notes: PEER_NOTES,
    examples: ['pull copy', 'pull copy --plan', 'pull copy --peer /ip4/192.0.2.7/tcp/4001/p2p/12D3...'],
  })
    .argument('<DIR>', 'the replica')
    .option(...PEER_OPTION)
    .option(...LAN_OPTION)
    .option(...DHT_OPTION)
    .option(...ON_FORK_OPTION)
    .option(
      '--plan',
      'print what would be fetched, and how, for a page of rows at most; writes no data, only the floor: the newest root, below which none is taken',
    )
    .option(...JSON_OPTION)
    .action((dir: string, options: OnePullCommandOptions) => pull(cli, dir, options))
}

async function tellPlan(cli: Cli, plan: PullPlan, options: JsonOption): Promise<void> {
  const { describePlan, planJson } = await import('../pull-plan.ts')
  if (options.json === true) await cli.out.json(planJson(plan))
  else for (const line of describePlan(plan)) await cli.out.line(line)
}

async function clone(cli: Cli, address: string, dir: string, options: CloneCommandOptions): Promise<void> {
  const { Replica } = await import('../../index.ts')
  const { parseAddress } = await import('../../pointer/index.ts')
  const { carSource } = await import('../archives.ts')
  const { PullDisplay, tellPulled } = await import('../pulling.ts')
  const isServing = servesToo(options)
  if (isServing && options.car !== undefined) throw usageError('--serve', 'none with --car', 'it')
  rejectBareAddress(address)
  const peers = await parsePeers(parseAddress(address), options.peer ?? [])
  const car = options.car === undefined ? undefined : await carSource(cli, options.car)
  const display = new PullDisplay(cli)
  let result: PullResult | undefined
  let server: Server | undefined
  try {
    display.begin()
    const replica = await Replica.clone(address, dir, {
      ...discoveryOptions(options),
      signal: cli.signal,
      onProgress: display.update,
      peers,
      car,
      onFork: options.onFork,
      onOpened: async (db) => {
        if (!isServing) return
        const { startServing } = await import('../serving.ts')
        server = await startServing(cli, [{ dir, kind: 'replica', db }], options)
      },
      onPulled: (pulled) => void (result = pulled),
    }).finally(() => display.end())
    await closing(replica, async () => {
      if (result !== undefined) await tellPulled(cli, 'cloned', result, options)
      if (!isServing) return
      const { followReplica } = await import('../following.ts')
      await followReplica(cli, replica, dir, options)
    })
  } finally {
    await server?.close()
  }
}

async function pull(cli: Cli, dir: string, options: OnePullCommandOptions): Promise<void> {
  const { PullDisplay, pulling, tellPulled } = await import('../pulling.ts')
  await pulling(dir, options, async (replica) => {
    if (options.plan === true) return await tellPlan(cli, await replica.plan({ signal: cli.signal }), options)
    const display = new PullDisplay(cli)
    display.begin()
    const result = await replica.pull({ signal: cli.signal, onProgress: display.update }).finally(() => display.end())
    await tellPulled(cli, 'pulled', result, options)
  })
}
