/** The tree: build, edit, read, compare, check. Knows only "give me the block of this CID". */
export { type CheckOptions, type CheckProblem, type CheckReport, CHECK_PROBLEMS_MAX, checkTree } from './check.ts'
export { type CompletenessSource, missingRecords, valueRecord } from './completeness.ts'
export { copyTree } from './copy-tree.ts'
export { type Change, type DiffOptions, diffTrees } from './diff.ts'
export { buildTree, type Edit, editTree, type Put, type WriteOptions, type WriteReport } from './edit.ts'
export { hasNode } from './has-node.ts'
export {
  type Format,
  FORMAT_1,
  FORMAT_VERSION,
  KEY_BYTES_MAX,
  LEVEL_MAX,
  LOADED_VALUE_BYTES_MAX,
  NODE_BYTES_MAX,
  RAW_VALUE_BYTES_MAX,
} from './format.ts'
export {
  type Conflict,
  type MergeOptions,
  type MergeReport,
  mergeTrees,
  type Resolution,
  type Resolver,
} from './merge.ts'
export { HISTOGRAM_STEP_BYTES, type LevelShape, measureTree, type TreeShape } from './measure.ts'
export { type Entry, equalValues, isValueRef, Node, type Value, type ValueRef } from './node.ts'
export { NODE_CACHE_BYTES, NodeReader } from './node-reader.ts'
export { keyAfter, type KeyRange } from './range.ts'
export { isSameValue } from './same-value.ts'
export { rebuildSubtree } from './rebuild.ts'
export { type LeafRows, RowIterator } from './row-iterator.ts'
export type { Keyed, Source } from './sorted-source.ts'
export { type ScanOptions, type StreamOptions, Tree } from './tree.ts'
export { assertKeySize, type BlockSink, type TreeRef } from './tree-writer.ts'
export { writeFile } from '../unixfs/index.ts'
export { SeenValues, type WalkOptions, walkTree, walkValue } from './walk-blocks.ts'
export {
  childClaim,
  mayReuse,
  mayReuseValue,
  type NodeClaim,
  rootClaim,
  type Rule,
  type VerifiedNode,
  verifyHeldNode,
  verifyHeldValueBlock,
  verifyNode,
  verifyValue,
  verifyValueBlock,
} from './verify.ts'
