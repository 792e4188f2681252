/** Peers that are found, in one process: a map of who is where, and a network of each replica that notes what it dials. */
import { type Database, type Dialing, type Finding, providerOptions, Replica } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import {
  type Channel,
  type ChannelHandler,
  createMemoryDialer,
  type PeerDialer,
  ProviderSet,
} from '../../src/sync/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { seededRandom } from './seeded-random.ts'
import { passing } from './passing-channel.ts'

const { clock } = surroundings

/** An address as they are found: numeric, with a peer id. */
export function address(n: number): string {
  return `/ip4/8.8.${n >> 8}.${n & 255}/tcp/4001/p2p/12D3KooW${n}`
}

/** Who is where. */
export type Peers = Map<string, ChannelHandler>

/** Serves a database, with peer exchange: the network vouches for whatever a peer says. */
export function serving(database: Database | Replica): ChannelHandler {
  const vouch = (_peer: string, addresses: readonly string[]): { address: string; host: undefined }[] =>
    addresses.map((each) => ({ address: each, host: undefined }))
  const set = new ProviderSet({ clock, exchange: { vouch, random: seededRandom(3) } })
  set.add(providerOptions(database.state))
  return set.handle
}

export interface FindingOptions {
  /** What discovery finds; without, there is none. */
  readonly discovered?: readonly string[] | undefined
  /** Where the replica itself serves. */
  readonly servedAt?: readonly string[]
  /** Whether what a peer names may be dialled; all of it, without. */
  readonly judge?: (address: string) => boolean
}

export class FindingNetwork implements Dialing {
  readonly dialled: string[] = []
  readonly finding: Finding
  readonly #peers: Peers
  readonly #name: string

  /** `name`: as others see this side. */
  constructor(peers: Peers, name: string, options: FindingOptions = {}) {
    const { discovered, servedAt = [], judge = (): boolean => true } = options
    this.#peers = peers
    this.#name = name
    this.finding = {
      isDiscovering: discovered !== undefined,
      servedAt: () => servedAt,
      judge: (_teller, addresses) => Promise.resolve(addresses.filter(judge)),
      async *find(_database, signal) {
        for (const each of discovered ?? []) {
          await Promise.resolve()
          if (signal.aborted) return
          yield each
        }
      },
    }
  }

  dialer(name: string): PeerDialer {
    this.dialled.push(name)
    const open = async (signal: AbortSignal): Promise<Channel> => {
      const handler = this.#peers.get(name)
      if (handler === undefined) throw new CoppiceError('PEER_UNREACHABLE', `peer ${name}: nobody is there`)
      return await createMemoryDialer(name, handler, { from: this.#name }).open(signal)
    }
    return { name, open }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** A replica over `store`, a new one where that is empty, which was told of `named`. */
export async function openReplica(
  of: Pick<Database, 'author' | 'name'>,
  network: FindingNetwork,
  named: readonly string[],
  store: MemoryStore = new MemoryStore(),
): Promise<Replica> {
  if (store.getMeta('author') === undefined) {
    await store.write({ meta: Replica.initialMeta(of.author, of.name, named) })
  }
  return await Replica.load(store, { clock, random: seededRandom(2), isWritable: true, network })
}

/** Sends what is larger than a welcome only when `gate` is open, and tells that it was sent. */
export function gated(handler: ChannelHandler, gate: Promise<unknown>, sent: () => void = () => {}): ChannelHandler {
  return (channel) =>
    handler(
      passing(channel, {
        send: async (frame) => {
          const isLarge = frame.length > 1024
          if (isLarge) await gate
          await channel.send(frame)
          if (isLarge) sent()
        },
      }),
    )
}
