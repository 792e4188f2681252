/**
 * Peer exchange (protocol.md, 13): a provider remembers at which addresses its pullers say that they serve the database,
 * and gives others a sample of them. So those who clone at the same time find each other, and the author is asked for
 * little more than one copy.
 *
 * Peer ids cost nothing, so an address is taken only where the network vouches for it, one entry is kept for each peer,
 * few for each host, and a host that has most gives way (THREATS rows 12, 20, 29, 32).
 */
import type { Clock } from '../../clock.ts'
import { ADDRESSES_GIVEN_MAX } from '../limits.ts'

/** Of the addresses that a connected peer says are its own, those that it has; the network knows where it was met. */
export type Vouch = (peer: string, addresses: readonly string[]) => readonly VouchedAddress[]

export interface VouchedAddress {
  readonly address: string
  /** The machine it is at; undefined where machines are not counted. */
  readonly host: string | undefined
}

export interface PeerExchangeOptions {
  readonly vouch: Vouch
  readonly clock: Clock
  /** 0 <= n < 1. */
  readonly random: () => number
}

/** Peers remembered of one database: several times what one answer has. */
export const EXCHANGE_PEERS_MAX = 256
/** Of these at one host: some people share an address, and one machine must not fill the list. */
export const EXCHANGE_PEERS_PER_HOST_MAX = 8
/** Addresses of one peer: one of each family. */
export const EXCHANGE_ADDRESSES_PER_PEER_MAX = 2
/** A puller that goes on says so with each pull, and a follower every few minutes. */
export const EXCHANGE_MS_MAX: number = 30 * 60 * 1000

interface Known {
  readonly addresses: readonly string[]
  readonly host: string | undefined
  readonly at: number
}

/** The peers of one database. */
export class PeerExchange {
  readonly #options: PeerExchangeOptions
  /** By peer id, those that were heard of least recently first. */
  readonly #known = new Map<string, Known>()

  constructor(options: PeerExchangeOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#known.size
  }

  /** Whether `peer` said where it serves the database. */
  knows(peer: string): boolean {
    return this.#known.has(peer)
  }

  /** Notes what `peer` says of itself, no address meaning that it does not serve; gives a sample of the others. */
  answer(peer: string, addresses: readonly string[]): string[] {
    this.#expire()
    this.#known.delete(peer)
    const vouched = addresses.length === 0 ? [] : this.#options.vouch(peer, addresses)
    const others = this.#sample()
    const [first] = vouched
    if (first !== undefined) {
      const own = vouched.slice(0, EXCHANGE_ADDRESSES_PER_PEER_MAX).map(({ address }) => address)
      this.#makeRoom(first.host)
      this.#known.set(peer, { addresses: own, host: first.host, at: this.#options.clock.now() })
    }
    return others
  }

  #expire(): void {
    const before = this.#options.clock.now() - EXCHANGE_MS_MAX
    for (const [peer, { at }] of this.#known) if (at < before) this.#known.delete(peer)
  }

  #makeRoom(host: string | undefined): void {
    const ofHost = host === undefined ? [] : this.#peersAt(host)
    if (ofHost.length >= EXCHANGE_PEERS_PER_HOST_MAX) this.#known.delete(ofHost[0] ?? '')
    if (this.#known.size < EXCHANGE_PEERS_MAX) return
    const counts = new Map<string, number>()
    for (const { host: at } of this.#known.values()) if (at !== undefined) counts.set(at, (counts.get(at) ?? 0) + 1)
    const [most] = [...counts].sort((a, b) => b[1] - a[1])
    // Where each host has one, somebody at random: who comes last must not decide who goes.
    const crowd = most !== undefined && most[1] > 1 ? this.#peersAt(most[0]) : [...this.#known.keys()]
    this.#known.delete(crowd[this.#below(crowd.length)] ?? '')
  }

  #peersAt(host: string): string[] {
    return [...this.#known].filter(([, known]) => known.host === host).map(([peer]) => peer)
  }

  /** At random, so that each is asked about as often as the others, and nobody can choose who is found. */
  #sample(): string[] {
    const left = [...this.#known.values()]
    const chosen: string[] = []
    while (left.length > 0) {
      const [known] = left.splice(this.#below(left.length), 1)
      if (known === undefined || chosen.length + known.addresses.length > ADDRESSES_GIVEN_MAX) break
      chosen.push(...known.addresses)
    }
    return chosen
  }

  #below(n: number): number {
    return Math.floor(this.#options.random() * n)
  }
}
