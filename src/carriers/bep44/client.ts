/**
 * Gets and puts mutable items of BitTorrent's DHT as a read-only node. What it gives is verified: signed by the key asked for,
 * over the salt asked for. Which of several is the right one is not its to say: an author may have signed two.
 */
import type { Clock } from '../../clock.ts'
import { bytesToMapKey, concatBytes, equalBytes } from '../../bytes.ts'
import { type MutableItem, itemSignedBytes, itemTarget, verifyItem } from './item.ts'
import { CLOSEST_NODES, type FoundNode, lookUp } from './lookup.ts'
import type { DhtAddress } from './messages.ts'
import { type DatagramSocket, DhtQuestions } from './questions.ts'

export interface Bep44ClientOptions {
  readonly socket: DatagramSocket
  readonly clock: Clock
  readonly randomBytes: (length: number) => Uint8Array
  readonly bootstrap: readonly DhtAddress[]
  readonly mayAsk: (address: DhtAddress) => boolean
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
  /** Nodes that took it. */
  readonly stored: number
  /** Nodes that have a newer one, by their word (error 302). */
  readonly newer: number
  /** What the others said, for people. */
  readonly refusals: readonly string[]
  readonly asked: number
}

/** bep_0044: the sequence is lower than that of what is there. */
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

  /** @throws the signal's reason. */
  async get(key: Uint8Array, salt: Uint8Array, signal: AbortSignal): Promise<GetResult> {
    const { result } = await this.#find(key, salt, signal)
    return result
  }

  /** Puts the item at the closest nodes. @throws the signal's reason. */
  async put(item: MutableItem, signal: AbortSignal): Promise<PutResult> {
    const { nodes } = await this.#find(item.key, item.salt, signal)
    const closest = nodes.filter(({ token }) => token !== undefined).slice(0, CLOSEST_NODES)
    const outcomes = await Promise.all(closest.map((node) => this.#putAt(node, item, signal)))
    return {
      stored: outcomes.filter((outcome) => outcome === 'stored').length,
      newer: outcomes.filter((outcome) => outcome === 'newer').length,
      refusals: outcomes.filter((outcome) => outcome !== 'stored' && outcome !== 'newer'),
      asked: closest.length,
    }
  }

  async #find(
    key: Uint8Array,
    salt: Uint8Array,
    signal: AbortSignal,
  ): Promise<{ readonly result: GetResult; readonly nodes: readonly FoundNode[] }> {
    const { bootstrap, mayAsk } = this.#options
    const tally = new Tally(key, salt)
    const trusted = new Set(bootstrap.map(({ host }) => host))
    const { nodes, asked, answered } = await lookUp(this.#questions, {
      target: itemTarget(key, salt),
      bootstrap,
      mayAsk,
      isTrustedHost: (host) => trusted.has(host),
      signal,
      onItem: ({ item }) => item !== undefined && tally.add(item),
    })
    return { result: { items: tally.items(), invalid: tally.invalid, asked, answered }, nodes }
  }

  async #putAt({ host, port, token }: FoundNode, item: MutableItem, signal: AbortSignal): Promise<string> {
    if (token === undefined) return 'no token'
    const answer = await this.#questions.ask({ host, port }, { type: 'put', item, token }, signal)
    if (answer === undefined) return 'no answer'
    if (answer.type === 'response') return 'stored'
    return answer.code === SEQUENCE_TOO_LOW ? 'newer' : `error ${answer.code}: ${answer.message}`
  }
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
