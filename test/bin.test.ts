/** bin/coppice.js: the answer to an old Node, and the choice between sources and dist. */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const BIN: string = join(import.meta.dirname, '../bin/coppice.js')

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(bin: string, nodeOptions: readonly string[] = []): Outcome {
  return spawnSync(process.execPath, [...nodeOptions, bin, 'a', 'b'], { encoding: 'utf8' })
}

/** Makes a package of the command and of entries that print which they are, and gives the path of its command. */
function makePackage(place: string, entries: readonly string[]): string {
  mkdirSync(join(place, 'bin'), { recursive: true })
  cpSync(BIN, join(place, 'bin/coppice.js'))
  writeFileSync(join(place, 'package.json'), '{ "type": "module" }')
  for (const entry of entries) {
    mkdirSync(dirname(join(place, entry)), { recursive: true })
    const type = entry.endsWith('.ts') ? ': string[]' : ''
    writeFileSync(
      join(place, entry),
      `export async function main(args${type}) { console.log('${entry}', ...args); return 3 }\n`,
    )
  }
  return join(place, 'bin/coppice.js')
}

const test = suite('bin')
let directory = ''
test.before.each(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'coppice-')))
})
test.after.each(() => rmSync(directory, { recursive: true }))

test('a Node that is too old is told so in one line', () => {
  for (const version of ['12.22.12', '20.20.2', '22.17.9']) {
    const pretend = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`
    const { status, stdout, stderr } = run(BIN, ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`])
    assert.is(status, 2)
    assert.is(stdout, '')
    assert.is(stderr, `coppice needs Node.js 22.18 or newer, and this is ${version} at ${process.execPath}\n`)
  }
})

test('a checkout runs its sources, with or without a dist', () => {
  const sources = makePackage(join(directory, 'a'), ['src/cli/main.ts'])
  const both = makePackage(join(directory, 'b'), ['src/cli/main.ts', 'dist/cli/main.js'])
  for (const bin of [sources, both]) {
    const { status, stdout, stderr } = run(bin)
    assert.equal([status, stdout, stderr], [3, 'src/cli/main.ts a b\n', ''])
  }
})

test('an installed package runs its dist, sources or not', () => {
  const bin = makePackage(join(directory, 'node_modules/coppice'), ['dist/cli/main.js'])
  const withSources = makePackage(join(directory, 'node_modules/other'), ['src/cli/main.ts', 'dist/cli/main.js'])
  for (const path of [bin, withSources]) assert.is(run(path).stdout, 'dist/cli/main.js a b\n')
})

test('a link to the command finds the package it belongs to', () => {
  const bin = makePackage(join(directory, 'checkout'), ['src/cli/main.ts'])
  mkdirSync(join(directory, 'node_modules/.bin'), { recursive: true })
  symlinkSync(bin, join(directory, 'node_modules/.bin/coppice'))
  assert.is(run(join(directory, 'node_modules/.bin/coppice')).stdout, 'src/cli/main.ts a b\n')
})

test.run()
