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

/** A signed root by what people know it as. */
export type SignedName = { readonly sequence: number; readonly message: string | null }

/** Of one state: a database renewed every hour for years signs it so often. */
const NAMES_MAX = 100

/** The newest signed roots of each of `roots` (CIDs), newest first; nothing for those that the log does not have. */
export async function namesOf(
  { db }: Opened,
  roots: Iterable<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly SignedName[]>> {
  const names = new Map([...roots].map((root): [string, SignedName[]] => [root, []]))
  if (names.size === 0) return names
  for await (const { signedRoot } of db.log({ signal })) {
    const { payload, message } = signedRoot
    const known = names.get(formatLink(payload.root))
    if (known !== undefined && known.length < NAMES_MAX) {
      known.push({ sequence: payload.sequence, message: message ?? null })
    }
  }
  return names
}

/** `@4, @1`; neighbours as `@2 to @40`. */
export function renderNames(names: readonly SignedName[]): string {
  const runs: { first: number; last: number }[] = []
  for (const { sequence } of names) {
    const run = runs.at(-1)
    if (run?.first === sequence + 1) run.first = sequence
    else runs.push({ first: sequence, last: sequence })
  }
  return runs.map(({ first, last }) => (first === last ? `@${first}` : `@${first} to @${last}`)).join(', ')
}

/** `@3 bafy...` */
export function renderSigned({ payload }: SignedRoot): string {
  return `@${payload.sequence} ${formatLink(payload.root)}`
}
