/** The HTTP gateway: published databases for whoever speaks HTTP, as IPFS trustless gateways give blocks. */
export { type Gateway, type GatewayOptions, startGateway } from './server.ts'
export type { ServedDatabase } from './served.ts'
