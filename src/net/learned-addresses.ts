/**
 * Addresses that peers name: their own, which a provider may hand on, and those of others, which a puller may dial
 * (protocol.md, 13; THREATS rows 12, 29). Both are judged by where the peer itself was met, and never by what it says.
 */
import { lookup } from 'node:dns/promises'
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { parseIp } from '../ip-address.ts'
import { endpointOf, hostOf, isRelayed, parseDialAddress, peerIdOf, relayOf } from './address.ts'
import type { VouchedAddress } from '../sync/index.ts'
import { hostKey, mayName, REACH, type Reach, reachOf } from './reach.ts'

/** Names that are looked up for one peer's addresses, and how long that may take. */
const LOOKUPS_MAX = 4
const LOOKUP_TIMEOUT_MS = 5_000

/**
 * Of the addresses by which a peer says it can be reached, those at the host from which it came, or behind the relay through
 * which it came or has a place: nobody can send others to a third party. `connections`: those that are open with the peer.
 */
export function vouchFor(
  peer: string,
  addresses: readonly string[],
  connections: readonly Connection[],
  hasPlaceHere: (relay: Multiaddr) => boolean,
): VouchedAddress[] {
  const met = connections.map(({ remoteAddr }) => remoteAddr)
  return addresses.flatMap((text) => {
    const address = tryParse(text)
    if (address === undefined || peerIdOf(address) !== peer) return []
    const isTrue = isRelayed(address)
      ? hasPlaceHere(address) || met.some((other) => isRelayed(other) && relayOf(other) === relayOf(address))
      : met.some((other) => !isRelayed(other) && hostOf(other) === hostOf(address))
    if (!isTrue) return []
    const host = hostOf(address)
    return [{ address: address.toString(), host: reachOf(host) === REACH.loopback ? undefined : hostKey(host) }]
  })
}

/** From where a peer is reached: by the nearest of its direct connections. Through a relay, like anybody of the Internet. */
export function reachOfPeer(connections: readonly Connection[]): Reach {
  const reaches = connections
    .filter(({ remoteAddr }) => !isRelayed(remoteAddr))
    .map(({ remoteAddr }) => reachOf(hostOf(remoteAddr)) ?? REACH.public)
  return reaches.length === 0 ? REACH.public : (Math.min(...reaches) as Reach)
}

/**
 * Of addresses that a peer reached at `teller` named, those that may be dialled: with a peer id, so that nobody else can
 * answer, and at a place that is not nearer to us than the teller. Names are resolved here, once, and what comes out is
 * dialled: what they resolve to later plays no part. Never rejects.
 */
export async function judgeAddresses(
  addresses: readonly string[],
  teller: Reach,
  signal: AbortSignal,
  resolve: Resolve = resolveName,
): Promise<string[]> {
  let lookups = 0
  const judged = addresses.map(async (text) => {
    const address = tryParse(text)
    if (address === undefined || peerIdOf(address) === undefined) return undefined
    const host = hostOf(address)
    if (parseIp(host) !== undefined) return mayName(teller, reachOf(host)) ? text : undefined
    if (++lookups > LOOKUPS_MAX) return undefined
    const either = AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_TIMEOUT_MS)])
    return await resolveTo(address, teller, resolve, either)
  })
  return (await Promise.all(judged)).filter((address) => address !== undefined)
}

/** What a host name stands for: numeric addresses. */
export type Resolve = (name: string) => Promise<readonly string[]>

async function resolveName(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address)
}

/** The same address at a numeric host; undefined where any of those that the name stands for is too near. */
async function resolveTo(
  address: Multiaddr,
  teller: Reach,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const hosts = await Promise.race([resolve(hostOf(address)), aborted(signal)])
    const [host = ''] = hosts
    if (hosts.length === 0 || !hosts.every((each) => mayName(teller, reachOf(each)))) return undefined
    const [, port = ''] = endpointOf(address).split('/tcp/')
    const rest = address.toString().slice(endpointOf(address).length)
    return `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}${rest}`
  } catch {
    return undefined
  }
}

async function aborted(signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

function tryParse(text: string): Multiaddr | undefined {
  try {
    return parseDialAddress(text)
  } catch {
    return undefined
  }
}
