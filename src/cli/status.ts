/** What `coppice status` tells, as a value with stable keys and as lines. */
import { readFloor } from '../db/roots/standing.ts'
import { readOrigin, type ReplicaState, type Schema, type Snapshot, unpublishedBases } from '../db/index.ts'
import type { Document, FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { formatLink } from '../link.ts'
import { formatAuthor, type Freshness, getFreshness, type OnFork, type SignedRoot } from '../pointer/index.ts'
import { describeFork } from './evidence-text.ts'
import { describeFreshness } from './freshness.ts'
import type { Opened } from './open.ts'
import { describeOrigin, type OriginJson, originJson } from './origin.ts'
import { renderJson } from './output.ts'
import { renderBytes, renderCounted, renderTable, renderTime } from './render.ts'

/** A signed root in JSON output. */
export type SignedRootJson = {
  readonly sequence: number
  readonly epoch: number
  readonly root: string
  readonly entries: number
  readonly bytes: number
  /** Seconds since 1970. */
  readonly issued: number
  readonly expires: number | null
  readonly message: string | null
  /** The key that signed it, as in an address. */
  readonly signer: string
  /** When the grant of that key ends; null where it has none, or no end. */
  readonly grantExpires: number | null
}

export type CollectionJson = {
  readonly name: string
  readonly key: readonly { readonly field: string; readonly type: string }[]
  readonly documents: number
}

/** When it was last of use, in seconds since 1970, and how often it has failed since. */
export type KnownPeerJson = { readonly address: string; readonly usedAt: number; readonly failures: number }

/** Two histories by one author. `ended`: the newest root here is of a higher epoch; null of a replica that has no root to tell by. */
export type ForkJson = {
  readonly epoch: number
  readonly kind: 'roots' | 'rotations'
  readonly ended: boolean | null
  /** For people. */
  readonly what: string
}

/** Keys are API. Null: not there. */
export type StatusJson = {
  readonly kind: 'author' | 'replica'
  readonly name: string
  readonly author: string
  readonly address: string
  /** Of the working state, or a replica's complete state; null before a replica's first pull is complete. */
  readonly root: string | null
  readonly entries: number | null
  readonly bytes: number | null
  readonly levels: number | null
  /** Of the published root: the author's newest, or the one a replica has complete. */
  readonly sequence: number | null
  readonly published: SignedRootJson | null
  /** Whether the working state differs from the published one. */
  readonly unpublished: boolean
  /** What was merged and is not named by the published root: who follows it does not know, and merges it again. */
  readonly unpublishedMerges: readonly { readonly address: string; readonly root: string }[]
  /** The newest signed root accepted; a replica's may be newer than what is complete. */
  readonly newest: SignedRootJson | null
  readonly freshness: Freshness | null
  /** The freshness, or `unreachable` where no carrier or peer says whether there is a newer root; null without a root. */
  readonly state: ReplicaState | null
  /** Why it is no better, the worst first. */
  readonly reasons: readonly string[]
  /** When a carrier or peer of a replica last answered, in seconds since 1970. */
  readonly reachedAt: number | null
  /** The sequence of a root that waits for its signature. */
  readonly prepared: number | null
  /** Whether a key that may sign is in the directory, and readable; false of a replica. */
  readonly canPublish: boolean
  /** Why a replica does not go on: a malformed tree, or contradicting roots. Why an author cannot publish: the key. */
  readonly problems: readonly string[]
  /** Of what the author signed against itself, as far as evidence is kept: the highest epochs. */
  readonly forks: readonly ForkJson[]
  /** What a replica does about that; null of one's own database. */
  readonly onFork: OnFork | null
  /** Where a fork came from. */
  readonly forkedFrom: OriginJson | null
  /** The addresses a replica asks. */
  readonly peers: readonly string[]
  /** Found and of use, asked too: the most promising first. */
  readonly knownPeers: readonly KnownPeerJson[]
  readonly collections: readonly CollectionJson[]
  readonly metadata: Document | null
}

export function signedRootJson({ payload, message, key, grant }: SignedRoot): SignedRootJson {
  const { sequence, epoch, root, entries, bytes, issued, expires } = payload
  return {
    sequence,
    epoch,
    root: formatLink(root),
    entries,
    bytes,
    issued,
    expires,
    message: message ?? null,
    signer: formatAuthor(key),
    grantExpires: grant?.expires ?? null,
  }
}

/** `dir` is where `opened` is. `maxAge`: seconds since somebody answered after which a replica counts as unreachable. */
export async function readStatus(dir: string, opened: Opened, maxAge?: number): Promise<StatusJson> {
  const { kind, db } = opened
  const published = await db.published()
  const snapshot = kind === 'replica' && !(await db.isComplete()) ? undefined : await db.snapshot()
  const ref = snapshot?.tree.ref
  const root = snapshot?.root ?? null
  const origin = await readOrigin(db.state.store)
  const signed = published === undefined ? null : signedRootJson(published)
  return {
    kind,
    name: db.name,
    author: formatAuthor(db.author),
    address: db.address,
    root,
    entries: ref?.entries ?? null,
    bytes: ref?.bytes ?? null,
    levels: snapshot === undefined ? null : snapshot.tree.level + 1,
    sequence: signed?.sequence ?? null,
    published: signed,
    unpublished: root !== null && root !== (signed?.root ?? null),
    unpublishedMerges: (await unpublishedBases(db.state)).map(({ address, root: merged }) => ({
      address,
      root: formatLink(merged),
    })),
    ...(await standingOf(dir, opened, published, maxAge)),
    forks: await readForks(opened),
    onFork: kind === 'replica' ? (await db.standing()).onFork : null,
    forkedFrom: origin === undefined ? null : originJson(origin),
    peers: kind === 'replica' ? await db.peers() : [],
    knownPeers: kind === 'replica' ? (await db.knownPeers()).map((known) => ({ ...known })) : [],
    collections: snapshot === undefined ? [] : await readCollections(snapshot),
    metadata: (await snapshot?.metadata()) ?? null,
  }
}

async function standingOf(
  dir: string,
  { kind, db }: Opened,
  published: SignedRoot | undefined,
  maxAge: number | undefined,
): Promise<
  Pick<StatusJson, 'newest' | 'freshness' | 'state' | 'reasons' | 'reachedAt' | 'prepared' | 'canPublish' | 'problems'>
> {
  if (kind === 'author') {
    const now = Math.floor(db.state.clock.now() / 1000)
    const freshness = published === undefined ? null : getFreshness(published, now)
    const { readSigning } = await import('./signing-keys.ts')
    const { problem } = await readSigning(dir, db)
    return {
      newest: published === undefined ? null : signedRootJson(published),
      freshness,
      state: freshness,
      reasons: [],
      reachedAt: null,
      prepared: (await db.prepared())?.next.payload.sequence ?? null,
      canPublish: problem === undefined,
      problems: problem === undefined ? [] : [`cannot be published from here: ${problem.message}`],
    }
  }
  const { newest, freshness, state, reasons, reach, fork, onFork, invalid } = await db.standing(
    maxAge === undefined ? {} : { maxAgeSeconds: maxAge },
  )
  const problems = [
    ...(invalid === undefined ? [] : [`the newest root is malformed, which is its author's fault: ${invalid.message}`]),
    ...(fork === undefined || onFork === 'highest'
      ? []
      : [`its author signed ${describeFork(fork)}: it stays at what it has`]),
  ]
  return {
    newest: newest === undefined ? null : signedRootJson(newest),
    freshness: freshness ?? null,
    state: state ?? null,
    reasons,
    reachedAt: reach.reachedAt ?? null,
    prepared: null,
    canPublish: false,
    problems,
  }
}

async function readForks({ kind, db }: Opened): Promise<ForkJson[]> {
  const { evidence } = await readFloor(db.state)
  const newest = kind === 'replica' ? (await db.standing()).newest : await db.published()
  return evidence.map((each) => ({
    epoch: each.epoch,
    kind: each.kind,
    ended: newest === undefined ? (kind === 'replica' ? null : false) : newest.payload.epoch > each.epoch,
    what: describeFork(each),
  }))
}

async function readCollections(snapshot: Snapshot): Promise<CollectionJson[]> {
  return await Promise.all(
    (await snapshot.collections()).map(async (schema: Schema) => ({
      name: schema.collection,
      key: schema.key.map(({ field, type }) => ({ field, type })),
      documents: await snapshot.count(schema.rangeFor()),
    })),
  )
}

/** For people; escaped. */
export function describeStatus(status: StatusJson): string[] {
  const { kind, root, published, newest, freshness, metadata } = status
  const rows: [string, string][] = [
    ['name', status.name],
    ['kind', kind === 'author' ? "author: one's own database" : 'replica'],
    ['address', status.address],
    ['root', root === null ? 'none yet: coppice pull has not completed' : describeRoot(status)],
  ]
  rows.push(['published', published === null ? 'nothing published yet' : describeSigned(published)])
  if (published !== null && published.message !== null) rows.push(['message', escapeText(published.message)])
  if (published !== null && status.unpublished) rows.push(['', 'the working state has changes that are not published'])
  if (status.prepared !== null) rows.push(['prepared', `@${status.prepared} waits for its signature`])
  for (const merged of status.unpublishedMerges)
    rows.push(['', `merged ${escapeText(merged.address)} ${merged.root}, not published`])
  if (newest !== null && newest.sequence !== published?.sequence) rows.push(['newest accepted', describeSigned(newest)])
  if (newest !== null && newest.signer !== status.author) rows.push(['signed by', describeSigner(newest)])
  if (freshness !== null) rows.push(['freshness', describeFreshness(freshness, newest)])
  if (status.state === 'unreachable') rows.push(['unreachable', escapeText(status.reasons[0] ?? '')])
  if (status.reachedAt !== null) rows.push(['last answer', renderTime(status.reachedAt)])
  for (const problem of status.problems) rows.push(['problem', escapeText(problem)])
  for (const fork of status.forks) rows.push(['fork', describeForkJson(fork, status)])
  if (status.onFork === 'highest')
    rows.push(['on fork', 'highest: it goes to the highest root whatever contradicts it'])
  if (status.forkedFrom !== null) rows.push(['forked from', describeOrigin(status.forkedFrom)])
  for (const peer of status.peers) rows.push(['peer', escapeText(peer)])
  for (const known of status.knownPeers) rows.push(['known peer', describeKnown(known)])
  for (const { name, key, documents } of status.collections) {
    const fields = key.map(({ field, type }) => `${escapeText(field)}:${escapeText(type)}`).join(',')
    rows.push(['collection', `${escapeText(name)}  ${renderCounted(documents, 'document')}, key ${fields}`])
  }
  for (const [field, value] of Object.entries(metadata ?? {})) rows.push([escapeText(field), describeValue(value)])
  return renderTable(rows)
}

function describeRoot({ root, entries, bytes, levels }: StatusJson): string {
  // More than the documents, which are counted beside each collection.
  const counted = `${renderCounted(entries ?? 0, 'entry', 'entries')}${entries === 0 ? '' : ' with schemas and metadata'}`
  const size = `${counted}, ${renderBytes(bytes ?? 0)}, ${renderCounted(levels ?? 0, 'level')}`
  return `${root}  ${size}`
}

function describeForkJson({ what, ended }: ForkJson, { kind }: StatusJson): string {
  if (ended) return `${what}: ended by a higher epoch; coppice evidence DIR FILE writes the proof`
  if (ended === null)
    return `${what}: not known to have ended, before there is a root; coppice evidence DIR FILE writes the proof`
  const author = 'readers stop there until coppice recover DIR --end-fork'
  return `${what}: ${kind === 'author' ? author : 'coppice evidence DIR FILE writes the proof'}`
}

function describeSigner({ signer, epoch, grantExpires }: SignedRootJson): string {
  return `${signer}, epoch ${epoch}${grantExpires === null ? '' : `, granted until ${renderTime(grantExpires)}`}`
}

function describeKnown({ address, usedAt, failures }: KnownPeerJson): string {
  const failed = failures === 0 ? '' : `, failed ${renderCounted(failures, 'time')} since`
  return `${escapeText(address)}  of use ${renderTime(usedAt)}${failed}`
}

function describeSigned({ sequence, root, issued }: SignedRootJson): string {
  return `@${sequence} ${root}  ${renderTime(issued)}`
}

function describeValue(value: FieldValue): string {
  return typeof value === 'string' ? escapeText(value) : renderJson(value)
}
