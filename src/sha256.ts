/**
 * sha2-256 behind one function: the runtime's own implementation where it has a synchronous one (Node), the
 * portable one of @noble/hashes elsewhere. `getBuiltinModule` needs no import, so bundlers for browsers see none.
 */
import { sha256 as portableSha256 } from '@noble/hashes/sha2.js'

export const SHA256_BYTES = 32

type Hasher = (bytes: Uint8Array) => Uint8Array

function chooseHasher(): Hasher {
  const runtime = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process
  const crypto = runtime?.getBuiltinModule?.('node:crypto') as typeof import('node:crypto') | undefined
  return crypto === undefined ? portableSha256 : (bytes) => crypto.hash('sha256', bytes, 'buffer')
}

/** The 32-byte digest. One call per block: the cost of a call matters more than the bytes of a small block. */
export const sha256: Hasher = chooseHasher()
