/**
 * One place where libp2p is put together: TCP, noise, yamux, identify and ping, with limits that fit bulk transfers, and the
 * kinds of discovery that were asked for, which are loaded then.
 */

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { ConnectionGater } from '@libp2p/interface'
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import { createLibp2p, type Libp2p } from 'libp2p'
import { DialGuard } from './dial-guard.ts'
import { BoundedDatastore } from './discovery/bounded-datastore.ts'
import type { DhtOptions, IpnsDhtOptions } from './discovery/dht.ts'
import type { KadValues } from './discovery/kad-values.ts'
import type { ValueFloors } from './discovery/value-floors.ts'
import type { LanDiscovery, LanOptions } from './discovery/lan.ts'
import { HostQuota } from './host-quota.ts'
import {
  CONNECTIONS_PER_HOST_MAX,
  CONNECTIONS_PER_HOST_PER_SECOND_MAX,
  DIAL_TIMEOUT_MS,
  HANDSHAKES_MAX,
  HANDSHAKES_PER_HOST_MAX,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  STREAM_WINDOW_BYTES_MAX,
  STREAMS_PER_CONNECTION_MAX,
} from './limits.ts'
import { hostOf } from './address.ts'
import { createLogger } from './log.ts'
import type { NodeComponents } from './relay.ts'
import { hostKey, REACH, reachOf } from './reach.ts'

export interface Libp2pSettings {
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  /** 32 bytes. */
  readonly peerKey: Uint8Array
  readonly connectionsMax: number
  /** Finds nodes of the same network. */
  readonly lan?: LanOptions | undefined
  /** Takes part in a DHT. */
  readonly dht?: DhtOptions | undefined
  /** Asks another one for IPNS records. */
  readonly ipns?: IpnsDhtOptions | undefined
  /** What relaying, which may come later, lets through. */
  readonly relayGater?: ConnectionGater
}

export interface Libp2pParts {
  /** Not started. */
  readonly libp2p: Libp2p
  readonly guard: DialGuard
  readonly lan: LanDiscovery | undefined
  readonly dht: ValueDht | undefined
  readonly ipns: ValueDht | undefined
  /** What was remembered of others. */
  readonly memory: BoundedDatastore
  /** What libp2p hands to its parts. */
  readonly components: NodeComponents
}

/** A DHT, and the values in it. */
export interface ValueDht {
  readonly service: KadDHT
  readonly values: KadValues
  /** What was taken of others, and what not. */
  readonly floors: ValueFloors
}

/** A libp2p node and what belongs to it. */
export async function createLibp2pNode(settings: Libp2pSettings): Promise<Libp2pParts> {
  const { dht, ipns, lan } = settings
  const dhtModule = dht === undefined && ipns === undefined ? undefined : await import('./discovery/dht.ts')
  const lanModule = lan === undefined ? undefined : await import('./discovery/lan.ts')
  const privateKey = await generateKeyPairFromSeed('Ed25519', settings.peerKey)
  const self = privateKey.publicKey.toString()
  const guard = new DialGuard(
    self,
    dhtModule?.reachOfDht([...(dht?.bootstrap ?? []), ...(ipns?.bootstrap ?? [])], settings.listen),
  )
  const quota = new HostQuota(HOST_LIMITS)
  const memory = new BoundedDatastore(self)
  const parts: { components?: NodeComponents; lan?: LanDiscovery; dht?: ValueDht; ipns?: ValueDht } = {}
  const libp2p = await createLibp2p({
    start: false,
    privateKey,
    datastore: memory,
    nodeInfo: { name: 'coppice', version: '1', userAgent: 'coppice' },
    addresses: { listen: [...settings.listen], appendAnnounce: [...settings.announce] },
    transports: [
      (components) => {
        parts.components = components
        return tcp()(components)
      },
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
        streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX },
      }),
    ],
    connectionGater: {
      denyInboundConnection: quota.denyInboundConnection,
      denyInboundUpgradedConnection: quota.denyInboundUpgradedConnection,
      filterMultiaddrForPeer: guard.filterMultiaddrForPeer,
      denyDialMultiaddr: guard.denyDialMultiaddr,
      ...settings.relayGater,
    },
    connectionManager: {
      maxConnections: settings.connectionsMax,
      inboundConnectionThreshold: CONNECTIONS_PER_HOST_PER_SECOND_MAX,
      maxIncomingPendingConnections: HANDSHAKES_MAX,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: DIAL_TIMEOUT_MS,
    },
    // The default gives a peer 5 s: one that is building a tree in the same thread would lose all its connections.
    connectionMonitor: {
      pingInterval: PING_INTERVAL_MS,
      pingTimeout: { minTimeout: PING_TIMEOUT_MS, maxTimeout: 2 * PING_TIMEOUT_MS },
    },
    // The addresses of a provider have to last as long as its record; libp2p forgets them after an hour.
    peerStore:
      dhtModule === undefined ? {} : { maxAddressAge: 2 * dhtModule.RECORD_MS, maxPeerAge: 2 * dhtModule.RECORD_MS },
    services: {
      identify: identify(),
      ping: ping(),
      ...(dhtModule === undefined || dht === undefined
        ? {}
        : {
            dht: (components) =>
              (parts.dht = dhtModule.ownDht(components as unknown as KadDHTComponents, { guard, memory, self }, dht))
                .service,
          }),
      ...(dhtModule === undefined || ipns === undefined
        ? {}
        : {
            ipns: (components) =>
              (parts.ipns = dhtModule.ipnsDht(components as unknown as KadDHTComponents, { guard, memory, self }, ipns))
                .service,
          }),
      ...(lanModule === undefined || lan === undefined
        ? {}
        : { lan: (components) => (parts.lan = new lanModule.LanDiscovery(components, lan, createLogger('lan'))) }),
    },
  })
  memory.hostOf = (peer) => hostOfPeer(libp2p, peer)
  // What identify told is kept for hours otherwise, up to 8 KiB for every peer id that ever came by. A DHT has to know its
  // nodes and providers also while they are not connected; what that may take is bounded by the datastore.
  if (dhtModule === undefined) {
    libp2p.addEventListener('peer:disconnect', ({ detail: peer }) => {
      libp2p.peerStore.delete(peer).catch(() => {})
    })
  }
  if (parts.components === undefined) throw new TypeError('libp2p: expected components')
  const { components } = parts
  return { libp2p, guard, memory, lan: parts.lan, dht: parts.dht, ipns: parts.ipns, components }
}

const HOST_LIMITS = { connectionsMax: CONNECTIONS_PER_HOST_MAX, handshakesMax: HANDSHAKES_PER_HOST_MAX }

/** The machine of a connected peer; undefined where that is this one. */
function hostOfPeer(libp2p: Libp2p, peer: string): string | undefined {
  const connection = libp2p.getConnections().find(({ remotePeer }) => remotePeer.toString() === peer)
  const host = connection === undefined ? '' : hostOf(connection.remoteAddr)
  return reachOf(host) === REACH.loopback ? undefined : hostKey(host)
}

/** The peer id, as in addresses, of the network identity with this 32-byte seed. */
export async function peerIdOfKey(peerKey: Uint8Array): Promise<string> {
  const key = await generateKeyPairFromSeed('Ed25519', peerKey)
  return key.publicKey.toString()
}
