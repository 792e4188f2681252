/**
 * The root that waits for its signature (record.md, 6): kept whole, with the payload as it was handed out, so that what comes back
 * signed is published as it was signed, whatever the working state is by then. There is one at most, and while there is nobody
 * else signs for the database: two roots of one sequence would be a fork, and whether the first was signed nobody knows here.
 */
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { decodeUnsignedRoot, type UnsignedRoot } from '../../pointer/index.ts'
import { renderTime } from '../../time-text.ts'
import { PREPARED } from '../meta.ts'
import type { DatabaseState } from '../state.ts'

/** Undefined where none waits. @throws {CoppiceError} `STORE_CORRUPT`. */
export async function readPrepared({ store }: DatabaseState): Promise<UnsignedRoot | undefined> {
  const bytes = await store.getMeta(PREPARED)
  if (bytes === undefined) return undefined
  try {
    return decodeUnsignedRoot(bytes)
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID') && !isCoppiceError(error, 'PUBLISH_REFUSED')) throw error
    throw new CoppiceError('STORE_CORRUPT', `meta value '${PREPARED}': ${error.message}`, { cause: error })
  }
}

/** @throws {CoppiceError} `PUBLISH_REFUSED`. */
export function requireNonePrepared(prepared: UnsignedRoot | undefined): void {
  if (prepared === undefined) return
  const { sequence, issued } = prepared.next.payload
  throw new CoppiceError(
    'PUBLISH_REFUSED',
    `publish: expected no root that waits for its signature, got @${sequence}, prepared at ${renderTime(issued)}; ` +
      'complete it with its signature, or replace it if nobody signed it',
    { details: { reason: 'prepared', sequence } },
  )
}
