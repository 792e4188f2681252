/**
 * Checks a whole tree in a store: every block hashed, every node under the claims of its parent, every value against
 * its entry (tree.md, 4). Missing, corrupt and malformed are told apart, each with its place, and the walk goes on
 * with the rest, so that one bad block does not hide the others.
 */
import { CoppiceError } from '../errors.ts'
import { formatLink } from '../link.ts'
import type { BlockReader } from '../store/interface.ts'
import { type Format, FORMAT_1 } from './format.ts'
import { isValueRef, type Node } from './node.ts'
import { childClaim, type NodeClaim, rootClaim, verifyNode, verifyValue } from './verify.ts'
import type { TreeRef } from './tree-writer.ts'

export interface CheckOptions {
  readonly format?: Format
  readonly signal?: AbortSignal | undefined
  /** Called after each leaf with what has been checked so far. */
  readonly onProgress?: (report: CheckReport) => void
}

export interface CheckProblem {
  /** `missing`: not in the store. `corrupt`: bytes that are not the CID's. `malformed`: the author's tree breaks a rule. */
  readonly kind: 'missing' | 'corrupt' | 'malformed'
  readonly cid: string
  /** The rule of tree.md, 4 that fails first; undefined where the block is missing. */
  readonly rule: number | undefined
  /** -1 for a value. */
  readonly level: number
  /** Keys below the block lie above `lower` and up to `last`; undefined at the edges. */
  readonly lower: Uint8Array | undefined
  readonly last: Uint8Array | undefined
  readonly message: string
}

export interface CheckReport {
  nodes: number
  /** Out-of-line values. */
  values: number
  /** Rows in sound leaves. */
  entries: number
  /** Bytes of the sound blocks, a shared block counted at each place. */
  bytes: number
  /** Levels of the tree, 1 for a single leaf; 0 where the root cannot be read. */
  levels: number
  /** The first {@link CHECK_PROBLEMS_MAX}; `problemCount` counts all. */
  readonly problems: CheckProblem[]
  problemCount: number
}

export const CHECK_PROBLEMS_MAX = 100

/** Reads every block of the tree once per place. Memory is one path. Throws only what the reader throws. */
export async function checkTree(reader: BlockReader, ref: TreeRef, options: CheckOptions = {}): Promise<CheckReport> {
  const report: CheckReport = { nodes: 0, values: 0, entries: 0, bytes: 0, levels: 0, problems: [], problemCount: 0 }
  await new Checker(reader, options, report).checkNode(rootClaim(ref))
  return report
}

class Checker {
  readonly #reader: BlockReader
  readonly #options: CheckOptions
  readonly #report: CheckReport

  constructor(reader: BlockReader, options: CheckOptions, report: CheckReport) {
    this.#reader = reader
    this.#options = options
    this.#report = report
  }

  async checkNode(claim: NodeClaim): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const report = this.#report
    const bytes = await this.#reader.get(claim.link)
    const node = this.#judge(bytes, claim, (held) => verifyNode(held, claim, this.#options.format ?? FORMAT_1).node)
    if (node === undefined) return
    report.nodes++
    report.bytes += node.bytes.length
    if (claim.level === undefined) report.levels = node.level + 1
    if (node.level > 0) {
      for (let i = 0; i < node.length; i++) await this.checkNode(childClaim(node, i, claim))
      return
    }
    await this.#checkValues(node)
    report.entries += node.length
    this.#options.onProgress?.(report)
  }

  async #checkValues(leaf: Node): Promise<void> {
    for (let i = 0; i < leaf.length; i++) {
      const value = leaf.value(i)
      if (!isValueRef(value)) continue
      const bytes = await this.#reader.get(value.link)
      const key = leaf.key(i)
      const place = { link: value.link, level: -1, lower: i === 0 ? undefined : leaf.key(i - 1), last: key }
      const size = this.#judge(bytes, place, (held) => {
        verifyValue(held, value)
        return held.length
      })
      if (size === undefined) continue
      this.#report.values++
      this.#report.bytes += size
    }
  }

  /** Runs `verify` on held bytes; notes the problem and gives undefined where they are missing or wrong. */
  #judge<T>(
    bytes: Uint8Array | undefined,
    place: Pick<NodeClaim, 'link' | 'level' | 'lower' | 'last'>,
    verify: (bytes: Uint8Array) => T,
  ): T | undefined {
    const cid = formatLink(place.link)
    if (bytes === undefined) {
      this.#note(place, 'missing', undefined, `block ${cid}: expected it in the store, got nothing`)
      return undefined
    }
    try {
      return verify(bytes)
    } catch (error) {
      if (!(error instanceof CoppiceError)) throw error
      const kind = error.code === 'BLOCK_MISMATCH' ? 'corrupt' : 'malformed'
      this.#note(place, kind, Number(error.details['rule']), error.message)
      return undefined
    }
  }

  #note(
    place: Pick<NodeClaim, 'link' | 'level' | 'lower' | 'last'>,
    kind: CheckProblem['kind'],
    rule: number | undefined,
    message: string,
  ): void {
    const report = this.#report
    report.problemCount++
    if (report.problems.length >= CHECK_PROBLEMS_MAX) return
    const { lower, last } = place
    report.problems.push({ kind, cid: formatLink(place.link), rule, level: place.level ?? -1, lower, last, message })
  }
}
