/**
 * BitTorrent's DHT as a carrier of signed roots (record.md, 7): a mutable item whose value is the signed root as it is, under the
 * key that signed it. Where that is not the author's key, the author's item has the grant or the rotation that leads there.
 */
import { bytesToMapKey, EMPTY_BYTES, equalBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import {
  type AnySignedRoot,
  carrierSequence,
  decodeSignedRoot,
  encodeRotations,
  type Signer,
} from '../../pointer/index.ts'
import { ATTACHMENT_IDS, type Attachments } from '../attachments.ts'
import {
  type Carrier,
  type CarrierAnswer,
  type CarrierReceipt,
  type PointerName,
  type PointerRecord,
  SHOWN_MAX,
  type Shown,
} from '../carrier.ts'
import { followStatement, nextPlaces, type Place, placeOfAuthor, WALK_MS } from '../hops.ts'
import { encodeBencode } from './bencode.ts'
import { Bep44Client, type Bep44ClientOptions, type FoundItem, type PutResult } from './client.ts'
import { decodeHops, encodeHops, type Hop, itemsOfHops, saltOf, sequenceOfHop } from './hops.ts'
import { itemValue, type MutableItem, signItem, verifyItem } from './item.ts'

export interface Bep44CarrierOptions extends Bep44ClientOptions {
  /** Each signs items of the roots that it signed; others are put with the envelopes that come with them. */
  readonly signers?: readonly Signer[] | undefined
}

/** bep_0044: an item that nobody puts again is forgotten after two hours. */
const KEEPS_MS: number = 2 * 60 * 60 * 1000
const REFUSALS_MAX = 4
const NO_WAY = "nothing at its author's key leads to it: the grant or rotation is not there"

/** Takes over the socket. */
export function bep44Carrier(options: Bep44CarrierOptions): Carrier {
  return new Bep44Carrier(options)
}

class Bep44Carrier implements Carrier {
  readonly name = 'bep44'
  readonly source = 'bep44'
  readonly keepsMs: number = KEEPS_MS
  readonly #options: Bep44CarrierOptions
  readonly #client: Bep44Client

  constructor(options: Bep44CarrierOptions) {
    this.#options = options
    this.#client = new Bep44Client(options)
  }

  async get(pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer> {
    return await new Walk(this.#client, pointer, this.#options.clock, signal).run()
  }

  async put(pointer: PointerName, record: PointerRecord, signal: AbortSignal): Promise<CarrierReceipt> {
    signal.throwIfAborted()
    const { item, hops, attachments } = await this.#itemsOf(pointer, record)
    const [ofRoot, ...ofHops] = (await Promise.all(
      [item, ...hops].map(async (each) => await this.#client.put(each, signal)),
    )) as [PutResult, ...PutResult[]]
    const { shown } = await this.get(pointer, signal)
    const seen = shown.find((each) => equalBytes(each.record.signedRoot, record.signedRoot))?.copies ?? 0
    const { stored, newer } = ofRoot
    const isLost = stored > 0 && seen === 0 && hops.length === 0 && !equalBytes(item.key, pointer.author)
    const said = [ofRoot, ...ofHops].flatMap((each) => each.refusals)
    const refusals = [...new Set(isLost ? [NO_WAY, ...said] : said)].slice(0, REFUSALS_MAX)
    return { stored, newer, seen, refusals, attachments }
  }

  async close(): Promise<void> {
    await this.#options.socket.close()
  }

  /** What is put, and the envelopes of it. */
  async #itemsOf(
    pointer: PointerName,
    { signedRoot, attachments }: PointerRecord,
  ): Promise<{ readonly item: MutableItem; readonly hops: readonly MutableItem[]; readonly attachments: Attachments }> {
    const root = decodeSignedRoot(signedRoot)
    const item = await this.#itemOf(pointer, root, attachments)
    const envelopes = new Map([[ATTACHMENT_IDS.bep44 as number, item.signature]])
    const hopBytes = attachments.get(ATTACHMENT_IDS.bep44Hops)
    if (hopBytes === undefined) return { item, hops: [], attachments: envelopes }
    const way = itemsOfHops(pointer, decodeHops(hopBytes))
    if (way === undefined || !equalBytes(way.end.key, item.key) || !way.items.every(verifyItem)) {
      throw unusable('the grants and rotations beside it do not lead from its author to its signer')
    }
    envelopes.set(ATTACHMENT_IDS.bep44Hops, hopBytes)
    return { item, hops: way.items, attachments: envelopes }
  }

  async #itemOf({ name }: PointerName, root: AnySignedRoot, attachments: Attachments): Promise<MutableItem> {
    const salt = saltOf(name)
    const sequence = carrierSequence(root.payload)
    const key = keyOf(root)
    const signer = this.#options.signers?.find(({ publicKey }) => equalBytes(publicKey, key))
    if (signer !== undefined) {
      return await signItem(signer, salt, sequence, root.bytes)
    }
    const signature = attachments.get(ATTACHMENT_IDS.bep44)
    if (signature === undefined) throw unusable('it has no signature for BEP44, which only its signer can make')
    const item = { key, salt, sequence, encodedValue: encodeBencode(root.bytes), signature }
    if (!verifyItem(item)) throw unusable('its signature for BEP44 does not count')
    return item
  }
}

/** A root of a later format may have more; it is under the first. */
function keyOf({ signatures: [first] }: AnySignedRoot): Uint8Array {
  return first?.key ?? EMPTY_BYTES
}

function unusable(reason: string): CoppiceError {
  return new CoppiceError('USAGE', `bep44: expected a signed root that can be put, got one that cannot: ${reason}`)
}

/** From the author's item over those it leads to, until there are no more. */
class Walk {
  readonly #client: Bep44Client
  readonly #pointer: PointerName
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #places: readonly Place<Hop>[]
  readonly #visited = new Set<string>()
  readonly #shown: (Shown & { readonly sequence: bigint })[] = []
  #asked = 0
  #answered = 0

  constructor(client: Bep44Client, pointer: PointerName, clock: Clock, signal: AbortSignal) {
    this.#client = client
    this.#pointer = pointer
    this.#clock = clock
    this.#signal = signal
    this.#places = [placeOfAuthor(pointer.author)]
  }

  async run(): Promise<CarrierAnswer> {
    const until = this.#clock.now() + WALK_MS
    for (let [place] = this.#places; place !== undefined; [place] = this.#places) {
      const leads = await this.#visit(place)
      this.#places = nextPlaces([...leads, ...this.#places.slice(1)], this.#visited)
      if (this.#shown.length > 0 && this.#clock.now() >= until) break
    }
    const inOrder = this.#shown.toSorted((a, b) => (a.sequence < b.sequence ? 1 : a.sequence > b.sequence ? -1 : 0))
    const shown = inOrder.slice(0, SHOWN_MAX).map(({ record, copies }) => ({ record, copies }))
    return { shown, asked: this.#asked, answered: this.#answered }
  }

  /** Where it leads, the newest first. */
  async #visit(place: Place<Hop>): Promise<Place<Hop>[]> {
    this.#visited.add(bytesToMapKey(place.key))
    const { items, asked, answered } = await this.#client.get(place.key, saltOf(this.#pointer.name), this.#signal)
    this.#asked += asked
    this.#answered += answered
    const leads: Place<Hop>[] = []
    for (const found of items) {
      const value = itemValue(found.item)
      if (value === undefined) continue
      const root = this.#rootOf(value)
      if (root !== undefined) this.#show(place, root, found)
      else leads.push(...this.#follow(place, value, found.item))
    }
    return leads
  }

  /** Undefined where it is none of this database; who signed it is not looked at. */
  #rootOf(value: Uint8Array): AnySignedRoot | undefined {
    try {
      const root = decodeSignedRoot(value)
      const { author, name } = root.payload
      return equalBytes(author, this.#pointer.author) && name === this.#pointer.name ? root : undefined
    } catch (error) {
      if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
      throw error
    }
  }

  /** One under another number or key could not be put again with what its attachments say. */
  #show({ hops, authority }: Place<Hop>, root: AnySignedRoot, { item, copies }: FoundItem): void {
    if (item.sequence !== carrierSequence(root.payload) || !equalBytes(keyOf(root), item.key)) return
    const attachments = new Map<number, Uint8Array>([[ATTACHMENT_IDS.bep44, item.signature]])
    if (hops.length > 0) attachments.set(ATTACHMENT_IDS.bep44Hops, encodeHops(hops))
    if (authority.rotations.length > 0) attachments.set(ATTACHMENT_IDS.rotations, encodeRotations(authority))
    this.#shown.push({ record: { signedRoot: root.bytes, attachments }, copies, sequence: item.sequence })
  }

  #follow(place: Place<Hop>, statement: Uint8Array, { sequence, signature }: MutableItem): Place<Hop>[] {
    if (sequenceOfHop(statement) !== sequence) return []
    const next = followStatement(place, this.#pointer.name, statement, { statement, signature })
    return next === undefined ? [] : [next]
  }
}
