/**
 * A signed root whose tree breaks a rule: the author's fault, kept as evidence, so that the root is never tried again and
 * anybody can be shown why (tree.md, 4, "Fault"). The newest few are kept: older roots are below the floor anyway, and are none
 * that the newest names to fall back to.
 */
import { equalBytes } from '../../bytes.ts'
import type { Document } from '../../document-model.ts'
import { CoppiceError } from '../../errors.ts'
import { comparePositions, RECENT_MAX, type SignedRoot } from '../../pointer/index.ts'
import { decodeDocument, encodeDocument } from '../documents/document.ts'
import { INVALID } from '../meta.ts'
import type { DatabaseState } from '../state.ts'
import { decodeOwn } from './signed-log.ts'

/** The newest root, and all that it names. */
const KEPT_MAX = RECENT_MAX + 1

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
  return (await readKept(state)).find(({ signedRoot }) => equalBytes(signedRoot, root.bytes))
}

/** The newest first. */
async function readKept(state: DatabaseState): Promise<readonly InvalidRoot[]> {
  const bytes = await state.store.getMeta(INVALID)
  return bytes === undefined ? [] : (decodeDocument(bytes) as unknown as { roots: InvalidRoot[] }).roots
}

/** Keeps what `fetchTree` found, durably. */
export async function keepInvalidRoot(state: DatabaseState, root: SignedRoot, error: CoppiceError): Promise<void> {
  const { rule, cid, path } = error.details as unknown as InvalidRoot
  const found: InvalidRoot = { message: error.message, rule, cid, path, signedRoot: root.bytes }
  const others = (await readKept(state)).filter(({ signedRoot }) => !equalBytes(signedRoot, root.bytes))
  const position = ({ signedRoot }: InvalidRoot): SignedRoot['payload'] => decodeOwn(signedRoot).payload
  const roots = [found, ...others].toSorted((a, b) => comparePositions(position(b), position(a))).slice(0, KEPT_MAX)
  const kept = { roots } as unknown as Document
  await state.store.write({ meta: new Map([[INVALID, encodeDocument(kept)]]) }, { durable: true })
}

/** The same error again, without asking anybody. */
export function invalidRootError({ message, ...details }: InvalidRoot): CoppiceError {
  return new CoppiceError('TREE_MALFORMED', message, { details })
}
