/** Resolving an address without a directory: carriers that are made for one question, and nothing that is kept. See `resolve` of index.ts. */
import {
  type CarrierNodes,
  type CarrierSettings,
  encodeCarrierSettings,
  type Resolution,
  resolveAndTell,
} from './carriers/index.ts'
import { LazyCarriers } from './lazy-carriers.ts'
import { LazyNetwork } from './lazy-network.ts'
import { requireDialAddress, requirePeerAddress } from './peer-addresses.ts'
import { createAuthority, createFloor, parseAddress } from './pointer/index.ts'
import { surroundings } from './surroundings.ts'

/** Carriers to ask, beside the peers and mirrors of an address. */
export interface CarrierOptions {
  /** Peers and mirrors beside those of the address: multiaddrs and URLs. */
  readonly peers?: readonly string[] | undefined
  /** Nodes of coppice's own DHT: multiaddrs with peer ids. */
  readonly dht?: readonly string[] | undefined
  /** Nodes of a DHT that keeps IPNS records: multiaddrs with peer ids. */
  readonly ipns?: readonly string[] | undefined
  /** Nodes of a BitTorrent DHT: `host:port`. */
  readonly bep44?: readonly string[] | undefined
}

export interface ResolveOptions extends CarrierOptions {
  /** Only what that many independent sources show counts; 1 where absent. */
  readonly quorum?: number | undefined
  /** For all carriers together; 15 s where absent. */
  readonly deadlineMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** As a directory keeps them. @throws {CoppiceError} `USAGE`, `ADDRESS_INVALID` for what can be no node. */
export async function carrierSettings({ dht, ipns, bep44 }: CarrierOptions, quorum?: number): Promise<CarrierSettings> {
  const nodes = (bootstrap: readonly string[] | undefined): CarrierNodes | undefined =>
    bootstrap === undefined ? undefined : { bootstrap }
  const settings = { dht: nodes(dht), ipns: nodes(ipns), bep44: nodes(bep44), quorum }
  for (const node of [...(dht ?? []), ...(ipns ?? [])]) await requireDialAddress(node)
  encodeCarrierSettings(settings)
  return settings
}

/** See `resolve` of index.ts. */
export async function resolveAddress(addressText: string, options: ResolveOptions): Promise<Resolution> {
  const { author, name, peers: named } = parseAddress(addressText)
  const peers = [...new Set([...named, ...(options.peers ?? [])])]
  const { quorum, deadlineMs, signal } = options
  const settings = await carrierSettings(options, quorum)
  for (const peer of peers) await requirePeerAddress(peer)
  const network = new LazyNetwork({}, () => Promise.resolve(settings))
  const carriers = new LazyCarriers(() => Promise.resolve({ settings, peers }), { network, signers: [] })
  try {
    const known = { floor: createFloor(author, name), authority: createAuthority(author) }
    const { clock } = surroundings
    // Nobody has a floor to keep: what this reader was shown before, it has forgotten.
    const keep = (): Promise<void> => Promise.resolve()
    return await resolveAndTell({ author, name }, await carriers.list(), known, {
      clock,
      quorum,
      deadlineMs,
      signal,
      keep,
    })
  } finally {
    await carriers.close()
    await network.close()
  }
}
