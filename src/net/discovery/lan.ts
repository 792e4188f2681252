/**
 * Peers of the same network, by mDNS (protocol.md, 13). What is announced is that a coppice node is here, its peer id and
 * its addresses in this network; never a database. Whether a found peer serves the wanted one is asked by the hello.
 *
 * Anybody who can send a datagram here can answer (THREATS rows 12, 29), so a machine may only name itself: an address
 * counts where its host is the sender's. Loopback counts where the sender is this machine.
 */
import { networkInterfaces } from 'node:os'
import { mdns, type MulticastDNSComponents } from '@libp2p/mdns'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Log } from '../../log.ts'
import { hostOf, isRelayed, parseDialAddress, peerIdOf } from '../address.ts'
import { REACH, reachOf } from '../reach.ts'
import { FoundPeers } from './found-peers.ts'

/** Of coppice alone: who looks for other libp2p nodes is not told of this one. */
const SERVICE = '_coppice._udp.local'
/** How often the network is asked. A new node asks at once. */
const QUERY_INTERVAL_MS = 10_000
/** One answer reaches everybody, so it need not be given to each. */
const ANSWER_INTERVAL_MS = 1_000
/** TXT strings of one answer that are looked at. */
const STRINGS_MAX = 32

export interface LanOptions {
  /** Tests only: another port than 5353, so that nothing else on the machine hears it. */
  readonly port?: number
}

/** What of `multicast-dns` is used here, whose packets come from anybody. */
interface Socket {
  on(event: 'response', listener: (packet: unknown, sender: { readonly address: string }) => void): void
}

interface Mdns {
  readonly mdns?: Socket
  start(): Promise<void>
  stop(): Promise<void>
}

/** A service of libp2p, which starts and stops it. It is no `peerDiscovery`: that remembers whatever comes. */
export class LanDiscovery {
  readonly found: FoundPeers
  readonly #mdns: Mdns
  readonly #self: string
  readonly #log: Log
  #answeredAt = -Infinity

  constructor(components: MulticastDNSComponents & { readonly peerId: unknown }, options: LanOptions, log: Log) {
    const { port } = options
    const { addressManager, logger } = components
    const addresses = (): Multiaddr[] => this.#announced(addressManager.getAddresses())
    const init = { serviceTag: SERVICE, interval: QUERY_INTERVAL_MS, ...(port === undefined ? {} : { port }) }
    const announcer = { getAddresses: addresses } as MulticastDNSComponents['addressManager']
    this.#mdns = mdns(init)({ addressManager: announcer, logger }) as unknown as Mdns
    this.#self = String(components.peerId)
    this.#log = log
    this.found = new FoundPeers(this.#self)
  }

  async start(): Promise<void> {
    await this.#mdns.start()
    this.#mdns.mdns?.on('response', (packet, { address }) => this.#onResponse(packet, address))
  }

  async stop(): Promise<void> {
    await this.#mdns.stop()
    this.found.close()
  }

  /** Called for each question. Addresses of this network; those of this machine only where it has no others. */
  #announced(addresses: readonly Multiaddr[]): Multiaddr[] {
    const now = performance.now()
    if (now - this.#answeredAt < ANSWER_INTERVAL_MS) return []
    this.#answeredAt = now
    const direct = addresses.filter((address) => !isRelayed(address))
    const ofNetwork = direct.filter((address) => reachOf(hostOf(address)) !== REACH.loopback)
    return ofNetwork.length > 0 ? ofNetwork : direct
  }

  #onResponse(packet: unknown, sender: string): void {
    const addresses = stringsOf(packet).flatMap((text) => addressIn(text))
    const isOwn = isOwnAddress(sender)
    for (const address of addresses) {
      const peer = peerIdOf(address)
      const host = hostOf(address)
      const isTrue = host === sender || (isOwn && (reachOf(host) === REACH.loopback || isOwnAddress(host)))
      if (peer === undefined || !isTrue) continue
      // Peer ids cost nothing, so what is limited is what one machine may say.
      if (this.found.add(peer, address.toString(), sender)) this.#log('found %s on this network', address.toString())
    }
  }
}

/** The TXT strings of answers to our question. Total: the packet is whatever its parser made of a datagram. */
function stringsOf(packet: unknown): string[] {
  const { answers, additionals } = packet as Record<string, unknown>
  const records = [answers, additionals].flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []))
  const isOurs = records.some((record) => fieldsOf(record)['name'] === SERVICE && fieldsOf(record)['type'] === 'PTR')
  if (!isOurs) return []
  return records
    .map(fieldsOf)
    .filter(({ type }) => type === 'TXT')
    .flatMap(({ data }): unknown[] => (Array.isArray(data) ? (data as unknown[]) : [data]))
    .slice(0, STRINGS_MAX)
    .map((text) => (text instanceof Uint8Array ? new TextDecoder().decode(text) : String(text)))
}

function fieldsOf(record: unknown): Record<string, unknown> {
  return typeof record === 'object' && record !== null ? (record as Record<string, unknown>) : {}
}

/** The address of `dnsaddr=<multiaddr>`, if it is one that can be dialled directly. */
function addressIn(text: string): Multiaddr[] {
  const prefix = 'dnsaddr='
  if (!text.startsWith(prefix)) return []
  try {
    const address = parseDialAddress(text.slice(prefix.length))
    return isRelayed(address) ? [] : [address]
  } catch {
    return []
  }
}

function isOwnAddress(host: string): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === host) === true)
}
