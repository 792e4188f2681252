/**
 * Completes package-lock.json: `node scripts/complete-lockfile.ts [--check]`.
 *
 * `npm install` leaves the optional packages of other platforms out of the lockfile when the registry it talks to (a mirror) does not
 * carry them, and then `npm ci` refuses the lockfile as out of step. This adds what is missing from the exact versions that the
 * dependants name; without a checksum, as there is nothing to compute it from, until an `npm install` against the whole registry
 * fills it in. With --check it changes nothing and exits with 1 if something is missing.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly engines?: unknown
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const LOCKFILE: string = join(import.meta.dirname, '../package-lock.json')
const EXACT_VERSION = /^\d+\.\d+\.\d+$/

const lock = JSON.parse(readFileSync(LOCKFILE, 'utf8')) as { packages: Record<string, LockedPackage> }

/** `@oxlint/binding-linux-x64-musl` gives `{ os: ['linux'], cpu: ['x64'], libc: ['musl'] }`. */
function platformOf(name: string): Record<string, string[]> | undefined {
  const [, os, cpu, abi] =
    /(android|aix|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(\w+)(?:-(\w+))?$/.exec(name) ?? []
  if (os === undefined || cpu === undefined) return undefined
  const libc = abi?.startsWith('gnu') ? ['glibc'] : abi?.startsWith('musl') ? ['musl'] : undefined
  return { cpu: [cpu], os: [os], ...(libc === undefined ? {} : { libc }) }
}

function findMissing(): [path: string, entry: object][] {
  return Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {}, dev, engines }]) =>
    Object.entries(optionalDependencies).flatMap(([name, version]): [string, object][] => {
      const isLocked = [`${path}/node_modules/${name}`, `node_modules/${name}`].some((place) => place in lock.packages)
      if (isLocked) return []
      const platform = platformOf(name)
      if (platform === undefined || !EXACT_VERSION.test(version))
        throw new Error(`cannot complete ${name}@${version} of ${path}`)
      return [[`node_modules/${name}`, { version, ...platform, ...(dev ? { dev } : {}), optional: true, engines }]]
    }),
  )
}

const missing = findMissing()
for (const [path] of missing) console.log(`missing: ${path}`)
if (process.argv.includes('--check')) {
  process.exitCode = missing.length > 0 ? 1 : 0
} else if (missing.length > 0) {
  const packages = { ...lock.packages, ...Object.fromEntries(missing) }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'))
  writeFileSync(LOCKFILE, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, undefined, 2)}\n`)
}
