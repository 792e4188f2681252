/**
 * Under what a database is looked for (protocol.md, 13): the hash of a domain, the author and the name. Who knows the
 * database computes it, and who only sees it in a DHT learns that somebody looks for something.
 */
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { concatBytes } from '../../bytes.ts'
import { CODEC_RAW } from '../../link.ts'
import { sha256 } from '../../sha256.ts'

/** What of a database finding it needs. */
export interface DatabaseId {
  /** 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
}

/** A name is printable, so no name and author together begin like another tag. */
const DOMAIN = 'coppice/discovery/1\0'
const SHA2_256 = 0x12

/** No block has this CID, unless somebody makes one of exactly these bytes: it only is the form of key that DHTs take. */
export function discoveryKey({ author, name }: DatabaseId): CID {
  const text = new TextEncoder()
  const digest = sha256(concatBytes(text.encode(DOMAIN), author, text.encode(name)))
  return CID.createV1(CODEC_RAW, Digest.create(SHA2_256, digest))
}
