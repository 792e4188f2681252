/** Proofs: what a tree says, for somebody who has its root and nothing else. The checker stands alone and runs anywhere. */
export { checkProof, type Proven, type Trusted } from './check.ts'
export { prove, type ProveOptions } from './prove.ts'
export {
  decodeProof,
  PROOF_BLOCKS_MAX,
  PROOF_BYTES_MAX,
  PROOF_VALUES_MAX,
  type ProofContent,
  type ProofReason,
  type ProofRoot,
} from './proof-bytes.ts'
export {
  type Answer,
  type AtQuestion,
  type CountQuestion,
  type DiffQuestion,
  type GetQuestion,
  type Question,
  QUESTION_KEYS_MAX,
  type RankQuestion,
  type ScanQuestion,
} from './question.ts'
export { formatLink, type Link, parseLink } from '../link.ts'
export { parseAddress } from '../pointer/address.ts'
export { isValueRef, type Value, type ValueRef } from '../prolly/node.ts'
export { verifyValue } from '../prolly/verify.ts'
