/** The tree: build, edit, read, compare, check. Knows only "give me the block of this CID". */
export { type CheckOptions, type CheckProblem, type CheckReport, CHECK_PROBLEMS_MAX, checkTree } from './check.ts'
export { type CompletenessSource, missingRecords, valueRecord } from './completeness.ts'
export { type Change, type DiffOptions, diffTrees } from './diff.ts'
export { buildTree, type Edit, editTree, type Put, type WriteOptions, type WriteReport } from './edit.ts'
export {
  type Format,
  FORMAT_1,
  FORMAT_VERSION,
  KEY_BYTES_MAX,
  LEVEL_MAX,
  NODE_BYTES_MAX,
  RAW_VALUE_BYTES_MAX,
} from './format.ts'
export { type LevelShape, measureTree, type TreeShape } from './measure.ts'
export { type Entry, equalValues, isValueRef, Node, type Value, type ValueRef } from './node.ts'
export { NODE_CACHE_BYTES, NodeReader } from './node-reader.ts'
export type { KeyRange } from './range.ts'
export type { Keyed, Source } from './sorted-source.ts'
export { type ScanOptions, Tree } from './tree.ts'
export { assertEntrySize, type BlockSink, type TreeRef } from './tree-writer.ts'
export {
  childClaim,
  mayReuse,
  type NodeClaim,
  rootClaim,
  type Rule,
  type VerifiedNode,
  verifyHeldNode,
  verifyNode,
  verifyValue,
} from './verify.ts'
