/** All kinds of discovery that a node has, as one: it says what it serves, and finds who else may. */
import type { ValueNetwork } from '../../carriers/value-network.ts'
import type { Dht } from './dht.ts'
import { type DatabaseId, discoveryKey } from './discovery-key.ts'
import type { LanDiscovery } from './lan.ts'

export class Discovery {
  readonly #lan: LanDiscovery | undefined
  readonly #dht: Dht | undefined

  constructor(lan: LanDiscovery | undefined, dht: Dht | undefined) {
    this.#lan = lan
    this.#dht = dht
  }

  /** Ends what libp2p does not end by itself. */
  stop(): void {
    this.#dht?.stop()
  }

  /** The values of coppice's own DHT; undefined where this node takes no part in it. */
  get values(): ValueNetwork | undefined {
    return this.#dht?.values
  }

  /** Whether there is any way to find somebody. */
  get isOn(): boolean {
    return this.#lan !== undefined || this.#dht !== undefined
  }

  /** Says from now on that this node serves the database. The function returned ends that. */
  provide(database: DatabaseId): () => void {
    return this.#dht?.provide(discoveryKey(database)) ?? ((): void => {})
  }

  /**
   * Addresses of peers that may serve the database, each once, as they are found: until the signal aborts, or there is
   * nothing left that could find one. Nobody is asked yet. Never rejects.
   */
  async *find(database: DatabaseId, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const over = new AbortController()
    const either = AbortSignal.any([signal, over.signal])
    const sources = [
      ...(this.#lan === undefined ? [] : [this.#lan.found.addresses(either)]),
      ...(this.#dht === undefined ? [] : [this.#dht.find(discoveryKey(database), either)]),
    ]
    const given = new Set<string>()
    try {
      for await (const address of interleave(sources)) {
        if (given.has(address)) continue
        given.add(address)
        yield address
      }
    } finally {
      over.abort()
    }
  }
}

/** What comes from any of the sources, as it comes. */
async function* interleave<T>(
  sources: readonly AsyncGenerator<T, void, undefined>[],
): AsyncGenerator<T, void, undefined> {
  type Next = { readonly source: AsyncGenerator<T, void, undefined>; readonly result: IteratorResult<T, void> }
  const next = async (source: Next['source']): Promise<Next> => ({ source, result: await source.next() })
  const waiting = new Map(sources.map((source) => [source, next(source)]))
  while (waiting.size > 0) {
    const { source, result } = await Promise.race(waiting.values())
    if (result.done === true) {
      waiting.delete(source)
      continue
    }
    waiting.set(source, next(source))
    yield result.value
  }
}
