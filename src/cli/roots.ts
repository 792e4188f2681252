/** Roots on the command line: `@3` is the signed root with that sequence, `bafy...` a root's CID. */
import type { Snapshot } from '../db/index.ts'
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import { CODEC_DAG_CBOR, formatLink, type Link, linkCodec, tryParseLink } from '../link.ts'
import type { SignedRoot } from '../pointer/index.ts'
import type { Opened } from './open.ts'

export type RootName = { readonly sequence: number } | { readonly link: Link }

/** Undefined where `text` names no root: it may be a directory. */
export function tryParseRoot(text: string): RootName | undefined {
  const sequence = /^@([1-9]\d{0,12})$/.exec(text)?.[1]
  if (sequence !== undefined) return { sequence: Number(sequence) }
  const link = tryParseLink(text)
  return link === undefined ? undefined : { link }
}

/** @throws {CoppiceError} `USAGE`. */
export function parseRoot(text: string): RootName {
  const name = tryParseRoot(text)
  if (name === undefined || ('link' in name && linkCodec(name.link) !== CODEC_DAG_CBOR)) {
    throw new CoppiceError(
      'USAGE',
      `root: expected @SEQUENCE or the CID of a root, got ${quoteText(text.slice(0, 80))}`,
    )
  }
  return name
}

/** A state of a database, and the signed root it was found by. */
export interface FoundRoot {
  readonly snapshot: Snapshot
  readonly signed: SignedRoot | undefined
}

/** @throws {CoppiceError} `ROOT_NOT_FOUND` where it is not there, or no longer. */
export async function findRoot({ db }: Opened, name: RootName): Promise<FoundRoot> {
  if ('link' in name) return { snapshot: await db.state.at(name.link), signed: undefined }
  const { requireSequence } = await import('../db/index.ts')
  const signed = await requireSequence(db.state, name.sequence)
  return { snapshot: await db.state.at(signed.payload.root), signed }
}

/** The state a command reads: that of `--at`, or the one shown now. */
export async function snapshotAt(opened: Opened, at: RootName | undefined): Promise<Snapshot> {
  return at === undefined ? await opened.db.snapshot() : (await findRoot(opened, at)).snapshot
}

/** `@3 bafy...` */
export function renderSigned({ payload }: SignedRoot): string {
  return `@${payload.sequence} ${formatLink(payload.root)}`
}
