/** Many replicas that clone one tree at once, each serving what it has, in virtual time over lines of limited rate. */
import type { Block } from '../../src/link.ts'
import type { WriteBatch } from '../../src/store/interface.ts'
import {
  type ChannelHandler,
  createMemoryDialer,
  fetchTree,
  type FetchOptions,
  openSessions,
  type PeerDialer,
  ProviderSet,
  type PullReport,
} from '../../src/sync/index.ts'
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
  /** How many other replicas each one knows. */
  readonly neighbours: number
  readonly seed: number
  readonly latencyMs?: number
}

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
  readonly #options: SwarmOptions
  readonly #random: Random
  readonly #authorHandler: ChannelHandler
  readonly #replicas: readonly Replica[]

  constructor(clock: VirtualClock, source: Published, options: SwarmOptions) {
    this.clock = clock
    this.#source = source
    this.#options = options
    this.#random = new Random(options.seed)
    this.author = new Line(clock, options.authorBytesPerSecond, options.latencyMs)
    this.#authorHandler = this.#serve(source.store)
    this.#replicas = Array.from({ length: options.replicas }, (_, i): Replica => {
      const store = new SharingStore(source)
      const line = new Line(clock, options.replicaBytesPerSecond, options.latencyMs)
      return { name: `replica ${i}`, store, line, handler: this.#serve(store) }
    })
  }

  /** Whoever has the root's record has all. */
  #serve(store: CountingStore): ChannelHandler {
    const set = new ProviderSet({ clock: this.clock })
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
    const others = this.#neighboursOf(replica)
    const dialers = [
      dialerOver('author', this.#authorHandler, this.author),
      ...others.map(({ name, handler, line }) => dialerOver(name, handler, line)),
    ]
    const random = new Random(this.#random.below(2 ** 31))
    const { sessions, failed } = await openSessions(dialers, { author: AUTHOR, name: NAME, have: null }, { clock })
    const options: FetchOptions = {
      clock,
      random: () => random.below(2 ** 30) / 2 ** 30,
      format: this.#source.format,
      base: null,
      absent: failed,
      holds: ({ status }) => status === 'newest',
    }
    // What is done goes on being served: the sessions of others are theirs.
    const report = await fetchTree(this.#source.target, sessions, replica.store, options)
    await Promise.all(sessions.map((session) => session.close()))
    return report
  }

  #neighboursOf(replica: Replica): Replica[] {
    const others = this.#replicas.filter((other) => other !== replica)
    return Array.from({ length: Math.min(this.#options.neighbours, others.length) }, () => {
      const i = this.#random.below(others.length)
      return others.splice(i, 1)[0] as Replica
    })
  }
}

function dialerOver(name: string, handler: ChannelHandler, line: Line): PeerDialer {
  return createMemoryDialer(name, (channel) => handler(overLine(channel, line)), { from: 'replica' })
}
