/** Other processes of a test: started, spoken to by lines, killed by their own id. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** The next line of standard output, undefined at its end. */
  line(): Promise<string | undefined>
  send(line: string): void
  /** Ends standard input and waits for the process. */
  end(): Promise<number | null>
  /** kill -9, and waits for the process. */
  kill(): Promise<void>
  /** Lines not read by `line` so far and all to come, once the process has ended. */
  rest(): Promise<string[]>
}

export function startWriter(...args: string[]): Child {
  return startScript(new URL('writer.ts', import.meta.url), ...args)
}

/** Runs a script of this project with Node. */
export function startScript(url: URL, ...args: string[]): Child {
  const script = fileURLToPath(url)
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'close') as Promise<[number | null]>
  const lines: string[] = []
  let arrived = Promise.withResolvers<void>()
  let ended = false
  createInterface({ input: child.stdout })
    .on('line', (line) => {
      lines.push(line)
      arrived.resolve()
    })
    .on('close', () => {
      ended = true
      arrived.resolve()
    })
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  child.stdin.on('error', () => {})
  return {
    pid: child.pid as number,
    line: async () => {
      while (lines.length === 0 && !ended) {
        await arrived.promise
        arrived = Promise.withResolvers<void>()
      }
      return lines.shift()
    },
    send: (line) => void child.stdin.write(`${line}\n`),
    end: async () => {
      child.stdin.end()
      return (await exited)[0]
    },
    kill,
    rest: async () => {
      await exited
      return lines.splice(0)
    },
    [Symbol.asyncDispose]: kill,
  }
}
