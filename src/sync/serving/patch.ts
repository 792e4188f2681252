/**
 * Answers to `get patch`: the rows that differ between two trees that are complete here, page by page (protocol.md, 8 and 16). What a
 * page costs is bounded twice: by its own bytes, and by the nodes that are read for it. A difference of two trees skips what
 * they share, so nodes follow rows; only an author who chose his keys for it can make rows rare, and then blocks are the better
 * question. Pages are kept for a while, since every replica of a database asks for the same ones.
 */
import { compareBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import { type Link, linkMapKey } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { diffTrees, isValueRef, keyAfter, NodeReader, Tree } from '../../prolly/index.ts'
import type { BlockReader } from '../../store/interface.ts'
import {
  PATCH_CACHE_BYTES,
  PATCH_NODES_PER_PAGE,
  PATCH_ROWS_MAX,
  PATCHES_AT_ONCE,
  PATCHES_WAITING_MAX,
} from '../limits.ts'
import {
  type GetPatch,
  type PatchAnswer,
  patchBytes,
  type PatchValue,
  patchRowBytes,
  type Refusal,
} from '../wire/index.ts'
import type { ServedTrees } from './served-trees.ts'
import { Turnstile } from './turnstile.ts'

type Page = Pick<PatchAnswer, 'keys' | 'values' | 'isLast'>

/** Nodes kept between pages: the paths along which the next page begins. */
const NODE_CACHE_BYTES = 4 * 1024 * 1024
/** Of a kept page, and of each of its rows, beside their bytes: arrays and a buffer, and two views. */
const PAGE_OVERHEAD_BYTES = 512
const ROW_OVERHEAD_BYTES = 256

/** What the patches of all databases of a process share: a line, and the pages that are kept, which are named by links. */
export class SharedPatches {
  /** Apart from other questions, which need not wait for the few that read thousands of nodes. */
  readonly turnstile: Turnstile = new Turnstile(PATCHES_AT_ONCE, PATCHES_WAITING_MAX)
  readonly pages: PageCache = new PageCache(PATCH_CACHE_BYTES)
}

/** The patches of one database, for all channels. */
export class PatchSource {
  readonly #trees: ServedTrees
  readonly #nodesPerPage: number
  readonly #meter: Meter
  readonly #nodes: NodeReader
  readonly #pages: PageCache
  readonly #turnstile: Turnstile

  /** `nodesPerPage`: for tests. */
  constructor(
    trees: ServedTrees,
    nodesPerPage: number = PATCH_NODES_PER_PAGE,
    shared: SharedPatches = new SharedPatches(),
  ) {
    this.#trees = trees
    this.#pages = shared.pages
    this.#turnstile = shared.turnstile
    this.#nodesPerPage = nodesPerPage
    this.#meter = new Meter(trees.store, 2 * nodesPerPage)
    this.#nodes = new NodeReader(this.#meter, NODE_CACHE_BYTES)
  }

  /** `gone` where either tree is not whole here, is damaged, or is such that blocks cost less. @throws the signal's reason; errors of the store. */
  async answer(request: GetPatch, signal: AbortSignal): Promise<PatchAnswer | Refusal> {
    const { id } = request
    // Looked at each time: records go first when a tree is collected.
    const areWhole = (await this.#isWhole(request.from)) && (await this.#isWhole(request.to))
    const page = areWhole ? await this.#page(request, signal) : 'gone'
    if (page === undefined) return { type: 'refusal', id, reason: 'busy' }
    return page === 'gone' ? { type: 'refusal', id, reason: 'gone' } : { type: 'patch', id, ...page }
  }

  /** One that is kept takes no turn. Undefined where too many wait. */
  async #page(request: GetPatch, signal: AbortSignal): Promise<Page | 'gone' | undefined> {
    const key = pageKey(request)
    const make = async (): Promise<Page | 'gone'> => this.#pages.get(key) ?? (await this.#make(request, key, signal))
    return this.#pages.get(key) ?? (await this.#turnstile.run(make, signal))
  }

  async #make(request: GetPatch, key: string, signal: AbortSignal): Promise<Page | 'gone'> {
    this.#meter.read = 0
    const rows = new PageRows(request.bytesMax)
    try {
      const isLast = await this.#collect(request, rows, signal)
      if (isLast === undefined) return 'gone'
      return this.#pages.keep(key, { ...rows.compact(), isLast })
    } catch (error) {
      if (error instanceof TooManyNodes) {
        return rows.length === 0 ? 'gone' : this.#pages.keep(key, { ...rows.compact(), isLast: false })
      }
      if (!isCoppiceError(error, 'STORE_CORRUPT') && !isCoppiceError(error, 'BLOCK_MISSING')) throw error
      const damaged = this.#meter.last
      if (error.code === 'STORE_CORRUPT' && damaged !== undefined) this.#trees.onDamage?.(damaged)
      return 'gone'
    }
  }

  /** Whether the rows are the last ones; undefined where the trees are not what an author may sign. */
  async #collect(request: GetPatch, rows: PageRows, signal: AbortSignal): Promise<boolean | undefined> {
    const from = await Tree.open(this.#nodes, request.from)
    const to = await Tree.open(this.#nodes, request.to)
    const range = { start: boundAfter(request.after), end: boundAfter(request.until), signal }
    for await (const change of diffTrees(from, to, range)) {
      const isEnough = rows.length > 0 && this.#meter.read >= this.#nodesPerPage
      const isAdded = !isEnough && rows.add(change.key, change.type === 'remove' ? null : change.to)
      if (isAdded === undefined) return undefined
      if (!isAdded) return false
    }
    return true
  }

  async #isWhole(root: Link): Promise<boolean> {
    const record = await this.#trees.store.getComplete(root)
    return record !== undefined && record.level >= 0
  }
}

function boundAfter(key: Uint8Array | null): Uint8Array | undefined {
  return key === null ? undefined : keyAfter(key)
}

/** The rows of a page, as long as they fit: views of blocks until {@link compact}. */
class PageRows {
  readonly #bytesMax: number
  #bytes = 0
  readonly #keys: Uint8Array[] = []
  readonly #values: PatchValue[] = []

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get length(): number {
    return this.#keys.length
  }

  /** False: the page is full. Undefined: the rows are out of order, as a malformed tree may have them. */
  add(key: Uint8Array, value: PatchValue): boolean | undefined {
    const before = this.#keys.at(-1)
    if (before !== undefined && compareBytes(before, key) >= 0) return undefined
    const bytes = patchRowBytes(key, value)
    if (before !== undefined && this.#bytes + bytes > this.#bytesMax) return false
    if (this.#keys.length === PATCH_ROWS_MAX) return false
    this.#bytes += bytes
    this.#keys.push(key)
    this.#values.push(value)
    return true
  }

  /** Copies into one buffer, so that rows which are kept do not keep their blocks. */
  compact(): Pick<Page, 'keys' | 'values'> {
    const room = new Uint8Array(this.#bytes)
    let end = 0
    const copy = (bytes: Uint8Array): Uint8Array => {
      room.set(bytes, end)
      end += bytes.length
      return room.subarray(end - bytes.length, end)
    }
    return {
      keys: this.#keys.map(copy),
      values: this.#values.map((value) => {
        if (value === null) return null
        return isValueRef(value) ? { link: copy(value.link), size: value.size } : copy(value)
      }),
    }
  }
}

/** The difference goes on for long without a row. */
class TooManyNodes extends Error {}

/** Counts what is read for a page, and ends one that comes to nothing. */
class Meter implements BlockReader {
  readonly #store: BlockReader
  readonly #max: number
  read = 0
  last: Link | undefined

  constructor(store: BlockReader, max: number) {
    this.#store = store
    this.#max = max
  }

  get(link: Link): MaybePromise<Uint8Array | undefined> {
    if (++this.read > this.#max) throw new TooManyNodes()
    this.last = link
    return this.#store.get(link)
  }

  getMany(links: readonly Link[]): MaybePromise<(Uint8Array | undefined)[]> {
    return this.#store.getMany(links)
  }
}

/** Pages by question, the one used longest ago dropped first. Bounds of a question count: empty pages are as many as somebody likes. */
class PageCache {
  readonly #bytesMax: number
  readonly #pages = new Map<string, Page>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(key: string): Page | undefined {
    const page = this.#pages.get(key)
    if (page === undefined) return undefined
    this.#pages.delete(key)
    this.#pages.set(key, page)
    return page
  }

  keep(key: string, page: Page): Page {
    this.#pages.set(key, page)
    this.#bytes += keptBytes(key, page)
    for (const [oldest, old] of this.#pages) {
      if (this.#bytes <= this.#bytesMax) break
      this.#pages.delete(oldest)
      this.#bytes -= keptBytes(oldest, old)
    }
    return page
  }
}

function keptBytes(question: string, { keys, values }: Page): number {
  return PAGE_OVERHEAD_BYTES + question.length + keys.length * ROW_OVERHEAD_BYTES + patchBytes({ keys, values })
}

function pageKey({ from, to, after, until, bytesMax }: GetPatch): string {
  const bound = (key: Uint8Array | null): string => (key === null ? '-' : `${key.length}:${linkMapKey(key)}`)
  return `${linkMapKey(from)}${linkMapKey(to)}${bytesMax} ${bound(after)} ${bound(until)}`
}
