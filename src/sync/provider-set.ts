/** The databases one process serves: reads a channel's hello and hands the channel to the database it names. */
import { bytesToHex } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import { CoppiceError } from '../errors.ts'
import type { Channel } from './channel.ts'
import { ANSWERS_AT_ONCE, ANSWERS_WAITING_MAX, CHANNELS_MAX, HELLO_TIMEOUT_MS, PROTOCOL_VERSION } from './limits.ts'
import { decodeHello, encodeMessage, type WelcomeStatus } from './messages.ts'
import { Provider, type ProviderOptions } from './provider.ts'
import { Turnstile } from './turnstile.ts'

export interface ProviderSetOptions {
  readonly clock: Clock
  /** Channels served at once; the next are told that this peer is busy. */
  readonly channelsMax?: number
}

export class ProviderSet {
  readonly #clock: Clock
  readonly #channelsMax: number
  readonly #providers = new Map<string, Provider>()
  readonly #turnstile = new Turnstile(ANSWERS_AT_ONCE, ANSWERS_WAITING_MAX)
  #channels = 0

  constructor(options: ProviderSetOptions) {
    this.#clock = options.clock
    this.#channelsMax = options.channelsMax ?? CHANNELS_MAX
  }

  /** Channels being served now. */
  get channels(): number {
    return this.#channels
  }

  /**
   * Serves a database from now on. The function returned ends that: channels that are open go on.
   * @throws {TypeError} where the database is served already.
   */
  add(options: Omit<ProviderOptions, 'turnstile' | 'clock'>): () => void {
    const key = keyOf(options.author, options.name)
    if (this.#providers.has(key)) throw new TypeError(`provider: ${options.name} of this author is served already`)
    const provider = new Provider({ ...options, clock: this.#clock, turnstile: this.#turnstile })
    this.#providers.set(key, provider)
    return () => {
      if (this.#providers.get(key) === provider) this.#providers.delete(key)
    }
  }

  /** A ChannelHandler: serves the channel until it ends. Rejects as {@link Provider.serve}. */
  readonly handle = async (channel: Channel): Promise<void> => {
    if (this.#channels >= this.#channelsMax) return refuse(channel, 'busy')
    this.#channels++
    try {
      const frame = await this.#firstFrame(channel)
      if (frame === undefined) return
      const hello = decodeHello(frame)
      if (hello.type === 'foreign hello') return await refuse(channel, 'version')
      const provider = this.#providers.get(keyOf(hello.author, hello.name))
      if (provider === undefined) return await refuse(channel, 'unknown')
      await provider.serve(channel, hello)
    } finally {
      this.#channels--
    }
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
  await channel.send(encodeMessage({ type: 'welcome', version: PROTOCOL_VERSION, status, signedRoot: null }))
}

function keyOf(author: Uint8Array, name: string): string {
  return `${bytesToHex(author)}/${name}`
}
