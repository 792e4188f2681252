/**
 * What a node of a DHT takes from strangers as a value (record.md, 7; THREATS rows 2, 20, 21, 32). libp2p stores whatever a
 * validator lets through, also an older value over a newer one; so the newest that was taken of each key is remembered here, in a
 * bounded table. Signatures cost a millisecond or two each: they are looked at last, and only so many times for each stranger.
 */
import { bytesToMapKey } from '../../bytes.ts'
import type { ValueClaim, ValueRules } from '../../carriers/value-network.ts'
import { sha256 } from '../../sha256.ts'

export interface ValueLimits {
  /** Keys whose floors are remembered: more than values are kept, so that what was pushed out does not come back older. */
  readonly floorsMax: number
  /** Of them, those that one source may have brought. */
  readonly floorsPerSourceMax: number
  /** Signatures in new values of one source that are verified at once, and each second after that; the same of all sources. */
  readonly burst: number
  readonly perSecond: number
  readonly burstOfAll: number
  readonly perSecondOfAll: number
  /** Sources whose spending is remembered. */
  readonly sourcesMax: number
}

/** A helper with a hundred databases puts them all within a second. All sources together take a tenth of a core, also with values of many rotations. */
export const VALUE_LIMITS: ValueLimits = {
  floorsMax: 4096,
  floorsPerSourceMax: 512,
  burst: 256,
  perSecond: 4,
  burstOfAll: 2048,
  perSecondOfAll: 128,
  sourcesMax: 1024,
}

/** Why a value was not taken. libp2p closes the stream of who sent it. */
export type ValueRefusal = 'kind' | 'size' | 'form' | 'expired' | 'older' | 'busy' | 'signature'

export class ValueRefused extends Error {
  readonly reason: ValueRefusal

  constructor(reason: ValueRefusal) {
    super(`value refused: ${reason}`)
    this.name = 'ValueRefused'
    this.reason = reason
  }
}

interface Held {
  readonly floor: unknown
  /** Of the value's bytes: the very same is taken again without a second look. */
  readonly digest: string
  /** Who brought the key first. */
  readonly source: string | undefined
  /** Whether somebody else put it, too: it stays longer than what only its source has put. */
  readonly isShared: boolean
}

export class ValueFloors {
  /** How often each happened, for the log and for tests. */
  readonly counts: Record<ValueRefusal | 'taken' | 'same', number> = {
    taken: 0,
    same: 0,
    kind: 0,
    size: 0,
    form: 0,
    expired: 0,
    older: 0,
    busy: 0,
    signature: 0,
  }
  readonly #rules: ReadonlyMap<string, ValueRules>
  readonly #limits: ValueLimits
  readonly #now: () => number
  /** By key, least recently put first. */
  readonly #held = new Map<string, Held>()
  /** Keys by who brought them, the oldest first. */
  readonly #keysOfSource = new Map<string, Set<string>>()
  readonly #budgets: Budgets
  readonly #all: Budget

  constructor(rules: readonly ValueRules[], now: () => number, limits: Partial<ValueLimits> = {}) {
    this.#rules = new Map(rules.map((each) => [each.namespace, each]))
    this.#limits = { ...VALUE_LIMITS, ...limits }
    this.#now = now
    const { burst, perSecond, sourcesMax, burstOfAll, perSecondOfAll } = this.#limits
    this.#budgets = new Budgets(() => new Budget(burst, perSecond, now()), sourcesMax)
    this.#all = new Budget(burstOfAll, perSecondOfAll, now())
  }

  get size(): number {
    return this.#held.size
  }

  get namespaces(): readonly string[] {
    return [...this.#rules.keys()]
  }

  /**
   * Takes a value that is to be kept. `source`: the machine it came from, undefined for ourselves, who may put as much as we like.
   * @throws {ValueRefused} where it must not be stored.
   */
  admit(key: Uint8Array, value: Uint8Array, source: string | undefined): void {
    try {
      this.#admit(key, value, source)
    } catch (error) {
      if (error instanceof ValueRefused) this.counts[error.reason]++
      throw error
    }
  }

  /** Of what others hold: whether it counts at all, be it older or newer than what we know. @throws {ValueRefused} */
  check(key: Uint8Array, value: Uint8Array): void {
    const { claim } = this.#read(key, value)
    if (!claim.verify()) throw new ValueRefused('signature')
  }

  /** The place of the newest of several values of one key, all of which were checked. libp2p puts it in the place of an older one here. */
  newest(key: Uint8Array, values: readonly Uint8Array[]): number {
    let best: { readonly at: number; readonly floor: unknown; readonly value: Uint8Array } | undefined
    for (const [at, value] of values.entries()) {
      const { rules, claim } = this.#read(key, value)
      if (best === undefined || rules.replaces(best.floor, claim.floor)) best = { at, floor: claim.floor, value }
    }
    if (best === undefined) return 0
    this.#raise(key, best.value)
    return best.at
  }

  /** So that what is older than a value that was looked up does not take its place. */
  #raise(key: Uint8Array, value: Uint8Array): void {
    const name = bytesToMapKey(key)
    const held = this.#held.get(name)
    const { rules, claim } = this.#read(key, value)
    if (held === undefined || !rules.replaces(held.floor, claim.floor) || !claim.verify()) return
    this.#keep(name, { ...held, floor: claim.floor, digest: bytesToMapKey(sha256(value)) })
  }

  #admit(key: Uint8Array, value: Uint8Array, source: string | undefined): void {
    const name = bytesToMapKey(key)
    const held = this.#held.get(name)
    const { rules, claim } = this.#read(key, value)
    if (claim.expiresAt !== null && claim.expiresAt <= this.#now()) throw new ValueRefused('expired')
    const digest = bytesToMapKey(sha256(value))
    if (held?.digest === digest) {
      this.counts.same++
      this.#keep(name, { ...held, isShared: held.isShared || source !== held.source })
      return
    }
    if (held !== undefined && !rules.replaces(held.floor, claim.floor)) throw new ValueRefused('older')
    if (source !== undefined) this.#spend(source, claim.signatures)
    if (!claim.verify()) throw new ValueRefused('signature')
    this.counts.taken++
    const isShared = held !== undefined && (held.isShared || source !== held.source)
    this.#keep(name, { floor: claim.floor, digest, source: held === undefined ? source : held.source, isShared })
  }

  #read(key: Uint8Array, value: Uint8Array): { readonly rules: ValueRules; readonly claim: ValueClaim<unknown> } {
    const rules = this.#rules.get(namespaceOf(key) ?? '')
    if (rules === undefined) throw new ValueRefused('kind')
    if (value.length > rules.bytesMax) throw new ValueRefused('size')
    const claim = rules.read(key, value)
    if (claim === undefined) throw new ValueRefused('form')
    return { rules, claim }
  }

  #spend(source: string, signatures: number): void {
    const now = this.#now()
    if (!this.#budgets.of(source).spend(now, signatures) || !this.#all.spend(now, signatures))
      throw new ValueRefused('busy')
  }

  #keep(name: string, held: Held): void {
    const { floorsMax, floorsPerSourceMax } = this.#limits
    const isNew = !this.#held.delete(name)
    this.#held.set(name, held)
    if (!isNew) return
    if (held.source !== undefined) {
      const ofSource = this.#keysOfSource.get(held.source) ?? new Set<string>()
      this.#keysOfSource.set(held.source, ofSource.add(name))
      // Who has too much gives way himself: by being the first to bring a key nobody gets it to drop when he likes.
      if (ofSource.size > floorsPerSourceMax) this.#drop(this.#firstUnshared(ofSource) ?? first(ofSource))
    }
    if (this.#held.size > floorsMax) this.#drop(first(this.#held.keys()))
  }

  #firstUnshared(names: Iterable<string>): string | undefined {
    for (const name of names) if (this.#held.get(name)?.isShared === false) return name
    return undefined
  }

  #drop(name: string | undefined): void {
    const held = name === undefined ? undefined : this.#held.get(name)
    if (name === undefined || held === undefined) return
    this.#held.delete(name)
    if (held.source === undefined) return
    const ofSource = this.#keysOfSource.get(held.source)
    ofSource?.delete(name)
    if (ofSource?.size === 0) this.#keysOfSource.delete(held.source)
  }
}

/** So many at once, and so many more each second. */
class Budget {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at: number

  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
    this.#at = now
  }

  spend(now: number, amount: number): boolean {
    const earned = (Math.max(0, now - this.#at) / 1000) * this.#perSecond
    this.#left = Math.min(this.#burst, this.#left + earned)
    this.#at = now
    if (this.#left < amount) return false
    this.#left -= amount
    return true
  }
}

/** Those of the sources heard of last. One that is forgotten begins anew, within the budget of all. */
class Budgets {
  readonly #make: () => Budget
  readonly #max: number
  readonly #budgets = new Map<string, Budget>()

  constructor(make: () => Budget, max: number) {
    this.#make = make
    this.#max = max
  }

  of(source: string): Budget {
    const budget = this.#budgets.get(source) ?? this.#make()
    this.#budgets.delete(source)
    this.#budgets.set(source, budget)
    const oldest = first(this.#budgets.keys())
    if (this.#budgets.size > this.#max && oldest !== undefined) this.#budgets.delete(oldest)
    return budget
  }
}

function first(names: Iterable<string>): string | undefined {
  for (const name of names) return name
  return undefined
}

/** Of `/<namespace>/...`. */
function namespaceOf(key: Uint8Array): string | undefined {
  const end = key.indexOf(SLASH, 1)
  if (key[0] !== SLASH || end < 0 || end > NAMESPACE_BYTES_MAX) return undefined
  return String.fromCharCode(...key.subarray(1, end))
}

const SLASH = 0x2f
const NAMESPACE_BYTES_MAX = 16
