/**
 * Writes a database's published state as a static mirror (mirror.md, 4), or brings one up to date: packs with what is new
 * first, then the root file in one step. Until then readers have what they had. Nothing is removed but by pruning: who has
 * read the root file before goes on with the packs it names.
 */
import { equalBytes } from '../bytes.ts'
import { type Database, readAttachments, type Replica } from '../db/index.ts'
import { CoppiceError } from '../errors.ts'
import { formatLink, type Link } from '../link.ts'
import type { SignedRoot } from '../pointer/index.ts'
import { SeenValues, type Tree, walkTree } from '../prolly/index.ts'
import { digestOf } from './digest.ts'
import { PACK_BYTES_FULL, PRUNE_LIVE_SHARE, ROOT_FILE_BYTES_MAX, ROOTS_MAX, SEEN_VALUES_MAX } from './limits.ts'
import type { LocalPack } from './local-pack.ts'
import { copyPack, mergeCount } from './merge-packs.ts'
import { type MirrorFiles, withMirrorFiles } from './mirror-files.ts'
import { NeededBlocks } from './needed-blocks.ts'
import { OwnMirror, type OwnRoot } from './own-mirror.ts'
import { PackWriter } from './pack-writer.ts'
import {
  type Attachment,
  attachmentsOf,
  encodeRootFile,
  type PackCoding,
  type PackEntry,
  PACK_FOLDER,
  packPath,
  ROOT_FILE,
  wellKnownPath,
} from './root-file.ts'

export interface MirrorProgress {
  /** Of blocks that the mirror did not have, so far. */
  readonly blocks: number
  readonly bytes: number
  /** As many as there are at most. */
  readonly bytesTotal: number
}

export interface ExportMirrorOptions {
  /** Removes the packs that the offered roots need no more, and writes anew those of which they need little. */
  readonly prune?: boolean | undefined
  /** How packs are compressed: zstd by default; deflate is what browsers can read. */
  readonly coding?: PackCoding | undefined
  readonly signal?: AbortSignal | undefined
  /** Must not throw. */
  readonly onProgress?: ((progress: MirrorProgress) => void) | undefined
  /** Tests only: of a pack that is ended. */
  readonly packBytesFull?: number | undefined
}

export interface MirrorReport {
  /** The CID of the tree that is offered now. */
  readonly root: string
  readonly sequence: number
  /** False where the mirror was up to date. */
  readonly changed: boolean
  /** That the mirror did not have, and their bytes before compression. */
  readonly blocks: number
  readonly bytes: number
  readonly packsWritten: number
  readonly bytesWritten: number
  readonly packsRemoved: number
  /** That the newest root names, and their bytes. */
  readonly packs: number
  readonly packBytes: number
}

/**
 * Brings the mirror in `directory`, which is made where it is missing, to the published state. Killed or aborted at any point,
 * the mirror is what it was, and the next export goes on.
 * @throws {CoppiceError} `ROOT_NOT_FOUND` before the first publish; `DATABASE_EXISTS`, `PUBLISH_REFUSED`, `FORMAT_NEWER` about what is
 *   in the directory; `STORE_LOCKED` while another process exports into it; `BLOCK_MISSING`, `STORE_*`; the signal's reason.
 */
export async function exportMirror(
  database: Database | Replica,
  directory: string,
  options: ExportMirrorOptions = {},
): Promise<MirrorReport> {
  options.signal?.throwIfAborted()
  const published = await requirePublished(database)
  return await withMirrorFiles(directory, (files) => exportInto(files, database, published, options))
}

async function requirePublished(database: Database | Replica): Promise<SignedRoot> {
  const published = await database.published()
  if (published !== undefined) return published
  throw new CoppiceError('ROOT_NOT_FOUND', `${database.name}: expected a published state, got none yet; publish first`)
}

/** As {@link exportMirror}, into files that nobody else writes. */
export async function exportInto(
  files: MirrorFiles,
  database: Database | Replica,
  published: SignedRoot,
  options: ExportMirrorOptions,
): Promise<MirrorReport> {
  const mirror = await OwnMirror.open(files, database.state, published)
  try {
    return await new Export(files, database, published, mirror, options).run()
  } finally {
    await mirror.close()
  }
}

class Export {
  readonly #files: MirrorFiles
  readonly #database: Database | Replica
  readonly #published: SignedRoot
  readonly #mirror: OwnMirror
  readonly #options: ExportMirrorOptions
  readonly #writer: PackWriter
  #blocks = 0
  #bytes = 0

  constructor(
    files: MirrorFiles,
    database: Database | Replica,
    published: SignedRoot,
    mirror: OwnMirror,
    options: ExportMirrorOptions,
  ) {
    this.#files = files
    this.#database = database
    this.#published = published
    this.#mirror = mirror
    this.#options = options
    const { coding = 'zstd', packBytesFull: bytesFull } = options
    this.#writer = new PackWriter(files, { coding, sequence: published.payload.sequence, bytesFull })
  }

  async run(): Promise<MirrorReport> {
    const [newest] = this.#mirror.roots
    const isNew = newest === undefined || !equalBytes(newest.signed.bytes, this.#published.bytes)
    // Held until the end: what is referred to is not collected.
    const { tree } = await this.#database.state.at(this.#published.payload.root)
    const older = await this.#olderTrees()
    try {
      if (isNew || !this.#mirror.isWhole) await this.#addNew(tree, older[0])
      const kept = await this.#mergeOld([tree, ...older])
      await this.#writer.finish()
      const packs = [...this.#writer.written.toReversed(), ...kept]
      const isChanged = await this.#writeRoots(this.#offered(packs, older))
      const packsRemoved = this.#options.prune === true ? await this.#removeUnnamed(packs) : 0
      return this.#report(packs, isChanged, packsRemoved)
    } finally {
      await this.#writer.discard()
    }
  }

  /** The trees of roots that the mirror has and this database still holds, newest first. Any of them is a base of what is new. */
  async #olderTrees(): Promise<Tree[]> {
    if (!this.#mirror.isWhole) return []
    const { state } = this.#database
    const trees: Tree[] = []
    for (const { signed } of this.#mirror.roots) {
      if ((await state.store.getComplete(signed.payload.root)) === undefined) continue
      trees.push((await state.at(signed.payload.root)).tree)
    }
    return trees
  }

  /** What is below a block is looked at although the mirror has the block: it may have been pruned, and come again. */
  async #addNew(tree: Tree, base: Tree | undefined): Promise<void> {
    const { signal } = this.#options
    const seen = new SeenValues(SEEN_VALUES_MAX)
    for await (const { link, bytes } of walkTree(tree.nodes.blocks, tree.ref.root, { base, seen, signal })) {
      const digest = digestOf(link)
      if (this.#writer.has(digest) || (await this.#mirror.has(digest))) continue
      await this.#writer.add(digest, bytes)
      this.#blocks++
      this.#bytes += bytes.length
      this.#options.onProgress?.({ blocks: this.#blocks, bytes: this.#bytes, bytesTotal: tree.ref.bytes })
    }
  }

  /** Copies what is worth copying of the packs that there are, newest first; gives those that stay as they are. */
  async #mergeOld(trees: readonly Tree[]): Promise<PackEntry[]> {
    const { prune = false, signal, packBytesFull = PACK_BYTES_FULL } = this.#options
    const { packs } = this.#mirror
    const blocks = this.#database.state.store
    const needed = prune ? await NeededBlocks.find(packs, blocks, trees, signal) : undefined
    const isLow = (pack: LocalPack): boolean => needed !== undefined && needed.shareOf(pack) < PRUNE_LIVE_SHARE
    const sizes = packs.map(({ entry }) => entry.bytes)
    const merged = this.#writer.bytes === 0 ? 0 : mergeCount(sizes, this.#writer.bytes, packBytesFull)
    const kept: PackEntry[] = []
    for (const [i, pack] of packs.entries()) {
      if (needed?.shareOf(pack) === 0) continue
      if (i >= merged && !isLow(pack)) kept.push(pack.entry)
      else await copyPack(pack, this.#writer, needed?.of(pack) ?? (() => true), signal)
    }
    return kept
  }

  /** The root file, and the small one that names the newest root alone. False where both have that already. */
  async #writeRoots(offered: readonly OwnRoot[]): Promise<boolean> {
    const attachments = attachmentsOf(await readAttachments(this.#database.state, this.#published))
    const { author, name } = this.#database
    const newest = [{ signedRoot: this.#published.bytes, packs: [] }]
    const isChanged = await this.#write(ROOT_FILE, rootFileOf(offered, attachments))
    const small = encodeRootFile({ roots: newest, packs: [], attachments })
    return (await this.#write(wellKnownPath({ author, name }), small)) || isChanged
  }

  /** False where it is there already. */
  async #write(path: string, bytes: Uint8Array): Promise<boolean> {
    const before = await this.#files.readSmall(path, ROOT_FILE_BYTES_MAX)
    if (before !== undefined && equalBytes(bytes, before)) return false
    const file = await this.#files.create()
    try {
      await file.write(bytes)
      await file.commit(path)
    } catch (error) {
      await file.discard()
      throw error
    }
    return true
  }

  /**
   * The newest root, and older ones for readers who meet the new root before its packs. These keep the packs they had, which
   * such readers find; after pruning, those that are left, as far as their trees were looked at.
   */
  #offered(packs: readonly PackEntry[], older: readonly Tree[]): OwnRoot[] {
    const { prune = false } = this.#options
    const { roots, isWhole } = this.#mirror
    const isMarked = (root: Link): boolean => older.some(({ ref }) => equalBytes(ref.root, root))
    const recent = roots.filter(({ signed }) => {
      if (equalBytes(signed.link, this.#published.link)) return false
      return isWhole && (!prune || isMarked(signed.payload.root))
    })
    return [
      { signed: this.#published, packs },
      ...recent.slice(0, ROOTS_MAX - 1).map((root) => (prune ? { signed: root.signed, packs } : root)),
    ]
  }

  /** After the root file, so that whoever reads it finds all it names. */
  async #removeUnnamed(packs: readonly PackEntry[]): Promise<number> {
    const named = new Set(packs.map(packPath))
    let removed = 0
    for (const name of await this.#files.packs()) {
      const path = `${PACK_FOLDER}/${name}`
      if (!/^[0-9a-f]{64}\.pack$/.test(name) || named.has(path)) continue
      await this.#files.remove(path)
      removed++
    }
    return removed
  }

  #report(packs: readonly PackEntry[], changed: boolean, packsRemoved: number): MirrorReport {
    const { written } = this.#writer
    return {
      root: formatLink(this.#published.payload.root),
      sequence: this.#published.payload.sequence,
      changed,
      blocks: this.#blocks,
      bytes: this.#bytes,
      packsWritten: written.length,
      bytesWritten: totalBytes(written),
      packsRemoved,
      packs: packs.length,
      packBytes: totalBytes(packs),
    }
  }
}

function rootFileOf(offered: readonly OwnRoot[], attachments: readonly Attachment[]): Uint8Array {
  const distinct = [...new Map(offered.flatMap((root) => root.packs.map((pack) => [packPath(pack), pack]))).values()]
  const numbers = new Map(distinct.map((pack, number) => [packPath(pack), number]))
  const roots = offered.map(({ signed, packs: own }) => ({
    signedRoot: signed.bytes,
    packs: own.map((pack) => numbers.get(packPath(pack)) as number),
  }))
  return encodeRootFile({ roots, packs: distinct, attachments })
}

function totalBytes(packs: readonly PackEntry[]): number {
  return packs.reduce((sum, { bytes }) => sum + bytes, 0)
}
