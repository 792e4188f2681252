/**
 * Checks a whole tree in a store: every block hashed, every node under the claims of its parent, every value against
 * its entry (tree.md, 4). Missing, corrupt and malformed are told apart, each with its place, and the walk goes on
 * with the rest, so that one bad block does not hide the others. Completeness records are compared with what stands
 * below them: a wrong one would be reused where it does not fit.
 */
import { CoppiceError, type ErrorCode, isCoppiceError } from '../errors.ts'
import { BYTES_PER_TURN, eventLoopTurn } from '../event-loop.ts'
import { formatLink, type Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader, CompleteRecord } from '../store/interface.ts'
import { childPlace, type FileBlock, placeId, rootPlace } from '../unixfs/index.ts'
import { type CompletenessSource, equalRecords, nodeRecord, SEEN_VALUES_MAX, valueRecord } from './completeness.ts'
import { type Format, FORMAT_1 } from './format.ts'
import { isValueRef, type Node } from './node.ts'
import { childClaim, type NodeClaim, rootClaim, type VerifiedNode, verifyNode, verifyValueBlock } from './verify.ts'
import type { TreeRef } from './tree-writer.ts'

export interface CheckOptions {
  readonly format?: Format
  readonly signal?: AbortSignal | undefined
  /** Where completeness is recorded: then records are checked, too. One that is absent is a problem only below one that is there. */
  readonly records?: Pick<CompletenessSource, 'getComplete'>
  /** Called after each leaf with what has been checked so far. */
  readonly onProgress?: (report: CheckReport) => void
  /** Called with each problem, also beyond {@link CHECK_PROBLEMS_MAX}, and the links from the root down to its block. Awaited. */
  readonly onProblem?: (problem: CheckProblem, path: readonly Link[]) => MaybePromise<void>
}

export interface CheckProblem {
  /**
   * `missing`: not in the store. `corrupt`: bytes that are not the CID's. `malformed`: the author's tree breaks a rule.
   * `record`: all is here, but its completeness record says something else of it.
   */
  readonly kind: 'missing' | 'corrupt' | 'malformed' | 'record'
  readonly cid: string
  /** The rule of tree.md, 4 that fails first; undefined where the block is missing. */
  readonly rule: number | undefined
  /** -1 for a block of a value. */
  readonly level: number
  /** Of a block of a value: where in the value it begins. */
  readonly offset: number | undefined
  /** Keys below the block lie above `lower` and up to `last`; undefined at the edges. */
  readonly lower: Uint8Array | undefined
  readonly last: Uint8Array | undefined
  /** Rows that cannot be read because of it: those below a node, by its parent's word; the one of a value. */
  readonly entries: number
  readonly message: string
}

export interface CheckReport {
  nodes: number
  /** Out-of-line values. */
  values: number
  /** Rows in sound leaves. */
  entries: number
  /** Bytes of the sound blocks, a shared block counted at each place; as in the signed total, without the nodes of files. */
  bytes: number
  /** Levels of the tree, 1 for a single leaf; 0 where the root cannot be read. */
  levels: number
  /** The first {@link CHECK_PROBLEMS_MAX}; `problemCount` counts all. */
  readonly problems: CheckProblem[]
  problemCount: number
  /** Rows that cannot be read because of all these problems, each once. */
  entriesLost: number
}

export const CHECK_PROBLEMS_MAX = 100

/**
 * Reads every block of the tree once per place, a block of a file once. Memory is one path, and a few bytes for each link
 * of one file. Throws only what the reader throws.
 */
export async function checkTree(reader: BlockReader, ref: TreeRef, options: CheckOptions = {}): Promise<CheckReport> {
  const report: CheckReport = {
    nodes: 0,
    values: 0,
    entries: 0,
    bytes: 0,
    levels: 0,
    problems: [],
    problemCount: 0,
    entriesLost: 0,
  }
  await new Checker(reader, options, report).checkNode(rootClaim(ref))
  return report
}

/** What the error of a read or of a verification says of the block. `STORE_CORRUPT`: the store cannot find its way to it. */
const KINDS: Partial<Record<ErrorCode, CheckProblem['kind']>> = {
  STORE_CORRUPT: 'corrupt',
  BLOCK_MISMATCH: 'corrupt',
  TREE_MALFORMED: 'malformed',
}

/** Where a block stands. */
type Place = Pick<NodeClaim, 'link' | 'level' | 'lower' | 'last' | 'entries'> & { readonly offset?: number }

/** What the record above needs of a subtree that is sound. */
type Sound = Pick<CompleteRecord, 'firstKey' | 'spineClosed'>

class Checker {
  readonly #reader: BlockReader
  readonly #options: CheckOptions
  readonly #report: CheckReport
  /** From the root to what is being checked. */
  readonly #path: Link[] = []
  /** Sound blocks without a record, as far as no record above them was found. */
  #unrecorded = 0
  #bytesSinceTurn = 0
  /** Values that were found sound: one that many rows share is read and hashed once. */
  readonly #seenValues = new Set<string>()

  constructor(reader: BlockReader, options: CheckOptions, report: CheckReport) {
    this.#reader = reader
    this.#options = options
    this.#report = report
  }

  /** Undefined where anything below is broken, or the node itself. */
  async checkNode(claim: NodeClaim): Promise<Sound | undefined> {
    this.#options.signal?.throwIfAborted()
    const report = this.#report
    const unrecorded = this.#unrecorded
    this.#path.push(claim.link)
    try {
      const format = this.#options.format ?? FORMAT_1
      const verified = await this.#judge(claim, (held) => verifyNode(held, claim, format))
      if (verified === undefined) {
        report.entriesLost += claim.entries
        return undefined
      }
      const { node } = verified
      report.nodes++
      report.bytes += node.bytes.length
      if (claim.level === undefined) report.levels = node.level + 1
      if (node.level > 0) return await this.#checkChildren(claim, verified, unrecorded)
      const isSound = await this.#checkValues(node)
      report.entries += node.length
      this.#options.onProgress?.(report)
      if (!isSound) return undefined
      return await this.#checkRecord(claim, nodeRecord(claim.link, verified, undefined, undefined), unrecorded)
    } finally {
      this.#path.pop()
    }
  }

  async #checkChildren(claim: NodeClaim, verified: VerifiedNode, unrecorded: number): Promise<Sound | undefined> {
    const { node } = verified
    let first: Sound | undefined
    let last: Sound | undefined
    let isSound = true
    for (let i = 0; i < node.length; i++) {
      last = await this.checkNode(childClaim(node, i, claim))
      if (i === 0) first = last
      if (last === undefined) isSound = false
    }
    if (!isSound) return undefined
    return await this.#checkRecord(claim, nodeRecord(claim.link, verified, first, last), unrecorded)
  }

  async #checkValues(leaf: Node): Promise<boolean> {
    let isSound = true
    for (let i = 0; i < leaf.length; i++) {
      const value = leaf.value(i)
      if (!isValueRef(value)) continue
      const lower = i === 0 ? undefined : leaf.key(i - 1)
      const place = { link: value.link, level: -1, lower, last: leaf.key(i), entries: 1 }
      const block = { link: value.link, place: rootPlace(value.size) }
      const isSeen = this.#seenValues.has(placeId(block))
      if (isSeen) this.#report.bytes += value.size
      if (isSeen || (await this.#checkValue(block, place))) {
        this.#report.values++
        continue
      }
      // Once, however many of its blocks are broken.
      this.#report.entriesLost++
      isSound = false
    }
    return isSound
  }

  /** A whole value. It is remembered where it is sound and nothing of it lacks a record. */
  async #checkValue(block: FileBlock, row: Place): Promise<boolean> {
    const problems = this.#report.problemCount
    const unrecorded = this.#unrecorded
    const isSound = await this.#checkValueBlock(block, row, new Map())
    const isRecorded = this.#options.records === undefined || this.#unrecorded === unrecorded
    if (isSound && isRecorded && this.#report.problemCount === problems) {
      if (this.#seenValues.size >= SEEN_VALUES_MAX) this.#seenValues.clear()
      this.#seenValues.add(placeId(block))
    }
    return isSound
  }

  /**
   * A block of a value and all below it. `seen` tells of those that stood elsewhere in the same file: repeated blocks are
   * looked at once, since a file of a few can have 2^33 places.
   */
  async #checkValueBlock(block: FileBlock, row: Place, seen: Map<string, boolean>): Promise<boolean> {
    this.#options.signal?.throwIfAborted()
    const { link, place } = block
    const id = placeId(block)
    const before = seen.get(id)
    if (before === true) this.#report.bytes += place.size
    if (before !== undefined) return before
    const here: Place = { ...row, link, offset: place.offset }
    const unrecorded = this.#unrecorded
    this.#path.push(link)
    const links = await this.#judge(here, (held) => verifyValueBlock(held, block))
    let isSound = links !== undefined
    if (isSound && place.height === 0) this.#report.bytes += place.size
    const seenBelow = place.height === 1 ? new Map<string, boolean>() : seen
    for (const [i, child] of (links ?? []).entries()) {
      const below = { link: child, place: childPlace(place, i) }
      if (!(await this.#checkValueBlock(below, row, seenBelow))) isSound = false
    }
    if (isSound) await this.#checkRecord(here, valueRecord(link, place), unrecorded)
    this.#path.pop()
    seen.set(id, isSound)
    return isSound
  }

  /** Runs `verify` on the held bytes; notes the problem and gives undefined where they are missing or wrong. */
  async #judge<T>(place: Place, verify: (bytes: Uint8Array) => T): Promise<T | undefined> {
    try {
      const bytes = await this.#reader.get(place.link)
      await this.#giveTurn(bytes?.length ?? 0)
      if (bytes !== undefined) return verify(bytes)
      const cid = formatLink(place.link)
      await this.#note(place, 'missing', undefined, `block ${cid}: expected it in the store, got nothing`)
    } catch (error) {
      if (!(error instanceof CoppiceError) || !(error.code in KINDS)) throw error
      const { rule } = error.details
      await this.#note(
        place,
        KINDS[error.code] ?? 'corrupt',
        typeof rule === 'number' ? rule : undefined,
        error.message,
      )
    }
    return undefined
  }

  /** A store that answers at once would let no timer and no signal through. */
  async #giveTurn(bytes: number): Promise<void> {
    this.#bytesSinceTurn += bytes
    if (this.#bytesSinceTurn < BYTES_PER_TURN) return
    this.#bytesSinceTurn = 0
    await eventLoopTurn()
    this.#options.signal?.throwIfAborted()
  }

  /**
   * Compares what is recorded of a sound subtree, if anything, with what it is. `unrecorded` is the count before it: a block
   * below without a record would not be served.
   */
  async #checkRecord(place: Place, expected: CompleteRecord, unrecorded: number): Promise<Sound> {
    let got = 'damage'
    try {
      const found = await this.#options.records?.getComplete(place.link)
      if (found === undefined) {
        this.#unrecorded++
        return expected
      }
      const isWhole = this.#unrecorded === unrecorded
      this.#unrecorded = unrecorded
      if (isWhole && equalRecords(found, expected)) return expected
      got = isWhole ? 'other facts' : 'one without those below it'
    } catch (error) {
      if (!isCoppiceError(error, 'STORE_CORRUPT')) throw error
    }
    const cid = formatLink(place.link)
    const message = `completeness record of ${cid}: expected what its blocks say, got ${got}`
    await this.#note({ ...place, entries: 0 }, 'record', undefined, message)
    return expected
  }

  async #note(place: Place, kind: CheckProblem['kind'], rule: number | undefined, message: string): Promise<void> {
    const report = this.#report
    const { level = -1, offset, lower, last, entries } = place
    const problem = { kind, cid: formatLink(place.link), rule, level, offset, lower, last, entries, message }
    report.problemCount++
    if (report.problems.length < CHECK_PROBLEMS_MAX) report.problems.push(problem)
    await this.#options.onProblem?.(problem, this.#path)
  }
}
