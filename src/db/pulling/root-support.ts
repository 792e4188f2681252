/**
 * Which signed roots enough independent sources show, where a replica asks for more than one (record.md, 7). Each peer that its user
 * named is a source; peers that were found are one together, since anybody can run as many as he likes; of carriers, each says
 * what it counts as.
 */
import { bytesToMapKey } from '../../bytes.ts'
import type { Store } from '../../store/interface.ts'
import type { Session } from '../../sync/index.ts'
import { readCarrierSettings } from '../carriers.ts'
import { readPeers } from '../finding/address-book.ts'
import type { Claim } from './carrier-claims.ts'
import type { Announcer } from './root-judge.ts'

const FOUND = 'peers that were found'

export class RootSupport {
  readonly #quorum: number
  /** By the signed root's bytes. */
  readonly #sources: ReadonlyMap<string, ReadonlySet<string>>

  constructor(quorum: number, sources: ReadonlyMap<string, ReadonlySet<string>>) {
    this.#quorum = quorum
    this.#sources = sources
  }

  /** What is missing, for people; undefined where it has enough. */
  missing(announced: Uint8Array): string | undefined {
    if (this.#quorum === 1) return undefined
    const sources = this.#sources.get(bytesToMapKey(announced))?.size ?? 0
    return sources >= this.#quorum ? undefined : `${sources} of ${this.#quorum} sources show its root`
  }

  /** So that what has too little is judged by a floor that the rest has moved. */
  supportedFirst(announcers: readonly Announcer[]): Announcer[] {
    const lacks = ({ announced }: Announcer): boolean =>
      announced !== undefined && this.missing(announced) !== undefined
    return [...announcers.filter((each) => !lacks(each)), ...announcers.filter(lacks)]
  }
}

/** @throws {CoppiceError} `STORE_CORRUPT` where the carriers' settings are damaged. */
export async function readSupport(
  store: Pick<Store, 'getMeta'>,
  sessions: readonly Session[],
  claims: readonly Claim[],
): Promise<RootSupport> {
  const { quorum = 1 } = await readCarrierSettings(store)
  const sources = new Map<string, Set<string>>()
  if (quorum === 1) return new RootSupport(quorum, sources)
  const note = (announced: Uint8Array | undefined, source: string): void => {
    if (announced === undefined) return
    const key = bytesToMapKey(announced)
    sources.set(key, (sources.get(key) ?? new Set()).add(source))
  }
  const named = new Set(await readPeers(store))
  for (const { announced, name, peer } of sessions) note(announced, named.has(name) ? partyOf(peer) : FOUND)
  for (const { announced, source } of claims) note(announced, source)
  return new RootSupport(quorum, sources)
}

/** All that one web server's host offers is one party's. */
function partyOf(peer: string): string {
  return URL.parse(peer)?.hostname || peer
}
