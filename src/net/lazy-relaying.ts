/** Relaying that is there when it is first needed: for most nodes never. */
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { Libp2pParts } from './libp2p.ts'
import type { Relaying, RelayOptions } from './relay.ts'

export class LazyRelaying {
  readonly #options: RelayOptions
  #parts: Libp2pParts | undefined
  #starting: Promise<Relaying> | undefined
  #now: Relaying | undefined

  constructor(options: RelayOptions) {
    this.#options = options
  }

  /** What libp2p asks of a relay. Where there is no relaying, nothing is relayed. */
  readonly gater: ConnectionGater = {
    denyInboundRelayReservation: (peer) => this.#now?.deniesPlace(peer) !== false,
    denyOutboundRelayedConnection: (source) => this.#now?.deniesConnection(source) !== false,
  }

  /** The node that relaying is added to, which has started. Places at relays are dialled whenever they are lost. */
  attach(parts: Libp2pParts): void {
    this.#parts = parts
    for (const address of this.#options.listen) parts.guard.permit(address)
  }

  /** Adds it, at the first call. */
  async require(): Promise<void> {
    this.#starting ??= this.#start()
    await this.#starting
  }

  /** Whether the peer has a place here. */
  hasPlace(peer: PeerId): boolean {
    return this.#now?.hasPlace(peer) === true
  }

  async stop(): Promise<void> {
    const relaying = await this.#starting?.catch(() => undefined)
    await relaying?.stop()
  }

  async #start(): Promise<Relaying> {
    const { Relaying } = await import('./relay.ts')
    if (this.#parts === undefined) throw new TypeError('relaying: expected a node')
    this.#now = await Relaying.start(this.#parts.components, this.#options)
    return this.#now
  }
}
