/** The databases one process serves: reads a channel's hello and hands the channel to the database it names. */
import { bytesToHex } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { CoppiceError } from '../../errors.ts'
import type { Packing } from '../../packings.ts'
import type { Channel } from '../channel.ts'
import {
  ANSWERS_AT_ONCE,
  ANSWERS_WAITING_MAX,
  CHANNELS_MAX,
  HELLO_TIMEOUT_MS,
  IDLE_MS,
  PROTOCOL_VERSION,
} from '../limits.ts'
import { decodeHello, encodeMessage, type WelcomeStatus } from '../wire/index.ts'
import { PeerExchange, type PeerExchangeOptions } from './peers.ts'
import { SharedPatches } from './patch.ts'
import { type ChannelActivity, Provider, type ProviderOptions } from './provider.ts'
import { Turnstile } from './turnstile.ts'

export interface ProviderSetOptions {
  readonly clock: Clock
  /** In which answers may be packed, the preferred first; none where absent. */
  readonly packings?: readonly Packing[]
  /** For peer exchange; without it peers are not told of each other. */
  readonly exchange?: Omit<PeerExchangeOptions, 'clock'>
  /** Channels served at once; the next are told that this peer is busy. */
  readonly channelsMax?: number
}

export class ProviderSet {
  readonly #clock: Clock
  readonly #packings: readonly Packing[]
  readonly #exchange: Omit<PeerExchangeOptions, 'clock'> | undefined
  readonly #channelsMax: number
  readonly #providers = new Map<string, Provider>()
  readonly #turnstile = new Turnstile(ANSWERS_AT_ONCE, ANSWERS_WAITING_MAX)
  readonly #patches = new SharedPatches()
  readonly #channels = new Map<Channel, ChannelActivity>()

  constructor(options: ProviderSetOptions) {
    this.#clock = options.clock
    this.#packings = options.packings ?? []
    this.#exchange = options.exchange
    this.#channelsMax = options.channelsMax ?? CHANNELS_MAX
  }

  /** Channels being served now. */
  get channels(): number {
    return this.#channels.size
  }

  /**
   * Serves a database from now on. The function returned ends that: channels that are open go on.
   * @throws {TypeError} where the database is served already.
   */
  add(options: Omit<ProviderOptions, 'turnstile' | 'patches' | 'clock' | 'packings' | 'peers'>): () => void {
    const key = keyOf(options.author, options.name)
    if (this.#providers.has(key)) throw new TypeError(`provider: ${options.name} of this author is served already`)
    const provider = new Provider({
      ...options,
      clock: this.#clock,
      packings: this.#packings,
      turnstile: this.#turnstile,
      patches: this.#patches,
      peers: this.#exchange && new PeerExchange({ ...this.#exchange, clock: this.#clock }),
    })
    this.#providers.set(key, provider)
    return () => {
      if (this.#providers.get(key) === provider) this.#providers.delete(key)
    }
  }

  /** A ChannelHandler: serves the channel until it ends. Rejects as {@link Provider.serve}. */
  readonly handle = async (channel: Channel): Promise<void> => {
    if (this.#channels.size >= this.#channelsMax && !this.#makeRoom(channel.peer)) return refuse(channel, 'busy')
    const activity = { at: this.#clock.now(), isWaiting: false }
    this.#channels.set(channel, activity)
    try {
      const frame = await this.#firstFrame(channel)
      if (frame === undefined) return
      const hello = decodeHello(frame)
      if (hello.type === 'foreign hello') return await refuse(channel, 'version')
      const provider = this.#providers.get(keyOf(hello.author, hello.name))
      if (provider === undefined) return await refuse(channel, 'unknown')
      await provider.serve(channel, hello, activity)
    } finally {
      this.#channels.delete(channel)
    }
  }

  /** Opening channels, and letting them wait, must not lock others out. */
  #makeRoom(peer: string): boolean {
    return this.#dropIdle() || this.#dropOfGreediest(peer)
  }

  /** Ends the least active channel of the peer that has most, if `peer` has fewer even with its new one. */
  #dropOfGreediest(peer: string): boolean {
    const byPeer = new Map<string, (readonly [Channel, ChannelActivity])[]>()
    for (const entry of this.#channels) {
      const own = byPeer.get(entry[0].peer)
      if (own === undefined) byPeer.set(entry[0].peer, [entry])
      else own.push(entry)
    }
    let most: (readonly [Channel, ChannelActivity])[] = []
    for (const own of byPeer.values()) if (own.length > most.length) most = own
    if (most.length <= (byPeer.get(peer)?.length ?? 0) + 1) return false
    const [channel] = most.reduce((a, b) => (b[1].at < a[1].at ? b : a))
    this.#drop(channel, 'one of its many channels gave way to another peer')
    return true
  }

  /** Ends the channel that has been idle for longest, if any has been for long. */
  #dropIdle(): boolean {
    const before = this.#clock.now() - IDLE_MS
    let idlest: readonly [Channel, ChannelActivity] | undefined
    for (const entry of this.#channels) {
      const { at, isWaiting } = entry[1]
      if (!isWaiting && at < before && at < (idlest?.[1].at ?? Infinity)) idlest = entry
    }
    if (idlest === undefined) return false
    this.#drop(idlest[0], 'its idle channel gave way to a new one')
    return true
  }

  #drop(channel: Channel, why: string): void {
    this.#channels.delete(channel)
    channel.abort(new CoppiceError('PEER_TIMEOUT', `peer ${channel.peer}: ${why}`))
  }

  async #firstFrame(channel: Channel): Promise<Uint8Array | undefined> {
    const arrived = new AbortController()
    const deadline = this.#clock.sleep(HELLO_TIMEOUT_MS, arrived.signal).then(
      () =>
        channel.abort(new CoppiceError('PEER_TIMEOUT', `peer ${channel.peer}: no hello within ${HELLO_TIMEOUT_MS} ms`)),
      () => {},
    )
    try {
      return await channel.receive()
    } finally {
      arrived.abort()
      await deadline
    }
  }
}

/** The last frame of a channel that is not served. */
async function refuse(channel: Channel, status: WelcomeStatus): Promise<void> {
  const welcome = { type: 'welcome', version: PROTOCOL_VERSION, status, signedRoot: null, statements: null } as const
  await channel.send(encodeMessage(welcome))
}

function keyOf(author: Uint8Array, name: string): string {
  return `${bytesToHex(author)}/${name}`
}
