/**
 * Checks the package as its users get it: `node scripts/check-package.ts`, part of `npm run check:package`.
 *
 * Packs the project, looks at what is inside, installs the tarball into an empty project (production dependencies only and no
 * install scripts, as careful users do), imports every entry of the exports map there, and starts the installed command. Prints how
 * many packages a production install has and how many MiB.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { npm } from './npm.ts'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, { types: string; default: string }>>
}

interface Packed {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { path: string }[]
}

const PROJECT: string = resolve(import.meta.dirname, '..')
const REQUIRED_FILES = [
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'LICENSE-MIT',
  'LICENSE-APACHE',
  'bin/coppice.js',
]
const ALLOWED_FILES =
  /^(dist\/.+\.(js|js\.map|d\.ts)|bin\/coppice\.js|docs\/.+\.(md|json|ipldsch)|package\.json|[A-Z-]+(\.md)?)$/
const MIB: number = 1024 * 1024

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

function checkContents(packed: Packed, manifest: Manifest): void {
  const paths = packed.files.map((file) => file.path)
  const entries = Object.values(manifest.exports).flatMap((entry) =>
    [entry.types, entry.default].map((path) => path.slice(2)),
  )
  for (const path of [...REQUIRED_FILES, ...entries]) check(paths.includes(path), `the package lacks ${path}`)
  for (const path of paths) check(ALLOWED_FILES.test(path), `the package has ${path}, which does not belong there`)
}

function bytesUnder(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

function checkInstalled(directory: string, manifest: Manifest): void {
  for (const subpath of Object.keys(manifest.exports)) {
    const specifier = manifest.name + subpath.slice(1)
    const program = `const names = Object.keys(await import('${specifier}')); if (names.length === 0) throw new Error('it exports nothing')`
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: directory, stdio: 'inherit' })
  }
  const bin = join(directory, 'node_modules', manifest.name, 'bin/coppice.js')
  const version = execFileSync(process.execPath, [bin, '--version'], { cwd: directory, encoding: 'utf8' }).trim()
  check(version === manifest.version, `coppice --version: expected ${manifest.version}, got ${version}`)
}

const directory = mkdtempSync(join(tmpdir(), 'coppice-package-'))
try {
  const manifest = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as Manifest
  const [packed] = JSON.parse(npm(PROJECT, 'pack', '--json', '--silent', '--pack-destination', directory)) as Packed[]
  check(packed !== undefined, 'npm pack gave nothing')
  checkContents(packed, manifest)
  writeFileSync(join(directory, 'package.json'), '{ "private": true }')
  npm(
    directory,
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    join(directory, packed.filename),
  )
  checkInstalled(directory, manifest)
  const packages = npm(directory, 'ls', '--all', '--parseable').trim().split('\n').length - 1
  const installed = (bytesUnder(join(directory, 'node_modules')) / MIB).toFixed(1)
  console.log(`package: ${packed.files.length} files, ${(packed.size / MIB).toFixed(2)} MiB packed`)
  console.log(`production install: ${packages} packages, ${installed} MiB (${process.platform}-${process.arch})`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
