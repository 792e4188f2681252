/**
 * The one file of a mirror that changes (mirror.md, 2): the signed roots it offers, newest first, and the packs in which
 * their trees are found. It is replaced as a whole, so a reader has the one before or the one after. Nothing in it counts
 * before it was verified: roots by their signatures, packs by the blocks that come out of them.
 */
import { bytesToHex } from '../bytes.ts'
import { ATTACHMENT_IDS, type Attachments } from '../carriers/index.ts'
import { CoppiceError } from '../errors.ts'
import { cborArray, cborBytes, CborReader, cborText, cborUint } from '../pointer/cbor.ts'
import { formatAuthor, SEQUENCE_MAX, SIGNED_ROOT_BYTES_MAX } from '../pointer/index.ts'
import { SHA256_BYTES } from '../sha256.ts'
import {
  ATTACHMENT_BYTES_MAX,
  ATTACHMENTS_MAX,
  PACK_BLOCKS_MAX,
  PACK_BYTES_MAX,
  PACKS_MAX,
  ROOT_FILE_BYTES_MAX,
  ROOTS_MAX,
} from './limits.ts'

const MAGIC = 'coppice mirror'
const VERSION = 1

/** How the batches of a pack are compressed. */
export type PackCoding = 'zstd' | 'deflate'
const CODINGS: readonly PackCoding[] = ['zstd', 'deflate']

/** What a reader knows of a pack before it has seen any of it. */
export interface PackEntry {
  /** sha2-256 of the file, by which it is named. */
  readonly id: Uint8Array
  readonly bytes: number
  readonly coding: PackCoding
  readonly blocks: number
  readonly batches: number
  /** Of the newest signed root that brought blocks into it: who has that state needs none of them. */
  readonly sequence: number
}

export interface MirroredRoot {
  /** As the author signed it. */
  readonly signedRoot: Uint8Array
  /** Indexes into the packs, those with newer blocks first: together they have its whole tree. */
  readonly packs: readonly number[]
}

/** Something that belongs to the newest root; kinds are the ids of record.md, 7, and those that a reader does not know are passed over. */
export interface Attachment {
  readonly kind: number
  readonly bytes: Uint8Array
}

export interface RootFile {
  /** Newest first, at least one. */
  readonly roots: readonly MirroredRoot[]
  readonly packs: readonly PackEntry[]
  readonly attachments: readonly Attachment[]
}

export const ROOT_FILE = 'root'
export const PACK_FOLDER = 'packs'

/**
 * The small file that names the newest root of one database, below the directory or URL (RFC 8615 where that is a server's own): a root
 * file with that root alone and without packs.
 */
export function wellKnownPath({ author, name }: { readonly author: Uint8Array; readonly name: string }): string {
  return `.well-known/coppice/${formatAuthor(author)}/${name}`
}

/** Below the mirror's directory or URL. */
export function packPath({ id }: PackEntry): string {
  return `${PACK_FOLDER}/${bytesToHex(id)}.pack`
}

/** Those that have room in a root file, lower ids first. */
export function attachmentsOf(attachments: Attachments): Attachment[] {
  let room = ATTACHMENT_BYTES_MAX
  return [...attachments]
    .toSorted(([a], [b]) => a - b)
    .flatMap(([kind, bytes]) => {
      if (bytes.length > room) return []
      room -= bytes.length
      return [{ kind, bytes }]
    })
}

/** The inverse, of those kinds that this version knows, as far as a writer has room for them. */
export function knownAttachments({ attachments }: RootFile): Attachments {
  const ids: readonly number[] = Object.values(ATTACHMENT_IDS)
  const known = attachments.filter(({ kind, bytes }) => ids.includes(kind) && bytes.length > 0)
  const inRoom = attachmentsOf(new Map(known.map(({ kind, bytes }) => [kind, bytes])))
  return new Map(inRoom.map(({ kind, bytes }) => [kind, bytes]))
}

/** @throws {RangeError} where there is more than a root file can have. */
export function encodeRootFile({ roots, packs, attachments }: RootFile): Uint8Array {
  const bytes = cborArray([
    cborText(MAGIC),
    cborUint(VERSION),
    cborArray(roots.map((root) => cborArray([cborBytes(root.signedRoot), cborArray(root.packs.map(cborUint))]))),
    cborArray(packs.map(encodeEntry)),
    cborArray(attachments.map(({ kind, bytes: value }) => cborArray([cborUint(kind), cborBytes(value)]))),
  ])
  if (bytes.length > ROOT_FILE_BYTES_MAX || packs.length > PACKS_MAX) {
    throw new RangeError(`mirror: expected at most ${PACKS_MAX} packs, got ${packs.length}`)
  }
  return bytes
}

function encodeEntry({ id, bytes, coding, blocks, batches, sequence }: PackEntry): Uint8Array {
  const numbers = [bytes, CODINGS.indexOf(coding), blocks, batches, sequence]
  return cborArray([cborBytes(id), ...numbers.map(cborUint)])
}

/** @throws {CoppiceError} `PEER_PROTOCOL`; `FORMAT_NEWER` for a later version. */
export function decodeRootFile(bytes: Uint8Array): RootFile {
  const reader = new CborReader(bytes, (message, offset) => {
    const got = `root: expected the root file of a mirror, got another file (${message}, at byte ${offset})`
    return new CoppiceError('PEER_PROTOCOL', got, { details: { offset } })
  })
  const items = reader.array('elements', 2, 32)
  if (reader.text('magic', MAGIC.length) !== MAGIC) reader.fail(`magic: expected ${MAGIC}`)
  const version = reader.uint('version', 1, Number.MAX_SAFE_INTEGER)
  if (version !== VERSION) {
    throw new CoppiceError('FORMAT_NEWER', `root file: expected version ${VERSION}, got ${version}; upgrade coppice`)
  }
  if (items !== 5) reader.fail(`elements: expected 5, got ${items}`)
  const roots = list(reader, 'roots', 1, ROOTS_MAX, () => readRoot(reader))
  const packs = list(reader, 'packs', 0, PACKS_MAX, () => readEntry(reader))
  const attachments = list(reader, 'attachments', 0, ATTACHMENTS_MAX, () => readAttachment(reader))
  reader.end('elements')
  for (const root of roots) {
    if (root.packs.some((pack) => pack >= packs.length)) reader.fail(`packs of a root: expected below ${packs.length}`)
  }
  return { roots, packs, attachments }
}

function list<T>(reader: CborReader, field: string, min: number, max: number, read: () => T): T[] {
  return Array.from({ length: reader.array(field, min, max) }, read)
}

function readRoot(reader: CborReader): MirroredRoot {
  reader.array('root', 2, 2)
  return {
    signedRoot: new Uint8Array(reader.bytes('signed root', 1, SIGNED_ROOT_BYTES_MAX)),
    packs: list(reader, 'packs of a root', 0, PACKS_MAX, () => reader.uint('pack', 0, PACKS_MAX)),
  }
}

function readEntry(reader: CborReader): PackEntry {
  reader.array('pack', 6, 6)
  return {
    id: new Uint8Array(reader.bytes('id', SHA256_BYTES, SHA256_BYTES)),
    bytes: reader.uint('bytes', 1, PACK_BYTES_MAX),
    coding: CODINGS[reader.uint('coding', 0, CODINGS.length - 1)] as PackCoding,
    blocks: reader.uint('blocks', 1, PACK_BLOCKS_MAX),
    batches: reader.uint('batches', 1, PACK_BLOCKS_MAX),
    sequence: reader.uint('sequence', 1, SEQUENCE_MAX),
  }
}

function readAttachment(reader: CborReader): Attachment {
  reader.array('attachment', 2, 2)
  const kind = reader.uint('kind', 0, Number.MAX_SAFE_INTEGER)
  return { kind, bytes: new Uint8Array(reader.bytes('attachment', 0, ATTACHMENT_BYTES_MAX)) }
}
