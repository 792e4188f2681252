/**
 * Tries what other software makes of coppice, and coppice of it: `npm run interop`. Installs interop/package.json where that is not
 * installed yet, and runs each file here that says of somebody that it reads something, in a process of its own.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { npm } from '../scripts/npm.ts'

const TIME_LIMIT_MS = 60_000
const LOCK: string = join(import.meta.dirname, 'package-lock.json')
/** A copy of the lock file of the last installation. */
const INSTALLED: string = join(import.meta.dirname, 'node_modules/.installed-lock.json')

if (!existsSync(INSTALLED) || readFileSync(INSTALLED, 'utf8') !== readFileSync(LOCK, 'utf8')) {
  console.log('installing the packages under interop/ ...')
  npm(import.meta.dirname, 'ci', '--no-audit', '--no-fund')
  copyFileSync(LOCK, INSTALLED)
}
const programs = readdirSync(import.meta.dirname).filter((name) => /-reads-.*\.ts$/.test(name))
if (programs.length === 0) throw new Error('there is nothing to run')
for (const program of programs) {
  const started = performance.now()
  execFileSync(process.execPath, [join(import.meta.dirname, program)], { stdio: 'inherit', timeout: TIME_LIMIT_MS })
  console.log(`ok   ${basename(program, '.ts')} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
}
