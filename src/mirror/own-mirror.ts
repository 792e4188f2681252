/** A mirror of one's own as an export finds it: what its root file says, and which of the packs it names are there. */
import { equalBytes } from '../bytes.ts'
import type { DatabaseState } from '../db/index.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import { comparePositions, decodeSignedRoot, type SignedRoot } from '../pointer/index.ts'
import { ROOT_FILE_BYTES_MAX } from './limits.ts'
import { LocalPack } from './local-pack.ts'
import type { MirrorFiles } from './mirror-files.ts'
import { decodeRootFile, type PackEntry, ROOT_FILE } from './root-file.ts'

/** A root that the mirror offers, with the packs it was written with. */
export interface OwnRoot {
  readonly signed: SignedRoot
  readonly packs: readonly PackEntry[]
}

export class OwnMirror {
  /** Newest first. */
  readonly roots: readonly OwnRoot[]
  /** Of the newest root, newest first: those that are there. */
  readonly packs: readonly LocalPack[]
  /** Whether all of them are. */
  readonly isWhole: boolean

  private constructor(roots: readonly OwnRoot[], packs: readonly LocalPack[]) {
    this.roots = roots
    this.packs = packs
    this.isWhole = packs.length === (roots[0]?.packs.length ?? 0)
  }

  /**
   * @throws {CoppiceError} `DATABASE_EXISTS` where there is something else, or a mirror of another database; `FORMAT_NEWER`;
   *   `PUBLISH_REFUSED` where it has a newer root than `newest`; `STORE_IO`.
   */
  static async open(files: MirrorFiles, { author, name }: DatabaseState, newest: SignedRoot): Promise<OwnMirror> {
    const bytes = await files.readSmall(ROOT_FILE, ROOT_FILE_BYTES_MAX)
    const roots = bytes === undefined ? [] : rootsOf(files, bytes)
    const [last] = roots
    if (last !== undefined) {
      const { payload } = last.signed
      if (!equalBytes(payload.author, author) || payload.name !== name) {
        throw occupied(files, `a mirror of another database, named ${quoteText(payload.name)}`)
      }
      requireNewer(files, last.signed, newest)
    }
    const opened: LocalPack[] = []
    try {
      for (const entry of last?.packs ?? []) {
        const pack = await LocalPack.open(files, entry)
        if (pack !== undefined) opened.push(pack)
      }
      return new OwnMirror(roots, opened)
    } catch (error) {
      await closeAll(opened)
      throw error
    }
  }

  async has(digest: Uint8Array): Promise<boolean> {
    for (const pack of this.packs) if (await pack.has(digest)) return true
    return false
  }

  async close(): Promise<void> {
    await closeAll(this.packs)
  }
}

async function closeAll(packs: readonly LocalPack[]): Promise<void> {
  for (const pack of packs) await pack.close()
}

function rootsOf(files: MirrorFiles, bytes: Uint8Array): OwnRoot[] {
  try {
    const { roots, packs } = decodeRootFile(bytes)
    return roots.map((root) => {
      const signed = decodeSignedRoot(root.signedRoot)
      if (signed.state === 'newer-format') throw occupied(files, 'a mirror of a newer format')
      return { signed, packs: root.packs.map((pack) => packs[pack] as PackEntry) }
    })
  } catch (error) {
    if (isCoppiceError(error, 'PEER_PROTOCOL') || isCoppiceError(error, 'SIGNED_ROOT_INVALID')) {
      throw occupied(files, 'another file', error)
    }
    throw error
  }
}

function occupied({ directory }: MirrorFiles, got: string, cause?: unknown): CoppiceError {
  return new CoppiceError(
    'DATABASE_EXISTS',
    `${directory}: expected a directory that is empty or a mirror of this database, got ${got} in its file ${ROOT_FILE}; choose another one`,
    { cause, details: { path: directory } },
  )
}

/** Readers would take the mirror for one that is held back. */
function requireNewer({ directory }: MirrorFiles, mirrored: SignedRoot, newest: SignedRoot): void {
  const order = comparePositions(newest.payload, mirrored.payload)
  if (order > 0 || (order === 0 && equalBytes(newest.link, mirrored.link))) return
  const has = `@${mirrored.payload.sequence}`
  throw new CoppiceError(
    'PUBLISH_REFUSED',
    order === 0
      ? `${directory}: expected the same signed root ${has}, got another one of that sequence; the author's chain is forked`
      : `${directory}: expected a newer signed root than ${has}, which the mirror has, got @${newest.payload.sequence}; export from what is up to date`,
    { details: { path: directory, mirrored: mirrored.payload.sequence, published: newest.payload.sequence } },
  )
}
