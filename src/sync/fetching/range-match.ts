/**
 * Which place each block of a range stands for. Blocks come in pre-order and say nothing of themselves: a block is what its
 * digest says, and may be the next that is expected or a later one, where those between were left out. Expected are the
 * wants that were asked for, and what is below the blocks that came.
 */
import { CODEC_DAG_CBOR, CODEC_RAW, type Link, linkCodec } from '../../link.ts'
import { isValueRef, Node } from '../../prolly/index.ts'
import { SHA256_BYTES, sha256Text } from '../../sha256.ts'
import { bytesMaxOf, linkOf, type Place } from './place.ts'
import type { OpenWant } from './wants.ts'

/** A block that came before, from somebody else: not needed, but expected for the sake of what follows it. */
export interface KnownBlock {
  readonly kind: 'known'
  readonly link: Link
}

export type Expected = OpenWant | Place | KnownBlock

/** Where the digest begins in a link. */
const DIGEST_AT = 4

export class RangeMatch {
  /** The next one last. */
  readonly #stack: Expected[]
  /** What was passed over. */
  readonly skipped: Expected[] = []

  constructor(wants: readonly OpenWant[]) {
    this.#stack = wants.toReversed()
  }

  /** What is still expected, the next one last. */
  get rest(): readonly Expected[] {
    return this.#stack
  }

  /** Whose bytes these are. Undefined where they are nobody's: nothing is expected any more then. */
  next(bytes: Uint8Array): Expected | undefined {
    const digest = sha256Text(bytes)
    for (let expected = this.#stack.pop(); expected !== undefined; expected = this.#stack.pop()) {
      const link = linkOfExpected(expected)
      if (hasDigest(link, digest) && bytes.length <= bytesMaxOf(link)) return expected
      this.skipped.push(expected)
    }
    return undefined
  }

  /** These are expected next, the first of them last. */
  push(...expected: Expected[]): number {
    return this.#stack.push(...expected)
  }

  /** The blocks below one that came before are expected next, too. */
  pushBelow(link: Link, bytes: Uint8Array): void {
    if (linkCodec(link) !== CODEC_DAG_CBOR) return
    const node = Node.decode(bytes)
    for (let i = node.length - 1; i >= 0; i--) {
      const value = node.level > 0 ? undefined : node.value(i)
      const below = value === undefined ? node.link(i) : isValueRef(value) ? value.link : undefined
      if (below !== undefined && (node.level > 0 || linkCodec(below) === CODEC_RAW)) {
        this.#stack.push({ kind: 'known', link: below })
      }
    }
  }
}

export function linkOfExpected(expected: Expected): Link {
  return expected.kind === 'want' || expected.kind === 'known' ? expected.link : linkOf(expected)
}

function hasDigest(link: Link, digest: string): boolean {
  for (let i = 0; i < SHA256_BYTES; i++) if (digest.charCodeAt(i) !== link[DIGEST_AT + i]) return false
  return true
}
