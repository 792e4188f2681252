/**
 * Answers in a form that packs well (protocol.md, 15). What compresses badly in blocks is how they are laid out: all keys of a leaf
 * before all values, each key with what it shares with the one before, and CIDs, which no compression shrinks. Folded, rows stand
 * one after the other, keys without the shared part, and a link to a block of the same answer is the distance to it:
 * whoever unfolds hashes that block. Nothing else changes; a block that is no node in its one form is folded as it is.
 */
import { CODEC_DAG_CBOR, CODEC_DAG_PB, CODEC_RAW, type Link, linkCodec } from '../../link.ts'
import { bytesToMapKey } from '../../bytes.ts'
import { DecodeFailure } from '../../prolly/cbor.ts'
import { Node, RAW_VALUE_BYTES_MAX, type ValueRef } from '../../prolly/index.ts'
import { sha256Text } from '../../sha256.ts'
import { NumberWriter } from './fold-numbers.ts'
import { type BlocksAnswer, NUMBERS, type PatchAnswer, patchBytes, type RangeAnswer } from './message.ts'

/** The answers that have data enough to be packed. */
export type DataAnswer = BlocksAnswer | RangeAnswer | PatchAnswer

/** What stands for a block. */
export const ITEM = { absent: 0, bytes: 1, leaf: 2, internal: 3 } as const
/** What stands for a value: gone, out of line, or inline, with its length added. */
export const VALUE = { gone: 0, outOfLine: 1, inline: 2 } as const
/** What stands for a link: itself, or the distance to a block. */
export const LINK_ITSELF = 0

const DIGEST_AT = 4

/** Bytes of blocks, or of keys and values, of an answer. */
export function dataBytesOf(answer: DataAnswer): number {
  if (answer.type === 'patch') return patchBytes(answer)
  let bytes = 0
  for (const block of answer.blocks) bytes += block?.length ?? 0
  return bytes
}

/** @param dataBytes {@link dataBytesOf} the answer. */
export function foldAnswer(answer: DataAnswer, dataBytes: number): Uint8Array {
  const folding = new Folding(dataBytes)
  if (answer.type === 'patch') folding.patch(answer)
  else folding.blocks(answer)
  return folding.end()
}

class Folding {
  readonly #numbers = new NumberWriter()
  readonly #bytes: Uint8Array
  #at = 0
  /** The last key, of whatever block. */
  #key: Uint8Array = new Uint8Array(0)
  #keyStart = 0
  #keyEnd = 0
  #blocks: readonly (Uint8Array | null)[] = []
  /** Where the blocks stand, by digest; made when the first link is met. */
  #places: ReadonlyMap<string, number> | undefined
  /** The block that the last link led to, or the one being folded. */
  #reached = 0

  constructor(dataBytes: number) {
    // Nothing gets longer here: heads become numbers.
    this.#bytes = new Uint8Array(dataBytes)
  }

  /** Numbers first: the unfolding side then knows where both begin. */
  end(): Uint8Array {
    const length = new NumberWriter()
    const numbers = this.#numbers.bytes
    length.write(numbers.length)
    const out = new Uint8Array(length.bytes.length + numbers.length + this.#at)
    out.set(length.bytes)
    out.set(numbers, length.bytes.length)
    out.set(this.#bytes.subarray(0, this.#at), length.bytes.length + numbers.length)
    return out
  }

  patch({ id, keys, values, isLast }: PatchAnswer): void {
    this.#head(NUMBERS.patch, id, isLast ? 1 : 0, keys.length)
    for (const [i, key] of keys.entries()) {
      this.#putKey(key, 0, key.length)
      const value = values[i] ?? null
      if (value === null) {
        this.#numbers.write(VALUE.gone)
      } else if (value instanceof Uint8Array) {
        this.#putInline(value, 0, value.length)
      } else {
        this.#numbers.write(VALUE.outOfLine)
        this.#put(value.link, 0, value.link.length)
        this.#numbers.write(value.size)
      }
    }
  }

  blocks({ type, id, blocks }: BlocksAnswer | RangeAnswer): void {
    this.#head(NUMBERS[type], id, blocks.length)
    this.#blocks = blocks
    for (const [i, block] of blocks.entries()) {
      this.#reached = i
      if (block === null) {
        this.#numbers.write(ITEM.absent)
        continue
      }
      const node = nodeOf(block)
      if (node === undefined) {
        this.#head(ITEM.bytes, block.length)
        this.#put(block, 0, block.length)
      } else if (node.level === 0) {
        this.#leaf(node)
      } else {
        this.#internal(node)
      }
    }
  }

  #leaf(node: Node): void {
    const { bytes } = node
    this.#head(ITEM.leaf, node.length)
    for (let i = 0; i < node.length; i++) {
      this.#putKey(bytes, node.keyStart(i), node.keyEnd(i))
      if (node.isInline(i)) {
        const end = node.valueEncodedStart(i + 1)
        this.#putInline(bytes, end - node.valueSize(i), end)
        continue
      }
      const { link, size } = node.value(i) as ValueRef
      this.#numbers.write(VALUE.outOfLine)
      this.#putLink(link, valueCodec(size))
      this.#numbers.write(size)
    }
  }

  #internal(node: Node): void {
    this.#head(ITEM.internal, node.level, node.length)
    for (let i = 0; i < node.length; i++) {
      this.#putKey(node.bytes, node.keyStart(i), node.keyEnd(i))
      this.#putLink(node.link(i), CODEC_DAG_CBOR)
      this.#head(node.childEntries(i), node.childBytes(i))
    }
  }

  #head(...numbers: readonly number[]): void {
    for (const n of numbers) this.#numbers.write(n)
  }

  #putKey(source: Uint8Array, start: number, end: number): void {
    const length = Math.min(end - start, this.#keyEnd - this.#keyStart)
    let shared = 0
    while (shared < length && source[start + shared] === this.#key[this.#keyStart + shared]) shared++
    this.#key = source
    this.#keyStart = start
    this.#keyEnd = end
    this.#numbers.write(shared)
    this.#numbers.write(end - start - shared)
    this.#put(source, start + shared, end)
  }

  #putInline(source: Uint8Array, start: number, end: number): void {
    this.#numbers.write(VALUE.inline + end - start)
    this.#put(source, start, end)
  }

  /** `codec`: of a link that may be told by distance. Links lead forward, and each further than the one before. */
  #putLink(link: Link, codec: number): void {
    const place = linkCodec(link) === codec ? this.#placeOf(link) : undefined
    if (place !== undefined && place > this.#reached) {
      this.#numbers.write(place - this.#reached)
      this.#reached = place
      return
    }
    this.#numbers.write(LINK_ITSELF)
    this.#put(link, 0, link.length)
  }

  #placeOf(link: Link): number | undefined {
    this.#places ??= new Map(this.#blocks.flatMap((block, i) => (block === null ? [] : [[sha256Text(block), i]])))
    return this.#places.get(bytesToMapKey(link.subarray(DIGEST_AT)))
  }

  #put(source: Uint8Array, start: number, end: number): void {
    copyRange(source, start, end, this.#bytes, this.#at)
    this.#at += end - start
  }
}

/** A block of a value has the form that its size says (tree.md, 1). */
export function valueCodec(size: number): number {
  return size <= RAW_VALUE_BYTES_MAX ? CODEC_RAW : CODEC_DAG_PB
}

const LOOP_BYTES_MAX = 48

/** A call of `set` takes longer than a loop over a few bytes. */
export function copyRange(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start > LOOP_BYTES_MAX) target.set(source.subarray(start, end), at)
  else for (let from = start, to = at; from < end; from++, to++) target[to] = source[from] as number
}

/** Undefined for what is no node, or not in its one form. */
function nodeOf(block: Uint8Array): Node | undefined {
  try {
    return Node.decode(block)
  } catch (error) {
    if (error instanceof DecodeFailure) return undefined
    throw error
  }
}
