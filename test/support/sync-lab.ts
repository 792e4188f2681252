/** Databases, providers and pullers in one process, for tests of the sync engine. Signed roots are any bytes here: the engine never reads them. */
import { CODEC_DAG_CBOR, CODEC_RAW, formatLink, type Link, linkCodec, linkMapKey, linkTo } from '../../src/link.ts'
import { packings } from '../../src/packings.ts'
import { type Format, FORMAT_1, type Put, type TreeRef } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { CompleteRecord, WriteBatch } from '../../src/store/interface.ts'
import {
  type Channel,
  type ChannelHandler,
  createMemoryDialer,
  fetchTree,
  type FetchOptions,
  type FetchTarget,
  type HelloOptions,
  type NewestRoot,
  type OpenOptions,
  openSessions,
  type ChannelDialer,
  type PeerDialer,
  ProviderSet,
  type PullReport,
  type RootId,
} from '../../src/sync/index.ts'
import {
  type Answer,
  type BlocksAnswer,
  decodeHello,
  decodeRequest,
  encodeMessage,
  type GetBlocks,
  type GetRange,
  type RangeAnswer,
  type Request,
  type Welcome,
} from '../../src/sync/wire/index.ts'
import { RANGE_BLOCKS_MAX } from '../../src/sync/limits.ts'
import { BlockMap } from './blocks.ts'
import { Random } from './random.ts'
import { prefixOf, rangeBlocks } from './sync-range.ts'
import { blockSet, treeOf, utf8 } from './tree-sets.ts'
import { judgeTree } from './tree-walk.ts'
import { VirtualClock } from './virtual-clock.ts'

export const AUTHOR: Uint8Array = new Uint8Array(32).fill(7)
export const NAME = 'cities'

/** A tree somebody signed, in a store as its author has it. */
export interface Published {
  readonly store: CountingStore
  readonly target: FetchTarget
  readonly newest: NewestRoot
  readonly format: Format
  /** Map keys of all its blocks. */
  readonly blocks: ReadonlySet<string>
}

/** A memory store that counts, and can be told to fail. */
export class CountingStore extends MemoryStore {
  readonly written: string[] = []
  writes: number = 0
  /** The write with this index, from 0, and all after it fail with {@link WRITE_FAILURE}. */
  failsAtWrite: number = Infinity
  readonly records: Map<string, CompleteRecord> = new Map()

  override async write(batch: WriteBatch): Promise<void> {
    if (this.writes++ >= this.failsAtWrite) throw WRITE_FAILURE
    await super.write(batch)
    for (const { link } of batch.blocks ?? []) this.written.push(linkMapKey(link))
    for (const record of batch.complete ?? []) this.records.set(linkMapKey(record.link), record)
  }
}

export const WRITE_FAILURE: Error = new Error('the disk is gone')

export function rootId(sequence: number, signedRoot: Uint8Array): RootId {
  return { payload: linkTo(CODEC_DAG_CBOR, signedRoot), epoch: 0, sequence }
}

export function signedRootOf(ref: Pick<TreeRef, 'root'>, sequence: number): Uint8Array {
  return utf8(`root ${sequence}: ${formatLink(ref.root)}`)
}

/** Builds the tree of `rows` into `store` and records it, as publishing does. */
export async function publish(
  rows: readonly Put[],
  options: { readonly format?: Format; readonly sequence?: number; readonly store?: CountingStore } = {},
): Promise<Published> {
  const { format = FORMAT_1, sequence = 1, store = new CountingStore() } = options
  const built = new BlockMap()
  const tree = await treeOf(rows, format, built)
  const records = new Map<string, CompleteRecord>()
  const verdict = judgeTree({ get: (link) => built.map.get(linkMapKey(link)) }, tree.ref, format, { records })
  if (verdict.rule !== undefined) throw new Error(`lab: the tree breaks rule ${verdict.rule}`)
  const links = [...(await blockSet(tree, true))].map((key) => Uint8Array.from(key, (c) => c.charCodeAt(0)))
  const blocks = links.map((link) => ({ link, bytes: built.map.get(linkMapKey(link)) ?? new Uint8Array(0) }))
  const values = blocks.filter(({ link }) => linkCodec(link) === CODEC_RAW)
  await store.write({ blocks, complete: [...records.values(), ...values.map(valueRecord)] })
  const signedRoot = signedRootOf(tree.ref, sequence)
  const { root, entries, bytes } = tree.ref
  return {
    store,
    format,
    target: { root, entries, bytes, signedRoot },
    newest: { signedRoot, id: rootId(sequence, signedRoot) },
    blocks: new Set(links.map(linkMapKey)),
  }
}

export function valueRecord({ link, bytes }: { readonly link: Link; readonly bytes: Uint8Array }): CompleteRecord {
  const none = new Uint8Array(0)
  return { link, level: -1, entries: 0, bytes: bytes.length, firstKey: none, lastKey: none, spineClosed: false }
}

/** One virtual clock, and the peers that live by it. */
export class Lab {
  readonly clock: VirtualClock = new VirtualClock()
  readonly random: Random

  constructor(seed = 1) {
    this.random = new Random(seed)
  }

  /** An honest peer: serves `published` from its own store. */
  peer(name: string, published: Published, onTell?: (signedRoot: Uint8Array, peer: string) => void): ChannelDialer {
    return createMemoryDialer(name, this.handlerOf(published, onTell), { from: 'puller' })
  }

  handlerOf(published: Published, onTell?: (signedRoot: Uint8Array, peer: string) => void): ChannelHandler {
    const set = new ProviderSet({ clock: this.clock, packings })
    set.add({
      author: AUTHOR,
      name: NAME,
      store: published.store,
      newest: () => published.newest,
      changed: (signal) => this.clock.sleep(1e12, signal),
      ...(onTell === undefined ? {} : { onTell }),
    })
    return set.handle
  }

  /** A peer that does what `script` says. */
  scripted(name: string, script: (peer: ScriptedPeer) => Promise<void>): ChannelDialer {
    return createMemoryDialer(name, (channel) => script(new ScriptedPeer(channel)), { from: 'puller' })
  }

  /**
   * A peer that would be honest, but for what `tamper` does to its answers of blocks, single ones and ranges. Null drops the
   * answer; a block that is null is left out of a range.
   */
  tampering(
    name: string,
    published: Published,
    tamper: (answer: DataAnswer, request: GetBlocks | GetRange) => Tampered | Promise<Tampered>,
  ): ChannelDialer {
    return this.scripted(name, async (peer) => {
      await peer.welcome(published.newest.signedRoot)
      for await (const request of peer.requests()) {
        if (request.type !== 'get blocks' && request.type !== 'get range') continue
        const answer = await tamper(peer.honest(request, published), request)
        if (answer !== null) await peer.send(answer instanceof Uint8Array ? answer : asAnswer(answer))
      }
    })
  }

  /** Opens sessions and fetches, in virtual time. Answers are packed where `packings` says that they may be. */
  async pull(
    published: Pick<Published, 'target' | 'format'>,
    dialers: readonly PeerDialer[],
    store: MemoryStore,
    options: Partial<FetchOptions> & Pick<OpenOptions, 'packings'> & { readonly have?: HelloOptions['have'] } = {},
  ): Promise<PullReport> {
    const { have = null, packings: offered = [], ...rest } = options
    const { clock } = this
    const fetch = async (): Promise<PullReport> => {
      const { sessions, failed } = await openSessions(
        dialers,
        { author: AUTHOR, name: NAME, have },
        { clock, packings: offered },
      )
      try {
        return await fetchTree(published.target, sessions, store, {
          clock,
          random: () => this.random.below(1000) / 1000,
          format: published.format,
          absent: failed,
          base: store.listBlocks(undefined, 1).length === 0 ? null : undefined,
          holds: ({ announced, status }) =>
            announced === undefined
              ? status === 'same' && have !== null
              : Buffer.from(announced).equals(published.target.signedRoot),
          ...rest,
        })
      } finally {
        await Promise.all(sessions.map((session) => session.close()))
      }
    }
    return this.clock.run(fetch())
  }
}

/** An answer that brings blocks, of either kind. */
export interface DataAnswer {
  readonly type: 'blocks' | 'range'
  readonly id: number
  readonly blocks: readonly (Uint8Array | null)[]
}

type Tampered = Answer | DataAnswer | Uint8Array | null

function asAnswer(answer: Answer | DataAnswer): Answer {
  if (answer.type !== 'range') return answer as Answer
  const { id } = answer
  return { type: 'range', id, blocks: (answer.blocks as DataAnswer['blocks']).filter((block) => block !== null) }
}

/** The provider's end of a channel, with no manners of its own. */
export class ScriptedPeer {
  readonly channel: Channel

  constructor(channel: Channel) {
    this.channel = channel
  }

  /** Reads the hello and answers it. */
  async welcome(signedRoot: Uint8Array | null): Promise<void> {
    await this.hello()
    const status = signedRoot === null ? 'empty' : 'newest'
    await this.send({ type: 'welcome', version: 1, status, signedRoot, statements: null })
  }

  async hello(): Promise<void> {
    const frame = await this.channel.receive()
    if (frame !== undefined) decodeHello(frame)
  }

  async *requests(): AsyncGenerator<Request> {
    for (let frame = await this.channel.receive(); frame !== undefined; frame = await this.channel.receive()) {
      yield decodeRequest(frame)
    }
  }

  send(message: Answer | Welcome | Uint8Array): Promise<void> {
    return this.channel.send(message instanceof Uint8Array ? message : encodeMessage(message))
  }

  honest(request: GetBlocks | GetRange, published: Published): BlocksAnswer | RangeAnswer {
    if (request.type === 'get blocks') return this.honestBlocks(request, published)
    const { id, links, base, bytesMax } = request
    const blocks = prefixOf(rangeBlocks(published.store, links, base), bytesMax, RANGE_BLOCKS_MAX)
    return { type: 'range', id, blocks }
  }

  honestBlocks({ id, links, bytesMax }: GetBlocks, { store }: Published): BlocksAnswer {
    const blocks: (Uint8Array | null)[] = []
    let room = bytesMax
    for (const link of links) {
      const bytes = store.get(link)
      room -= bytes?.length ?? 0
      if (room < 0 && blocks.length > 0) break
      blocks.push(bytes ?? null)
    }
    return { type: 'blocks', id, blocks }
  }
}

/** Waits for good: for peers that never answer. */
export function never(): Promise<never> {
  return new Promise(() => {})
}

/** Blocks of the published tree that `store` has with the right bytes. */
export function sameBlocks(published: Published, store: MemoryStore): boolean {
  for (const key of published.blocks) {
    const link = Uint8Array.from(key, (c) => c.charCodeAt(0))
    const ours = store.get(link)
    const theirs = published.store.get(link)
    if (ours === undefined || theirs === undefined || !Buffer.from(ours).equals(theirs)) return false
  }
  return true
}
