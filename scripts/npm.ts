/** npm as the scripts call it. */

import { execFileSync } from 'node:child_process'

/** Runs npm in `cwd` and gives its standard output; what it says besides appears only when it fails. */
export function npm(cwd: string, ...args: string[]): string {
  try {
    return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26 })
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`npm ${args.join(' ')} failed in ${cwd}\n${stdout}${stderr}`, { cause: error })
  }
}
