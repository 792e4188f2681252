/**
 * Blocks of our own store on their way into use. They were verified before they were stored; they are hashed again when
 * they are read, so that a disk that changed one is found before a wrong row is shown, or copied into a new node and
 * signed. Missing and damaged are told apart, and neither is anybody's fault but the machine's.
 */
import { CoppiceError } from './errors.ts'
import { formatLink, type Link, matchesLink } from './link.ts'

/** @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT`. */
export function requireHeld(link: Link, bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) {
    const cid = formatLink(link)
    throw new CoppiceError('BLOCK_MISSING', `block ${cid}: expected it in the store, got nothing: see coppice verify`, {
      details: { cid },
    })
  }
  if (!matchesLink(link, bytes)) throw damagedBlock(link, 'expected the bytes of its CID, got others')
  return bytes
}

/** The error about held bytes that are not what they should be. */
export function damagedBlock(link: Link, what: string, cause?: unknown): CoppiceError {
  const cid = formatLink(link)
  return new CoppiceError('STORE_CORRUPT', `block ${cid}: ${what}; the store is damaged: see coppice verify`, {
    cause,
    details: { cid },
  })
}
