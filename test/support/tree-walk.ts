/**
 * Verifying whole trees as a replica does (docs/spec/tree.md, 4): with nothing held, or skipping subtrees that a
 * completeness record allows to stand where they are. The shortest walk that could be right, to hold others against.
 */
import { EMPTY_BYTES } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, formatLink, type Link, linkMapKey } from '../../src/link.ts'
import {
  childClaim,
  type Format,
  isValueRef,
  mayReuse,
  Node,
  type NodeClaim,
  rootClaim,
  type TreeRef,
  verifyNode,
  verifyValueBlock,
} from '../../src/prolly/index.ts'
import type { CompleteRecord } from '../../src/store/interface.ts'
import { childPlace, type FileBlock, rootPlace } from '../../src/unixfs/index.ts'

export interface BlockSource {
  get(link: Link): Uint8Array | undefined
}

export interface BlockCollection extends BlockSource {
  /** By the Map key of the link. */
  readonly map: ReadonlyMap<string, Uint8Array>
}

export type Records = Map<string, CompleteRecord>
/** Whether a held subtree may stand under a claim. */
export type ReuseRule = (record: CompleteRecord, claim: NodeClaim) => boolean

/** `rule` undefined: accepted. `missing`: a block that is not there ended the walk. */
export interface Verdict {
  readonly rule: number | 'missing' | undefined
  readonly cid: string | undefined
  /** Nodes read: what reuse saves. */
  readonly nodes: number
}

class Walk {
  nodes = 0
  readonly #source: BlockSource
  readonly #format: Format
  readonly #held: ReadonlyMap<string, CompleteRecord>
  readonly #rule: ReuseRule
  readonly #written: Records | undefined

  constructor(
    source: BlockSource,
    format: Format,
    held: ReadonlyMap<string, CompleteRecord>,
    rule: ReuseRule,
    written: Records | undefined,
  ) {
    this.#source = source
    this.#format = format
    this.#held = held
    this.#rule = rule
    this.#written = written
  }

  visit(claim: NodeClaim): CompleteRecord {
    const held = this.#held.get(linkMapKey(claim.link))
    if (held !== undefined && this.#rule(held, claim)) return held
    const { node, closed } = verifyNode(this.#require(claim.link), claim, this.#format)
    this.nodes++
    const record = node.level === 0 ? this.#visitLeaf(node, claim, closed) : this.#visitInner(node, claim, closed)
    this.#written?.set(linkMapKey(claim.link), record)
    return record
  }

  #visitInner(node: Node, claim: NodeClaim, closed: boolean): CompleteRecord {
    let firstKey: Uint8Array = EMPTY_BYTES
    let spineClosed = closed
    for (let i = 0; i < node.length; i++) {
      const child = this.visit(childClaim(node, i, claim))
      if (i === 0) firstKey = child.firstKey
      if (i === node.length - 1) spineClosed &&= child.spineClosed
    }
    return record(node, claim, firstKey, spineClosed)
  }

  #visitLeaf(node: Node, claim: NodeClaim, closed: boolean): CompleteRecord {
    for (let i = 0; i < node.length; i++) {
      const value = node.value(i)
      if (isValueRef(value)) this.#visitValue({ link: value.link, place: rootPlace(value.size) })
    }
    return record(node, claim, node.length === 0 ? EMPTY_BYTES : node.key(0), closed)
  }

  #visitValue(block: FileBlock): void {
    const links = verifyValueBlock(this.#require(block.link), block)
    for (const [i, link] of links.entries()) this.#visitValue({ link, place: childPlace(block.place, i) })
  }

  #require(link: Link): Uint8Array {
    const bytes = this.#source.get(link)
    if (bytes === undefined) throw new MissingBlock(formatLink(link))
    return bytes
  }
}

class MissingBlock extends Error {
  readonly cid: string

  constructor(cid: string) {
    super(`block ${cid} is missing`)
    this.cid = cid
  }
}

function record(node: Node, claim: NodeClaim, firstKey: Uint8Array, spineClosed: boolean): CompleteRecord {
  const { link } = claim
  const lastKey = node.lastKey ?? EMPTY_BYTES
  return { link, level: node.level, entries: node.entries, bytes: node.totalBytes, firstKey, lastKey, spineClosed }
}

export interface WalkOptions {
  readonly held?: ReadonlyMap<string, CompleteRecord>
  /** {@link mayReuse} unless given. */
  readonly reuse?: ReuseRule
  /** Takes a record per subtree found complete, the root's last. */
  readonly records?: Records
}

/** The verdict on a tree: the first broken rule in depth-first order, and the block that breaks it. */
export function judgeTree(source: BlockSource, ref: TreeRef, format: Format, options: WalkOptions = {}): Verdict {
  const walk = new Walk(source, format, options.held ?? new Map(), options.reuse ?? mayReuse, options.records)
  try {
    walk.visit(rootClaim(ref))
    return { rule: undefined, cid: undefined, nodes: walk.nodes }
  } catch (error) {
    if (error instanceof MissingBlock) return { rule: 'missing', cid: error.cid, nodes: walk.nodes }
    if (!isCoppiceError(error)) throw error
    const { rule, cid } = error.details
    return { rule: Number(rule), cid: String(cid), nodes: walk.nodes }
  }
}

/**
 * The best equipped replica there could be: a record for each subtree among the blocks that is sound by itself, as if
 * it had once stood at the right edge of an honest tree. A record depends on the subtree alone, not on where it stood.
 */
export function recordEverythingSound(source: BlockCollection, format: Format): Records {
  const records: Records = new Map()
  for (const [id, bytes] of source.map) {
    if (id.charCodeAt(1) !== CODEC_DAG_CBOR) continue
    const node = tryDecode(bytes)
    if (node?.lastKey === undefined) continue
    const link = Uint8Array.from(id, (unit) => unit.charCodeAt(0))
    const walk = new Walk(source, format, records, mayReuse, records)
    try {
      walk.visit({
        link,
        level: node.level,
        lower: undefined,
        last: node.lastKey,
        entries: node.entries,
        bytes: node.totalBytes,
        rightmost: true,
      })
    } catch (error) {
      if (!isCoppiceError(error) && !(error instanceof MissingBlock)) throw error
    }
  }
  return records
}

function tryDecode(bytes: Uint8Array): Node | undefined {
  try {
    return Node.decode(bytes)
  } catch {
    return undefined
  }
}
