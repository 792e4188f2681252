/**
 * Gets and puts mutable items of BitTorrent's DHT as a read-only node. What it gives is verified: signed by the key asked for,
 * over the salt asked for. Which of several is the right one is not its to say: an author may have signed two.
 */
import type { Clock } from '../../clock.ts'
import { unlessAborted } from '../../abortable.ts'
import { bytesToMapKey, concatBytes, equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import { type MutableItem, itemSignedBytes, itemTarget, verifyItem } from './item.ts'
import { CLOSEST_NODES, type FoundNode, lookUp, type LookupResult } from './lookup.ts'
import type { DhtAddress } from './messages.ts'
import { type DatagramSocket, DhtQuestions } from './questions.ts'

export interface Bep44ClientOptions {
  readonly socket: DatagramSocket
  readonly clock: Clock
  readonly randomBytes: (length: number) => Uint8Array
  /** The nodes that a lookup begins with. @throws {CoppiceError} `PEER_UNREACHABLE`. */
  readonly bootstrap: () => Promise<readonly DhtAddress[]>
  /** Whether an address may be sent to that a node at `namedBy` named. */
  readonly mayAsk: (address: DhtAddress, namedBy: DhtAddress) => boolean
}

export interface FoundItem {
  readonly item: MutableItem
  readonly copies: number
}

export interface GetResult {
  /** At most a few different ones, the highest sequence first, and how many nodes showed each. */
  readonly items: readonly FoundItem[]
  /** Nodes that showed what the key did not sign. */
  readonly invalid: number
  readonly asked: number
  readonly answered: number
}

export interface PutResult {
  /** Nodes that took it, or had it. */
  readonly stored: number
  /** Nodes that have a newer one: they showed it, or say so (error 302). */
  readonly newer: number
  /** What the others said, for people. */
  readonly refusals: readonly string[]
  readonly asked: number
}

/** bep_0044: what is there is not what `cas` says; the sequence is not above that of what is there. */
const CAS_MISMATCH = 301
const SEQUENCE_TOO_LOW = 302
/** Different items of one key and salt: more is noise. */
const ITEMS_MAX = 8

export class Bep44Client {
  readonly #options: Bep44ClientOptions
  readonly #questions: DhtQuestions

  constructor(options: Bep44ClientOptions) {
    this.#options = options
    this.#questions = new DhtQuestions(options)
  }

  /** @throws {CoppiceError} `PEER_UNREACHABLE` where no node answers; the signal's reason. */
  async get(key: Uint8Array, salt: Uint8Array, signal: AbortSignal): Promise<GetResult> {
    const { nodes, asked, answered } = await this.#find(key, salt, signal)
    const tally = new Tally(key, salt)
    for (const { item } of nodes) if (item !== undefined) tally.add(item)
    return { items: tally.items(), invalid: tally.invalid, asked, answered }
  }

  /** Puts the item at the closest nodes. @throws {CoppiceError} `PEER_UNREACHABLE` where no node answers; the signal's reason. */
  async put(item: MutableItem, signal: AbortSignal): Promise<PutResult> {
    const { closest } = await this.#find(item.key, item.salt, signal)
    const takers = closest.filter(({ token }) => token !== undefined).slice(0, CLOSEST_NODES)
    const outcomes = await Promise.all(takers.map((node) => this.#putAt(node, item, signal)))
    return {
      stored: outcomes.filter((outcome) => outcome === 'stored').length,
      newer: outcomes.filter((outcome) => outcome === 'newer').length,
      refusals: outcomes.filter((outcome) => outcome !== 'stored' && outcome !== 'newer'),
      asked: takers.length,
    }
  }

  async #find(key: Uint8Array, salt: Uint8Array, signal: AbortSignal): Promise<LookupResult> {
    signal.throwIfAborted()
    const bootstrap = await unlessAborted(this.#options.bootstrap(), signal)
    const trusted = new Set(bootstrap.map(({ host }) => host))
    const found = await lookUp(this.#questions, {
      target: itemTarget(key, salt),
      bootstrap,
      mayAsk: this.#options.mayAsk,
      isTrustedHost: (host) => trusted.has(host),
      clock: this.#options.clock,
      signal,
    })
    if (found.answered > 0) return found
    const message = `bep44: expected an answer of a node, got none from ${found.asked}; is UDP let through?`
    throw new CoppiceError('PEER_UNREACHABLE', message)
  }

  /**
   * A node that keeps only the order of `cas` is kept from replacing what came after it was asked; one that showed a newer item is not
   * asked again, since some replace it.
   */
  async #putAt({ host, port, token, item: shown }: FoundNode, item: MutableItem, signal: AbortSignal): Promise<string> {
    if (token === undefined) return 'no token'
    const isOfKey = shown !== undefined && equalBytes(shown.key, item.key) && verifyItem({ ...shown, salt: item.salt })
    const held = isOfKey ? shown : undefined
    if (held !== undefined && held.sequence > item.sequence) return 'newer'
    const cas = held === undefined ? {} : { cas: held.sequence }
    const answer = await this.#questions.ask({ host, port }, { type: 'put', item, token, ...cas }, signal)
    if (answer === undefined) return 'no answer'
    if (answer.type === 'response') return 'stored'
    // Some refuse what they have already.
    if (answer.code === SEQUENCE_TOO_LOW) return held?.sequence === item.sequence ? sameOrFork(held, item) : 'newer'
    if (answer.code === CAS_MISMATCH) return 'another was put meanwhile'
    return `error ${answer.code}: ${answer.message}`
  }
}

function sameOrFork(held: Omit<MutableItem, 'salt'>, item: MutableItem): string {
  return equalBytes(held.encodedValue, item.encodedValue) ? 'stored' : 'another of the same sequence is there'
}

/** The items of one lookup. The same item is verified once. */
class Tally {
  readonly #key: Uint8Array
  readonly #salt: Uint8Array
  readonly #known = new Map<string, { readonly item: MutableItem; readonly isValid: boolean; copies: number }>()
  invalid = 0

  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#key = key
    this.#salt = salt
  }

  /** Valid ones, the highest sequence first. */
  items(): FoundItem[] {
    return [...this.#known.values()]
      .filter(({ isValid }) => isValid)
      .map(({ item, copies }) => ({ item, copies }))
      .toSorted((a, b) => (a.item.sequence < b.item.sequence ? 1 : a.item.sequence > b.item.sequence ? -1 : 0))
      .slice(0, ITEMS_MAX)
  }

  add(found: Omit<MutableItem, 'salt'>): void {
    const item = { ...found, salt: this.#salt }
    const name = bytesToMapKey(concatBytes(item.signature, itemSignedBytes(item)))
    let known = this.#known.get(name)
    if (known === undefined && equalBytes(item.key, this.#key)) {
      known = { item, isValid: verifyItem(item), copies: 0 }
      this.#known.set(name, known)
    }
    if (known?.isValid === true) known.copies++
    else this.invalid++
  }
}
