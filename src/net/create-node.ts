/** Starts nodes: checks the options, puts libp2p together, and adds the kinds of discovery and relaying that were asked for. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { listenReason } from '../listen-error.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { isRelayed, parseAnnounceAddress, parseDialAddress, parseListenAddress, peerIdOf } from './address.ts'
import type { Dht, IpnsDhtOptions } from './discovery/dht.ts'
import { Discovery } from './discovery/discovery.ts'
import type { LanOptions } from './discovery/lan.ts'
import { createLibp2pNode, type Libp2pParts, peerIdOfKey, type ValueDht } from './libp2p.ts'
import {
  CHANNELS_MAX,
  CHANNELS_PER_PEER_MAX,
  CONNECTIONS_MAX,
  DIAL_TIMEOUT_MS,
  LINGER_MS,
  SEND_STALL_MS,
  UPGRADE_TIMEOUT_MS,
} from './limits.ts'
import { createLogger } from './log.ts'
import { NetworkNode, type NodeLimits } from './node.ts'
import { LazyRelaying } from './lazy-relaying.ts'

const PEER_KEY_BYTES = 32

export interface NodeOptions {
  /** 32 random bytes, kept secret: the network identity. Never an author key. */
  readonly peerKey: Uint8Array
  /**
   * Multiaddrs, `/ip4/0.0.0.0/tcp/4001`; none makes a node that only dials. A relay's address with `/p2p-circuit` at its end
   * is a place at that relay, for others to reach this node by.
   */
  readonly listen?: readonly string[]
  /** Further addresses to tell others, when this machine is reached by other ones than it has. */
  readonly announce?: readonly string[]
  /** Finds nodes of this network by mDNS and, where it listens, is found by them. */
  readonly lan?: LanOptions | undefined
  /** Takes part in the DHT that begins with these addresses; in a new one where there are none. */
  readonly dht?: readonly string[] | undefined
  /** Asks another network's DHT for IPNS records, and puts them there; it is no node of that DHT. */
  readonly ipns?: IpnsDhtOptions | undefined
  /** Relays for peers that cannot be dialled, within limits. */
  readonly relay?: boolean | undefined
  readonly limits?: Partial<NodeLimits>
}

/**
 * Starts a node.
 * @throws {CoppiceError} `ADDRESS_INVALID`, `LISTEN_FAILED`.
 */
export async function createNode(options: NodeOptions): Promise<NetworkNode> {
  if (options.peerKey.length !== PEER_KEY_BYTES) {
    throw new RangeError(`peerKey: expected ${PEER_KEY_BYTES} bytes, got ${options.peerKey.length}`)
  }
  const listen = options.listen ?? []
  const places = listen.map(parseListenAddress).filter(isRelayed)
  const direct = listen.filter((address) => !isRelayed(parseListenAddress(address)))
  const announce = options.announce ?? []
  for (const address of announce) await requireOwn(address, options.peerKey)
  const bootstrap = options.dht
  for (const address of [...(bootstrap ?? []), ...(options.ipns?.bootstrap ?? [])]) requirePeerId(address)
  const limits = nodeLimits(options.limits)
  const relaying = new LazyRelaying({ isRelay: options.relay === true, listen: places, log: createLogger('relay') })
  const parts = await createLibp2pNode({
    listen: direct,
    announce,
    peerKey: options.peerKey,
    connectionsMax: limits.connectionsMax,
    lan: options.lan,
    dht: bootstrap === undefined ? undefined : { bootstrap, isServer: direct.length > 0 },
    ipns: options.ipns,
    relayGater: relaying.gater,
  })
  try {
    await parts.libp2p.start()
  } catch (error) {
    throw listenError(direct, error)
  }
  try {
    announceListening(parts)
    relaying.attach(parts)
    if (options.relay === true || places.length > 0) await relaying.require()
    const dht = await startDht(parts, parts.dht, bootstrap)
    const ipns = await startDht(parts, parts.ipns, options.ipns?.bootstrap)
    return new NetworkNode(parts, { limits, relaying, discovery: new Discovery(parts.lan, dht), ipns })
  } catch (error) {
    await parts.libp2p.stop()
    throw error
  }
}

function nodeLimits(limits: Partial<NodeLimits> | undefined): NodeLimits {
  return {
    connectionsMax: CONNECTIONS_MAX,
    channelsMax: CHANNELS_MAX,
    channelsPerPeerMax: CHANNELS_PER_PEER_MAX,
    dialTimeoutMs: DIAL_TIMEOUT_MS,
    upgradeTimeoutMs: UPGRADE_TIMEOUT_MS,
    sendStallMs: SEND_STALL_MS,
    lingerMs: LINGER_MS,
    ...limits,
  }
}

/** Another's peer id would lead whoever dials to believe that we are him, or that we are not. */
async function requireOwn(address: string, peerKey: Uint8Array): Promise<void> {
  const peerId = peerIdOf(parseAnnounceAddress(address))
  if (peerId === undefined || peerId === (await peerIdOfKey(peerKey))) return
  const message = `announce: expected this node's peer id or none, got ${escapeText(address)}`
  throw new CoppiceError('ADDRESS_INVALID', message, { details: { address } })
}

/** Without it anybody who answers there could show us a network of his own. */
function requirePeerId(address: string): void {
  const parsed = parseDialAddress(address)
  if (peerIdOf(parsed) !== undefined && !isRelayed(parsed)) return
  throw new CoppiceError(
    'ADDRESS_INVALID',
    `bootstrap node: expected its peer id after /p2p/, got ${escapeText(address)}`,
    {
      details: { address },
    },
  )
}

/**
 * libp2p tells nobody of a public address before a peer has dialled it back, and prints none. Here the user says where to
 * listen, and those who ask are to be told.
 */
function announceListening({ components }: Libp2pParts): void {
  for (const address of components.transportManager.getAddrs()) {
    components.addressManager.confirmObservedAddr(address, { type: 'transport', ttl: Infinity })
  }
}

async function startDht(
  { libp2p, guard }: Libp2pParts,
  parts: ValueDht | undefined,
  bootstrap: readonly string[] | undefined,
): Promise<Dht | undefined> {
  if (parts === undefined || bootstrap === undefined) return undefined
  const { Dht } = await import('./discovery/dht.ts')
  const dht = new Dht(
    {
      service: parts.service,
      values: parts.values,
      guard,
      log: createLogger('dht'),
      connect: (address: Multiaddr, signal: AbortSignal) => libp2p.dial(address, { signal }),
      isConnected: (address: Multiaddr) => libp2p.getPeers().some((peer) => peer.toString() === peerIdOf(address)),
    },
    bootstrap,
  )
  dht.start()
  return dht
}

/** libp2p joins the reasons of all its listeners into one text. */
function listenError(listen: readonly string[], error: unknown): CoppiceError {
  const text = error instanceof Error ? error.message : String(error)
  const reason = listenReason(text)
  return new CoppiceError('LISTEN_FAILED', `cannot listen on ${listen.join(', ')}: ${reason}`, {
    cause: error,
    details: { addresses: listen, reason },
  })
}
