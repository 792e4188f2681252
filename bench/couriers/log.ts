/**
 * An append-only log of puts as its strongest form would have it: blocks of many rows, and one signature for all of them,
 * over a chain of the blocks' digests. Who has the chain's value at a length verifies what follows from there, block by
 * block as it arrives, with one signature.
 *
 *     block  = (key length: u8 || value length: u16 || key || value)...
 *     chain  = sha256(chain before || sha256(block)), from 32 zero bytes
 *     head   = length: u32 || signature of (length || chain)
 */
import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { concatBytes } from '../../src/bytes.ts'
import { sha256 } from '../../src/sha256.ts'

export const DIGEST_BYTES = 32
const SIGNATURE_BYTES = 64
export const HEAD_BYTES: number = 4 + SIGNATURE_BYTES
/** A block is closed when it has so many: large enough for any stream, a quarter of what a frame may have. */
const BLOCK_BYTES = 512 * 1024
const ROW_HEAD_BYTES = 3

export interface LogRow {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Rows as blocks. */
export function* blocksOf(rows: Iterable<LogRow>): Generator<Buffer, void, undefined> {
  let block = Buffer.allocUnsafe(BLOCK_BYTES)
  let end = 0
  for (const { key, value } of rows) {
    const bytes = ROW_HEAD_BYTES + key.length + value.length
    if (end + bytes > BLOCK_BYTES) {
      yield block.subarray(0, end)
      block = Buffer.allocUnsafe(BLOCK_BYTES)
      end = 0
    }
    block[end] = key.length
    block.writeUInt16BE(value.length, end + 1)
    block.set(key, end + ROW_HEAD_BYTES)
    block.set(value, end + ROW_HEAD_BYTES + key.length)
    end += bytes
  }
  if (end > 0) yield block.subarray(0, end)
}

/** The rows of a block, as views of it. */
export function* rowsOf(block: Buffer): Generator<{ key: Buffer; value: Buffer }, void, undefined> {
  for (let at = 0; at < block.length;) {
    const valueStart = at + ROW_HEAD_BYTES + (block[at] as number)
    const end = valueStart + block.readUInt16BE(at + 1)
    yield { key: block.subarray(at + ROW_HEAD_BYTES, valueStart), value: block.subarray(valueStart, end) }
    at = end
  }
}

/** How far a log goes, as one value. */
export class Chain {
  length = 0
  value: Uint8Array = new Uint8Array(DIGEST_BYTES)

  add(digest: Uint8Array): void {
    this.value = sha256(concatBytes(this.value, digest))
    this.length++
  }
}

export class LogSigner {
  readonly #keys = generateKeyPairSync('ed25519')

  get publicKey(): KeyObject {
    return this.#keys.publicKey
  }

  head(chain: Chain): Uint8Array {
    const signed = signedBytes(chain)
    return concatBytes(signed.subarray(0, 4), sign(undefined, signed, this.#keys.privateKey))
  }
}

/** @throws {Error} where `head` is not the key's signature of this chain. */
export function requireHead(head: Uint8Array, chain: Chain, publicKey: KeyObject): void {
  if (!verify(undefined, signedBytes(chain), publicKey, head.subarray(4))) throw new Error('log: wrong signature')
}

function signedBytes({ length, value }: Chain): Uint8Array {
  const bytes = Buffer.alloc(4 + DIGEST_BYTES)
  bytes.writeUInt32BE(length)
  bytes.set(value, 4)
  return bytes
}
