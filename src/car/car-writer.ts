/**
 * CAR, version 1 (ipld.io/specs/transport/car/carv1), as a stream: a header with one root, then blocks, each after its CID. The
 * writer of @ipld/car can be neither stopped nor failed half-way, and a section is a length before two byte strings; it is the
 * oracle of the tests.
 */
import { concatBytes } from '../bytes.ts'
import type { Block } from '../link.ts'

/** DAG-CBOR of `{ roots: [CID], version: 1 }` but for the CID: before it comes the head of a byte string. */
const HEADER_HEAD: Uint8Array = Uint8Array.of(0xa2, 0x65, 0x72, 0x6f, 0x6f, 0x74, 0x73, 0x81, 0xd8, 0x2a)
const HEADER_TAIL: Uint8Array = Uint8Array.of(0x67, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x01)

/** The header of an archive with the root `cid`, of 1..254 bytes. */
export function carHeader(cid: Uint8Array): Uint8Array {
  const length = cid.length + 1
  const head = length < 24 ? Uint8Array.of(0x40 | length) : Uint8Array.of(0x58, length)
  const header = concatBytes(HEADER_HEAD, head, Uint8Array.of(0), cid, HEADER_TAIL)
  return concatBytes(varint(header.length), header)
}

/** What stands before the bytes of a block. */
export function carSectionHead({ link, bytes }: Block): Uint8Array {
  return concatBytes(varint(link.length + bytes.length), link)
}

/** Small blocks go out together: this many bytes at least, the last ones excepted. */
const CHUNK_BYTES_MIN: number = 64 * 1024

/** An archive with the root `cid`, in pieces of 64 KiB to about 1 MiB. Memory is a piece. */
export async function* writeCar(cid: Uint8Array, blocks: AsyncIterable<Block>): AsyncGenerator<Uint8Array, void> {
  let parts = [carHeader(cid)]
  let length = 0
  for await (const block of blocks) {
    parts.push(carSectionHead(block), block.bytes)
    length += block.bytes.length
    if (length < CHUNK_BYTES_MIN) continue
    yield concatBytes(...parts)
    parts = []
    length = 0
  }
  if (parts.length > 0) yield concatBytes(...parts)
}

function varint(value: number): Uint8Array {
  const out: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80)
  out.push(rest)
  return Uint8Array.from(out)
}
