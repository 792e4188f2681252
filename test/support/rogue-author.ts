/** An author who signs whatever it likes, and peers that show it: trees that are none, two roots of one sequence, old roots. */
import type { Clock } from '../../src/clock.ts'
import { answerLink, historyMeta } from '../../src/db/roots/history.ts'
import { CODEC_DAG_CBOR, linkTo, type Link } from '../../src/link.ts'
import {
  type Authority,
  createAuthority,
  type NextRootOptions,
  type Published,
  type SignedRoot,
  type Signer,
  signNextRoot,
  type TreeTotals,
} from '../../src/pointer/index.ts'
import { buildTree, type Put } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import {
  type ChannelHandler,
  type NewestRoot,
  type ProviderOptions,
  ProviderSet,
  type ServedHistory,
} from '../../src/sync/index.ts'
import { signerOf } from './database-lab.ts'

interface Block {
  readonly link: Link
  readonly bytes: Uint8Array
}

/** What a peer says beside its roots. */
type Said = Pick<ProviderOptions, 'statements' | 'attachments'>

export class RogueAuthor {
  readonly name: string
  readonly signer: Signer
  readonly authority: Authority
  /** All it ever served, each block with a record, so that providers give it to anybody. */
  readonly store: MemoryStore = new MemoryStore()
  published: Published | null = null
  readonly #clock: Clock
  readonly #subtrees = new Map<string, Uint8Array>()

  constructor(clock: Clock, label = 'rogue', name = 'cities') {
    this.#clock = clock
    this.name = name
    this.signer = signerOf(label)
    this.authority = createAuthority(this.signer.publicKey)
  }

  get author(): Uint8Array {
    return this.authority.author
  }

  /** Another machine with the same key and state. */
  fork(): RogueAuthor {
    const other = new RogueAuthor(this.#clock, 'unused', this.name)
    Object.assign(other, { signer: this.signer, authority: this.authority, published: this.published })
    for (const [name, hash] of this.#subtrees) other.#subtrees.set(name, hash)
    return other
  }

  /** A canonical tree, signed. */
  async publish(rows: readonly Put[], options: Partial<NextRootOptions> = {}): Promise<SignedRoot> {
    return await this.sign(await this.holdRows(rows), options)
  }

  /** The blocks of a canonical tree. */
  async holdRows(rows: readonly Put[]): Promise<TreeTotals> {
    const blocks: Block[] = []
    const { root, entries, bytes } = await buildTree(rows, { put: (block) => void blocks.push(block) })
    await this.hold(blocks)
    return { root, entries, bytes }
  }

  /** Signs the next root, over any tree. */
  async sign(tree: TreeTotals, options: Partial<NextRootOptions> = {}): Promise<SignedRoot> {
    const { authority, name, signer } = this
    const now = Math.floor(this.#clock.now() / 1000)
    const next = { authority, name, signer, tree, now, ...options }
    const { published, completed } = await signNextRoot(this.published, next)
    for (const [of, hash] of historyMeta(completed)) this.#subtrees.set(of, hash)
    this.published = published
    return published.signed
  }

  async hold(blocks: Iterable<Block>): Promise<void> {
    const held = [...blocks]
    const none = new Uint8Array(0)
    const complete = held.map(({ link }) => {
      return { link, level: 0, entries: 1, bytes: 0, firstKey: none, lastKey: none, spineClosed: false }
    })
    await this.store.write({ blocks: held, complete })
  }

  /** What it knows of its own history, as an honest peer tells it. */
  get history(): ServedHistory {
    return { link: (question) => answerLink((name) => this.#subtrees.get(name), question) }
  }

  /** A peer whose newest root is this one, or that of `shown` when it is asked, and that knows nothing of the history unless it is given. */
  showing(
    shown: SignedRoot | (() => SignedRoot | undefined),
    history: ServedHistory = {},
    said: Said = {},
  ): ChannelHandler {
    const newest = (): NewestRoot | undefined => {
      const root = typeof shown === 'function' ? shown() : shown
      if (root === undefined) return undefined
      const { epoch, sequence } = root.payload
      return { signedRoot: root.bytes, id: { payload: root.link, epoch, sequence } }
    }
    return this.#serving(newest, history, said)
  }

  /** A peer that shows any bytes for this database's newest root, and claims that they are above all others. */
  showingBytes(bytes: Uint8Array | (() => Uint8Array)): ChannelHandler {
    return this.#serving(() => {
      const signedRoot = typeof bytes === 'function' ? bytes() : bytes
      return { signedRoot, id: { payload: linkTo(CODEC_DAG_CBOR, signedRoot), epoch: 4095, sequence: 2 ** 40 - 1 } }
    })
  }

  #serving(newest: () => NewestRoot | undefined, history: ServedHistory = {}, said: Said = {}): ChannelHandler {
    const set = new ProviderSet({ clock: this.#clock })
    const changed = (signal: AbortSignal): Promise<void> => this.#clock.sleep(1000, signal)
    set.add({ author: this.author, name: this.name, store: this.store, newest, changed, history, ...said })
    return set.handle
  }
}
