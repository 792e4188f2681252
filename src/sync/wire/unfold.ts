/**
 * Folded answers back to answers (protocol.md, 15). Total and bounded: numbers are checked before anything is made of them, no block gets
 * longer than the format allows, and all together no longer than the question does.
 */
import { copyBytes } from '../../bytes.ts'
import { REQUEST_LINKS_MAX } from '../../limits.ts'
import { CODEC_DAG_CBOR, LINK_BYTES, type Link, linkTo } from '../../link.ts'
import {
  DecodeFailure,
  headLength,
  LINK_HEAD,
  MAJOR_ARRAY,
  MAJOR_BYTES,
  MAJOR_UINT,
  writeHead,
} from '../../prolly/cbor.ts'
import { FORMAT_1, KEY_BYTES_MAX, LEVEL_MAX, NODE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from '../../prolly/index.ts'
import { PATCH_ROWS_MAX, RANGE_BLOCKS_MAX } from '../limits.ts'
import { assertAscending, assertValueOutOfLine, linkOfBytes } from './fields.ts'
import { copyRange, type DataAnswer, ITEM, LINK_ITSELF, VALUE, valueCodec } from './fold.ts'
import { NumberReader } from './fold-numbers.ts'
import { NUMBERS, type PatchAnswer, patchRowBytes, type PatchValue } from './message.ts'
import { Slabs } from './slabs.ts'

/**
 * @param dataBytesMax of blocks, or of keys and values, that the answer may have.
 * @throws {DecodeFailure} for anything but a folded answer.
 */
export function unfoldAnswer(folded: Uint8Array, dataBytesMax: number): DataAnswer {
  const head = new NumberReader(folded)
  const numbersBytes = head.upTo(folded.length, 'a length of numbers')
  const bytesAt = head.at + numbersBytes
  if (bytesAt > folded.length) throw new DecodeFailure('expected the numbers whole')
  const numbers = new NumberReader(folded.subarray(head.at, bytesAt))
  const unfolding = new Unfolding(numbers, folded.subarray(bytesAt), dataBytesMax)
  const type = numbers.read()
  const id = numbers.upTo(0xffffffff, 'an id')
  let answer: DataAnswer
  if (type === NUMBERS.blocks) {
    const count = numbers.upTo(REQUEST_LINKS_MAX, 'a number of blocks')
    if (count === 0) throw new DecodeFailure('expected at least one block')
    answer = { type: 'blocks', id, blocks: unfolding.blocks(count) }
  } else if (type === NUMBERS.range) {
    const blocks = unfolding.blocks(numbers.upTo(RANGE_BLOCKS_MAX, 'a number of blocks'))
    answer = { type: 'range', id, blocks: blocks.map((block) => block ?? expectedBlock()) }
  } else if (type === NUMBERS.patch) {
    answer = unfolding.patch(id)
  } else {
    throw new DecodeFailure(`expected an answer with data, got message ${type}`)
  }
  unfolding.end()
  return answer
}

/** Where a link is still to be written: that of the block `target`, as one of `codec`. */
interface Hole {
  readonly at: number
  readonly target: number
  readonly codec: number
}

class Unfolding {
  readonly #numbers: NumberReader
  readonly #bytes: Uint8Array
  readonly #slabs: Slabs = new Slabs()
  #at = 0
  #room: number
  readonly #key: Uint8Array = new Uint8Array(KEY_BYTES_MAX)
  #keyLength = 0
  /** Of the node that is being made: offsets in its values. */
  #openHoles: Hole[] = []
  /** Of all blocks: offsets in each. */
  readonly #holes: (Hole & { readonly block: number })[] = []
  #block = 0
  /** The block that the last link led to, or the one being made. */
  #reached = 0
  /** Parts of the node that is being made: arrays of one node, each without its head. */
  readonly #keys: Part = new Part()
  readonly #values: Part = new Part()
  readonly #counts: Part = new Part()
  readonly #sizes: Part = new Part()

  constructor(numbers: NumberReader, bytes: Uint8Array, dataBytesMax: number) {
    this.#numbers = numbers
    this.#bytes = bytes
    this.#room = dataBytesMax
  }

  end(): void {
    if (!this.#numbers.isAtEnd) throw new DecodeFailure('expected the end of the numbers')
    if (this.#at !== this.#bytes.length) throw new DecodeFailure('expected the end of the bytes')
  }

  blocks(count: number): (Uint8Array | null)[] {
    const blocks: (Uint8Array | null)[] = []
    for (this.#block = 0; this.#block < count; this.#block++) {
      this.#reached = this.#block
      blocks.push(this.#item())
    }
    this.#fillHoles(blocks)
    return blocks
  }

  patch(id: number): PatchAnswer {
    const isLast = this.#numbers.upTo(1, 'an end') === 1
    const count = this.#numbers.upTo(PATCH_ROWS_MAX, 'a number of rows')
    const keys: Uint8Array[] = []
    const values: PatchValue[] = []
    for (let i = 0; i < count; i++) {
      this.#readKey()
      keys.push(this.#slabs.copy(this.#key.subarray(0, this.#keyLength)))
      const value = this.#patchValue()
      values.push(value)
      this.#spend(patchRowBytes(keys[i] as Uint8Array, value))
    }
    assertAscending(keys)
    return { type: 'patch', id, keys, values, isLast }
  }

  #patchValue(): PatchValue {
    const kind = this.#numbers.read()
    if (kind === VALUE.gone) return null
    if (kind !== VALUE.outOfLine) {
      if (kind - VALUE.inline > FORMAT_1.inlineBytesMax) throw new DecodeFailure('expected an inline value to be short')
      return this.#slabs.copy(this.#take(kind - VALUE.inline))
    }
    const link = linkOfBytes(copyBytes(this.#take(LINK_BYTES)))
    const size = this.#numbers.read()
    assertValueOutOfLine(link, size)
    return { link, size }
  }

  #item(): Uint8Array | null {
    const kind = this.#numbers.read()
    if (kind === ITEM.absent) return null
    if (kind === ITEM.bytes) {
      const length = this.#numbers.upTo(RAW_VALUE_BYTES_MAX, 'a length of a block')
      this.#spend(length)
      return this.#slabs.copy(this.#take(length))
    }
    if (kind === ITEM.leaf) return this.#leaf()
    if (kind === ITEM.internal) return this.#internal()
    throw new DecodeFailure(`expected a block, got an item of kind ${kind}`)
  }

  #leaf(): Uint8Array {
    const length = this.#numbers.upTo(NODE_BYTES_MAX, 'a number of rows')
    for (let i = 0; i < length; i++) {
      this.#putKey()
      this.#putValue()
    }
    return this.#node(0, length, [this.#keys, this.#values])
  }

  #internal(): Uint8Array {
    const level = this.#numbers.upTo(LEVEL_MAX, 'a level')
    const length = this.#numbers.upTo(NODE_BYTES_MAX, 'a number of children')
    for (let i = 0; i < length; i++) {
      this.#putKey()
      this.#putLink(this.#numbers.read(), CODEC_DAG_CBOR)
      this.#counts.head(MAJOR_UINT, this.#numbers.read())
      this.#sizes.head(MAJOR_UINT, this.#numbers.read())
    }
    return this.#node(level, length, [this.#keys, this.#values, this.#counts, this.#sizes])
  }

  /** The block of a node of these parts, which are empty afterwards. */
  #node(level: number, length: number, parts: readonly Part[]): Uint8Array {
    const headsLength = 1 + headLength(level) + parts.length * headLength(length)
    const bytes = parts.reduce((sum, part) => sum + part.length, headsLength)
    if (bytes > NODE_BYTES_MAX)
      throw new DecodeFailure(`expected a node of at most ${NODE_BYTES_MAX} bytes, got ${bytes}`)
    this.#spend(bytes)
    const block = this.#slabs.take(bytes)
    let at = writeHead(block, 0, MAJOR_ARRAY, 1 + parts.length)
    at = writeHead(block, at, MAJOR_UINT, level)
    for (const part of parts) {
      at = writeHead(block, at, MAJOR_ARRAY, length)
      if (part === this.#values) {
        for (const hole of this.#openHoles) this.#holes.push({ ...hole, block: this.#block, at: at + hole.at })
      }
      at = part.moveTo(block, at)
    }
    this.#openHoles = []
    return block
  }

  #putKey(): void {
    this.#readKey()
    this.#keys.head(MAJOR_BYTES, this.#keyLength)
    this.#keys.put(this.#key, 0, this.#keyLength)
  }

  #readKey(): void {
    const shared = this.#numbers.upTo(this.#keyLength, 'a shared part of a key')
    const own = this.#numbers.upTo(KEY_BYTES_MAX - shared, 'a part of a key')
    this.#assertHas(own)
    copyRange(this.#bytes, this.#at, this.#at + own, this.#key, shared)
    this.#at += own
    this.#keyLength = shared + own
  }

  #putValue(): void {
    const kind = this.#numbers.upTo(NODE_BYTES_MAX, 'a length of a value')
    if (kind === VALUE.gone) throw new DecodeFailure('expected a value')
    if (kind !== VALUE.outOfLine) {
      const length = kind - VALUE.inline
      this.#assertHas(length)
      this.#values.head(MAJOR_BYTES, length)
      this.#values.put(this.#bytes, this.#at, this.#at + length)
      this.#at += length
      return
    }
    this.#values.head(MAJOR_ARRAY, 2)
    const distance = this.#numbers.read()
    const size = this.#numbers.read()
    this.#putLink(distance, valueCodec(size))
    this.#values.head(MAJOR_UINT, size)
  }

  /** `codec`: of the link where it is told by distance. */
  #putLink(distance: number, codec: number): void {
    this.#values.put(LINK_HEAD, 0, LINK_HEAD.length)
    if (distance === LINK_ITSELF) {
      const link = this.#take(LINK_BYTES)
      return this.#values.put(link, 0, LINK_BYTES)
    }
    this.#reached += distance
    this.#openHoles.push({ at: this.#values.length, target: this.#reached, codec })
    this.#values.put(NO_LINK, 0, LINK_BYTES)
  }

  /** Links lead forward only, so that from the last one on each has its final bytes when it is hashed. */
  #fillHoles(blocks: readonly (Uint8Array | null)[]): void {
    const links: (Link | undefined)[] = []
    for (const { block, at, target, codec } of this.#holes.toReversed()) {
      const bytes = blocks[target] ?? expectedBlock()
      // Hashed once, however many links lead there.
      const link = (links[target] ??= linkTo(codec, bytes))
      const into = blocks[block] as Uint8Array
      into.set(link, at)
      into[at + CODEC_AT] = codec
    }
  }

  #take(length: number): Uint8Array {
    this.#assertHas(length)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  #assertHas(length: number): void {
    if (this.#at + length > this.#bytes.length) throw new DecodeFailure(`expected ${length} bytes more, got the end`)
  }

  #spend(bytes: number): void {
    this.#room -= bytes
    if (this.#room < 0) throw new DecodeFailure('expected no more data than was asked for')
  }
}

const CODEC_AT = 1
const NO_LINK: Uint8Array = new Uint8Array(LINK_BYTES)

/** What one of a node's arrays has, as far as it is read. */
class Part {
  readonly #bytes: Uint8Array = new Uint8Array(NODE_BYTES_MAX)
  length = 0

  head(major: number, n: number): void {
    this.#reserve(headLength(n))
    this.length = writeHead(this.#bytes, this.length, major, n)
  }

  put(source: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start)
    copyRange(source, start, end, this.#bytes, this.length)
    this.length += end - start
  }

  /** Gives the offset behind it. */
  moveTo(target: Uint8Array, at: number): number {
    target.set(this.#bytes.subarray(0, this.length), at)
    const end = at + this.length
    this.length = 0
    return end
  }

  #reserve(bytes: number): void {
    if (this.length + bytes > NODE_BYTES_MAX)
      throw new DecodeFailure(`expected a node of at most ${NODE_BYTES_MAX} bytes`)
  }
}

function expectedBlock(): never {
  throw new DecodeFailure('expected a block, got none')
}
