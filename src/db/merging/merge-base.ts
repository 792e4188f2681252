/**
 * The base of a merge: the newest state that both databases have in them. Each merge and each fork remembers what it took
 * in; the newest such states stand in the author's next signed roots too (record.md, 1), so that a replica of a fork tells
 * its origin how far the two went together. What an author signs about that is its word, as its data is.
 */
import { EMPTY_BYTES, equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import { formatLink, type Link, linkMapKey, tryParseLink } from '../../link.ts'
import {
  comparePositions,
  EPOCH_MAX,
  formatAddress,
  MERGED_MAX,
  payloadMerged,
  type Position,
  SEQUENCE_MAX,
  type SignedRoot,
} from '../../pointer/index.ts'
import type { Store } from '../../store/interface.ts'
import { readOrigin } from './fork-origin.ts'
import { BASES, basesName, decodeText, encodeText, PUBLISHED, ROOT } from '../meta.ts'
import { decodeOwn, readLog } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'

/** The newest state of another database that was merged into this one, or that this one began with. */
export interface MergedBase {
  /** `coppice:<author>/<name>` of the other. */
  readonly address: string
  readonly root: Link
  /** The newest state of this database that was in it; undefined for none. */
  readonly own: Link | undefined
  /** Where the other's newest signed root stood then, whose state is in that one; undefined where that is not known. */
  readonly position: Position | undefined
}

/** What is known of two databases before the other's state is read: so that what is said to be in it is. */
export interface Known {
  /** What of the other was merged here last. */
  readonly merged: MergedBase | undefined
  /** What of here was merged there last. */
  readonly own: Link | undefined
  /** The newest signed root of the other. */
  readonly published: SignedRoot | undefined
}

/** One value of the store holds them: far more than anybody merges with. */
const BASES_MAX = 256
const NONE = '-'

/** The one merged last comes first. @throws {CoppiceError} `STORE_CORRUPT`. */
export async function readBases(store: Pick<Store, 'getMeta'>, name: string = BASES): Promise<MergedBase[]> {
  const bytes = await store.getMeta(name)
  if (bytes === undefined) return []
  return decodeText(bytes)
    .split('\n')
    .map((line) => {
      const [address = '', cid = '', ownCid = '', at = ''] = line.split(' ')
      const root = tryParseLink(cid)
      const own = tryParseLink(ownCid)
      const position = parsePosition(at)
      if (root === undefined || (own === undefined && ownCid !== NONE)) throw damaged()
      if (position === undefined && at !== NONE) throw damaged()
      return { address, root, own, position }
    })
}

export function encodeBases(bases: readonly MergedBase[]): Uint8Array {
  const cidOf = (link: Link | undefined): string => (link === undefined ? NONE : formatLink(link))
  const lines = bases.map(({ address, root, own, position }) => {
    const at = position === undefined ? NONE : `${position.epoch}.${position.sequence}`
    return `${address} ${cidOf(root)} ${cidOf(own)} ${at}`
  })
  return encodeText(lines.join('\n'))
}

function parsePosition(text: string): Position | undefined {
  const [epoch = Number.NaN, sequence = Number.NaN] = /^\d{1,15}\.\d{1,15}$/.test(text)
    ? text.split('.').map(Number)
    : []
  return epoch <= EPOCH_MAX && sequence <= SEQUENCE_MAX ? { epoch, sequence } : undefined
}

/** What of other databases the next signed root names, the one merged last first. @throws {CoppiceError} `STORE_CORRUPT`. */
export async function basesToSign(store: Pick<Store, 'getMeta'>): Promise<MergedBase[]> {
  return (await readBases(store)).slice(0, MERGED_MAX)
}

/** Whether `signed` names these bases and no others: who replicates it knows what was merged, though no row changed by it. */
export function namesBases({ payload }: SignedRoot, bases: readonly MergedBase[]): boolean {
  const named = payloadMerged(payload)
  return named.length === bases.length && named.every((root, i) => equalBytes(root, bases[i]?.root ?? EMPTY_BYTES))
}

/** What was merged, and is not named by the newest signed root: nobody else knows of it. None before the first publish. */
export async function unpublishedBases({ store }: DatabaseState): Promise<MergedBase[]> {
  const bytes = await store.getMeta(PUBLISHED)
  if (bytes === undefined) return []
  const named = new Set(payloadMerged(decodeOwn(bytes).payload).map(linkMapKey))
  return (await basesToSign(store)).filter(({ root }) => !named.has(linkMapKey(root)))
}

/** What is to be written with a merge of `root`, a state of `other`. */
export async function withBase(
  state: DatabaseState,
  other: DatabaseState,
  { own, published }: Known,
  root: Link,
): Promise<Uint8Array> {
  const address = addressOf(other)
  const others = (await readBases(state.store)).filter((base) => base.address !== address)
  return encodeBases([{ address, root, own, position: published?.payload }, ...others].slice(0, BASES_MAX))
}

export function addressOf({ author, name }: Pick<DatabaseState, 'author' | 'name'>): string {
  return formatAddress({ author, name, peers: [] })
}

/** Called before the other's state is read: meanwhile it may take in what is here, which is not in a state read before. */
export async function readKnown(state: DatabaseState, other: DatabaseState): Promise<Known> {
  const bytes = await other.store.getMeta(PUBLISHED)
  const published = bytes === undefined ? undefined : decodeOwn(bytes)
  return { merged: await mergedFrom(state, other), own: await findOwn(state, other, published), published }
}

/**
 * Whether a replica of the other, which shows `root`, is behind what was merged last. All of that is here: the base being
 * newer, its changes would be undone.
 */
export function isBehind({ merged, published }: Known, root: Link): boolean {
  if (merged?.position === undefined || published === undefined) return false
  if (!equalBytes(published.payload.root, root)) return false
  const order = comparePositions(published.payload, merged.position)
  return order < 0 || (order === 0 && !equalBytes(merged.root, root))
}

/**
 * The newest state that is known to be in both: what of `other` was merged here last, or what of here was merged there,
 * whichever came later; where neither was, the newest that both published or show, or else began with or merged. Undefined
 * where there is none.
 */
export async function findBase(
  state: DatabaseState,
  other: DatabaseState,
  { merged, own }: Known,
): Promise<Link | undefined> {
  // What was merged had all of here that `other` has now; or else `other` took in a later state, which has it in turn.
  if (merged !== undefined && isSame(merged.own, own)) return merged.root
  return own ?? merged?.root ?? (await newestAmong(state, statesOf(other))) ?? (await findAncestor(state, other))
}

/** What of `other` was merged last into `state`. */
async function mergedFrom(state: DatabaseState, other: DatabaseState): Promise<MergedBase | undefined> {
  const address = addressOf(other)
  return (await readBases(state.store)).find((base) => base.address === address)
}

/** The state of `state` that was merged last into `other`, as `other` says: by itself, or by what it signed. */
async function findOwn(
  state: DatabaseState,
  other: DatabaseState,
  published: SignedRoot | undefined,
): Promise<Link | undefined> {
  // What one's own database merged are states of others, though one may be the state that both began with.
  if (isSameDatabase(state, other)) return undefined
  const told = await mergedFrom(other, state)
  if (told !== undefined) return told.root
  return published === undefined ? undefined : await newestAmong(state, payloadMerged(published.payload))
}

/**
 * For two that never merged each other: forks of one database, or a fork of a fork and the first. Whatever state is in both
 * is a base; an older one than need be shows more conflicts, and undoes nothing. One that neither holds is none.
 */
async function findAncestor(state: DatabaseState, other: DatabaseState): Promise<Link | undefined> {
  const theirs = new Set<string>()
  for await (const root of ancestorsOf(other)) theirs.add(linkMapKey(root))
  for await (const { signedRoot } of readLog(other)) {
    for (const root of payloadMerged(signedRoot.payload)) theirs.add(linkMapKey(root))
  }
  for await (const root of ancestorsOf(state)) {
    if (!theirs.has(linkMapKey(root))) continue
    if ((await state.store.has(root)) || (await other.store.has(root))) return root
  }
  return undefined
}

/** The states of a database, then those of others that it merged or began with: as far as it remembers them. */
async function* ancestorsOf(state: DatabaseState): AsyncGenerator<Link, void, undefined> {
  yield* statesOf(state)
  for (const { root } of await readBases(state.store)) yield root
  const origin = await readOrigin(state.store)
  if (origin !== undefined) yield origin.root
}

/** The newest state of `state` among `roots`: the one that is shown, or a signed one. */
async function newestAmong(
  state: DatabaseState,
  roots: Iterable<Link> | AsyncIterable<Link>,
): Promise<Link | undefined> {
  const wanted = new Set<string>()
  for await (const root of roots) wanted.add(linkMapKey(root))
  if (wanted.size === 0) return undefined
  for await (const root of statesOf(state)) if (wanted.has(linkMapKey(root))) return root
  return undefined
}

/** The state that is shown, then the signed ones, the newest first. */
async function* statesOf(state: DatabaseState): AsyncGenerator<Link, void, undefined> {
  const shown = await state.store.getMeta(ROOT)
  if (shown !== undefined) yield shown
  for await (const { signedRoot } of readLog(state)) yield signedRoot.payload.root
}

function isSame(a: Link | undefined, b: Link | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}

/** @throws {CoppiceError} `NO_COMMON_BASE`. */
export function requireBase(found: Link | undefined, state: DatabaseState, other: DatabaseState): Link {
  if (found !== undefined) return found
  throw new CoppiceError(
    'NO_COMMON_BASE',
    `merge: expected a state that ${nameOf(state, other)} and ${nameOf(other, state)} both grew out of, found none`,
    { details: { address: addressOf(other) } },
  )
}

/** What tells the one from the other: a fork has the name of its origin, unless it was given another. */
function nameOf(state: DatabaseState, other: DatabaseState): string {
  return state.name === other.name ? addressOf(state) : state.name
}

export function isSameDatabase(a: DatabaseState, b: DatabaseState): boolean {
  return equalBytes(a.author, b.author) && a.name === b.name
}

function damaged(): CoppiceError {
  return new CoppiceError(
    'STORE_CORRUPT',
    "meta value 'bases': expected an address and two CIDs on each line, got damage; merge with a base that is named",
  )
}

/** What is to be written with a state that is published or left, so that a restore knows what had been merged into it. */
export async function basesNote(
  store: Pick<Store, 'getMeta'>,
  root: Link,
): Promise<[name: string, bases: Uint8Array | null][]> {
  const name = basesName(root)
  const bases = await store.getMeta(BASES)
  return bases === undefined && (await store.getMeta(name)) === undefined ? [] : [[name, bases ?? null]]
}
