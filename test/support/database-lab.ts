/** Databases and replicas in one process: memory stores, channels in memory, and one clock, real or virtual. */
import type { Clock } from '../../src/clock.ts'
import { bytesToHex } from '../../src/bytes.ts'
import {
  type Carriers,
  Database,
  type Dialing,
  providerOptions,
  Replica,
  type WindowOptions,
} from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import { createSigner, type Signer } from '../../src/pointer/index.ts'
import { sha256 } from '../../src/sha256.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Store, WriteBatch } from '../../src/store/interface.ts'
import {
  type Channel,
  type ChannelHandler,
  createMemoryDialer,
  type PeerDialer,
  ProviderSet,
  type PullReport,
} from '../../src/sync/index.ts'
import { seededRandom } from './seeded-random.ts'
import { surroundings } from '../../src/surroundings.ts'

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes)

interface OpenOptions {
  readonly label?: string
  readonly clock?: Clock
  readonly isWritable?: boolean
  readonly network?: Dialing
  readonly carriers?: Carriers
  /** Instead of the key of `label`. */
  readonly signers?: readonly Signer[]
}

/** A new database over `store`, as directories have one, with a key of its own from `label`. */
export async function createDatabase(
  options: OpenOptions & { readonly name?: string; readonly store?: Store } = {},
): Promise<Database> {
  const { label = 'author', name = 'cities', store = new MemoryStore() } = options
  const signer = signerOf(label)
  await store.write({ meta: await Database.initialMeta(store, signer.publicKey, name) })
  return await openDatabase(store, options)
}

/** Another handle on a store that holds a database. */
export function openDatabase(store: Store, options: OpenOptions = {}): Promise<Database> {
  const { label = 'author', ...given } = options
  const defaults = { clock: surroundings.clock, random: seededRandom(1), isWritable: true }
  return Database.load(store, { ...defaults, signers: [signerOf(label)], ...given })
}

export function signerOf(label: string): Signer {
  return createSigner(new Uint8Array(sha256(utf8(label))))
}

/** Peers by address; the ones that replicas of the lab can dial. */
export class DatabaseLab {
  readonly clock: Clock
  readonly #peers = new Map<string, ChannelHandler>()
  readonly #channels = new Map<string, Set<Channel>>()

  constructor(clock: Clock = surroundings.clock) {
    this.clock = clock
  }

  /** Serves `database` honestly at `address`, from now on. */
  serve(address: string, database: Database | Replica, onTell?: (signedRoot: Uint8Array) => void): void {
    this.handle(address, this.handlerOf(database, {}, onTell))
  }

  handlerOf(
    database: Database | Replica,
    window: WindowOptions = {},
    onTell?: (signedRoot: Uint8Array) => void,
  ): ChannelHandler {
    const set = new ProviderSet({ clock: this.clock })
    set.add({ ...providerOptions(database.state, { window }), ...(onTell === undefined ? {} : { onTell }) })
    return set.handle
  }

  /** Whoever dials `address` gets this. */
  handle(address: string, handler: ChannelHandler): void {
    this.#peers.set(address, handler)
  }

  /** The peer is gone: channels are lost, dialing fails. */
  stop(address: string): void {
    this.#peers.delete(address)
    for (const channel of this.#channels.get(address) ?? []) channel.abort(new Error('the peer stopped'))
    this.#channels.delete(address)
  }

  async replica(
    of: Pick<Database, 'author' | 'name'>,
    addresses: readonly string[],
    store: Store = new MemoryStore(),
  ): Promise<Replica> {
    await store.write({ meta: Replica.initialMeta(of.author, of.name, addresses) })
    return await this.openReplica(store)
  }

  openReplica(store: Store): Promise<Replica> {
    const { clock, network } = this
    return Replica.load(store, { clock, random: seededRandom(2), isWritable: true, network })
  }

  /** The peers of the lab, as replicas and databases dial them. */
  get network(): Dialing {
    return { dialer: (address) => this.#dialer(address), close: () => Promise.resolve() }
  }

  #dialer(address: string): PeerDialer {
    return {
      name: address,
      open: async (signal) => {
        const handler = this.#peers.get(address)
        if (handler === undefined) throw new CoppiceError('PEER_UNREACHABLE', `peer ${address}: nobody is there`)
        const served: ChannelHandler = async (channel) => {
          const channels = this.#channels.get(address) ?? new Set()
          this.#channels.set(address, channels)
          channels.add(channel)
          try {
            await handler(channel)
          } finally {
            channels.delete(channel)
          }
        }
        return await createMemoryDialer(address, served, { from: 'puller' }).open(signal)
      },
    }
  }
}

/** A memory store that counts what is written, and can be told to fail or to lose what it is asked for. */
export class WatchedStore extends MemoryStore {
  readonly blocksWritten: string[] = []
  writes: number = 0
  /** This write, counted from 0, and all later ones fail. */
  failsAtWrite: number = Number.POSITIVE_INFINITY
  /** Blocks that are gone, or other bytes than they should be, by link in hexadecimal digits. */
  readonly damage: Map<string, Uint8Array | undefined> = new Map()

  override async write(batch: WriteBatch): Promise<void> {
    if (this.writes++ >= this.failsAtWrite) throw new CoppiceError('STORE_IO', 'store: the disk is gone')
    await super.write(batch)
    for (const { link } of batch.blocks ?? []) this.blocksWritten.push(bytesToHex(link))
  }

  override get(link: Uint8Array): Uint8Array | undefined {
    const key = bytesToHex(link)
    return this.damage.has(key) ? this.damage.get(key) : super.get(link)
  }
}

export function outcomesOf({ peers }: Pick<PullReport, 'peers'>): Record<string, string> {
  return Object.fromEntries(peers.map(({ name, outcome }) => [name, outcome]))
}

/** What `action` rejects with, whatever that is; fails where it does not. */
export async function thrownBy(action: Promise<unknown>): Promise<unknown> {
  const outcome = await action.then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  if (outcome === undefined) throw new Error('expected a rejection')
  return outcome.error
}

/** The coded error that `action` rejects with. */
export async function failureOf(action: Promise<unknown>): Promise<CoppiceError> {
  const error = await thrownBy(action)
  if (error instanceof CoppiceError) return error
  throw error
}

export async function collect<T>(source: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}
