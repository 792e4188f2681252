/** What `coppice verify` looks at in a directory, and how it names what it finds. */
import { bytesToHex } from '../bytes.ts'
import { checkMeta, type HeldState, heldStates, renderTreeKey, requireSequence, signedState } from '../db/index.ts'
import { readAuthority } from '../db/roots/standing.ts'
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { formatLink } from '../link.ts'
import { type Authority, verifySignedRoot } from '../pointer/index.ts'
import type { CheckProblem, CheckReport, TreeRef } from '../prolly/index.ts'
import { EXIT_DIFFERENT, type Cli } from './cli.ts'
import type { Opened } from './open.ts'
import { renderBytes, renderCount, renderCounted, renderRate, renderShare } from './render.ts'
import { findRoot, renderSigned, type RootName } from './roots.ts'

export interface VerifyTarget extends HeldState {
  readonly label: string
  readonly root: string
  readonly signatureProblem: string | undefined
}

/** The root asked for; all that are held; or the working state and the newest published one. */
export async function chooseTargets(opened: Opened, root: RootName | undefined, all: boolean): Promise<VerifyTarget[]> {
  const authority = await readAuthority(opened.db.state)
  if (root === undefined) {
    await requireState(opened)
    return (await heldStates(opened.db.state, all)).map((held) => targetOf(authority, held))
  }
  if ('sequence' in root) {
    const signed = await requireSequence(opened.db.state, root.sequence)
    const held = signedState(signed)
    // Its record stands for it even where its block is gone.
    if ((await opened.db.state.store.getComplete(held.ref.root)) !== undefined) return [targetOf(authority, held)]
  }
  const { snapshot, signed } = await findRoot(opened, root)
  return [targetOf(authority, { ref: snapshot.tree.ref, signed }, false)]
}

/** @throws {CoppiceError} `ROOT_NOT_FOUND` for a replica that has never been complete. */
export async function requireState({ kind, db }: Opened): Promise<void> {
  if (kind === 'replica' && !(await db.isComplete())) await db.snapshot()
}

/** `isShown`: without a signature it is the working state, and else any root that was asked for. */
export function targetOf(authority: Authority, held: HeldState, isShown = true): VerifyTarget {
  const root = formatLink(held.ref.root)
  const { signed } = held
  if (signed === undefined) {
    return { ...held, label: isShown ? `working state ${root}` : root, root, signatureProblem: undefined }
  }
  const problem = verifySignedRoot(signed, authority)
  const signatureProblem = problem === undefined ? undefined : `expected one of the author, got a wrong ${problem}`
  return { ...signedState(signed), label: renderSigned(signed), root, signatureProblem }
}

/** Tells of damaged values beside the tree, each on a line. */
export async function tellValues(cli: Cli, { db }: Opened, options: { all?: true; json?: true }): Promise<void> {
  const { signal } = cli
  for (const { name, message } of await checkMeta(
    db.state,
    options.all === true ? { signal } : { logLimit: 1, signal },
  )) {
    cli.exitCode = EXIT_DIFFERENT
    if (options.json === true) await cli.out.json({ value: name, problem: message })
    else await cli.out.line(escapeText(`value '${name}': ${message}`))
  }
}

/** For the progress line. */
export function describeChecking({ bytes }: TreeRef, now: CheckReport | undefined, seconds: number): string {
  const { entries = 0, bytes: checked = 0 } = now ?? {}
  const rate = renderRate(entries, seconds)
  return `verifying: ${renderCounted(entries, 'entry', 'entries')}, ${renderShare(checked, bytes)} of ${renderBytes(bytes)}, ${rate}`
}

/** Of everything that is wrong with a state, its signature included. */
export function countProblems({ signatureProblem }: VerifyTarget, { problemCount }: CheckReport): number {
  return problemCount + (signatureProblem === undefined ? 0 : 1)
}

/** The parts of one JSON about a state; keys are API. */
export function reportJson(target: VerifyTarget, report: CheckReport): { [field: string]: FieldValue } {
  const { root, signed, signatureProblem } = target
  const { nodes, values, entries, bytes, levels, entriesLost, problems } = report
  return {
    root,
    sequence: signed?.payload.sequence ?? null,
    nodes,
    values,
    entries,
    bytes,
    levels,
    entriesLost,
    signature: signed === undefined ? null : (signatureProblem ?? 'valid'),
    problemCount: countProblems(target, report),
    problems: problems.map(problemJson),
  }
}

/** What is here of a state. */
export function describeSize({ nodes, values, entries, bytes }: CheckReport): string {
  return `${renderCounted(nodes, 'node')}, ${renderCounted(values, 'large value')}, ${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)}`
}

/** A line for each problem that is listed; escaped. */
export function* describeProblems({ signatureProblem }: VerifyTarget, report: CheckReport): Generator<string> {
  const { problems, problemCount, entriesLost } = report
  if (signatureProblem !== undefined) yield `  signature: ${signatureProblem}`
  for (const problem of problems) yield `  ${describeProblem(problem)}`
  if (problemCount > problems.length) yield `  and ${renderCount(problemCount - problems.length)} more`
  if (entriesLost > 0) yield `  ${renderCounted(entriesLost, 'entry', 'entries')} cannot be read`
}

/** With its place in the tree; escaped. */
function describeProblem({ kind, cid, level, offset, lower, last, rule, message }: CheckProblem): string {
  const where = level >= 0 ? `level ${level}` : offset === undefined ? 'value' : `value at byte ${offset}`
  const above = lower === undefined ? 'the first key' : `after ${renderTreeKey(lower)}`
  const upTo = last === undefined ? 'the last key' : renderTreeKey(last)
  const broken = rule === undefined ? '' : `, rule ${rule}`
  return escapeText(`${kind}: ${where} ${cid}, keys from ${above} to ${upTo}${broken}: ${message}`)
}

function problemJson(problem: CheckProblem): { [field: string]: FieldValue } {
  const { kind, cid, rule, level, offset, lower, last, entries, message } = problem
  const bound = (key: Uint8Array | undefined): string | null => (key === undefined ? null : bytesToHex(key))
  const place = { level, offset: offset ?? null, lower: bound(lower), last: bound(last) }
  return { kind, cid, rule: rule ?? null, ...place, entries, message }
}
