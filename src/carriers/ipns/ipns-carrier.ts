/**
 * IPNS records as a carrier of signed roots (record.md, 7): `/ipns/<author>` in whatever DHT keeps IPNS records. The record is
 * found under the key that signs the roots; where that is not the author's, the author's record leads there.
 */
import { bytesToMapKey, EMPTY_BYTES, equalBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import {
  type AnySignedRoot,
  comparePositions,
  decodeSignedRoot,
  encodeRotations,
  type Position,
  type Signer,
} from '../../pointer/index.ts'
import { ATTACHMENT_IDS } from '../attachments.ts'
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
import { LOOKUP_MS, lookUpValues, putValue, type ValueAsking, type ValuesPut } from '../value-lookup.ts'
import type { ValueNetwork } from '../value-network.ts'
import { decodeIpnsHops, encodeIpnsHops, keyOf, rootOfEntry, walkHops } from './hops.ts'
import { joinEntries, signNextRecord } from './next-record.ts'
import { type IpnsRecord, ipnsKey, openIpnsRecord } from './record.ts'

export interface IpnsCarrierOptions extends Omit<ValueAsking, 'name'> {
  /** Where it shares a DHT with another carrier, the source of that one: they are one for a quorum. */
  readonly source?: string | undefined
  /** Each signs records for the roots that it signed; others are put with the records that come with them. */
  readonly signers?: readonly Signer[] | undefined
}

/** Nodes forget after two days, and come and go. */
const KEEPS_MS: number = 24 * 60 * 60 * 1000
/** How often a record is made anew because another machine of the same key wrote one meanwhile. */
const TRIES_MAX = 4
const REFUSALS_MAX = 4
const NO_WAY = "nothing at its author's key leads to it: the record of its grant or rotation is not there"
const WAY_IS_OVER =
  'the record that leads to it is over; where the author key is, coppice key grant or rotate makes it anew'

export function ipnsCarrier(values: ValueNetwork, options: IpnsCarrierOptions): Carrier {
  return new IpnsCarrier(values, options)
}

/** A record that is validly signed by the key it was found under, and the members that showed it. */
interface Found {
  readonly bytes: Uint8Array
  readonly record: IpnsRecord
  readonly copies: number
}

interface Lookup {
  readonly asked: number
  readonly answered: number
  readonly found: readonly Found[]
}

class IpnsCarrier implements Carrier {
  readonly name = 'ipns'
  readonly source: string
  readonly keepsMs: number = KEEPS_MS
  readonly #values: ValueNetwork
  readonly #signers: readonly Signer[]
  readonly #asking: ValueAsking

  constructor(values: ValueNetwork, { signers = [], source = 'ipns', ...asking }: IpnsCarrierOptions) {
    this.source = source
    this.#values = values
    this.#signers = signers
    this.#asking = { ...asking, name: 'ipns' }
  }

  async get(pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer> {
    // An offline key leads to another: silent members hold up two lookups no longer than a reader waits.
    const lookupMs = (this.#asking.lookupMs ?? LOOKUP_MS) / 2
    return await new Walk((key) => this.#lookUp(key, signal, lookupMs), pointer, this.#asking.clock).run()
  }

  async put(pointer: PointerName, given: PointerRecord, signal: AbortSignal): Promise<CarrierReceipt> {
    signal.throwIfAborted()
    const root = decodeSignedRoot(given.signedRoot)
    const hops = hopsOf(pointer, root, given)
    const attachments = new Map<number, Uint8Array>()
    const hopBytes = given.attachments.get(ATTACHMENT_IDS.ipnsHops)
    if (hopBytes !== undefined) attachments.set(ATTACHMENT_IDS.ipnsHops, hopBytes)
    const now = this.#asking.clock.now()
    for (const { key, bytes, record } of hops) {
      // Nobody takes one that is over.
      if (record.validUntil > now) await this.#putRecord(key, bytes, signal)
    }
    const signer = this.#signers.find(({ publicKey }) => equalBytes(publicKey, keyOf(root)))
    const written =
      signer === undefined
        ? await this.#putAgain(pointer, root, given, signal)
        : await this.#write(signer, pointer, root, signal)
    if (written.bytes !== undefined) attachments.set(ATTACHMENT_IDS.ipns, written.bytes)
    if (equalBytes(keyOf(root), pointer.author)) return { ...written.receipt, attachments }
    return { ...(await this.#seenByReaders(pointer, root, written.receipt, hops, signal)), attachments }
  }

  async close(): Promise<void> {}

  /** What readers find, who begin at the author's key. */
  async #seenByReaders(
    pointer: PointerName,
    root: AnySignedRoot,
    receipt: CarrierReceipt,
    hops: readonly HopRecord[],
    signal: AbortSignal,
  ): Promise<CarrierReceipt> {
    const { shown } = await this.get(pointer, signal)
    const seen = shown.find(({ record }) => equalBytes(record.signedRoot, root.bytes))?.copies ?? 0
    if (seen > 0 || receipt.stored === 0) return { ...receipt, seen }
    const isOver = hops.some(({ record }) => record.validUntil <= this.#asking.clock.now())
    return { ...receipt, seen, refusals: [isOver ? WAY_IS_OVER : NO_WAY, ...receipt.refusals].slice(0, REFUSALS_MAX) }
  }

  /** With the record that came with the root. */
  async #putAgain(
    pointer: PointerName,
    root: AnySignedRoot,
    { attachments }: PointerRecord,
    signal: AbortSignal,
  ): Promise<Written> {
    const bytes = attachments.get(ATTACHMENT_IDS.ipns)
    const entry = bytes && openIpnsRecord(keyOf(root), bytes)?.entries.get(pointer.name)
    if (bytes === undefined) throw unusable('it has no IPNS record, which only its signer can make')
    if (entry === undefined || !equalBytes(entry, root.bytes)) throw unusable('its IPNS record is none of it')
    const put = await this.#putRecord(keyOf(root), bytes, signal)
    const { found } = await this.#lookUp(keyOf(root), signal)
    return { bytes, receipt: receiptOf(pointer, root, put, found) }
  }

  /**
   * Reads before it writes, so that the other databases of the key stay; and after, until the newest record that is shown has what every
   * machine wrote.
   */
  async #write(signer: Signer, pointer: PointerName, root: AnySignedRoot, signal: AbortSignal): Promise<Written> {
    const key = signer.publicKey
    let { found } = await this.#lookUp(key, signal)
    let put: ValuesPut = { asked: 0, stored: 0, refusals: [] }
    let bytes: Uint8Array | undefined
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const records = found.map(({ record }) => record)
      const obstacle = findObstacle(pointer, root, records)
      if (obstacle !== undefined) {
        put = { ...put, refusals: [obstacle] }
        break
      }
      bytes = wholeRecord(pointer, root, found, this.#asking.clock.now())
      bytes ??= await signNextRecord(signer, records, {
        name: pointer.name,
        entry: root.bytes,
        now: this.#asking.clock.now(),
      })
      put = await this.#putRecord(key, bytes, signal)
      found = (await this.#lookUp(key, signal)).found
      if (wholeRecord(pointer, root, found, this.#asking.clock.now()) !== undefined) break
    }
    return { bytes, receipt: receiptOf(pointer, root, put, found) }
  }

  async #putRecord(key: Uint8Array, bytes: Uint8Array, signal: AbortSignal): Promise<ValuesPut> {
    return await putValue(this.#values, ipnsKey(key), bytes, this.#asking, signal)
  }

  async #lookUp(key: Uint8Array, signal: AbortSignal, lookupMs = this.#asking.lookupMs): Promise<Lookup> {
    const asking = { ...this.#asking, lookupMs }
    const { asked, answered, values } = await lookUpValues(this.#values, ipnsKey(key), asking, signal)
    const found = values.flatMap(({ value, members }) => {
      const record = openIpnsRecord(key, value)
      return record === undefined ? [] : [{ bytes: value, record, copies: members.size }]
    })
    return { asked, answered, found }
  }
}

interface Written {
  /** The record that has the root now; undefined where a newer root stands there. */
  readonly bytes: Uint8Array | undefined
  readonly receipt: CarrierReceipt
}

/** The newest record shown, where it has this root and everything that the others have, and is good for a while. */
function wholeRecord(
  { name }: PointerName,
  root: AnySignedRoot,
  found: readonly Found[],
  now: number,
): Uint8Array | undefined {
  const [newest] = found.toSorted(
    (a, b) => b.record.sequence - a.record.sequence || b.record.validUntil - a.record.validUntil,
  )
  if (newest === undefined || newest.record.validUntil <= now + KEEPS_MS) return undefined
  const joined = joinEntries(found.map(({ record }) => record)).set(name, root.bytes)
  const { entries } = newest.record
  const isWhole = [...joined].every(([each, entry]) => equalBytes(entries.get(each) ?? EMPTY_BYTES, entry))
  return isWhole ? newest.bytes : undefined
}

/** Why the root must not be written over what its key's records have under its name. */
function findObstacle(
  { author, name }: PointerName,
  root: AnySignedRoot,
  records: readonly IpnsRecord[],
): string | undefined {
  for (const { payload, link } of records.flatMap((record) => rootIn(record, name) ?? [])) {
    // Whoever follows that one would find this one in its place.
    if (!equalBytes(payload.author, author)) throw unusable(`its key signs another author's ${name}, too`)
    const order = comparePositions(payload, root.payload)
    if (order > 0) return `a newer root stands there, sequence ${payload.sequence}`
    if (order === 0 && !equalBytes(link, root.link)) return `another root of sequence ${payload.sequence} stands there`
  }
  return undefined
}

function rootIn({ entries }: IpnsRecord, name: string): AnySignedRoot | undefined {
  const entry = entries.get(name)
  try {
    return entry && decodeSignedRoot(entry)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}

function receiptOf(pointer: PointerName, root: AnySignedRoot, put: ValuesPut, found: readonly Found[]): CarrierReceipt {
  const count = (which: (entry: Found) => boolean): number =>
    found.filter(which).reduce((sum, { copies }) => sum + copies, 0)
  const hasNewer = ({ record }: Found): boolean => {
    const other = rootIn(record, pointer.name)
    return other !== undefined && comparePositions(other.payload, root.payload) > 0
  }
  return {
    stored: put.stored,
    newer: count(hasNewer),
    seen: count(({ record }) => equalBytes(record.entries.get(pointer.name) ?? EMPTY_BYTES, root.bytes)),
    refusals: put.refusals.slice(0, REFUSALS_MAX),
  }
}

interface HopRecord {
  readonly key: Uint8Array
  readonly bytes: Uint8Array
  readonly record: IpnsRecord
}

/** The records that lead from the author to the signer, each with its key. */
function hopsOf(pointer: PointerName, root: AnySignedRoot, { attachments }: PointerRecord): readonly HopRecord[] {
  const bytes = attachments.get(ATTACHMENT_IDS.ipnsHops)
  if (bytes === undefined) return []
  const hops = decodeIpnsHops(bytes)
  const places = walkHops(pointer, hops)
  if (places === undefined || !equalBytes(places.at(-1)?.key ?? EMPTY_BYTES, keyOf(root))) {
    throw unusable('the IPNS records beside it do not lead from its author to its signer')
  }
  return places.flatMap(({ key }, i) => {
    const hop = hops[i]
    const record = hop && openIpnsRecord(key, hop)
    return hop === undefined || record === undefined ? [] : [{ key, bytes: hop, record }]
  })
}

function unusable(reason: string): CoppiceError {
  return new CoppiceError('USAGE', `ipns: expected a signed root that can be put, got one that cannot: ${reason}`)
}

/** From the author's record over those it leads to, until there are no more. */
class Walk {
  readonly #lookUp: (key: Uint8Array) => Promise<Lookup>
  readonly #pointer: PointerName
  readonly #clock: Clock
  #places: readonly Place<Uint8Array>[]
  readonly #visited = new Set<string>()
  /** By signed root, with the sequence of the record that it is shown in. */
  readonly #shown = new Map<string, Shown & { readonly at: Position; readonly sequence: number }>()
  #asked = 0
  #answered = 0

  constructor(lookUp: (key: Uint8Array) => Promise<Lookup>, pointer: PointerName, clock: Clock) {
    this.#lookUp = lookUp
    this.#pointer = pointer
    this.#clock = clock
    this.#places = [placeOfAuthor(pointer.author)]
  }

  async run(): Promise<CarrierAnswer> {
    const until = this.#clock.now() + WALK_MS
    for (let [place] = this.#places; place !== undefined; [place] = this.#places) {
      const leads = await this.#visit(place)
      this.#places = nextPlaces([...leads, ...this.#places.slice(1)], this.#visited)
      if (this.#shown.size > 0 && this.#clock.now() >= until) break
    }
    const inOrder = [...this.#shown.values()].sort((a, b) => comparePositions(b.at, a.at) || b.copies - a.copies)
    const shown = inOrder.slice(0, SHOWN_MAX).map(({ record, copies }) => ({ record, copies }))
    return { shown, asked: this.#asked, answered: this.#answered }
  }

  /** Where it leads, the newest first. */
  async #visit(place: Place<Uint8Array>): Promise<Place<Uint8Array>[]> {
    this.#visited.add(bytesToMapKey(place.key))
    const { found, asked, answered } = await this.#lookUp(place.key)
    this.#asked += asked
    this.#answered += answered
    const leads: (Place<Uint8Array> | undefined)[] = []
    for (const each of found.toSorted((a, b) => b.record.sequence - a.record.sequence)) {
      const entry = each.record.entries.get(this.#pointer.name)
      if (entry === undefined) continue
      const root = rootOfEntry(this.#pointer, place.key, entry)
      if (root !== undefined) this.#show(place, root, each)
      else leads.push(followStatement(place, this.#pointer.name, entry, each.bytes))
    }
    return leads.filter((lead) => lead !== undefined)
  }

  /** One root may stand in several records of its key: the newest of them is the one to put again. */
  #show(
    { hops, authority }: Place<Uint8Array>,
    root: AnySignedRoot,
    { bytes, record: { sequence }, copies }: Found,
  ): void {
    const name = bytesToMapKey(root.bytes)
    const before = this.#shown.get(name)
    if (before !== undefined && before.sequence >= sequence) {
      this.#shown.set(name, { ...before, copies: before.copies + copies })
      return
    }
    const attachments = new Map<number, Uint8Array>([[ATTACHMENT_IDS.ipns, bytes]])
    const hopBytes = hops.length === 0 ? undefined : encodeIpnsHops(hops)
    if (hopBytes !== undefined) attachments.set(ATTACHMENT_IDS.ipnsHops, hopBytes)
    if (authority.rotations.length > 0) attachments.set(ATTACHMENT_IDS.rotations, encodeRotations(authority))
    const record = { signedRoot: root.bytes, attachments }
    this.#shown.set(name, { record, copies: copies + (before?.copies ?? 0), at: root.payload, sequence })
  }
}
