/** CIDs in URLs: blocks of coppice, CIDs that have their bytes in themselves, and all others there may be. */
import { base32 } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { isLink, type Link } from '../link.ts'

/** What a CID of a request stands for. */
export type Named =
  | { readonly kind: 'link'; readonly link: Link }
  /** As `bafkqaaa`, with which gateways are probed. */
  | { readonly kind: 'identity'; readonly cid: Uint8Array; readonly bytes: Uint8Array }
  /** A CID of a form that no block of coppice has. */
  | { readonly kind: 'foreign' }

const CID_CHARS_MAX = 256
const IDENTITY = 0x00

/** Undefined where `text` is no CID. */
export function parseNamed(text: string): Named | undefined {
  if (text.length > CID_CHARS_MAX) return undefined
  try {
    const cid = CID.parse(text, base32.decoder.or(base36.decoder).or(base58btc.decoder))
    const { code, digest } = cid.multihash
    if (code === IDENTITY) return { kind: 'identity', cid: cid.bytes, bytes: digest }
    const link = cid.toV1().bytes
    return isLink(link) ? { kind: 'link', link } : { kind: 'foreign' }
  } catch {
    return undefined
  }
}
