/** The sync engine: serves databases to strangers, and fetches trees from strangers. Knows channels, no network. */
export { type Channel, type ChannelHandler, type PeerDialer, serveChannel } from './channel.ts'
export { fetchTree, type FetchOptions, type FetchTarget } from './fetch-tree.ts'
export { PROTOCOL_VERSION, REQUEST_FRAME_BYTES_MAX } from './limits.ts'
export {
  createChannelPair,
  type ChannelPairOptions,
  createMemoryDialer,
  type MemoryDialerOptions,
} from './memory-channel.ts'
export type { RootId } from './messages.ts'
export { type OpenedSessions, type OpenOptions, openSessions } from './open-sessions.ts'
export { type NewestRoot, Provider, type ProviderOptions } from './provider.ts'
export { ProviderSet, type ProviderSetOptions } from './provider-set.ts'
export type { PeerOutcome, PeerReport, PullProgress, PullReport, Traffic } from './report.ts'
export { type Fault, type HelloOptions, Session, type SessionEnd } from './session.ts'
export type { PathStep } from './subtree.ts'
export type { PullStore } from './verified-writer.ts'
