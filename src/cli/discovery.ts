/** How peers are found, on the command line: the options that several commands share. */
import type { DiscoveryOptions } from '../lazy-network.ts'
import { collect, usageError } from './arguments.ts'

export interface DiscoveryCommandOptions {
  readonly lan?: true
  readonly dht?: readonly string[]
}

/** In the place of an address: there is no DHT yet, this node begins one. */
const NEW_DHT = 'new'

export const LAN_OPTION = [
  '--lan',
  'find peers on this network by mDNS, and where it serves, be found by them',
] as const
export const DHT_OPTION: readonly [string, string, typeof collect] = [
  '--dht <MULTIADDR>',
  `find peers in the DHT that this node belongs to; may be repeated ("${NEW_DHT}" begins one)`,
  collect,
]

/** @throws {CoppiceError} `USAGE` for a DHT that is to be new and has nodes. */
export function discoveryOptions({ lan, dht }: DiscoveryCommandOptions): DiscoveryOptions {
  if (dht === undefined) return { lan }
  const bootstrap = dht.filter((address) => address !== NEW_DHT)
  if (bootstrap.length > 0 && bootstrap.length < dht.length) {
    throw usageError('--dht', `either ${NEW_DHT} or addresses of nodes`, dht.join(' '))
  }
  return { lan, dht: bootstrap }
}
