/** Databases of documents: the author's side, the reader's side, and what they have in common. */
export { type Change, type ChangeCounts, changesBetween, countChanges, LargeValue, type RowValue } from './changes.ts'
export {
  CollectionView,
  type DocumentRange,
  type DocumentScanOptions,
  type KeyNames,
  type PrimaryKey,
  type ReadOptions,
} from './documents/collection-view.ts'
export { CollectionWriter } from './documents/collection-writer.ts'
export { type BatchOptions, Collection, type CollectionOptions } from './documents/collection.ts'
export { type Carriers, readCarrierSettings, writeCarrierSettings } from './carriers.ts'
export { type BatchReport, Database, type DatabaseOptions } from './database.ts'
export {
  decodeDocument,
  type Document,
  DOCUMENT_BYTES_MAX,
  DOCUMENT_DEPTH_MAX,
  encodeDocument,
  type FieldValue,
} from './documents/document.ts'
export { type GcOptions, type GcProgress, type GcReport, REPLICA_KEEP_DEFAULT } from './upkeep/gc.ts'
export type { KeepReason, KeptRoot } from './upkeep/kept-roots.ts'
export type { EntryReader, KeyReader, Row } from './documents/key-reader.ts'
export { adoptMeta, copyState, type CopyStateOptions, forkMeta, type ForkProgress } from './merging/fork.ts'
export { type ForkOrigin, readOrigin } from './merging/fork-origin.ts'
export { type MergedBase, readBases, unpublishedBases } from './merging/merge-base.ts'
export type { MergeOptions, MergeResult, RowConflict, RowResolution, RowResolver } from './merging/merge.ts'
export { renderTreeKey } from './documents/key-text.ts'
export type { Pin } from './upkeep/pins.ts'
export { type Providing, providerOptions } from './pulling/providing.ts'
export type { PublishOptions, PublishReport } from './roots/publisher.ts'
export type { RecoverOptions, RecoverReport } from './announcing/recover.ts'
export { forgetfulCarriers, keepAlive, type KeepAliveOptions, type PutChange } from './announcing/keep-alive.ts'
export type { AnnouncedCarrier } from './announcing/announce.ts'
export type { AskedCarrier } from './announcing/rivals.ts'
export {
  inferKeyFields,
  isCollectionName,
  type KeyField,
  type KeyMeaning,
  meaningOfBound,
  meaningOfKey,
  METADATA_KEY,
  Schema,
  SCHEMA_RANGE,
  schemaKey,
} from './documents/schema.ts'
export type { FollowOptions } from './pulling/follow.ts'
export { readAttachments } from './roots/attachments.ts'
export type { InvalidRoot } from './roots/invalid-root.ts'
export { isRefused, type Judgement } from './roots/judgement.ts'
export type { Delivery } from './pulling/delivery.ts'
export type { ReplicaProgress } from './pulling/progress.ts'
export type { Least } from './pulling/least.ts'
export type { PullPlan } from './pulling/plan.ts'
export type { PullResult } from './pulling/puller.ts'
export type { PullOptions } from './pulling/pursuit.ts'
export type { WindowOptions } from './pulling/served-window.ts'
export { checkMeta, type MetaCheckOptions, type MetaProblem } from './upkeep/check-meta.ts'
export type { Dialing, Finding } from './pulling/dialing.ts'
export { type KnownPeer, readKnownPeers, readPeers } from './finding/address-book.ts'
export type { ResolveRootOptions } from './resolving/resolve-root.ts'
export { type HeldState, heldStates, signedState } from './upkeep/held-states.ts'
export { RawRowCheck } from './documents/raw-rows.ts'
export type { RepairOptions, RepairReport, RepairSource, StateRepair } from './upkeep/repair.ts'
export type { RestoreReport } from './roots/restore.ts'
export { type PullSource, Replica, type ReplicaOptions } from './replica.ts'
export { decodeOwn, type LogEntry, type LogOptions, requireSequence } from './roots/signed-log.ts'
export type { VerifiedEntry } from './roots/verify-log.ts'
export { emptySnapshot, readSchemas, Snapshot } from './snapshot.ts'
export type { FailedReach, Reach } from './roots/reach.ts'
export type { ReplicaState } from './roots/replica-state.ts'
export { type ReplicaStanding } from './roots/standing.ts'
export { DatabaseState, type Origin, type StateChange, type Surroundings } from './state.ts'
export { Transaction } from './transaction.ts'
export { type KeyPart, PART_TYPES, type PartType } from './documents/tuple.ts'
export { sizeOf, type ValueSource, type ValueStream } from './value-stream.ts'
