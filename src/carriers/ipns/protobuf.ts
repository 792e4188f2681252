/**
 * As much of protobuf as an IPNS record needs: fields that are numbers or bytes, each at most once. Reading is total and strict;
 * fields of other kinds make the record malformed, unknown numbers are passed over.
 */
import { concatBytes } from '../../bytes.ts'

export type ProtobufFields = ReadonlyMap<number, bigint | Uint8Array>

const VARINT = 0
const LENGTH_DELIMITED = 2
/** Of a 64-bit number. */
const VARINT_BYTES_MAX = 10
const FIELDS_MAX = 32
const UINT64_END: bigint = 2n ** 64n

export function encodeProtobuf(fields: ProtobufFields): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [number, value] of [...fields].toSorted(([a], [b]) => a - b)) {
    const isNumber = typeof value === 'bigint'
    parts.push(varint(BigInt(number * 8 + (isNumber ? VARINT : LENGTH_DELIMITED))))
    if (isNumber) parts.push(varint(value))
    else parts.push(varint(BigInt(value.length)), value)
  }
  return concatBytes(...parts)
}

/** Undefined where `bytes` are no such message. Bytes are views. */
export function decodeProtobuf(bytes: Uint8Array): ProtobufFields | undefined {
  const fields = new Map<number, bigint | Uint8Array>()
  const reader = new Reader(bytes)
  while (!reader.isAtEnd) {
    const tag = reader.varint()
    if (tag === undefined || fields.size >= FIELDS_MAX) return undefined
    const number = Number(tag >> 3n)
    const kind = Number(tag & 7n)
    const value = kind === VARINT ? reader.varint() : kind === LENGTH_DELIMITED ? reader.bytes() : undefined
    if (value === undefined || fields.has(number)) return undefined
    fields.set(number, value)
  }
  return fields
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest === 0n ? low : low | 0x80)
  } while (rest > 0n)
  return Uint8Array.from(bytes)
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  varint(): bigint | undefined {
    let value = 0n
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) return undefined
      this.#at++
      value |= BigInt(byte & 0x7f) << BigInt(7 * i)
      if (byte < 0x80) return value < UINT64_END ? value : undefined
    }
    return undefined
  }

  bytes(): Uint8Array | undefined {
    const length = this.varint()
    if (length === undefined || length > BigInt(this.#bytes.length - this.#at)) return undefined
    const start = this.#at
    this.#at += Number(length)
    return this.#bytes.subarray(start, this.#at)
  }
}
