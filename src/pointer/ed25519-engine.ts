/**
 * The arithmetic of ed25519, in two implementations with one result: the runtime's own where it has a synchronous one
 * (Node), @noble/ed25519 elsewhere. Neither decides what is acceptable: ed25519.ts does, and it calls `equationHolds`
 * only with a key and an S that passed its rules, for which both agree on every input (record.md, 2).
 */
import { hashes, etc, getPublicKey, Point, sign } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, equalBytes } from '../bytes.ts'

/** Signs with one secret key, which it does not give out. */
export interface SecretKey {
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array
}

export interface Ed25519Engine {
  /** From a 32-byte seed (RFC 8032, 5.1.5), which is copied. */
  secretKey(seed: Uint8Array): SecretKey
  /**
   * Prepares the check of RFC 8032, 5.1.7 without the cofactor: whether the canonical encoding of [S]B - [k]A is the first
   * half of the signature. `publicKey` is a canonical point of the prime-order group and S < L.
   */
  equationOf(publicKey: Uint8Array): (message: Uint8Array, signature: Uint8Array) => boolean
}

/** The order of the base point. */
export const GROUP_ORDER: bigint = Point.CURVE().n

/** 32 or 64 bytes, least significant first. */
export function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${etc.bytesToHex(bytes.slice().reverse())}`)
}

export function portableEngine(): Ed25519Engine {
  hashes.sha512 = sha512
  return {
    secretKey(seed) {
      const secret = new Uint8Array(seed)
      return { publicKey: getPublicKey(secret), sign: (message) => sign(message, secret) }
    },
    equationOf(publicKey) {
      const negated = Point.fromBytes(publicKey).negate()
      return (message, signature) => {
        const r = signature.subarray(0, 32)
        const s = littleEndian(signature.subarray(32))
        const k = littleEndian(sha512(concatBytes(r, publicKey, message))) % GROUP_ORDER
        const point = Point.BASE.multiply(s, false).add(negated.multiply(k, false))
        return equalBytes(point.toBytes(), r)
      }
    },
  }
}

/** What stands before the 32 bytes of a key in its DER form (RFC 8410). */
const PKCS8_PREFIX: Uint8Array = etc.hexToBytes('302e020100300506032b657004220420')
const SPKI_PREFIX: Uint8Array = etc.hexToBytes('302a300506032b6570032100')

interface DerKey<Type> {
  readonly key: never
  readonly format: 'der'
  readonly type: Type
}

/** node:crypto takes any Uint8Array as a key; its types ask for a Buffer, which is one. */
function derKey<Type>(prefix: Uint8Array, key: Uint8Array, type: Type): DerKey<Type> {
  return { key: concatBytes(prefix, key) as never, format: 'der', type }
}

/** The engine over node:crypto, undefined where the runtime has none. `getBuiltinModule` needs no import. */
export function nativeEngine(): Ed25519Engine | undefined {
  const runtime = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process
  const crypto = runtime?.getBuiltinModule?.('node:crypto') as typeof import('node:crypto') | undefined
  if (crypto === undefined) return undefined
  return {
    secretKey(seed) {
      const key = crypto.createPrivateKey(derKey(PKCS8_PREFIX, seed, 'pkcs8'))
      const spki = crypto.createPublicKey(key).export({ format: 'der', type: 'spki' })
      return {
        publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
        sign: (message) => new Uint8Array(crypto.sign(null, message, key)),
      }
    },
    equationOf(publicKey) {
      const key = crypto.createPublicKey(derKey(SPKI_PREFIX, publicKey, 'spki'))
      return (message, signature) => crypto.verify(null, message, key, signature)
    },
  }
}

export const engine: Ed25519Engine = nativeEngine() ?? portableEngine()
