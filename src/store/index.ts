/** Where blocks are kept. The LMDB store is `coppice/store/lmdb`, so that nothing here loads it. */
export type { BlockReader, CompleteRecord, Lease, LeasedRoot, Store, WriteBatch, WriterLock } from './interface.ts'
export { MemoryStore } from './memory.ts'
export { OverlayStore } from './overlay.ts'
export { Staging, STAGING_BYTES_MAX, type StagingCommit, type StagingCounters, type StagingOptions } from './staging.ts'
