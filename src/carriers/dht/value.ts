/**
 * What a DHT of coppice's own keeps of a database (record.md, 7): the newest signed root, with the statements that are needed to judge
 * it. A value is complete in itself: whoever has the key can verify it, and a node stores nothing else.
 *
 *     key   = "/coppice/", sha2-256("coppice/pointer/1\0", author, name)
 *     value = [signed root bytes, attachments bytes]        rotations and evidence alone
 */
import { bytesToMapKey, concatBytes, copyBytes, equalBytes } from '../../bytes.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { cborArray, cborBytes, CborReader } from '../../pointer/cbor.ts'
import {
  type AnySignedRoot,
  type Authority,
  comparePositions,
  createAuthority,
  decodeEvidence,
  decodeRotations,
  decodeSignedRoot,
  ROTATIONS_MAX,
  SIGNED_ROOT_BYTES_MAX,
  verifyEvidence,
  verifySignedRoot,
} from '../../pointer/index.ts'
import { decodeRotation } from '../../pointer/rotation.ts'
import { signedRootFailure, STATEMENT_BYTES_MAX } from '../../pointer/statement.ts'
import { sha256 } from '../../sha256.ts'
import { ATTACHMENT_IDS, type Attachments, decodeAttachments, encodeAttachments } from '../attachments.ts'
import type { PointerName, PointerRecord } from '../carrier.ts'
import type { ValueClaim, ValueRules } from '../value-network.ts'

/** A root, evidence of a fork, and about 35 rotations. What a node keeps for strangers is this many times so many bytes. */
export const DHT_VALUE_BYTES_MAX: number = 12 * 1024
const NAMESPACE = 'coppice'
const KEY_PREFIX: Uint8Array = new TextEncoder().encode(`/${NAMESPACE}/`)
/** A name is printable, so no name and author together begin like another tag. */
const KEY_DOMAIN: Uint8Array = new TextEncoder().encode('coppice/pointer/1\0')
/** Its own and that of its grant. */
const ROOT_SIGNATURES = 2
const CARRIED: readonly number[] = [ATTACHMENT_IDS.rotations, ATTACHMENT_IDS.evidence]

export function dhtKey({ author, name }: PointerName): Uint8Array {
  return concatBytes(KEY_PREFIX, sha256(concatBytes(KEY_DOMAIN, author, new TextEncoder().encode(name))))
}

/** @throws {CoppiceError} `USAGE` where the rotations do not fit: they are needed, and evidence is left out before. */
export function encodeDhtValue({ signedRoot, attachments }: PointerRecord): Uint8Array {
  const carried = CARRIED.flatMap((id) => {
    const bytes = attachments.get(id)
    return bytes === undefined ? [] : [[id, bytes] as const]
  })
  for (const pairs of [carried, carried.filter(([id]) => id !== ATTACHMENT_IDS.evidence)]) {
    const value = cborArray([cborBytes(signedRoot), cborBytes(encodeAttachments(new Map(pairs)))])
    if (value.length <= DHT_VALUE_BYTES_MAX) return value
  }
  throw new CoppiceError(
    'USAGE',
    `dht: expected a record of at most ${DHT_VALUE_BYTES_MAX} bytes, its rotations are more`,
  )
}

/** Undefined for what has not this form. Nothing of it is verified; copies. */
export function decodeDhtValue(value: Uint8Array): PointerRecord | undefined {
  if (value.length > DHT_VALUE_BYTES_MAX) return undefined
  return orUndefined(() => {
    const reader = new CborReader(value, signedRootFailure('DHT value'))
    reader.array('value', 2, 2)
    const signedRoot = copyBytes(reader.bytes('signed root', 1, SIGNED_ROOT_BYTES_MAX))
    const attachments = decodeAttachments(reader.bytes('attachments', 1, DHT_VALUE_BYTES_MAX))
    reader.end('value')
    return [...attachments.keys()].every((id) => CARRIED.includes(id)) ? { signedRoot, attachments } : undefined
  })
}

/** What is remembered of a value: no signatures, and of rotations only what they say. */
export interface DhtFloor {
  readonly epoch: number
  readonly sequence: number
  readonly payload: string
  readonly rotations: readonly { readonly epoch: number; readonly payload: string }[]
  readonly hasEvidence: boolean
}

/**
 * The higher root takes the place of the lower one, as in acceptance. Fewer rotations never do: without one, a key that was
 * rotated away would count again. A chain that goes on lets a lower root win only where it took the authority over the held one's epoch.
 */
function replaces(held: DhtFloor, next: DhtFloor): boolean {
  const isContinued = held.rotations.every(({ payload }, i) => next.rotations[i]?.payload === payload)
  if (!isContinued) return false
  const order = comparePositions(next, held)
  if (order > 0) return true
  if (next.payload === held.payload)
    return next.rotations.length > held.rotations.length || (next.hasEvidence && !held.hasEvidence)
  const since = authoritySince(next, held.epoch)
  return since > authoritySince(held, held.epoch) && next.epoch >= since
}

function authoritySince({ rotations }: DhtFloor, epoch: number): number {
  return rotations.findLast((rotation) => rotation.epoch <= epoch)?.epoch ?? 0
}

export const DHT_RULES: ValueRules<DhtFloor> = {
  namespace: NAMESPACE,
  bytesMax: DHT_VALUE_BYTES_MAX,
  read: (key, value) => readClaim(value, key),
  replaces,
}

function readClaim(value: Uint8Array, key: Uint8Array): ValueClaim<DhtFloor> | undefined {
  const record = decodeDhtValue(value)
  const root = record && orUndefined(() => decodeSignedRoot(record.signedRoot))
  if (record === undefined || root === undefined) return undefined
  if (!equalBytes(dhtKey(root.payload), key)) return undefined
  const rotations = orUndefined(() => readRotations(record.attachments))
  if (rotations === undefined) return undefined
  const { epoch, sequence } = root.payload
  const hasEvidence = record.attachments.has(ATTACHMENT_IDS.evidence)
  const floor = { epoch, sequence, payload: bytesToMapKey(root.link), rotations, hasEvidence }
  const signatures = rotations.length + ROOT_SIGNATURES + (hasEvidence ? 2 * ROOT_SIGNATURES : 0)
  return { floor, expiresAt: null, signatures, verify: () => verify(root, record.attachments) }
}

function readRotations(attachments: Attachments): DhtFloor['rotations'] {
  const bytes = attachments.get(ATTACHMENT_IDS.rotations)
  if (bytes === undefined) return []
  const reader = new CborReader(bytes, signedRootFailure('rotations'))
  const count = reader.array('rotations', 1, ROTATIONS_MAX)
  return Array.from({ length: count }, () => {
    const { epoch, payloadBytes } = decodeRotation(reader.bytes('rotation', 1, STATEMENT_BYTES_MAX))
    return { epoch, payload: bytesToMapKey(payloadBytes) }
  })
}

/** By nothing but what the value brings. */
function verify(root: AnySignedRoot, attachments: Attachments): boolean {
  const { author, name } = root.payload
  const authority = orUndefined(() => readAuthority(author, attachments))
  if (authority === undefined || verifySignedRoot(root, authority) !== undefined) return false
  const bytes = attachments.get(ATTACHMENT_IDS.evidence)
  if (bytes === undefined) return true
  const evidence = orUndefined(() => decodeEvidence(bytes))
  if (evidence === undefined || !verifyEvidence(evidence, authority)) return false
  return evidence.kind !== 'roots' || evidence.lower.payload.name === name
}

function readAuthority(author: Uint8Array, attachments: Attachments): Authority {
  const bytes = attachments.get(ATTACHMENT_IDS.rotations)
  return bytes === undefined ? createAuthority(author) : decodeRotations(author, bytes)
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
