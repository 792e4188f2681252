/** What `coppice verify` looks at, and how it names what it finds. */
import { bytesToHex } from '../bytes.ts'
import { renderTreeKey } from '../db/index.ts'
import { readAuthority } from '../db/standing.ts'
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { formatLink } from '../link.ts'
import { type Authority, type SignedRoot, verifySignedRoot } from '../pointer/index.ts'
import type { CheckProblem, TreeRef } from '../prolly/index.ts'
import type { Opened } from './open.ts'
import { findRoot, renderSigned, type RootName } from './roots.ts'

export interface VerifyTarget {
  readonly label: string
  readonly root: string
  /** With the totals as signed, where it is signed: then they are checked too. */
  readonly ref: TreeRef
  readonly signed: SignedRoot | undefined
  readonly signatureProblem: string | undefined
}

/** The root asked for; all that are held; or the working state and the newest published one. */
export async function chooseTargets(opened: Opened, root: RootName | undefined, all: boolean): Promise<VerifyTarget[]> {
  const authority = await readAuthority(opened.db.state)
  if (root !== undefined) {
    const { snapshot, signed } = await findRoot(opened, root)
    return [signed === undefined ? targetOf(snapshot.root, snapshot.tree.ref) : signedTarget(authority, signed)]
  }
  const { db } = opened
  const targets: VerifyTarget[] = []
  for await (const { signedRoot, isHeld } of db.log(all ? {} : { limit: 1 })) {
    if (isHeld) targets.push(signedTarget(authority, signedRoot))
  }
  const snapshot = await db.snapshot()
  const isPublished = targets.some((target) => target.root === snapshot.root)
  return isPublished ? targets : [targetOf(`working state ${snapshot.root}`, snapshot.tree.ref), ...targets]
}

function targetOf(label: string, ref: TreeRef): VerifyTarget {
  return { label, root: formatLink(ref.root), ref, signed: undefined, signatureProblem: undefined }
}

function signedTarget(authority: Authority, signed: SignedRoot): VerifyTarget {
  const { root, entries, bytes } = signed.payload
  const problem = verifySignedRoot(signed, authority)
  return {
    label: renderSigned(signed),
    root: formatLink(root),
    ref: { root, entries, bytes },
    signed,
    signatureProblem: problem === undefined ? undefined : `expected one of the author, got a wrong ${problem}`,
  }
}

/** With its place in the tree; escaped. */
export function describeProblem({ kind, cid, level, lower, last, rule, message }: CheckProblem): string {
  const where = level < 0 ? 'value' : `level ${level}`
  const above = lower === undefined ? 'the first key' : `after ${renderTreeKey(lower)}`
  const upTo = last === undefined ? 'the last key' : renderTreeKey(last)
  const broken = rule === undefined ? '' : `, rule ${rule}`
  return escapeText(`${kind}: ${where} ${cid}, keys from ${above} to ${upTo}${broken}: ${message}`)
}

export function problemJson({ kind, cid, rule, level, lower, last, message }: CheckProblem): {
  [field: string]: FieldValue
} {
  const bound = (key: Uint8Array | undefined): string | null => (key === undefined ? null : bytesToHex(key))
  return { kind, cid, rule: rule ?? null, level, lower: bound(lower), last: bound(last), message }
}
