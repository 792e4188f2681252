/**
 * Who wrote a record inside LMDB that is worth nothing once its process has ended: the writer lock, a lease. A process that
 * died, by kill -9 too, is recognised: it is gone, or its number belongs to a process that started at another time.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { constants, hostname } from 'node:os'
import process from 'node:process'
import { threadId } from 'node:worker_threads'
import type { LmdbEnv } from './lmdb-env.ts'

/** A thread of a process. `start` and `boot` are empty where the system does not tell (they do on Linux). */
export interface Holder {
  readonly pid: number
  readonly thread: number
  /** Clock ticks between boot and the start of the process: /proc/PID/stat, field 22. */
  readonly start: string
  /** A random number drawn at boot. */
  readonly boot: string
  /** Within which `pid` is a number of a process: the namespace of a container, which may share the name of its host. */
  readonly space: string
  readonly host: string
}

export function isSame(a: Holder, b: Holder): boolean {
  return (
    a.pid === b.pid &&
    a.thread === b.thread &&
    a.start === b.start &&
    a.boot === b.boot &&
    a.space === b.space &&
    a.host === b.host
  )
}

/**
 * Whether the holder still runs. In doubt it does: a lock lost to a living writer would cost data. Without an environment
 * nothing is known of processes in other containers.
 */
export function isAlive(holder: Holder, self: Holder, env: LmdbEnv | undefined): boolean {
  if (holder.boot !== '' && self.boot !== '' && holder.boot !== self.boot) return false
  if (holder.host !== self.host || holder.space !== self.space)
    return env === undefined || hasReaderSlot(env, holder.pid)
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

/** Empty where the system has none, or does not tell. */
function processSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

export function currentHolder(): Holder {
  const own = readProcess(process.pid)
  const start = typeof own === 'object' ? own.start : ''
  return { pid: process.pid, thread: threadId, start, boot: bootId(), space: processSpace(), host: hostname() }
}

export function encodeHolder({ pid, thread, start, boot, space, host }: Holder): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ pid, thread, start, boot, space, host }))
}

/** Undefined where there is none, and where the record is damaged: nobody can tell who that was. */
export function decodeHolder(bytes: Uint8Array | undefined): Holder | undefined {
  if (bytes === undefined) return undefined
  try {
    const { pid, thread, start, boot, space, host } = JSON.parse(new TextDecoder().decode(bytes)) as Record<
      string,
      unknown
    >
    if (!Number.isSafeInteger(pid) || (pid as number) < 1 || !Number.isSafeInteger(thread)) return undefined
    if (typeof start !== 'string' || typeof boot !== 'string') return undefined
    if (typeof space !== 'string' || typeof host !== 'string') return undefined
    return { pid: pid as number, thread: thread as number, start, boot, space, host }
  } catch {
    return undefined
  }
}
