/**
 * Keeps of a gateway's archive what a range of subtrees has, in its order: nodes, and values of one block right after their
 * leaf. The rest is passed over: parts of files, blocks that came before or out of order, and whatever else is in it. Nothing is verified:
 * nodes are only looked into for what may follow, and whoever lies about one is found out by that block.
 */
import { CODEC_DAG_CBOR, CODEC_RAW, type Link, linkCodec, linkMapKey } from '../link.ts'
import { isValueRef, Node } from '../prolly/index.ts'

export class PreOrder {
  /** Keys of what is expected, the next one last. */
  readonly #stack: string[]
  readonly #expected: Set<string>

  constructor(start: Link) {
    const key = linkMapKey(start)
    this.#stack = [key]
    this.#expected = new Set([key])
  }

  /** Nothing more can come. */
  get isDone(): boolean {
    return this.#stack.length === 0
  }

  /** Whether the block belongs to the range here; from then on what was expected before it is not any more. */
  take(link: Link, bytes: Uint8Array): boolean {
    const key = linkMapKey(link)
    if (!this.#expected.has(key)) return false
    for (let passed = this.#stack.pop(); passed !== undefined; passed = this.#stack.pop()) {
      this.#expected.delete(passed)
      if (passed === key) break
    }
    if (linkCodec(link) === CODEC_DAG_CBOR) this.#expectBelow(bytes)
    return true
  }

  #expectBelow(bytes: Uint8Array): void {
    const node = tryDecode(bytes)
    if (node === undefined) return
    for (let i = node.length - 1; i >= 0; i--) {
      const link = belowAt(node, i)
      if (link === undefined) continue
      const key = linkMapKey(link)
      // A value of many rows comes once: with the first of them, the one that is expected soonest.
      this.#stack.push(key)
      this.#expected.add(key)
    }
  }
}

function belowAt(node: Node, i: number): Link | undefined {
  if (node.level > 0) return node.link(i)
  const value = node.value(i)
  return isValueRef(value) && linkCodec(value.link) === CODEC_RAW ? value.link : undefined
}

/** What is no node ends here: the block itself is the engine's to judge. */
function tryDecode(bytes: Uint8Array): Node | undefined {
  try {
    return Node.decode(bytes)
  } catch {
    return undefined
  }
}
