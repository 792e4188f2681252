/**
 * Who signs. A Signer shows its public key and nothing else: no conversion to text, JSON or an inspector's view reaches the
 * secret. Randomness is the caller's: a new key is 32 random bytes handed in.
 */
import { bytesToHex } from '../bytes.ts'
import { engine, type SecretKey } from './ed25519-engine.ts'

export const SEED_BYTES = 32

/** Signs for one public key: in memory, or elsewhere (an agent, a hardware token). */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes, RFC 8032 ed25519: the same bytes every time for the same input. */
  sign(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array
}

class MemorySigner implements Signer {
  readonly #secret: SecretKey
  readonly publicKey: Uint8Array

  constructor(secret: SecretKey) {
    this.#secret = secret
    this.publicKey = secret.publicKey
  }

  sign(bytes: Uint8Array): Uint8Array {
    return this.#secret.sign(bytes)
  }

  toJSON(): { publicKey: string } {
    return { publicKey: bytesToHex(this.publicKey) }
  }

  toString(): string {
    return `Signer(${bytesToHex(this.publicKey)})`
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

/**
 * A signer of the secret key with this 32-byte seed (RFC 8032). The seed is copied: the caller may overwrite its own.
 * @throws {TypeError | RangeError} when `seed` is not 32 bytes.
 */
export function createSigner(seed: Uint8Array): Signer {
  if (!(seed instanceof Uint8Array)) throw new TypeError('seed: expected a Uint8Array')
  if (seed.length !== SEED_BYTES) throw new RangeError(`seed: expected ${SEED_BYTES} bytes, got ${seed.length}`)
  return new MemorySigner(engine.secretKey(seed))
}
