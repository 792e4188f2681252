/**
 * A signed root whose tree breaks a rule: the author's fault, kept as evidence, so that the root is never tried again and
 * anybody can be shown why (tree.md, 4, "Fault"). One is kept, the newest: an older root is below the floor anyway.
 */
import { equalBytes } from '../../bytes.ts'
import type { Document } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import { decodeDocument, encodeDocument } from '../documents/document.ts'
import { INVALID } from '../meta.ts'
import type { DatabaseState } from '../state.ts'

export interface InvalidRoot {
  /** What is wrong, for people. */
  readonly message: string
  /** The rule of tree.md, 4. */
  readonly rule: number
  /** The block that breaks it, and the way there from the root: with the signed root, all that a check needs. */
  readonly cid: string
  readonly path: readonly { readonly cid: string; readonly index: number }[]
  readonly signedRoot: Uint8Array
}

/** What is known against that root. */
export async function readInvalidRoot(state: DatabaseState, root: SignedRoot): Promise<InvalidRoot | undefined> {
  const bytes = await state.store.getMeta(INVALID)
  if (bytes === undefined) return undefined
  const kept = decodeDocument(bytes) as unknown as InvalidRoot
  return equalBytes(kept.signedRoot, root.bytes) ? kept : undefined
}

/** Keeps what `fetchTree` found, durably. */
export async function keepInvalidRoot(state: DatabaseState, root: SignedRoot, error: CoppiceError): Promise<void> {
  const { rule, cid, path } = error.details as unknown as InvalidRoot
  const kept: Document = { message: error.message, rule, cid, path, signedRoot: root.bytes }
  await state.store.write({ meta: new Map([[INVALID, encodeDocument(kept)]]) }, { durable: true })
}

/** The same error again, without asking anybody. */
export function invalidRootError({ message, ...details }: InvalidRoot): CoppiceError {
  return new CoppiceError('TREE_MALFORMED', message, { details })
}
