/** The network: libp2p nodes whose streams are channels. The only folder that imports libp2p. */

export { createNode, type NodeOptions } from './create-node.ts'
export { NetworkNode, SYNC_PROTOCOL } from './node.ts'
export type { DialerOptions, HandleOptions, NodeLimits } from './node.ts'
export { type DatabaseId, discoveryKey } from './discovery/discovery-key.ts'
export type { Discovery } from './discovery/discovery.ts'
export type { LanOptions } from './discovery/lan.ts'
export { peerIdOfKey } from './libp2p.ts'
export { parseDialAddress, parseListenAddress } from './address.ts'
export { createLogger } from './log.ts'
export type { Log } from '../log.ts'
