/** The fuzz runner: the canary must fail in each of its ways, with the right seed, and be replayable. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const RUNNER: string = join(import.meta.dirname, '../fuzz/run.ts')

function fuzz(...args: string[]): { status: number | null; output: string } {
  const { FUZZ_SEED: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUNNER, ...args], { encoding: 'utf8', env })
  return { status, output: stdout + stderr }
}

const test = suite('fuzz runner')

test('finds the failing case and says how to replay it', () => {
  const { status, output } = fuzz('canary', '--seed', '90', '--time', '60s')
  assert.is(status, 1, output)
  assert.match(output, 'FAIL canary: seed 97, case 8')
  assert.match(output, 'the canary threw')
  assert.match(output, 'replay: npm run fuzz -- canary --seed 97 --cases 1')
  assert.is(fuzz('canary', '--seed', '97', '--cases', '1').status, 1)
})

const failures: readonly [seed: number, name: string, expected: string][] = [
  [197, 'rejects', 'the canary rejected'],
  [297, 'hangs', 'the case took longer than 1 s'],
  [397, 'exits with code 0', 'the process was left in the middle of a case'],
  [497, 'throws outside of its promise', 'the canary threw later'],
]
for (const [seed, name, expected] of failures) {
  test(`notices a case that ${name}`, () => {
    const { status, output } = fuzz('canary', '--seed', String(seed - 2), '--time', '60s', '--case-limit', '1s')
    assert.is(status, 1, output)
    assert.match(output, `FAIL canary: seed ${seed}, case 3`)
    assert.match(output, expected)
  })
}

test('stops when its cases or its time are done', () => {
  const { status, output } = fuzz('canary', '--seed', '0', '--cases', '50')
  assert.is(status, 0, output)
  assert.match(output, 'ok   canary: 50 cases from seed 0')
  assert.is(fuzz('canary', '--seed', '0', '--cases', '0').status, 0)
})

test('lists every target with its property; all leaves the canary out', () => {
  const { status, output } = fuzz('--list')
  assert.is(status, 0, output)
  assert.match(output, /^canary +must fail/m)
  assert.not.match(fuzz('all', '--seed', '0', '--cases', '0').output, 'canary:')
})

test('refuses what it does not understand', () => {
  assert.is(fuzz('no-such-target').status, 2)
  assert.is(fuzz().status, 2)
  assert.is(fuzz('canary', '--seed', '-1').status, 2)
  assert.is(fuzz('canary', '--seed', '4294967296').status, 2)
  assert.is(fuzz('canary', '--time', 'soon').status, 2)
})

test.run()
