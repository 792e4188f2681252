/**
 * Peers that a replica has met and that were of use, beside those that its user named (protocol.md, 13). Who gets in has
 * sent blocks that were verified and used; the user's own peers stand elsewhere and nothing here displaces them
 * (THREATS rows 12, 32). Hints only: a book that cannot be read is an empty one.
 */
import { CoppiceError } from '../../errors.ts'
import { quoteText } from '../../escape.ts'
import type { PeerReport } from '../../sync/index.ts'
import type { Store } from '../../store/interface.ts'
import { decodeText, encodeText, KNOWN_PEERS, PEERS } from '../meta.ts'

export interface KnownPeer {
  /** A multiaddr with its peer id. */
  readonly address: string
  /** When it last sent something that was used, in seconds since 1970. */
  readonly usedAt: number
  /** Tries since then that came to nothing. */
  readonly failures: number
}

export const KNOWN_PEERS_MAX = 32
/** At one host: whoever has many peer ids does not have many machines. */
export const KNOWN_PEERS_PER_HOST_MAX = 4
/** A peer that has failed so often since it was of use is forgotten. */
export const KNOWN_FAILURES_MAX = 5
/** Asked in one pull beside the configured ones. */
export const KNOWN_PEERS_ASKED_MAX = 8

/** The most promising first. */
export async function readKnownPeers(store: Pick<Store, 'getMeta'>): Promise<KnownPeer[]> {
  const bytes = await store.getMeta(KNOWN_PEERS)
  if (bytes === undefined) return []
  return decodeText(bytes).split('\n').flatMap(parseLine).slice(0, KNOWN_PEERS_MAX)
}

/** The addresses that the user named. */
export async function readPeers(store: Pick<Store, 'getMeta'>): Promise<string[]> {
  const bytes = await store.getMeta(PEERS)
  const lines = bytes === undefined ? [] : decodeText(bytes).split('\n')
  return lines.filter((line) => line !== '')
}

/** Notes what became of peers in a pull; not of those that the user named. Writes only where something has changed. */
export async function notePeers(
  store: Pick<Store, 'getMeta' | 'write'>,
  reports: readonly PeerReport[],
  now: number,
): Promise<void> {
  const before = await readKnownPeers(store)
  const after = afterPull(before, reports, await readPeers(store), Math.floor(now / 1000))
  if (formatBook(after) === formatBook(before)) return
  await store.write({ meta: new Map([[KNOWN_PEERS, encodeText(formatBook(after))]]) })
}

/** The book after a pull, the most promising first. */
export function afterPull(
  before: readonly KnownPeer[],
  reports: readonly PeerReport[],
  configured: readonly string[],
  nowSeconds: number,
): KnownPeer[] {
  const users = new Set(configured)
  const book = new Map(before.filter(({ address }) => !users.has(address)).map((known) => [known.address, known]))
  for (const { name, outcome } of reports) {
    if (users.has(name) || !ADDRESS.test(name)) continue
    const known = book.get(name)
    // "unused" alone earns no place: to have a root costs a peer nothing.
    if (outcome === 'used' || (outcome === 'unused' && known !== undefined)) {
      book.set(name, { address: name, usedAt: nowSeconds, failures: 0 })
    } else if (FORGOTTEN.has(outcome)) {
      book.delete(name)
    } else if (known !== undefined && FAILED.has(outcome)) {
      book.set(name, { ...known, failures: known.failures + 1 })
    }
  }
  return bounded([...book.values()].filter(({ failures }) => failures < KNOWN_FAILURES_MAX).sort(morePromising))
}

/** At fault, or of no use for this database. */
const FORGOTTEN: ReadonlySet<PeerReport['outcome']> = new Set(['liar', 'protocol', 'unknown', 'version'])
const FAILED: ReadonlySet<PeerReport['outcome']> = new Set(['unreachable', 'silent', 'slow', 'incomplete'])
/** With a peer id, so that nobody else answers there another time. */
const ADDRESS = /^\/[\x21-\x7e]{1,500}\/p2p\/[A-Za-z0-9]+$/

function morePromising(a: KnownPeer, b: KnownPeer): number {
  return a.failures - b.failures || b.usedAt - a.usedAt
}

function bounded(sorted: readonly KnownPeer[]): KnownPeer[] {
  const ofHost = new Map<string, number>()
  const kept = sorted.filter(({ address }) => {
    const [host = ''] = address.split('/tcp/')
    const count = (ofHost.get(host) ?? 0) + 1
    ofHost.set(host, count)
    return count <= KNOWN_PEERS_PER_HOST_MAX
  })
  return kept.slice(0, KNOWN_PEERS_MAX)
}

function formatBook(book: readonly KnownPeer[]): string {
  return book.map(({ address, usedAt, failures }) => `${usedAt} ${failures} ${address}`).join('\n')
}

function parseLine(line: string): KnownPeer[] {
  const [, usedAt, failures, address = ''] = /^(\d{1,12}) (\d{1,2}) (\S+)$/.exec(line) ?? []
  return ADDRESS.test(address) ? [{ address, usedAt: Number(usedAt), failures: Number(failures) }] : []
}

/** One a line. What else an address must be is the network's to say. */
export function encodePeers(peers: readonly string[]): Uint8Array {
  const broken = peers.find((peer) => peer === '' || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(peer))
  if (broken !== undefined) {
    throw new CoppiceError('ADDRESS_INVALID', `peer: expected an address on one line, got ${quoteText(broken)}`)
  }
  return encodeText(peers.join('\n'))
}
