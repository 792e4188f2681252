/** Databases of documents: the author's side, the reader's side, and what they have in common. */
export { type Change, type ChangeCounts, changesBetween, countChanges, type RowValue } from './changes.ts'
export {
  CollectionView,
  type DocumentRange,
  type DocumentScanOptions,
  type KeyNames,
  type PrimaryKey,
  type ReadOptions,
} from './collection-view.ts'
export { CollectionWriter } from './collection-writer.ts'
export { type BatchOptions, Collection, type CollectionOptions } from './collection.ts'
export { type BatchReport, Database, type DatabaseOptions } from './database.ts'
export {
  decodeDocument,
  type Document,
  DOCUMENT_BYTES_MAX,
  DOCUMENT_DEPTH_MAX,
  encodeDocument,
  type FieldValue,
} from './document.ts'
export type { KeyReader, Row } from './key-reader.ts'
export { renderTreeKey } from './key-text.ts'
export { providerOptions } from './providing.ts'
export type { PublishOptions, PublishReport } from './publisher.ts'
export {
  inferKeyFields,
  type KeyField,
  type KeyMeaning,
  meaningOfKey,
  METADATA_KEY,
  Schema,
  SCHEMA_RANGE,
  schemaKey,
} from './schema.ts'
export type { FollowOptions } from './follow.ts'
export type { InvalidRoot } from './invalid-root.ts'
export { isRefused, type Judgement } from './judgement.ts'
export type { PullOptions, PullResult } from './puller.ts'
export { type Dialing, Replica, type ReplicaOptions } from './replica.ts'
export { decodeOwn, type LogEntry, type LogOptions, requireSequence } from './signed-log.ts'
export { readSchemas, Snapshot } from './snapshot.ts'
export { type ReplicaStanding } from './standing.ts'
export { DatabaseState, type Origin, type StateChange, type Surroundings } from './state.ts'
export { Transaction } from './transaction.ts'
export { type KeyPart, PART_TYPES, type PartType } from './tuple.ts'
