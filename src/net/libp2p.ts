/** One place where libp2p is put together: TCP, noise, yamux, identify and ping, with limits that fit bulk transfers. */

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
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

export interface Libp2pSettings {
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  /** 32 bytes. */
  readonly peerKey: Uint8Array
  readonly connectionsMax: number
}

/** A libp2p node, not started. */
export async function createLibp2pNode(settings: Libp2pSettings): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', settings.peerKey),
    nodeInfo: { name: 'coppice', version: '1', userAgent: 'coppice' },
    addresses: { listen: [...settings.listen], appendAnnounce: [...settings.announce] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: STREAMS_PER_CONNECTION_MAX,
        streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX },
      }),
    ],
    connectionGater: new HostQuota({
      connectionsMax: CONNECTIONS_PER_HOST_MAX,
      handshakesMax: HANDSHAKES_PER_HOST_MAX,
    }),
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
    services: { identify: identify(), ping: ping() },
  })
  // What identify told is kept for hours otherwise, up to 8 KiB for every peer id that ever came by.
  libp2p.addEventListener('peer:disconnect', ({ detail: peer }) => {
    libp2p.peerStore.delete(peer).catch(() => {})
  })
  return libp2p
}

/** The peer id, as in addresses, of the network identity with this 32-byte seed. */
export async function peerIdOfKey(peerKey: Uint8Array): Promise<string> {
  const key = await generateKeyPairFromSeed('Ed25519', peerKey)
  return key.publicKey.toString()
}
