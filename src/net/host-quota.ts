/**
 * What one host may have of the node's connections. Peer ids cost nothing, so limits per peer alone would let a single
 * machine take all places: by connections it keeps, or by handshakes it begins and never goes on with. An IPv6 host is
 * counted by its /64, since it has all addresses of that.
 */

import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { hostOf } from './address.ts'
import { hostKey } from './reach.ts'

export interface HostLimits {
  /** Incoming connections of one host, with those whose handshake is under way. */
  readonly connectionsMax: number
  /** Of these, the ones whose handshake is under way. */
  readonly handshakesMax: number
}

interface Held {
  connections: number
  handshakes: number
}

export class HostQuota implements ConnectionGater {
  readonly #limits: HostLimits
  readonly #hosts = new Map<string, Held>()
  readonly #handshakes = new WeakMap<MultiaddrConnection, () => void>()

  constructor(limits: HostLimits) {
    this.#limits = limits
  }

  /** Hosts that hold anything now. */
  get hosts(): number {
    return this.#hosts.size
  }

  /** libp2p asks before the handshake; what is let in counts until it is closed. */
  readonly denyInboundConnection = (connection: MultiaddrConnection): boolean => {
    const host = hostKey(hostOf(connection.remoteAddr))
    const held = this.#hosts.get(host) ?? { connections: 0, handshakes: 0 }
    const { connectionsMax, handshakesMax } = this.#limits
    if (held.connections >= connectionsMax || held.handshakes >= handshakesMax) return true
    this.#hosts.set(host, held)
    held.connections++
    held.handshakes++
    let isShaking = true
    const endHandshake = (): void => {
      if (isShaking) held.handshakes--
      isShaking = false
    }
    this.#handshakes.set(connection, endHandshake)
    const onClose = (): void => {
      endHandshake()
      if (--held.connections === 0) this.#hosts.delete(host)
    }
    connection.addEventListener('close', onClose, { once: true })
    return false
  }

  /** libp2p asks when the handshake is over. */
  readonly denyInboundUpgradedConnection = (_peer: PeerId, connection: MultiaddrConnection): boolean => {
    this.#handshakes.get(connection)?.()
    return false
  }
}
