/** The network: libp2p nodes whose streams are channels. The only folder that imports libp2p. */

export { createNode, NetworkNode, SYNC_PROTOCOL } from './node.ts'
export type { DialerOptions, HandleOptions, NodeLimits, NodeOptions } from './node.ts'
export { peerIdOfKey } from './libp2p.ts'
export { parseDialAddress, parseListenAddress } from './address.ts'
export { createLogger } from './log.ts'
export type { Log } from '../log.ts'
