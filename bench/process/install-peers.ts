/** Installs bench/package.json where what is installed is absent or another version's. */
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm } from '../../scripts/npm.ts'
import { readableReason } from '../report/reason.ts'

const BENCH: string = join(import.meta.dirname, '..')
const LOCK: string = join(BENCH, 'package-lock.json')
/** A copy of the lock file of the last installation. */
const INSTALLED: string = join(BENCH, 'node_modules/.installed-lock.json')

/** Says why where it cannot: each peer's row will say that it is absent. */
export function installPeers(): void {
  if (contents(INSTALLED) === contents(LOCK)) return
  console.error('installing the peers under bench/ ...')
  try {
    npm(BENCH, 'ci', '--no-audit', '--no-fund')
    copyFileSync(LOCK, INSTALLED)
  } catch (error) {
    console.error(`the peers could not be installed: ${readableReason(error)}`)
  }
}

function contents(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
