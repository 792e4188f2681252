/**
 * The one writer, across processes: a record inside LMDB names who writes. It is read and taken in one write
 * transaction, which LMDB gives to one process at a time, so two cannot both take it. A holder that died, by kill -9
 * too, is recognised and replaced: its process is gone, or its number belongs to a process that started at another time.
 */
import { readFileSync } from 'node:fs'
import { constants, hostname } from 'node:os'
import process from 'node:process'
import { threadId } from 'node:worker_threads'
import { CoppiceError } from '../errors.ts'
import type { WriterLock } from './interface.ts'
import type { LmdbEnv } from './lmdb-env.ts'

/** The leading dot keeps it apart from the names of meta values. */
const LOCK_NAME = new TextEncoder().encode('.writer')

/** Who holds the lock. `start` and `boot` are empty where the system does not tell (they do on Linux). */
interface Holder {
  readonly pid: number
  readonly thread: number
  /** Clock ticks between boot and the start of the process: /proc/PID/stat, field 22. */
  readonly start: string
  /** A random number drawn at boot. */
  readonly boot: string
  readonly host: string
}

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
      if (holder !== undefined && isAlive(holder, self, env)) throw locked(env.path, holder, self)
      env.meta.put(LOCK_NAME, encodeHolder(self)).catch(() => {})
    })
  } catch (error) {
    env.writerHeld = false
    throw error
  }
  // A read takes this process's slot in LMDB's table of readers, which tells other hosts' containers that it lives.
  env.meta.getBinary(LOCK_NAME)
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
    holder.pid === self.pid && holder.host === self.host
      ? 'another handle of this process'
      : `process ${holder.pid}${holder.host === self.host ? '' : ` on ${holder.host}`}`
  return new CoppiceError(
    'STORE_LOCKED',
    `store ${path}: ${who} is writing to it, and there can be one writer only; wait until it ends, or end it`,
    { details: { path, pid: holder.pid, host: holder.host } },
  )
}

function isSame(a: Holder, b: Holder): boolean {
  return a.pid === b.pid && a.thread === b.thread && a.start === b.start && a.boot === b.boot && a.host === b.host
}

/** Whether the holder still runs. In doubt it does: a lock lost to a living writer would cost data. */
function isAlive(holder: Holder, self: Holder, env: LmdbEnv): boolean {
  // Ours by name, but no handle here holds it: its release failed, on a full disk for example.
  if (isSame(holder, self)) return false
  if (holder.boot !== '' && self.boot !== '' && holder.boot !== self.boot) return false
  if (holder.host !== self.host) return hasReaderSlot(env, holder.pid)
  const process_ = readProcess(holder.pid)
  if (process_ === undefined) return processExists(holder.pid)
  if (process_ === 'ended') return false
  return holder.start === '' || process_.start === holder.start
}

/**
 * Whether a process of that number has the environment open, by LMDB's table of readers. Its entries are held by file
 * locks, which the kernel drops when a process ends, in whatever container it ran.
 */
function hasReaderSlot(env: LmdbEnv, pid: number): boolean {
  env.root.readerCheck()
  return new RegExp(`^\\s*${pid}\\s`, 'm').test(env.root.readerList())
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno !== -constants.errno.ESRCH
  }
}

/** From /proc; 'ended' where there is no such process or only its remains, undefined where there is no /proc. */
function readProcess(pid: number): { readonly start: string } | 'ended' | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return bootId() === '' ? undefined : processExists(pid) ? undefined : 'ended'
  }
  // The second field is the name in parentheses and may hold anything, parentheses and spaces too.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  const start = fields[19]
  if (start === undefined || state === 'Z' || state === 'X') return 'ended'
  return { start }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}

function currentHolder(): Holder {
  const own = readProcess(process.pid)
  const start = typeof own === 'object' ? own.start : ''
  return { pid: process.pid, thread: threadId, start, boot: bootId(), host: hostname() }
}

function encodeHolder({ pid, thread, start, boot, host }: Holder): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ pid, thread, start, boot, host }))
}

/** Undefined where there is none, and where the record is damaged: nobody can tell who that was. */
function decodeHolder(bytes: Uint8Array | undefined): Holder | undefined {
  if (bytes === undefined) return undefined
  try {
    const { pid, thread, start, boot, host } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    if (!Number.isSafeInteger(pid) || (pid as number) < 1 || !Number.isSafeInteger(thread)) return undefined
    if (typeof start !== 'string' || typeof boot !== 'string' || typeof host !== 'string') return undefined
    return { pid: pid as number, thread: thread as number, start, boot, host }
  } catch {
    return undefined
  }
}
