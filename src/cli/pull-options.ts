/** Whom to ask, on the command line: what `clone`, `pull` and `follow` have in common. Loads nothing. */
import type { OnFork } from '../pointer/index.ts'
import { collect, parseChoice } from './arguments.ts'
import type { JsonOption } from './command.ts'
import type { DiscoveryCommandOptions } from './discovery.ts'
import { PEER_EXAMPLE } from './peers.ts'

export interface PullCommandOptions extends JsonOption, DiscoveryCommandOptions {
  readonly peer?: readonly string[]
  readonly onFork?: OnFork
}

export interface AlsoServingOptions {
  readonly serve?: true
  readonly listen?: readonly string[]
  readonly announce?: readonly string[]
}

/** Whoever says where to serve means to. */
export function servesToo({ serve, listen, announce }: AlsoServingOptions): boolean {
  return serve === true || listen !== undefined || announce !== undefined
}

type RepeatedOption = readonly [flags: string, description: string, parse: typeof collect]

export const PEER_OPTION: RepeatedOption = [
  '--peer <PEER>',
  'ask this peer from now on, instead of those stored; may be repeated',
  collect,
]

export const ON_FORK_OPTION: readonly [flags: string, description: string, parse: (text: string) => OnFork] = [
  '--on-fork <CHOICE>',
  'when its author signed two histories: stop, or highest, which goes on; kept with the replica (default: stop)',
  parseChoice('--on-fork', ['stop', 'highest']),
]

export const LISTEN_OPTION: RepeatedOption = [
  '--listen <MULTIADDR>',
  'where to serve it, as with coppice serve; may be repeated',
  collect,
]

export const ANNOUNCE_OPTION: RepeatedOption = [
  '--announce <MULTIADDR>',
  'an address under which others reach it (a forwarded port, a DNS name); may be repeated',
  collect,
]

export const KEEP_ALIVE_OPTION: readonly [flags: string, description: string] = [
  '--keep-alive',
  "put a replica's newest root on its carriers again before they forget it",
]

export const PEER_NOTES: string = `
A PEER is a multiaddr such as ${PEER_EXAMPLE}, the URL of a mirror (coppice export
--static) or gateway, or an address of the database with such peers in it (coppice:...?peer=...), as coppice serve prints it.`
