/** A network of values without a network: members that keep what their rules let through, or whatever a test makes them show. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { bytesToMapKey } from '../../src/bytes.ts'
import { DHT_RULES } from '../../src/carriers/dht/value.ts'
import { IPNS_RULES } from '../../src/carriers/ipns/rules.ts'
import type { ValueEvent, ValueNetwork } from '../../src/carriers/value-network.ts'
import { ValueFloors, ValueRefused } from '../../src/net/discovery/value-floors.ts'

export class MemoryValues implements ValueNetwork {
  readonly #members: readonly Map<string, Uint8Array>[]
  readonly #floors: readonly ValueFloors[]
  /** Puts that were taken, by any member. */
  stored = 0

  constructor(count = 4, now: () => number = () => 0) {
    this.#members = Array.from({ length: count }, () => new Map())
    this.#floors = this.#members.map(() => new ValueFloors([DHT_RULES, IPNS_RULES], now))
  }

  async *get(key: Uint8Array, signal: AbortSignal): AsyncGenerator<ValueEvent, void, undefined> {
    for (const [i, values] of this.#members.entries()) {
      await nextTurn()
      signal.throwIfAborted()
      const member = `member ${i}`
      const value = values.get(bytesToMapKey(key))
      yield value === undefined ? { kind: 'nothing', member } : { kind: 'value', member, value }
    }
  }

  async *put(key: Uint8Array, value: Uint8Array, signal: AbortSignal): AsyncGenerator<ValueEvent, void, undefined> {
    for (const [i, values] of this.#members.entries()) {
      await nextTurn()
      signal.throwIfAborted()
      const member = `member ${i}`
      try {
        this.#floors[i]?.admit(key, value, undefined)
        values.set(bytesToMapKey(key), value)
        this.stored++
        yield { kind: 'stored', member }
      } catch (error) {
        if (!(error instanceof ValueRefused)) throw error
        yield { kind: 'refused', member, reason: error.message }
      }
    }
  }

  /** From now on that member shows this. */
  hold(member: number, key: Uint8Array, value: Uint8Array): void {
    this.#members[member]?.set(bytesToMapKey(key), value)
  }

  /** What that member has. */
  held(member: number, key: Uint8Array): Uint8Array | undefined {
    return this.#members[member]?.get(bytesToMapKey(key))
  }
}
