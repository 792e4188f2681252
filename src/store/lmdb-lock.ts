/**
 * The one writer, across processes: a record inside LMDB names who writes. It is read and taken in one write
 * transaction, which LMDB gives to one process at a time, so two cannot both take it. A holder that died is replaced.
 */
import { CoppiceError } from '../errors.ts'
import type { WriterLock } from './interface.ts'
import type { LmdbEnv } from './lmdb-env.ts'
import { toStoreError } from './lmdb-errors.ts'
import { currentHolder, decodeHolder, encodeHolder, type Holder, isAlive, isSame } from './lmdb-holder.ts'

/** The leading dot keeps it apart from the names of meta values. */
const LOCK_NAME = new TextEncoder().encode('.writer')

/**
 * Takes the lock or fails at once.
 * @throws {CoppiceError} `STORE_LOCKED` with `details.pid` and `details.host` of the holder.
 */
export async function lockWriter(env: LmdbEnv): Promise<WriterLock> {
  const self = currentHolder()
  if (env.writerHeld) throw locked(env.path, self, self)
  env.writerHeld = true
  try {
    await env.transact(() => {
      const holder = decodeHolder(env.meta.getBinary(LOCK_NAME))
      // Ours by name, but no handle here holds it: its release failed, on a full disk for example.
      if (holder !== undefined && !isSame(holder, self) && isAlive(holder, self, env))
        throw locked(env.path, holder, self)
      env.meta.put(LOCK_NAME, encodeHolder(self)).catch(() => {})
    })
    // A read takes this process's slot in LMDB's table of readers, which tells other hosts' containers that it lives.
    env.meta.getBinary(LOCK_NAME)
  } catch (error) {
    env.writerHeld = false
    throw toStoreError(error, 'locking', env.path)
  }
  let released: Promise<void> | undefined
  const release = (): Promise<void> => (released ??= releaseWriter(env, self))
  return { release, [Symbol.asyncDispose]: release }
}

async function releaseWriter(env: LmdbEnv, self: Holder): Promise<void> {
  env.writerHeld = false
  await env.transact(() => {
    const holder = decodeHolder(env.meta.getBinary(LOCK_NAME))
    if (holder !== undefined && isSame(holder, self)) env.meta.remove(LOCK_NAME).catch(() => {})
  })
}

function locked(path: string, holder: Holder, self: Holder): CoppiceError {
  const who =
    holder.pid === self.pid && holder.space === self.space && holder.host === self.host
      ? 'another handle of this process'
      : `process ${holder.pid}${holder.host === self.host ? '' : ` on ${holder.host}`}`
  return new CoppiceError(
    'STORE_LOCKED',
    `store ${path}: ${who} is writing to it, and there can be one writer only; wait until it ends, or end it`,
    { details: { path, pid: holder.pid, host: holder.host } },
  )
}
