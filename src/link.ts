/**
 * Links: the bytes of a CID, as blocks are named everywhere below the public API. Tree nodes are
 * CIDv1 dag-cbor sha2-256, values CIDv1 raw (at most 1 MiB) or dag-pb (UnixFS) sha2-256: always 36 bytes, one
 * form each (tree.md, 1). No CID objects on hot paths: they cost more than hashing the block.
 */
import { base32 } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { bytesToMapKey } from './bytes.ts'
import { CoppiceError } from './errors.ts'
import { SHA256_BYTES, sha256Text } from './sha256.ts'

/** The 36 bytes of a CID: version, codec, hash code, digest length, digest. Owned by whoever made it: never written to. */
export type Link = Uint8Array

export const LINK_BYTES = 36
export const CODEC_RAW = 0x55
export const CODEC_DAG_PB = 0x70
export const CODEC_DAG_CBOR = 0x71
/** Version, codec, sha2-256, 32 bytes: what stands before the digest. */
const LINK_PREFIX_BYTES = 4
/** 59 in base32, fewer in the others. */
const CID_CHARS_MAX = 59

/** Bytes and the link they hash to. Whoever holds a Block has verified or computed the link. */
export interface Block {
  readonly link: Link
  readonly bytes: Uint8Array
}

export function linkTo(codec: number, bytes: Uint8Array): Link {
  const link = new Uint8Array(LINK_BYTES)
  link[0] = 0x01
  link[1] = codec
  link[2] = 0x12
  link[3] = 0x20
  const digest = sha256Text(bytes)
  for (let i = 0; i < SHA256_BYTES; i++) link[LINK_PREFIX_BYTES + i] = digest.charCodeAt(i)
  return link
}

export function linkCodec(link: Link): number {
  return link[1] as number
}

/** Whether `bytes` hash to the digest in `link`. */
export function matchesLink(link: Link, bytes: Uint8Array): boolean {
  const digest = sha256Text(bytes)
  for (let i = 0; i < SHA256_BYTES; i++) if (digest.charCodeAt(i) !== link[LINK_PREFIX_BYTES + i]) return false
  return true
}

/** Whether `bytes` have one of the three forms a link may have. */
export function isLink(bytes: Uint8Array): bytes is Link {
  const codec = bytes[1]
  return (
    bytes.length === LINK_BYTES &&
    bytes[0] === 0x01 &&
    (codec === CODEC_DAG_CBOR || codec === CODEC_RAW || codec === CODEC_DAG_PB) &&
    bytes[2] === 0x12 &&
    bytes[3] === 0x20
  )
}

/** For Maps and Sets of links. */
export function linkMapKey(link: Link): string {
  return bytesToMapKey(link)
}

/** The CID as text: base32, `bafy...` for nodes, `bafk...` for raw values. */
export function formatLink(link: Link): string {
  return base32.encode(link)
}

/** @throws {CoppiceError} `USAGE` when `text` is no CID of one of the three forms. */
export function parseLink(text: string): Link {
  const link = tryParseLink(text)
  if (link === undefined) {
    throw new CoppiceError(
      'USAGE',
      `CID: expected a CIDv1 of sha2-256 such as bafyrei..., got ${JSON.stringify(text.slice(0, 80))}`,
    )
  }
  return link
}

/** The bases that CIDs are written in, by the letter they begin with. */
const BASES = [base32, base36, base58btc] as const

/** As {@link parseLink}, undefined where `text` is something else. */
export function tryParseLink(text: string): Link | undefined {
  const base = BASES.find(({ prefix }) => text.startsWith(prefix))
  if (base === undefined || text.length > CID_CHARS_MAX) return undefined
  try {
    const bytes = base.decode(text)
    return isLink(bytes) ? bytes : undefined
  } catch {
    return undefined
  }
}
