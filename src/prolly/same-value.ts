/** Whether a row has a value already: compared where it stands inline, by its CID where not, so that nothing is read. */
import { equalBytes } from '../bytes.ts'
import { matchesLink } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import { writeFile } from '../unixfs/index.ts'
import { RAW_VALUE_BYTES_MAX } from './format.ts'
import { equalValues, isValueRef, type Value, type ValueRef } from './node.ts'

/** Hashes `bytes` at most once, and only where the lengths are equal. */
export function isSameValue(held: Value, bytes: Uint8Array): MaybePromise<boolean> {
  if (!isValueRef(held)) return equalBytes(held, bytes)
  if (held.size !== bytes.length) return false
  return bytes.length > RAW_VALUE_BYTES_MAX ? isSameFile(held, bytes) : matchesLink(held.link, bytes)
}

async function isSameFile(held: ValueRef, bytes: Uint8Array): Promise<boolean> {
  return equalValues(held, await writeFile([bytes], { put: () => {} }))
}
