/**
 * The one rule by which a signature counts (record.md, 2): canonical encodings, S < L, the key and R neither of small
 * order nor with a torsion part, then RFC 8032. Verifiers that differ on odd signatures would let an attacker split
 * readers, so the strictest common reading is taken. Every function here is total: hostile bytes give false.
 *
 * Only the key needs the expensive torsion check, and only once: with A in the prime-order group, R = [S]B - [k]A is
 * in it too, is compared as a canonical encoding, and its only small-order element is the identity.
 */
import { Point } from '@noble/ed25519'
import { bytesToMapKey, copyBytes, equalBytes } from '../bytes.ts'
import { engine as defaultEngine, GROUP_ORDER, littleEndian, type Ed25519Engine } from './ed25519-engine.ts'

export const PUBLIC_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64
/** Keys whose checks are remembered, the oldest forgotten first. A process follows few authors at once. */
const KEYS_MAX = 256

const IDENTITY: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))

type Equation = (message: Uint8Array, signature: Uint8Array) => boolean

export interface Ed25519Verifier {
  /** Whether `bytes` are a key that signatures may count under. About 1 ms at first sight of a key. */
  isPublicKey(bytes: Uint8Array): boolean
  verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
}

/** A verifier over `engine`. Tests run the same vectors through both engines; everybody else uses the functions below. */
export function createVerifier(engine: Ed25519Engine): Ed25519Verifier {
  const known = new Map<string, Equation | null>()

  function equationOf(publicKey: Uint8Array): Equation | null {
    if (!isBytes(publicKey, PUBLIC_KEY_BYTES)) return null
    const name = bytesToMapKey(publicKey)
    const held = known.get(name)
    if (held !== undefined) return held
    const equation = isPrimeOrderPoint(publicKey) ? engine.equationOf(copyBytes(publicKey)) : null
    const oldest = known.size < KEYS_MAX ? undefined : known.keys().next().value
    if (oldest !== undefined) known.delete(oldest)
    known.set(name, equation)
    return equation
  }

  return {
    isPublicKey: (bytes) => equationOf(bytes) !== null,
    verifySignature(publicKey, message, signature) {
      if (!isBytes(signature, SIGNATURE_BYTES) || !(message instanceof Uint8Array)) return false
      if (equalBytes(signature.subarray(0, 32), IDENTITY)) return false
      if (littleEndian(signature.subarray(32)) >= GROUP_ORDER) return false
      const equation = equationOf(publicKey)
      return equation !== null && equation(message, signature)
    },
  }
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length
}

/** Canonical encoding, on the curve, not of small order, without a torsion part. */
function isPrimeOrderPoint(bytes: Uint8Array): boolean {
  try {
    const point = Point.fromBytes(bytes, false)
    return !point.isSmallOrder() && point.isTorsionFree()
  } catch {
    return false
  }
}

const verifier = createVerifier(defaultEngine)

/** Whether `bytes` are an ed25519 key in the canonical encoding, of the prime-order group. Total. */
export function isPublicKey(bytes: Uint8Array): boolean {
  return verifier.isPublicKey(bytes)
}

/** Whether `signature` is by `publicKey` over exactly `message`, by the strict rule. Total; 0.1..2 ms. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return verifier.verifySignature(publicKey, message, signature)
}
