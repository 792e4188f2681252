/** Hexadecimal in tests: an odd text is a mistake of the test. */
import { hexToBytes } from '../../src/bytes.ts'

export function hex(text: string): Uint8Array {
  const bytes = hexToBytes(text)
  if (bytes === undefined) throw new TypeError(`expected hex digits, got ${text}`)
  return bytes
}
