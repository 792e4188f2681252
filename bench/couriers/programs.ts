/** Programs of the system that are measured beside this project. */
import { execFileSync, type SpawnOptions, spawn } from 'node:child_process'

/** The first line of what it says of its version; undefined where it is not installed. */
export function programVersion(name: string): string | undefined {
  try {
    const text = execFileSync(name, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return text.split('\n')[0]?.replaceAll('*', '').trim()
  } catch {
    return undefined
  }
}

/** Runs a program to its end and gives what it printed. @throws {Error} where it fails. */
export async function runProgram(name: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const child = spawn(name, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let errors = ''
  child.stdout?.on('data', (text: Buffer) => (printed += text.toString()))
  child.stderr?.on('data', (text: Buffer) => (errors += text.toString()))
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(printed)
      else reject(new Error(`${name} ended with ${code}: ${errors.trim().split('\n').at(-1)}`))
    })
  })
}
