/** Where a fork came from: kept for whoever asks, and for merges with databases that came from the same one. */
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { type Link, tryParseLink } from '../../link.ts'
import { parseAddress, type SignedRoot } from '../../pointer/index.ts'
import type { Store } from '../../store/interface.ts'
import { decodeText, ORIGIN, ORIGIN_SIGNED } from '../meta.ts'
import { decodeOwn } from '../roots/signed-log.ts'

/** Where a database was forked from. */
export interface ForkOrigin {
  /** With the peers that were known then. */
  readonly address: string
  /** The state it began with. */
  readonly root: Link
  /** Undefined where that state was not published. */
  readonly signed: SignedRoot | undefined
}

/** Undefined for a database that began by itself. @throws {CoppiceError} `STORE_CORRUPT`. */
export async function readOrigin(store: Pick<Store, 'getMeta'>): Promise<ForkOrigin | undefined> {
  const bytes = await store.getMeta(ORIGIN)
  if (bytes === undefined) return undefined
  const [address = '', cid = ''] = decodeText(bytes).split('\n')
  const root = tryParseLink(cid)
  if (root === undefined || !isAddress(address)) {
    throw new CoppiceError('STORE_CORRUPT', "meta value 'origin': expected an address and a CID, got damage")
  }
  const signed = await store.getMeta(ORIGIN_SIGNED)
  return { address, root, signed: signed === undefined ? undefined : decodeOwn(signed) }
}

function isAddress(text: string): boolean {
  try {
    parseAddress(text)
    return true
  } catch (error) {
    if (isCoppiceError(error, 'ADDRESS_INVALID')) return false
    throw error
  }
}
