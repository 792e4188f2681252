/**
 * Envelopes that peers and web servers show beside a signed root (record.md, 7): anybody can put anything there, and what is kept and put
 * again for others has to be what the root's key and those before it signed. A wrong one would stand in the place of a right one.
 */
import { EMPTY_BYTES, equalBytes } from '../bytes.ts'
import { type AnySignedRoot, carrierSequence, decodeSignedRoot } from '../pointer/index.ts'
import { ATTACHMENT_IDS } from './attachments.ts'
import { encodeBencode } from './bep44/bencode.ts'
import { decodeHops, itemsOfHops, saltOf } from './bep44/hops.ts'
import { verifyItem } from './bep44/item.ts'
import type { PointerName, PointerRecord } from './carrier.ts'
import { ifValid } from './hops.ts'
import { decodeIpnsHops, walkHops } from './ipns/hops.ts'
import { openIpnsRecord } from './ipns/record.ts'

/** The record without envelopes that do not count, and without unknown attachments. Whether the root does is not looked at. */
export function withValidEnvelopes(pointer: PointerName, { signedRoot, attachments }: PointerRecord): PointerRecord {
  const root = ifValid(() => decodeSignedRoot(signedRoot))
  const checks = root === undefined ? STATEMENTS : [...STATEMENTS, ...envelopeChecks(pointer, root)]
  const valid = checks.flatMap(([id, counts]) => {
    const bytes = attachments.get(id)
    return bytes !== undefined && ifValid(() => counts(bytes)) === true ? [[id, bytes] as const] : []
  })
  return { signedRoot, attachments: new Map(valid) }
}

type Check = readonly [id: number, counts: (bytes: Uint8Array) => boolean]

/** Verified where they are heard. */
const STATEMENTS: readonly Check[] = [ATTACHMENT_IDS.rotations, ATTACHMENT_IDS.evidence].map((id) => [id, () => true])

function envelopeChecks(pointer: PointerName, root: AnySignedRoot): Check[] {
  const key = root.signatures[0]?.key ?? EMPTY_BYTES
  const salt = saltOf(pointer.name)
  const item = { key, salt, sequence: carrierSequence(root.payload), encodedValue: encodeBencode(root.bytes) }
  const isOfRoot = (entry: Uint8Array | undefined): boolean => entry !== undefined && equalBytes(entry, root.bytes)
  const isEnd = (end: Uint8Array | undefined): boolean => end !== undefined && equalBytes(end, key)
  return [
    [ATTACHMENT_IDS.bep44, (signature) => verifyItem({ ...item, signature })],
    [ATTACHMENT_IDS.ipns, (bytes) => isOfRoot(openIpnsRecord(key, bytes)?.entries.get(pointer.name))],
    [
      ATTACHMENT_IDS.bep44Hops,
      (bytes) => {
        const way = itemsOfHops(pointer, decodeHops(bytes))
        return isEnd(way?.end.key) && way?.items.every(verifyItem) === true
      },
    ],
    [ATTACHMENT_IDS.ipnsHops, (bytes) => isEnd(walkHops(pointer, decodeIpnsHops(bytes))?.at(-1)?.key)],
  ]
}
