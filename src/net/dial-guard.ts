/**
 * Where the node may connect to. What the user named may be dialled; so may what {@link LearnedAddresses} let through.
 * libp2p's services dial by themselves as well, at addresses that strangers gave: those of other nodes of the DHT, those
 * by which a peer describes itself. Of these only what is public, unless the whole DHT is of a nearer kind (THREATS row 29).
 */
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { endpointOf, hostOf } from './address.ts'
import { mayName, REACH, type Reach, reachOf } from './reach.ts'

export class DialGuard implements ConnectionGater {
  readonly #self: string
  /** The least reach of an address that strangers named. */
  readonly #strangers: Reach
  /** How often each endpoint was permitted. */
  readonly #permits = new Map<string, number>()

  /** `self`: our own peer id, whose addresses are ours to remember. */
  constructor(self: string, strangers: Reach = REACH.public) {
    this.#self = self
    this.#strangers = strangers
  }

  /** Lets an address be dialled until the function returned is called. */
  permit(address: Multiaddr): () => void {
    const endpoint = endpointOf(address)
    this.#permits.set(endpoint, (this.#permits.get(endpoint) ?? 0) + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      const left = (this.#permits.get(endpoint) ?? 1) - 1
      if (left === 0) this.#permits.delete(endpoint)
      else this.#permits.set(endpoint, left)
    }
  }

  /** Whether a stranger may have named it. A name could resolve to anything, later. */
  allows(address: Multiaddr): boolean {
    return mayName(this.#strangers, reachOf(hostOf(address)))
  }

  /** libp2p asks before it remembers an address of a peer. */
  readonly filterMultiaddrForPeer = (peer: PeerId, address: Multiaddr): boolean => {
    return peer.toString() === this.#self || !this.denyDialMultiaddr(address)
  }

  /** libp2p asks before each dial. */
  readonly denyDialMultiaddr = (address: Multiaddr): boolean => {
    return !this.#permits.has(endpointOf(address)) && !this.allows(address)
  }
}
