/**
 * A static mirror as one more untrusted peer (mirror.md, 6): its root file shows the signed roots, its packs have the blocks.
 * Blocks are handed on unverified, as of any peer; what cannot be read at all is the server's fault. A pack that is not
 * there, because an upload is under way or the mirror was pruned, is none: the peer does not have that tree then.
 */
import { equalBytes } from '../bytes.ts'
import { statementsOf } from '../carriers/index.ts'
import type { Clock } from '../clock.ts'
import { isCoppiceError } from '../errors.ts'
import { type HttpClient, HttpSession } from '../http/index.ts'
import { ANSWER_BYTES_MAX } from '../limits.ts'
import type { Link } from '../link.ts'
import { type AnySignedRoot, decodeSignedRoot } from '../pointer/index.ts'
import type { Blocks, HelloOptions, Refused, SessionContext } from '../sync/index.ts'
import { unpackBatch } from './batch-coding.ts'
import { ByteCache } from './byte-cache.ts'
import { digestOf } from './digest.ts'
import {
  BATCH_CACHE_BYTES,
  INDEX_CACHE_BYTES,
  RANGE_BYTES_MAX,
  RECEIVED_BYTES_MIN,
  RECEIVED_PER_TREE_BYTE,
  ROOT_FILE_BYTES_MAX,
} from './limits.ts'
import { malformed, type PackPlace } from './pack-format.ts'
import { type Missing, missingOf, PackSource } from './pack-source.ts'
import { type PackMemory, RemotePack } from './remote-pack.ts'
import { decodeRootFile, knownAttachments, packPath, ROOT_FILE, type RootFile } from './root-file.ts'

/** Packs whose indexes are asked for at once. */
const PACKS_AT_ONCE = 8
/** Of inflated batches: as many as two questions need. */
const PLAIN_BYTES: number = 8 * 1024 * 1024
const ETAG_CHARS_MAX = 256

/** A root of the mirror's, and where its tree is found. */
interface View {
  readonly signedRoot: Uint8Array
  readonly tree: Link
  /** Of the tree, as signed. */
  readonly bytes: number
  /** Newest first. */
  readonly packs: readonly RemotePack[]
}

/** The batches that were asked for, by pack and number. */
type Coming = ReadonlyMap<RemotePack, ReadonlyMap<number, Promise<Uint8Array | Missing>>>

interface Found extends PackPlace {
  readonly pack: RemotePack
}

/**
 * A session with the mirror at the client's URL, which has shown its newest root; undefined where there is none.
 * @throws {CoppiceError} with `details.fault`; the signal's reason.
 */
export async function openMirror(
  client: HttpClient,
  hello: HelloOptions,
  { clock, signal }: SessionContext,
): Promise<MirrorSession | undefined> {
  const session = new MirrorSession(client, hello, clock)
  const isThere = await session.open(signal)
  return isThere ? session : undefined
}

export class MirrorSession extends HttpSession {
  readonly #hello: HelloOptions
  readonly #source: PackSource
  readonly #memory: PackMemory
  /** Blocks of inflated batches. */
  readonly #plain = new ByteCache<number, readonly Uint8Array[]>(PLAIN_BYTES)
  /** The newest signed root as it was shown, whatever it is. */
  #newest: Uint8Array | undefined
  /** Of the signed roots that are such, newest first. */
  #views: readonly View[] = []
  /** By path, so that what is known of a pack is known under the next root. */
  #packs = new Map<string, RemotePack>()
  #statements: Uint8Array | undefined
  #etag: string | undefined

  constructor(client: HttpClient, hello: HelloOptions, clock: Clock) {
    super(client, clock)
    this.#hello = hello
    this.#source = new PackSource(client, this.over.signal)
    this.#memory = {
      batches: new ByteCache(BATCH_CACHE_BYTES),
      directories: new ByteCache(INDEX_CACHE_BYTES, (pack) => pack.forget()),
    }
  }

  get older(): readonly Uint8Array[] {
    return this.#views.map(({ signedRoot }) => signedRoot).filter((signedRoot) => signedRoot !== this.#newest)
  }

  get statements(): Uint8Array | undefined {
    return this.#statements
  }

  /** Without any, the blocks of its roots are to be asked for in another way. */
  get hasPacks(): boolean {
    return this.#packs.size > 0
  }

  /** False where there is no mirror. */
  async open(signal: AbortSignal): Promise<boolean> {
    const shown = await this.#readRootFile(signal)
    if (shown === 'busy') throw this.client.fault('busy', 'answers that it is busy (429 or 5xx); try again later')
    if (shown === 'absent') return false
    const newest = decodeShown(this.#newest)
    const { have } = this.#hello
    const isSame = have !== null && newest !== undefined && equalBytes(newest.link, have.payload)
    this.announce(this.#newest, isSame ? 'same' : 'newest')
    return true
  }

  getBlocks(root: Link, links: readonly Link[]): Promise<Blocks | Refused> {
    return this.question(async () => {
      try {
        const blocks = await this.#blocks(root, links)
        if (blocks !== 'absent') return this.heard(blocks)
        // Pruned or merged meanwhile: the same root may be found in other packs.
        const before = this.#views
        await this.fetchRoot()
        const again = this.#views === before ? blocks : await this.#blocks(root, links)
        return this.heard(again === 'absent' ? 'gone' : again)
      } catch (error) {
        throw this.#named(error)
      }
    })
  }

  protected async fetchRoot(): Promise<Uint8Array | undefined> {
    const shown = await this.#readRootFile(undefined)
    return shown === 'busy' || shown === 'absent' ? undefined : this.#newest
  }

  /** What is malformed is so because this peer sent it. */
  #named(error: unknown): unknown {
    if (!isCoppiceError(error, 'PEER_PROTOCOL') && !isCoppiceError(error, 'FORMAT_NEWER')) return error
    if (error.details['fault'] !== undefined) return error
    return this.client.fault(error.code === 'FORMAT_NEWER' ? 'version' : 'protocol', error.message, error)
  }

  async #readRootFile(signal: AbortSignal | undefined): Promise<'read' | Missing> {
    const headers = {
      'cache-control': 'no-cache',
      ...(this.#etag === undefined ? {} : { 'if-none-match': this.#etag }),
    }
    const response = await this.client.get(ROOT_FILE, { headers, signal: signal ?? this.over.signal })
    if (response.status !== 200) {
      await response.discard()
      if (response.status === 304 && this.#etag !== undefined) return 'read'
      const missing = missingOf(response.status)
      if (missing !== undefined) return missing
      throw this.client.fault('protocol', `answers ${response.status} for ${ROOT_FILE}`)
    }
    const bytes = await response.read(ROOT_FILE_BYTES_MAX)
    try {
      this.#take(decodeRootFile(bytes))
    } catch (error) {
      throw this.#named(error)
    }
    const etag = response.header('etag')
    this.#etag = etag !== undefined && etag.length <= ETAG_CHARS_MAX ? etag : undefined
    return 'read'
  }

  #take(file: RootFile): void {
    const { roots, packs } = file
    const known = this.#packs
    this.#packs = new Map(
      packs.map((entry) => {
        const path = packPath(entry)
        return [path, known.get(path) ?? new RemotePack(entry, this.#source, this.#memory)]
      }),
    )
    this.#views = roots.flatMap(({ signedRoot, packs: own }) => {
      const decoded = decodeShown(signedRoot)
      if (decoded === undefined) return []
      const { author, name } = decoded.payload
      if (!equalBytes(author, this.#hello.author) || name !== this.#hello.name) {
        throw this.client.fault('unknown', 'is a mirror of another database')
      }
      // A newer format's tree cannot be read; whoever judges the root says so.
      if (decoded.state === 'newer-format') return []
      const { root: tree, bytes } = decoded.payload
      const paths = own.map((number) => packPath(packs[number] as RootFile['packs'][number]))
      return [{ signedRoot, tree, bytes, packs: paths.map((path) => this.#packs.get(path) as RemotePack) }]
    })
    this.#newest = roots[0]?.signedRoot
    this.#statements = statementsOf(knownAttachments(file))
  }

  async #blocks(root: Link, links: readonly Link[]): Promise<Blocks | Missing> {
    const view = this.#views.find(({ tree }) => equalBytes(tree, root))
    if (view === undefined) return 'absent'
    const received = this.traffic.bytesReceived
    if (received > RECEIVED_BYTES_MIN + RECEIVED_PER_TREE_BYTE * view.bytes) {
      throw this.client.fault('protocol', `sent ${received} bytes for a tree of ${view.bytes}`)
    }
    const found = await this.#find(view, links)
    if (typeof found === 'string') return found
    const wanted = await this.#withinBudget(found)
    return typeof wanted === 'string' ? wanted : await this.#read(wanted)
  }

  /**
   * Where each link is found, the newest packs first; those that brought what the puller lacks are asked together. Null: in none
   * of the packs, all of which are there.
   */
  async #find({ packs }: View, links: readonly Link[]): Promise<(Found | null)[] | Missing> {
    const digests = links.map(digestOf)
    const found: (Found | null)[] = links.map(() => null)
    let missing: Missing | undefined
    for (const wave of this.#waves(packs)) {
      const left = [...found.keys()].filter((i) => found[i] === null)
      if (left.length === 0) break
      const answers = await Promise.all(wave.map((pack) => pack.find(left.map((i) => digests[i] as Uint8Array))))
      for (const [p, answer] of answers.entries()) {
        if (typeof answer === 'string') missing ??= answer
        else for (const [at, i] of left.entries()) found[i] ??= foundIn(wave[p], answer[at])
      }
    }
    return missing !== undefined && found.includes(null) ? missing : found
  }

  #waves(packs: readonly RemotePack[]): RemotePack[][] {
    const have = this.#hello.have?.sequence ?? 0
    const isNews = (pack: RemotePack): boolean => pack.entry.sequence > have
    return [packs.filter(isNews), packs.filter((pack) => !isNews(pack))].flatMap((group) =>
      Array.from({ length: Math.ceil(group.length / PACKS_AT_ONCE) }, (_, i) =>
        group.slice(i * PACKS_AT_ONCE, (i + 1) * PACKS_AT_ONCE),
      ),
    )
  }

  /** A prefix whose batches are not too much for one question. */
  async #withinBudget(found: readonly (Found | null)[]): Promise<(Found | null)[] | Missing> {
    const batches = new Set<number>()
    let bytes = 0
    for (const [i, place] of found.entries()) {
      if (place === null) continue
      const key = batchKey(place)
      if (batches.has(key)) continue
      const at = await place.pack.placeOf(place.batch)
      if (typeof at === 'string') return at
      bytes += Math.max(at.end - at.start, at.foldedBytes / 2)
      if (bytes > RANGE_BYTES_MAX && batches.size > 0) return found.slice(0, i)
      batches.add(key)
    }
    return [...found]
  }

  /** The blocks, as many as one answer may have; fewer where the server cannot go on. */
  async #read(found: readonly (Found | null)[]): Promise<Blocks | Missing> {
    const coming = await this.#ask(found)
    const blocks: (Uint8Array | null)[] = []
    let bytes = 0
    for (const place of found) {
      const batch = place === null ? null : await this.#batch(place, coming)
      if (typeof batch === 'string') return blocks.length > 0 ? blocks : batch
      const block = place === null || batch === null ? null : batch[place.place]
      if (block === undefined) throw malformed(`an index that names block ${place?.place} of ${batch?.length}`)
      bytes += block?.length ?? 0
      if (bytes > ANSWER_BYTES_MAX && blocks.length > 0) break
      blocks.push(block)
    }
    return blocks
  }

  /** Asks each pack once for all that is wanted of it. */
  async #ask(found: readonly (Found | null)[]): Promise<Coming> {
    const wanted = new Map<RemotePack, Set<number>>()
    for (const place of found) {
      if (place === null || this.#plain.has(batchKey(place))) continue
      const batches = wanted.get(place.pack)
      if (batches === undefined) wanted.set(place.pack, new Set([place.batch]))
      else batches.add(place.batch)
    }
    const asked = [...wanted].map(async ([pack, batches]) => {
      return [pack, await pack.load([...batches].toSorted((a, b) => a - b))] as const
    })
    return new Map(await Promise.all(asked))
  }

  async #batch(place: Found, coming: Coming): Promise<readonly Uint8Array[] | Missing> {
    const key = batchKey(place)
    const held = this.#plain.get(key)
    if (held !== undefined) return held
    const { pack, batch } = place
    // One that was inflated when it was asked for may have had to make room since.
    const asked = coming.get(pack)?.get(batch) ?? (await pack.load([batch])).get(batch)
    const compressed = await asked
    const at = await pack.placeOf(batch)
    if (compressed === undefined || typeof compressed === 'string') return compressed ?? 'absent'
    if (typeof at === 'string') return at
    const blocks = await unpackBatch(compressed, pack.entry.coding, at.foldedBytes)
    this.#plain.set(key, blocks, at.foldedBytes)
    return blocks
  }
}

function foundIn(pack: RemotePack | undefined, place: PackPlace | undefined): Found | null {
  return pack === undefined || place === undefined ? null : { pack, ...place }
}

function batchKey({ pack, batch }: Found): number {
  return pack.keyOf(batch)
}

/** Undefined for what is none: the newest is announced and judged as it is, whatever that comes to. */
function decodeShown(signedRoot: Uint8Array | undefined): AnySignedRoot | undefined {
  try {
    return signedRoot === undefined ? undefined : decodeSignedRoot(signedRoot)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
