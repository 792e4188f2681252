/**
 * sha2-256 behind two functions: the runtime's own implementation where it has a synchronous one (Node), the portable
 * one of @noble/hashes elsewhere. `getBuiltinModule` needs no import, so bundlers for browsers see none.
 */
import { sha256 as portableSha256 } from '@noble/hashes/sha2.js'
import { bytesToMapKey } from './bytes.ts'

export const SHA256_BYTES = 32

interface Hasher {
  readonly toBytes: (bytes: Uint8Array) => Uint8Array
  readonly toText: (bytes: Uint8Array) => string
}

function chooseHasher(): Hasher {
  const runtime = (globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } }).process
  const crypto = runtime?.getBuiltinModule?.('node:crypto') as typeof import('node:crypto') | undefined
  if (crypto === undefined) {
    return { toBytes: portableSha256, toText: (bytes) => bytesToMapKey(portableSha256(bytes)) }
  }
  return {
    toBytes: (bytes) => crypto.hash('sha256', bytes, 'buffer'),
    toText: (bytes) => crypto.hash('sha256', bytes, 'binary'),
  }
}

const hasher = chooseHasher()

/** The 32-byte digest. One call per block: the cost of a call matters more than the bytes of a small block. */
export const sha256: Hasher['toBytes'] = hasher.toBytes

/** The digest as a string of one UTF-16 unit per byte, for those who only compare or copy it: no buffer is made for it. */
export const sha256Text: Hasher['toText'] = hasher.toText
