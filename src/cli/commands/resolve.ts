/** `coppice resolve`: which signed root is the newest, and what each carrier says. */
import type { Command } from 'commander'
import { collect, parseCount, parseDuration, usageError } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION } from '../command.ts'
import { PEER_EXAMPLE } from '../peers.ts'
import type { ResolveCommandOptions } from '../resolving.ts'

export function addResolve(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'resolve',
    summary: 'ask all carriers for the newest signed root, and show what each of them says',
    notes: `
Nothing is fetched, and nothing is kept. Of a directory, its peers and what coppice carriers lists are asked, and a root
below the one it has accepted is refused; of an address, its peers and what the options name. A carrier that shows an
older root is told of the newest.
Exit codes: 0 found, 1 nobody has one, 3 nobody answered, 4 its author signed a fork, 5 too few sources, 2 other trouble.`,
    examples: [
      'resolve copy',
      'resolve "coppice:k51...?peer=..." --bep44 router.bittorrent.com:6881',
      'resolve copy --quorum 2 --deadline 5s --json',
    ],
  })
    .argument('<ADDRESS|DIR>', 'coppice:AUTHOR/NAME, or a database')
    .option('--peer <PEER>', `of an address: ask this one, too, ${PEER_EXAMPLE} or a URL; may be repeated`, collect)
    .option('--dht <MULTIADDR>', "of an address: a node of coppice's own DHT; may be repeated", collect)
    .option('--ipns <MULTIADDR>', 'of an address: a node of a DHT that keeps IPNS records; may be repeated', collect)
    .option('--bep44 <HOST:PORT>', "of an address: a node of BitTorrent's DHT; may be repeated", collect)
    .option('--quorum <N>', 'only a root that N independent sources show', parseQuorum)
    .option('--deadline <DURATION>', 'for all of them together: 15s where left out', parseDuration('--deadline'))
    .option(...JSON_OPTION)
    .action(async (target: string, options: ResolveCommandOptions) => {
      const { resolveOnCommandLine } = await import('../resolving.ts')
      await resolveOnCommandLine(cli, target, options)
    })
}

function parseQuorum(text: string): number {
  const sources = parseCount('--quorum')(text)
  if (sources === 0) throw usageError('--quorum', '1 source or more', text)
  return sources
}
