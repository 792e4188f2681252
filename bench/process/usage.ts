/** What a process and all below it take, from Linux' /proc; nothing is known elsewhere, and 0 stands for that. */
import { readdirSync, readFileSync } from 'node:fs'

/** What Linux counts processor time in; the same on every machine since long. */
const TICKS_PER_SECOND = 100
/** Of /proc/PID/stat, counted behind the name in parentheses: ppid; utime, stime, and those of children that have ended. */
const PARENT_FIELD = 1
const TIME_FIELDS = { own: [11, 12], ended: [13, 14] } as const

/** Resident anonymous memory of one process: heap, buffers, stacks; not pages of mapped files. */
export function anonymousBytes(pid: number | undefined): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024
}

/** The same of it and all below it. */
export function anonymousTreeBytes(pid: number | undefined): number {
  const below = pid === undefined ? [] : childrenOf(pid)
  return below.reduce((sum, child) => sum + anonymousTreeBytes(child), anonymousBytes(pid))
}

/** Seconds of processor time of this process and of all below it, those that have ended included. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  const own = (user + system) / 1e6
  return childrenOf(process.pid).reduce((sum, child) => sum + treeSeconds(child), own + seconds(process.pid, 'ended'))
}

function treeSeconds(pid: number): number {
  const own = seconds(pid, 'own') + seconds(pid, 'ended')
  return childrenOf(pid).reduce((sum, child) => sum + treeSeconds(child), own)
}

function seconds(pid: number, whose: keyof typeof TIME_FIELDS): number {
  const fields = statFields(pid)
  return TIME_FIELDS[whose].reduce((sum, field) => sum + Number(fields[field] ?? 0), 0) / TICKS_PER_SECOND
}

/** Looks at every process: /proc lists children itself only where the kernel was built for it. */
function childrenOf(pid: number): number[] {
  return processes().filter((each) => statFields(each)[PARENT_FIELD] === String(pid))
}

function processes(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

/** What stands behind the name. */
function statFields(pid: number): string[] {
  return read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? []
}

/** '' for a process that is gone, and where there is no /proc. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
