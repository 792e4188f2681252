/** The digest in a link, which is what packs find blocks by: the codec says how a block is read, not what it is. */
import { LINK_BYTES, type Link } from '../link.ts'
import { SHA256_BYTES } from '../sha256.ts'

/** A view of the link. */
export function digestOf(link: Link): Uint8Array {
  return link.subarray(LINK_BYTES - SHA256_BYTES)
}
