/** What figures depend on: the machine, its Node, the sources. */
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly memory: string
  readonly system: string
  readonly node: string
  /** `+` behind it: with changes that are not committed. */
  readonly commit: string
}

export function describeMachine(): Machine {
  const [cpu] = cpus()
  return {
    cpu: `${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}`,
    memory: `${(totalmem() / 1024 ** 3).toFixed(0)} GiB`,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    commit: commit(),
  }
}

export function machineText(machine: Machine): string {
  return Object.entries(machine)
    .map(([what, value]) => `${what.padEnd(8)} ${value}`)
    .join('\n')
}

function commit(): string {
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}`
  } catch {
    return 'none'
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim()
}
