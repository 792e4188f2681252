/** Envelopes behind a grant, rotations or a signed root: by which carriers readers are led by them, and until when. */
import { ATTACHMENT_IDS, decodeEnvelopes, ipnsEnd } from '../carriers/index.ts'
import { renderTime } from './render.ts'

/** Keys are API. */
export type EnvelopesJson = {
  readonly database: string
  readonly bep44: boolean
  /** Seconds since 1970, when its IPNS record has to be made anew; null where there is none. */
  readonly ipnsUntil: number | null
}

/** `key`: that of the root whose they are. @throws {CoppiceError} `SIGNED_ROOT_INVALID`. */
export function envelopesJson(author: Uint8Array, envelopes: readonly Uint8Array[], key?: Uint8Array): EnvelopesJson[] {
  return envelopes.map((bytes) => {
    const { name, attachments } = decodeEnvelopes(bytes)
    const end = ipnsEnd({ author, name }, attachments, key)
    return {
      database: name,
      bep44: attachments.has(ATTACHMENT_IDS.bep44) || attachments.has(ATTACHMENT_IDS.bep44Hops),
      ipnsUntil: end === undefined ? null : Math.floor(end / 1000),
    }
  })
}

/** "cities: bep44, and ipns until 2026-09-01 12:00 UTC" */
export function describeEnvelopes(envelopes: readonly EnvelopesJson[]): string[] {
  return envelopes.map(({ database, bep44, ipnsUntil }) => {
    const carriers = [
      ...(bep44 ? ['bep44'] : []),
      ...(ipnsUntil === null ? [] : [`ipns until ${renderTime(ipnsUntil)}`]),
    ]
    return `${database}: ${carriers.length === 0 ? 'no carrier' : carriers.join(', and ')}`
  })
}
