/** package.json, the lockfile and the files beside them say the same. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findImports, PROJECT, readSource, trackedFiles } from './support/source-files.ts'

interface Manifest {
  readonly exports: Readonly<Record<string, { types: string; default: string }>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly engines: { node: string }
}

const manifest = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as Manifest

const test = suite('package')

test('dependencies have exact versions: some decide bytes', () => {
  const all = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
  const loose = all.filter(([, version]) => !/^(npm:@?[\w/.-]+@)?\d+\.\d+\.\d+$/.test(version))
  assert.equal(loose, [])
})

test('the lockfile has the packages of every platform', () => {
  const script = join(PROJECT, 'scripts/complete-lockfile.ts')
  const { status, stdout } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
  assert.is(status, 0, `node scripts/complete-lockfile.ts adds what is missing:\n${stdout}`)
})

test('each entry of the exports map has its source, and gives types first', () => {
  for (const [subpath, entry] of Object.entries(manifest.exports)) {
    assert.equal(Object.keys(entry), ['types', 'default'])
    assert.is(entry.types, entry.default.replace(/\.js$/, '.d.ts'))
    const source = entry.default.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')
    assert.ok(existsSync(join(PROJECT, source)), `${subpath}: there is no ${source}`)
  }
})

test('one Node version: the one that scripts run on', () => {
  const pinned = readFileSync(join(PROJECT, '.node-version'), 'utf8').trim()
  assert.is(manifest.devDependencies['node'], pinned)
  assert.is(manifest.engines.node, '>=22.18')
})

const tracked = trackedFiles()
if (tracked.length === 0) {
  test.skip('dependencies: not a git checkout')
} else {
  test('the sources import what is declared, and what is declared is imported', () => {
    const sources = tracked
      .filter((path) => /^src\/.*\.ts$/.test(path) && existsSync(join(PROJECT, path)))
      .map(readSource)
    const targets = sources.flatMap(findImports).map(({ target }) => target)
    const packages = targets
      .filter((target) => !target.startsWith('node:') && !target.startsWith('src/'))
      .map((target) => target.split('/', target.startsWith('@') ? 2 : 1).join('/'))
    const declared = Object.keys(manifest.dependencies)
    assert.equal(
      [...new Set(packages)].filter((name) => !declared.includes(name)),
      [],
      'imported, not declared',
    )
    assert.equal(
      declared.filter((name) => !packages.includes(name)),
      [],
      'declared, not imported',
    )
  })
}

test.run()
