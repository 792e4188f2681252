/** Many replicas that clone one tree at once, each serving what it has, in virtual time over lines of limited rate. */
import type { Block } from '../../src/link.ts'
import type { WriteBatch } from '../../src/store/interface.ts'
import {
  type Channel,
  type ChannelHandler,
  createMemoryDialer,
  fetchTree,
  type FetchOptions,
  openSessions,
  type PeerDialer,
  ProviderSet,
  type PullReport,
  type Session,
  type Vouch,
} from '../../src/sync/index.ts'
import { type FindingNetwork, PeerFinder } from '../../src/db/finding/peer-finder.ts'
import { Random } from './random.ts'
import { AUTHOR, CountingStore, NAME, type Published } from './sync-lab.ts'
import { Line, overLine } from './sync-lines.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Keeps the author's own bytes for those that arrive, so that fifty replicas fit into memory. */
class SharingStore extends CountingStore {
  readonly #source: Published

  constructor(source: Published) {
    super()
    this.#source = source
  }

  override write(batch: WriteBatch): Promise<void> {
    const share = ({ link, bytes }: Block): Block => {
      const known = this.#source.store.get(link)
      return { link, bytes: known !== undefined && Buffer.from(known).equals(bytes) ? known : bytes }
    }
    return super.write({ ...batch, blocks: (batch.blocks ?? []).map(share) })
  }
}

export interface SwarmOptions {
  readonly replicas: number
  /** Of the author's line, and of each replica's. */
  readonly authorBytesPerSecond: number
  readonly replicaBytesPerSecond: number
  readonly seed: number
  readonly latencyMs?: number
  /** The replicas share one machine: whatever one sends passes this line first, each frame as if it had `FRAME_BYTES` more. */
  readonly machineBytesPerSecond?: number
  /** They are told of each other, and cannot connect. */
  readonly isSplit?: boolean
}

/** What a frame costs whoever sends and receives it, in bytes that could have been sent instead: some 0.2 ms. */
const FRAME_BYTES: number = 4 * 1024

interface Replica {
  readonly name: string
  readonly store: SharingStore
  readonly line: Line
  readonly handler: ChannelHandler
}

export class Swarm {
  readonly clock: VirtualClock
  readonly author: Line
  readonly #source: Published
  readonly #random: Random
  readonly #authorHandler: ChannelHandler
  readonly #replicas: readonly Replica[]
  readonly #machine: Machine | undefined
  readonly #isSplit: boolean

  constructor(clock: VirtualClock, source: Published, options: SwarmOptions) {
    this.clock = clock
    this.#source = source
    this.#random = new Random(options.seed)
    this.author = new Line(clock, options.authorBytesPerSecond, options.latencyMs)
    this.#authorHandler = this.#serve(source.store)
    const { machineBytesPerSecond: shared, isSplit = false } = options
    this.#isSplit = isSplit
    this.#machine = shared === undefined ? undefined : new Machine(clock, shared)
    this.#replicas = Array.from({ length: options.replicas }, (_, i): Replica => {
      const store = new SharingStore(source)
      const line = new Line(clock, options.replicaBytesPerSecond, options.latencyMs)
      return { name: `replica-${i}`, store, line, handler: this.#serve(store) }
    })
  }

  /** Whoever has the root's record has all. */
  #serve(store: CountingStore): ChannelHandler {
    const set = new ProviderSet({ clock: this.clock, exchange: { vouch, random: () => this.#fraction() } })
    const { root } = this.#source.target
    set.add({
      author: AUTHOR,
      name: NAME,
      store,
      newest: () => ({ ...this.#source.newest, isPartial: store.getComplete(root) === undefined }),
      changed: (signal) => this.clock.sleep(1e12, signal),
    })
    return set.handle
  }

  /** Clones all at once. Gives the reports, and when each was done, in ms. */
  async run(): Promise<{ readonly reports: readonly PullReport[]; readonly doneMs: readonly number[] }> {
    const began = this.clock.now()
    const doneMs: number[] = []
    const clones = this.#replicas.map(async (replica) => {
      const report = await this.#clone(replica)
      doneMs.push(this.clock.now() - began)
      return report
    })
    return { reports: await this.clock.run(Promise.all(clones)), doneMs }
  }

  stores(): readonly CountingStore[] {
    return this.#replicas.map(({ store }) => store)
  }

  async #clone(replica: Replica): Promise<PullReport> {
    const { clock } = this
    const random = new Random(this.#random.below(2 ** 31))
    const hello = { author: AUTHOR, name: NAME, have: null }
    const dialer = this.#dialerOver(replica, { name: 'author', handler: this.#authorHandler, line: this.author })
    const { sessions, failed } = await openSessions([dialer], hello, { clock })
    const all = [...sessions]
    const joined = new Set<(session: Session) => void>()
    const over = new AbortController()
    const finder = new PeerFinder(this.#networkOf(replica), hello, [], { clock })
    const onSession = (session: Session): void => {
      all.push(session)
      for (const join of joined) join(session)
    }
    const exchange = finder.exchange(() => all.filter(({ isOpen }) => isOpen), onSession, over.signal)
    const options: FetchOptions = {
      clock,
      isShared: true,
      joining: (join) => {
        for (const session of all) if (!sessions.includes(session)) join(session)
        joined.add(join)
        return () => void joined.delete(join)
      },
      random: () => random.below(2 ** 30) / 2 ** 30,
      format: this.#source.format,
      base: null,
      absent: failed,
      holds: ({ status }) => status === 'newest',
    }
    // What is done goes on being served: the sessions of others are theirs.
    const report = await fetchTree(this.#source.target, sessions, replica.store, options)
    over.abort(new Error('the clone is over'))
    await exchange
    await finder.settled()
    await Promise.all(all.map((session) => session.close()))
    return report
  }

  /** Replicas find each other as they do in earnest: each says where it serves, and is told of others. */
  #networkOf(replica: Replica): FindingNetwork {
    const find = async function* (): AsyncGenerator<string, void, undefined> {}
    const dialer = (name: string): Promise<PeerDialer> => {
      const other = this.#replicas.find((each) => each.name === name)
      if (other === undefined || this.#isSplit) return Promise.reject(new Error(`nobody is at ${name}`))
      return Promise.resolve(this.#dialerOver(replica, other))
    }
    return {
      network: { dialer },
      finding: {
        isDiscovering: false,
        find,
        servedAt: () => [replica.name],
        judge: (_, named) => Promise.resolve(named.filter((name) => name !== replica.name)),
      },
    }
  }

  #dialerOver(
    { name: from }: Replica,
    { name, handler, line }: Pick<Replica, 'name' | 'handler' | 'line'>,
  ): PeerDialer {
    const machine = name === 'author' ? undefined : this.#machine
    const serve = (channel: Channel): Promise<void> => {
      const away = overLine(channel, line)
      return handler(machine === undefined ? away : through(away, machine))
    }
    return createMemoryDialer(name, serve, { from })
  }

  #fraction(): number {
    return this.#random.below(2 ** 30) / 2 ** 30
  }
}

const vouch: Vouch = (_, addresses) => addresses.map((address) => ({ address, host: undefined }))

/** Does one thing after the other. */
class Machine {
  readonly #clock: VirtualClock
  readonly #bytesPerMs: number
  #freeAt = 0

  constructor(clock: VirtualClock, bytesPerSecond: number) {
    this.#clock = clock
    this.#bytesPerMs = bytesPerSecond / 1000
  }

  async work(bytes: number): Promise<void> {
    const now = this.#clock.now()
    this.#freeAt = Math.max(now, this.#freeAt) + bytes / this.#bytesPerMs
    await this.#clock.sleep(this.#freeAt - now)
  }
}

/** What is sent takes its turn at `machine` first. */
function through(channel: Channel, machine: Machine): Channel {
  return Object.assign(Object.create(channel) as Channel, {
    send: async (frame: Uint8Array) => {
      await machine.work(frame.length + FRAME_BYTES)
      await channel.send(frame)
    },
  })
}
