/** The sync engine: serves databases to strangers, and fetches trees from strangers. Knows channels, no network. */
export { type Channel, type ChannelDialer, type ChannelHandler, serveChannel } from './channel.ts'
export type { FetchOptions, FetchTarget } from './fetching/fetch-options.ts'
export { fetchTree } from './fetching/fetch-tree.ts'
export { type Packing, packings } from '../packings.ts'
export { PAYLOADS_MAX, PROTOCOL_VERSION, REQUEST_FRAME_BYTES_MAX } from './limits.ts'
export {
  createChannelPair,
  type ChannelPairOptions,
  createMemoryDialer,
  type MemoryDialerOptions,
} from './memory-channel.ts'
export type { PayloadName, RootId } from './wire/index.ts'
export type { ServedHistory } from './serving/history.ts'
export { type OpenedSessions, type OpenOptions, openSessions } from './peers/open-sessions.ts'
export type { NewestRoot, ProviderOptions } from './serving/provider.ts'
export { PeerExchange, type PeerExchangeOptions, type Vouch, type VouchedAddress } from './serving/peers.ts'
export { ProviderSet, type ProviderSetOptions } from './serving/provider-set.ts'
export type {
  Asked,
  PatchEstimate,
  PatchReport,
  PeerOutcome,
  PeerReport,
  PeerShare,
  PullProgress,
  PullReport,
  Traffic,
} from './report.ts'
export { ChannelSession } from './peers/channel-session.ts'
export type {
  Blocks,
  Fault,
  HelloOptions,
  LinkFound,
  LinkQuestion,
  PatchPage,
  PatchQuestion,
  PeerDialer,
  RangeQuestion,
  Refused,
  Session,
  SessionContext,
  SessionDialer,
  SessionEnd,
} from './peers/session.ts'
export { peerFault } from './peers/peer-fault.ts'
export {
  type PatchOptions,
  type PatchOutcome,
  type PatchPlan,
  type PatchStore,
  planPatch,
  pullPatch,
} from './patching/patch-pull.ts'
export type { PathStep } from './fetching/subtree.ts'
export type { PullStore } from './fetching/verified-writer.ts'
