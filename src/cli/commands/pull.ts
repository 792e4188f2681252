/** `coppice clone`, `pull` and `follow`: replicas, and how they move on. */
import type { Command } from 'commander'
import type { PullOptions, PullResult } from '../../db/index.ts'
import type { CoppiceError } from '../../errors.ts'
import type { Replica } from '../../index.ts'
import type { PullProgress } from '../../sync/index.ts'
import { collect } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { closing } from '../open.ts'
import { parsePeers, PEER_EXAMPLE } from '../peers.ts'

interface PullCommandOptions extends JsonOption {
  readonly peer?: readonly string[]
}

interface FollowCommandOptions extends PullCommandOptions {
  readonly serve?: true
  readonly listen?: readonly string[]
}

const PEER_OPTION = [
  '--peer <PEER>',
  'ask this peer from now on, instead of those stored; may be repeated',
  collect,
] as const

const PEER_NOTES = `
A PEER is a multiaddr such as ${PEER_EXAMPLE}, or an address of the database with
such peers in it (coppice:...?peer=...), as coppice serve prints it.`

export function addClone(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'clone',
    summary: "make a replica of somebody's database, every block verified; interrupted, it goes on when run again",
    notes: PEER_NOTES,
    examples: ['clone "coppice:k51.../cities?peer=/ip4/192.0.2.7/tcp/4001/p2p/12D3..." copy'],
  })
    .argument('<ADDRESS>', 'coppice:<author>/<name>?peer=..., as coppice serve prints it')
    .argument('<DIR>', 'an absent or empty directory')
    .option('--peer <PEER>', 'ask this peer too, beside those of ADDRESS; may be repeated', collect)
    .option(...JSON_OPTION)
    .action((address: string, dir: string, options: PullCommandOptions) => clone(cli, address, dir, options))
}

export function addPull(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'pull',
    summary: 'bring a replica to the newest signed root that its peers show; only what changed is fetched',
    notes: PEER_NOTES,
    examples: ['pull copy', 'pull copy --peer /ip4/192.0.2.7/tcp/4001/p2p/12D3...'],
  })
    .argument('<DIR>', 'the replica')
    .option(...PEER_OPTION)
    .option(...JSON_OPTION)
    .action((dir: string, options: PullCommandOptions) => pull(cli, dir, options))
}

export function addFollow(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'follow',
    summary: 'pull, and again whenever a peer shows a newer root, until Ctrl-C',
    notes: `
One line for each new root; peers that fail are tried again. With --serve it passes on what it has.${PEER_NOTES}`,
    examples: ['follow copy', 'follow copy --serve --listen /ip4/0.0.0.0/tcp/4001'],
  })
    .argument('<DIR>', 'the replica')
    .option(...PEER_OPTION)
    .option('--serve', 'serve the replica to others at the same time')
    .option('--listen <MULTIADDR>', 'where to serve it, as with coppice serve; may be repeated', collect)
    .option('--json', 'print one JSON to a line for each new root')
    .action((dir: string, options: FollowCommandOptions) => follow(cli, dir, options))
}

/** Runs `work` with what a pull needs, and shows how far it is. */
async function withProgress<R>(cli: Cli, work: (options: PullOptions) => Promise<R>): Promise<R> {
  const { describePull } = await import('../pull-report.ts')
  let now: PullProgress | undefined
  const progress = cli.progress((seconds) => (now === undefined ? 'connecting' : describePull(now, seconds)))
  return await work({ signal: cli.signal, onProgress: (each) => void (now = each) }).finally(() => progress.end())
}

async function tell(cli: Cli, verb: string, result: PullResult, options: JsonOption): Promise<void> {
  const { describePulled, pullJson } = await import('../pull-report.ts')
  if (options.json === true) await cli.out.json(pullJson(result))
  else for (const line of describePulled(verb, result)) await cli.out.line(line)
}

async function clone(cli: Cli, address: string, dir: string, options: PullCommandOptions): Promise<void> {
  const { Replica } = await import('../../index.ts')
  const { parseAddress } = await import('../../pointer/index.ts')
  const peers = await parsePeers(parseAddress(address), options.peer ?? [])
  let result: PullResult | undefined
  const replica = await withProgress(cli, (pulling) =>
    Replica.clone(address, dir, {
      ...pulling,
      peers,
      onPulled: (pulled) => void (result = pulled),
    }),
  )
  await replica.close()
  if (result !== undefined) await tell(cli, 'cloned', result, options)
}

async function opening<R>(
  dir: string,
  options: PullCommandOptions,
  body: (replica: Replica) => Promise<R>,
): Promise<R> {
  const { Replica } = await import('../../index.ts')
  const replica = await Replica.open(dir)
  return await closing(replica, async () => {
    const peers = await parsePeers(replica, options.peer ?? [])
    if (peers.length > 0) await replica.setPeers(peers)
    return await body(replica)
  })
}

async function pull(cli: Cli, dir: string, options: PullCommandOptions): Promise<void> {
  await opening(dir, options, async (replica) => {
    await tell(cli, 'pulled', await withProgress(cli, (pulling) => replica.pull(pulling)), options)
  })
}

async function follow(cli: Cli, dir: string, options: FollowCommandOptions): Promise<void> {
  const { FollowReport } = await import('../follow-report.ts')
  const { startServing } = await import('../serving.ts')
  const { describeFollowed, pullJson } = await import('../pull-report.ts')
  await opening(dir, options, async (replica) => {
    const isServing = options.serve === true || options.listen !== undefined
    const server = isServing ? await startServing(cli, [{ dir, kind: 'replica', db: replica }], options) : undefined
    try {
      const report = new FollowReport((line) => cli.note(line))
      const following = {
        signal: cli.signal,
        onFailure: (error: CoppiceError) => report.failed(error),
        onTarget: () => report.answered(),
      }
      for await (const result of replica.follow(following)) {
        report.succeeded()
        if (options.json === true) await cli.out.json(pullJson(result))
        else await cli.out.line(describeFollowed(result))
      }
    } finally {
      await server?.close()
    }
  })
}
