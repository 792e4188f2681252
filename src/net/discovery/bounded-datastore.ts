/**
 * What libp2p and its DHT remember, in memory and within bounds (THREATS rows 20, 21, 32). Their own store takes whatever
 * comes: a peer id costs nothing, and each may bring addresses and any number of provider records.
 *
 * Provider records (`/dht/provider/<key>/<peer>`) are bounded by key, by peer and by host, so that one machine cannot push
 * out what others say; values (`/dht/record/<key>`) by who put them; all else (`/peers/<peer>`) by age of use. A provider
 * record is given out only together with its peer, because the DHT's answer fails as a whole where one of its providers is unknown.
 */
import type { Libp2pInit } from 'libp2p'
import { base32 } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'

type Datastore = NonNullable<Libp2pInit['datastore']>
type Key = Parameters<Datastore['get']>[0]
type Query = Parameters<Datastore['query']>[0]
type KeyQuery = Parameters<Datastore['queryKeys']>[0]
type Pair = { readonly key: Key; readonly value: Uint8Array }

const PROVIDERS = '/dht/provider/'
const VALUES = '/dht/record/'
const PEERS = '/peers/'

export interface DatastoreLimits {
  readonly providersPerKeyMax: number
  /** Keys that one peer may provide. */
  readonly keysPerPeerMax: number
  /** Providers of one key at one host, and records of one host. */
  readonly providersPerHostMax: number
  readonly recordsPerHostMax: number
  /** Provider records in all. */
  readonly recordsMax: number
  /** Values, and those that one source put. */
  readonly valuesMax: number
  readonly valuesPerSourceMax: number
  /** Everything else. */
  readonly entriesMax: number
  readonly entryBytesMax: number
}

export const DATASTORE_LIMITS: DatastoreLimits = {
  providersPerKeyMax: 64,
  keysPerPeerMax: 256,
  providersPerHostMax: 8,
  recordsPerHostMax: 1024,
  recordsMax: 16_384,
  valuesMax: 1024,
  valuesPerSourceMax: 128,
  entriesMax: 4096,
  entryBytesMax: 16_384,
}

interface ProviderRecord extends Pair {
  readonly dhtKey: string
  readonly peer: string
  /** Undefined for our own, which nothing displaces, and on loopback. */
  readonly host: string | undefined
}

interface StoredValue extends Pair {
  /** Who put it first, undefined for our own. */
  readonly source: string | undefined
  /** Whether somebody else put it, too. */
  readonly isShared: boolean
}

export class BoundedDatastore {
  /** The host that a connected peer is at; undefined where hosts are not to be counted. */
  hostOf: (peer: string) => string | undefined = () => undefined
  /** On whose behalf something is being stored: a machine, or a peer of this one; undefined for ourselves. */
  currentSource: () => string | undefined = () => undefined
  readonly #self: string
  readonly #selfKey: string
  readonly #limits: DatastoreLimits
  /** By DHT key, then by peer, each in the order of arrival. */
  readonly #providers = new Map<string, Map<string, ProviderRecord>>()
  readonly #records = new Set<ProviderRecord>()
  readonly #keysOfPeer = new Map<string, Set<ProviderRecord>>()
  readonly #recordsOfHost = new Map<string, number>()
  /** Values, least recently put first. */
  readonly #values = new Map<string, StoredValue>()
  /** Everything else, least recently used first. */
  readonly #entries = new Map<string, Pair>()

  constructor(self: string, limits: Partial<DatastoreLimits> = {}) {
    this.#self = self
    this.#selfKey = peerKey(self)
    this.#limits = { ...DATASTORE_LIMITS, ...limits }
  }

  /** Provider records held. */
  get providerRecords(): number {
    return this.#records.size
  }

  /** Values held. */
  get values(): number {
    return this.#values.size
  }

  /** Other entries held. */
  get entries(): number {
    return this.#entries.size
  }

  put(key: Key, value: Uint8Array): Key {
    const text = key.toString()
    if (value.length > this.#limits.entryBytesMax) return key
    const provider = parseProvider(text)
    if (provider !== undefined) this.#putProvider({ key, value, ...provider, host: this.#hostOf(provider.peer) })
    else if (text.startsWith(VALUES)) this.#putValue(text, { key, value })
    else this.#putEntry(text, { key, value })
    return key
  }

  /** The DHT's record of a value that somebody else put here. */
  valueOfOthers(dhtKey: Uint8Array): Uint8Array | undefined {
    const held = this.#values.get(VALUES + base32.baseEncode(dhtKey))
    return held?.source === undefined ? undefined : held.value
  }

  get(key: Key): Uint8Array {
    const text = key.toString()
    const pair = this.#find(text)
    if (pair === undefined) throw notFound(text)
    if (this.#entries.delete(text)) this.#entries.set(text, pair)
    return pair.value
  }

  has(key: Key): boolean {
    return this.#find(key.toString()) !== undefined
  }

  delete(key: Key): void {
    const text = key.toString()
    const provider = parseProvider(text)
    if (this.#values.delete(text)) return
    if (provider === undefined) return this.#dropEntry(text)
    const record = this.#providers.get(provider.dhtKey)?.get(provider.peer)
    if (record !== undefined) this.#dropRecord(record)
  }

  *query(query: Query): Generator<Pair> {
    yield* this.#select(query)
  }

  *queryKeys(query: KeyQuery): Generator<Key> {
    for (const { key } of this.#select({ prefix: query.prefix ?? '' })) yield key
  }

  *putMany(pairs: Iterable<Pair>): Generator<Key> {
    for (const { key, value } of pairs) yield this.put(key, value)
  }

  *getMany(keys: Iterable<Key>): Generator<Pair> {
    for (const key of keys) yield { key, value: this.get(key) }
  }

  *deleteMany(keys: Iterable<Key>): Generator<Key> {
    for (const key of keys) {
      this.delete(key)
      yield key
    }
  }

  batch(): { put(key: Key, value: Uint8Array): void; delete(key: Key): void; commit(): void } {
    const work: (() => void)[] = []
    return {
      put: (key, value) => void work.push(() => this.put(key, value)),
      delete: (key) => void work.push(() => this.delete(key)),
      commit: () => work.splice(0).forEach((each) => each()),
    }
  }

  #find(text: string): Pair | undefined {
    const provider = parseProvider(text)
    if (provider === undefined) return this.#values.get(text) ?? this.#entries.get(text)
    return this.#providers.get(provider.dhtKey)?.get(provider.peer)
  }

  /** Copies, because what is read may be changed meanwhile. Providers of one key are found without looking at the rest. */
  #select({ prefix = '', filters = [], orders = [], offset = 0, limit = Infinity }: Query): Pair[] {
    let found: Pair[] = this.#candidates(prefix)
    for (const filter of filters) found = found.filter(filter)
    for (const order of orders) found.sort(order)
    return found.slice(offset, offset + limit)
  }

  #candidates(prefix: string): Pair[] {
    if (!prefix.startsWith(PROVIDERS.slice(0, -1))) {
      return [...this.#entries.values()].filter(({ key }) => key.toString().startsWith(prefix))
    }
    const dhtKey = prefix.slice(PROVIDERS.length).replace(/\/.*/, '')
    const records = dhtKey === '' ? this.#records : (this.#providers.get(dhtKey)?.values() ?? [])
    return [...records].filter(({ peer }) => peer === this.#self || this.#entries.has(peerKey(peer)))
  }

  #hostOf(peer: string): string | undefined {
    return peer === this.#self ? undefined : this.hostOf(peer)
  }

  #putProvider(record: ProviderRecord): void {
    const before = this.#providers.get(record.dhtKey)?.get(record.peer)
    if (before !== undefined) this.#dropRecord(before)
    this.#makeRoom(record)
    const ofKey = this.#providers.get(record.dhtKey) ?? new Map<string, ProviderRecord>()
    this.#providers.set(record.dhtKey, ofKey.set(record.peer, record))
    const ofPeer = this.#keysOfPeer.get(record.peer) ?? new Set<ProviderRecord>()
    this.#keysOfPeer.set(record.peer, ofPeer.add(record))
    if (record.host !== undefined) this.#recordsOfHost.set(record.host, (this.#recordsOfHost.get(record.host) ?? 0) + 1)
    this.#records.add(record)
  }

  /** What has too much gives way itself: a peer's own oldest key, a host's own oldest record. */
  #makeRoom({ dhtKey, peer, host }: ProviderRecord): void {
    const limits = this.#limits
    const ofKey = (): ProviderRecord[] => [...(this.#providers.get(dhtKey)?.values() ?? [])]
    if (host !== undefined) {
      const ofHost = ofKey().filter((each) => each.host === host)
      if (ofHost.length >= limits.providersPerHostMax) this.#dropOldest(ofHost)
      if ((this.#recordsOfHost.get(host) ?? 0) >= limits.recordsPerHostMax) {
        this.#dropOldest([...this.#records].filter((each) => each.host === host))
      }
    }
    if (peer !== this.#self && (this.#keysOfPeer.get(peer)?.size ?? 0) >= limits.keysPerPeerMax) {
      this.#dropOldest(this.#keysOfPeer.get(peer) ?? [])
    }
    if (ofKey().length >= limits.providersPerKeyMax) this.#dropOldest(ofKey())
    if (this.#records.size >= limits.recordsMax) this.#dropOldest(this.#records)
  }

  #dropOldest(records: Iterable<ProviderRecord>): void {
    for (const record of records) {
      if (record.peer !== this.#self) return this.#dropRecord(record)
    }
  }

  #dropRecord(record: ProviderRecord): void {
    const { dhtKey, peer, host } = record
    this.#records.delete(record)
    const ofKey = this.#providers.get(dhtKey)
    ofKey?.delete(peer)
    if (ofKey?.size === 0) this.#providers.delete(dhtKey)
    const ofPeer = this.#keysOfPeer.get(peer)
    ofPeer?.delete(record)
    if (ofPeer?.size === 0) this.#keysOfPeer.delete(peer)
    if (host === undefined) return
    const left = (this.#recordsOfHost.get(host) ?? 1) - 1
    if (left === 0) this.#recordsOfHost.delete(host)
    else this.#recordsOfHost.set(host, left)
  }

  /**
   * As with providers, who has too much gives way himself. A value stays that of who put it first: by putting it again nobody gets it
   * among his own, to push it out with them. Nor by being the first: what others put, too, is pushed out last.
   */
  #putValue(text: string, pair: Pair): void {
    const { valuesMax, valuesPerSourceMax } = this.#limits
    const before = this.#values.get(text)
    const current = this.currentSource()
    const source = before === undefined ? current : before.source
    const isShared = before !== undefined && (before.isShared || current !== source)
    this.#values.delete(text)
    const ofSource = source === undefined ? [] : [...this.#values].filter(([, held]) => held.source === source)
    const [oldest] = ofSource.find(([, held]) => !held.isShared) ?? ofSource[0] ?? ['']
    if (ofSource.length >= valuesPerSourceMax) this.#values.delete(oldest)
    else if (this.#values.size >= valuesMax) this.#values.delete(this.#values.keys().next().value ?? '')
    this.#values.set(text, { ...pair, source, isShared })
  }

  #putEntry(text: string, pair: Pair): void {
    this.#entries.delete(text)
    this.#entries.set(text, pair)
    if (this.#entries.size <= this.#limits.entriesMax) return
    for (const oldest of this.#entries.keys()) {
      // What others ask us about ourselves.
      if (oldest !== this.#selfKey) return this.#dropEntry(oldest)
    }
  }

  /** A provider that is forgotten provides nothing. */
  #dropEntry(text: string): void {
    if (!this.#entries.delete(text) || !text.startsWith(PEERS)) return
    for (const record of this.#keysOfPeer.get(peerOf(text)) ?? []) {
      if (record.peer !== this.#self) this.#dropRecord(record)
    }
  }
}

function parseProvider(text: string): { readonly dhtKey: string; readonly peer: string } | undefined {
  if (!text.startsWith(PROVIDERS)) return undefined
  const [dhtKey = '', peer = '', ...rest] = text.slice(PROVIDERS.length).split('/')
  return dhtKey === '' || peer === '' || rest.length > 0 ? undefined : { dhtKey, peer }
}

/** Where a peer's entry stands: its id as a CID of the codec libp2p-key, in base32. */
function peerKey(peer: string): string {
  const digest = base58btc.baseDecode(peer)
  return `${PEERS}${base32.encode(Uint8Array.of(1, LIBP2P_KEY, ...digest))}`
}

function peerOf(text: string): string {
  return base58btc.baseEncode(CID.parse(text.slice(PEERS.length), base32).multihash.bytes)
}

const LIBP2P_KEY = 0x72

/** libp2p knows it by its name. */
function notFound(what: string): Error {
  return Object.assign(new Error(`${what}: not found`), { name: 'NotFoundError' })
}
