/**
 * The author's side: the next signed root of a chain (record.md, 1 and 5). Signing is done once; the caller makes the returned
 * state durable before anybody sees the bytes, and announces the same bytes again after a crash. Nothing here reads a
 * clock or a carrier: before signing, findRival (rival.ts) says whether what a carrier shows forbids it.
 */
import { concatBytes, equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { CODEC_DAG_CBOR, isLink, linkCodec, type Link } from '../link.ts'
import { formatAuthor } from './address.ts'
import { authorityKeyAt, type Authority } from './authority.ts'
import { SIGNATURE_BYTES } from './ed25519.ts'
import { describeGrantProblem, findGrantProblem } from './entitlement.ts'
import { decodeGrant, type Grant } from './grant.ts'
import { appendHistory, EMPTY_FRONTIER, historyRoot, type Frontier, type HashedSubtree } from './history.ts'
import type { Signer } from './keys.ts'
import { isDatabaseName, NAME_RULE } from './name.ts'
import { EPOCH_MAX, SEQUENCE_MAX } from './order.ts'
import {
  encodePayload,
  MERGED_EXTENSION,
  MERGED_MAX,
  MESSAGE_BYTES_MAX,
  MESSAGE_EXTENSION,
  RECENT_MAX,
  ROOT_FORMAT,
  type Extension,
  type RecentRoot,
  type RootPayload,
} from './payload.ts'
import { corruptPublished, isOneState, type Published } from './published.ts'
import {
  decodeSignedRoot,
  encodeSignedRoot,
  SIGNED_ROOT_BYTES_MAX,
  verifySignedRoot,
  type RootSignature,
} from './signed-root.ts'

/** What the tree's builder says: root, entries, bytes with all below. */
export interface TreeTotals {
  readonly root: Link
  readonly entries: number
  readonly bytes: number
}

export interface NextPayloadOptions {
  readonly authority: Authority
  readonly name: string
  readonly tree: TreeTotals
  /** The public key that is to sign it, 32 bytes. */
  readonly key: Uint8Array
  /** The clock, seconds since 1970. `issued` is it, or the last root's where the clock is behind. */
  readonly now: number
  /** Seconds since 1970, after `issued`; null or absent = no promise. */
  readonly expires?: number | null
  /** The release message, at most 160 bytes of UTF-8. */
  readonly message?: string
  /** Roots of other databases whose states are in this one, the newest first: at most 2. */
  readonly merged?: readonly Link[]
  /** Absent: the last root's, 0 for the first. A higher one begins a new epoch. */
  readonly epoch?: number
  /** The bytes of a grant for `key`. Absent: the last root's within its epoch, else null: the authority signs itself. */
  readonly grant?: Uint8Array | null
  /** Payload links of up to 2 tips of a fork. Only with a new epoch. */
  readonly resolves?: readonly Link[]
}

export interface NextRootOptions extends Omit<NextPayloadOptions, 'key'> {
  readonly signer: Signer
}

/** All of the next root but its signature. */
export interface NextPayload {
  readonly payload: RootPayload
  /** What is to be signed. */
  readonly payloadBytes: Uint8Array
  /** As in {@link Published}. */
  readonly history: Frontier
  readonly recentRoots: readonly Link[]
  /** The history's subtrees that the last root completed; for whoever keeps them to make proofs. */
  readonly completed: readonly HashedSubtree[]
}

export interface NextRoot {
  /** To be made durable before `published.signed.bytes` leave the process. */
  readonly published: Published
  /** As in {@link NextPayload}. */
  readonly completed: readonly HashedSubtree[]
}

/**
 * Signs the root that follows `previous`, or the first one.
 * @throws {RangeError} for options out of bounds.
 * @throws {CoppiceError} `PUBLISH_REFUSED` when the signer may not sign it (`details.reason` says why), `STORE_CORRUPT` when the
 *   parts of `previous` do not belong together. Nothing is signed then.
 */
export async function signNextRoot(previous: Published | null, options: NextRootOptions): Promise<NextRoot> {
  const { signer, authority } = options
  const next = buildNextPayload(previous, { ...options, key: signer.publicKey })
  const signature = await signer.sign(next.payloadBytes)
  return sealNextRoot(next, { key: signer.publicKey, signature }, authority)
}

/**
 * The payload that follows `previous`, or the first one: for a key that is elsewhere. The same arguments give the same bytes.
 * @throws as {@link signNextRoot}.
 */
export function buildNextPayload(previous: Published | null, options: NextPayloadOptions): NextPayload {
  checkOptions(previous, options)
  const { frontier, completed } =
    previous === null
      ? { frontier: EMPTY_FRONTIER, completed: [] }
      : appendHistory(previous.history, previous.signed.payloadBytes)
  const { recent, recentRoots } = recentOf(previous, options.tree.root)
  const whole = payloadOf(previous, options, historyRoot(frontier), recent)
  checkPayload(previous, whole, options)
  const payload = fitPayload(whole)
  return {
    payload,
    payloadBytes: encodePayload(payload),
    history: frontier,
    recentRoots: recentRoots.slice(0, payload.recent.length),
    completed,
  }
}

/**
 * The signed root of a payload and its signature. Reads its own bytes as a stranger would: what does not verify here would be
 * refused everywhere.
 * @throws {CoppiceError} `PUBLISH_REFUSED`.
 */
export function sealNextRoot(next: NextPayload, pair: RootSignature, authority: Authority): NextRoot {
  const { payloadBytes, history, recentRoots, completed } = next
  if (pair.signature.length !== SIGNATURE_BYTES) {
    throw refuse('signature', `signature: expected ${SIGNATURE_BYTES} bytes, got ${pair.signature.length}`)
  }
  const signed = decodeSignedRoot(encodeSignedRoot(payloadBytes, [pair]))
  if (signed.state !== 'known') throw refuse('extensions', 'extensions: expected known ones')
  const problem = verifySignedRoot(signed, authority)
  if (problem !== undefined) throw refuse(problem, `${problem}: expected one that readers accept`)
  return { published: { signed, history, recentRoots }, completed }
}

function payloadOf(
  previous: Published | null,
  options: NextPayloadOptions,
  history: Uint8Array,
  recent: readonly RecentRoot[],
): RootPayload {
  const before = previous?.signed.payload
  return {
    format: ROOT_FORMAT,
    author: options.authority.author,
    name: options.name,
    epoch: options.epoch ?? before?.epoch ?? 0,
    sequence: (before?.sequence ?? 0) + 1,
    root: options.tree.root,
    entries: options.tree.entries,
    bytes: options.tree.bytes,
    issued: Math.max(options.now, before?.issued ?? 0),
    expires: options.expires ?? null,
    previous: previous === null ? null : previous.signed.link,
    history,
    recent,
    resolves: options.resolves ?? [],
    grant: grantOf(previous, options),
    extensions: extensionsOf(options),
  }
}

/** A long name, a grant, a fork's tips and a long message leave no room for four recent roots: the oldest go. */
function fitPayload(payload: RootPayload): RootPayload {
  const blank = { key: payload.author, signature: new Uint8Array(SIGNATURE_BYTES) }
  const recent = [...payload.recent]
  while (recent.length > 0) {
    const bytes = encodeSignedRoot(encodePayload({ ...payload, recent }), [blank])
    if (bytes.length <= SIGNED_ROOT_BYTES_MAX) break
    recent.pop()
  }
  return { ...payload, recent }
}

/** The last root and those it names, newest first, without any of the new tree and without one tree twice. */
function recentOf(previous: Published | null, root: Link): { recent: RecentRoot[]; recentRoots: Link[] } {
  if (previous === null) return { recent: [], recentRoots: [] }
  const { signed, recentRoots } = previous
  const known = [
    { sequence: signed.payload.sequence, link: signed.link, root: signed.payload.root },
    ...recentRoots.flatMap((recentRoot, i) => {
      const recent = signed.payload.recent[i]
      return recent === undefined ? [] : [{ ...recent, root: recentRoot }]
    }),
  ]
  const kept = known.filter((one) => !equalBytes(one.root, root)).slice(0, RECENT_MAX)
  return {
    recent: kept.map(({ sequence, link }) => ({ sequence, link })),
    recentRoots: kept.map((one) => one.root),
  }
}

function grantOf(previous: Published | null, options: NextPayloadOptions): Uint8Array | null {
  if (options.grant !== undefined) return options.grant
  const before = previous?.signed.payload
  return before !== undefined && (options.epoch ?? before.epoch) === before.epoch ? before.grant : null
}

function extensionsOf({ message, merged = [] }: NextPayloadOptions): Extension[] {
  const extensions: Extension[] = []
  if (message !== undefined) extensions.push({ id: MESSAGE_EXTENSION, bytes: encodeMessage(message) })
  if (merged.length > MERGED_MAX) throw new RangeError(`merged: expected at most ${MERGED_MAX}, got ${merged.length}`)
  if (merged.length > 0) extensions.push({ id: MERGED_EXTENSION, bytes: concatBytes(...merged) })
  return extensions
}

function encodeMessage(message: string): Uint8Array {
  const bytes = new TextEncoder().encode(message)
  if (bytes.length <= MESSAGE_BYTES_MAX && message.isWellFormed()) return bytes
  throw new RangeError(`message: expected at most ${MESSAGE_BYTES_MAX} bytes of UTF-8, got ${bytes.length}`)
}

function checkOptions(previous: Published | null, { name, tree, now }: NextPayloadOptions): void {
  if (!isDatabaseName(name)) throw new RangeError(`name: expected ${NAME_RULE}`)
  if (!Number.isSafeInteger(now) || now < 0) throw new RangeError(`now: expected whole seconds, got ${now}`)
  if (!isLink(tree.root) || linkCodec(tree.root) !== CODEC_DAG_CBOR)
    throw new RangeError('tree: expected the link of a node')
  if (previous === null) return
  if (!isOneState(previous)) throw corruptPublished('expected the history of the signed root', 0)
  if (previous.signed.payload.name !== name)
    throw refuse('name', `name: expected ${previous.signed.payload.name}, got ${name}`)
}

/** The rules between a payload and the one before it, and those about who may sign it. */
function checkPayload(previous: Published | null, payload: RootPayload, { key, authority }: NextPayloadOptions): void {
  const { epoch, issued, expires } = payload
  const before = previous?.signed
  const beforeEpoch = before?.payload.epoch ?? 0
  if (!(epoch >= beforeEpoch && epoch <= EPOCH_MAX))
    throw new RangeError(`epoch: expected ${beforeEpoch}..${EPOCH_MAX}, got ${epoch}`)
  if (payload.sequence > SEQUENCE_MAX) throw refuse('sequence', 'sequence: expected room for another one')
  if (expires !== null && expires <= issued) throw new RangeError(`expires: expected after ${issued}, got ${expires}`)
  if (payload.resolves.length > 0 && epoch === beforeEpoch) throw refuse('resolves', 'resolves: expected a new epoch')
  if (before !== undefined && epoch === beforeEpoch && !equalBytes(before.key, key)) {
    const expected = `${formatAuthor(before.key)}, which signs epoch ${epoch}`
    throw refuse('signer', `signer: expected ${expected}, got ${formatAuthor(key)}; another key needs a new epoch`)
  }
  const authorityKey = authorityKeyAt(authority, epoch)
  const grant = payload.grant === null ? null : decodeGrant(payload.grant)
  const entitled = grant?.signer ?? authorityKey
  if (!equalBytes(entitled, key)) {
    const expected = `${formatAuthor(entitled)}, ${describeRight(authority, epoch, grant)}`
    throw refuse('signer', `signer: expected ${expected}, got ${formatAuthor(key)}`)
  }
  const problem = grant === null ? undefined : findGrantProblem(grant, payload, authorityKey)
  if (grant === null || problem === undefined) return
  throw refuse(`grant-${problem}`, `grant of the signer: ${describeGrantProblem(problem, grant, payload)}`)
}

function describeRight(authority: Authority, epoch: number, grant: Grant | null): string {
  if (grant !== null) return `the key that epoch ${epoch} is granted to`
  const isRotated = !equalBytes(authorityKeyAt(authority, epoch), authority.author)
  return `the ${isRotated ? "author's new key by a rotation" : 'author key'}, which has the authority of epoch ${epoch}`
}

function refuse(reason: string, message: string): CoppiceError {
  return new CoppiceError('PUBLISH_REFUSED', message, { details: { reason } })
}
