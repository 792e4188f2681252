/** The mutable pointer: signed roots, who may sign them, and what a replica accepts (docs/spec/record.md). Pure functions. */
export {
  ADDRESS_SCHEME,
  formatAddress,
  formatAuthor,
  isPeer,
  parseAddress,
  parseAuthor,
  PEERS_MAX,
  type Address,
} from './address.ts'
export {
  judgeDecodedRoot,
  judgeSignedRoot,
  type Acceptance,
  type AcceptanceContext,
  type InvalidReason,
  type OnFork,
} from './acceptance.ts'
export {
  addRotation,
  authorityEpochAt,
  authorityKeyAt,
  compareRotations,
  createAuthority,
  decodeChain,
  decodeRotations,
  encodeRotations,
  joinRotations,
  ROTATIONS_MAX,
  type Authority,
  type JoinedRotations,
  type RotationOutcome,
} from './authority.ts'
export { isPublicKey, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verifySignature } from './ed25519.ts'
export { describeGrantProblem, findGrantProblem, signedRootProblem, type GrantProblem } from './entitlement.ts'
export { chooseEpoch, type EpochChoice, type EpochWish } from './epoch-choice.ts'
export {
  decodeEvidence,
  encodeEvidence,
  EVIDENCE_BYTES_MAX,
  findConflict,
  findRotationConflict,
  verifyEvidence,
  type ConflictReason,
  type Evidence,
  type RootEvidence,
  type RotationEvidence,
} from './evidence.ts'
export { decodeProvenEvidence, encodeProvenEvidence, type ProvenEvidence } from './evidence-file.ts'
export {
  acceptEvidence,
  createFloor,
  decodeFloor,
  encodeFloor,
  EVIDENCE_EPOCHS_MAX,
  haltingEvidence,
  isNewEvidence,
  withEvidence,
  withoutRevoked,
  type AcceptedRoot,
  type Floor,
  type LinkState,
} from './floor.ts'
export { expiryOf, FUTURE_SECONDS_MAX, getFreshness, isFuture, type Freshness } from './freshness.ts'
export { decodeGrant, signGrant, verifyGrant, type Grant, type GrantPayload } from './grant.ts'
export { decodeKeyFile, encodeKeyFile, KEY_FILE_BYTES_MAX, keyRoleOf, type KeyRole } from './key-file.ts'
export { createSigner, SEED_BYTES, type Signer } from './keys.ts'
export {
  appendHistory,
  completeSubtrees,
  countOnes,
  decodeFrontier,
  EMPTY_FRONTIER,
  encodeFrontier,
  FRONTIER_HASHES_MAX,
  frontierSubtrees,
  historyLeaf,
  historyRoot,
  isFrontierOf,
  type Frontier,
  type HashedSubtree,
  type Subtree,
} from './history.ts'
export {
  checkConsistency,
  checkInclusion,
  proveConsistency,
  proveInclusion,
  shownSubtrees,
  type SubtreeHashReader,
} from './history-proof.ts'
export {
  checkLink,
  decodeLinkProof,
  encodeLinkProof,
  LINK_PROOF_BYTES_MAX,
  proveLink,
  type LinkProof,
  type LinkVerdict,
} from './link-proof.ts'
export { isDatabaseName, NAME_BYTES_MAX, NAME_RULE } from './name.ts'
export {
  carrierSequence,
  comparePositions,
  EPOCH_MAX,
  parseCarrierSequence,
  SEQUENCE_MAX,
  type Position,
} from './order.ts'
export {
  EMPTY_HISTORY,
  encodePayload,
  MERGED_MAX,
  MESSAGE_BYTES_MAX,
  payloadMerged,
  RECENT_MAX,
  ROOT_FORMAT,
  type Extension,
  type PayloadPrefix,
  type RecentRoot,
  type RootPayload,
} from './payload.ts'
export {
  buildNextPayload,
  sealNextRoot,
  signNextRoot,
  type NextPayload,
  type NextPayloadOptions,
  type NextRoot,
  type NextRootOptions,
  type TreeTotals,
} from './publish.ts'
export { adoptPublished, decodePublished, encodePublished, type Published } from './published.ts'
export { findRival, type Rival } from './rival.ts'
export { decodeRotation, signRotation, verifyRotation, type Rotation, type RotationPayload } from './rotation.ts'
export {
  decodeHeadBlock,
  decodeSignedRoot,
  encodeSignedRoot,
  headBlock,
  SIGNED_ROOT_BYTES_MAX,
  verifyPastRoot,
  verifySignedRoot,
  type AnySignedRoot,
  type NewerSignedRoot,
  type RootSignature,
  type SignedRoot,
  type SignedRootProblem,
} from './signed-root.ts'
export {
  decodeSignedRecord,
  encodeSignedRecord,
  lastSigned,
  SIGNED_RECORD_BYTES_MAX,
  withSigned,
  type SignedRecord,
} from './signed-record.ts'
export {
  decodeStatementEnvelopes,
  decodeStatementFile,
  encodeStatementFile,
  STATEMENT_FILE_BYTES_MAX,
  statementKindOf,
  type StatementKind,
} from './statement-file.ts'
export {
  assertMaySign,
  decodeUnsignedRoot,
  prepareUnsignedRoot,
  signUnsignedRoot,
  type SigningContext,
  type UnsignedRoot,
} from './unsigned-root.ts'
