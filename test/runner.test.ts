/** The test runner against files that must not pass, each for its own reason. */

import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runTestFile, type TestFileOptions, type Verdict } from './support/test-file.ts'

const PROJECT: string = resolve(import.meta.dirname, '..')
const FIXTURES: string = join(import.meta.dirname, 'support/fixtures')
const RUNNER: string = join(import.meta.dirname, 'run.ts')

async function run(name: string, options: Partial<TestFileOptions> = {}): Promise<Verdict> {
  const workDir = await mkdtemp(join(tmpdir(), 'coppice-'))
  try {
    const defaults = { root: PROJECT, workDir, timeLimitMs: 20_000, allowOnly: false, seed: 1 }
    return await runTestFile(join(FIXTURES, `${name}.test.ts`), { ...defaults, ...options })
  } finally {
    await rm(workDir, { recursive: true })
  }
}

const test = suite('test runner')

test('a file that passes', async () => {
  const verdict = await run('passing')
  assert.equal(verdict.problems, [])
  assert.equal([verdict.passed, verdict.failed, verdict.skipped], [2, 0, ['three']])
})

test('a test that fails', async () => {
  const verdict = await run('failing')
  assert.equal(verdict.problems, ['1 of 2 tests failed'])
  assert.equal([verdict.passed, verdict.failed], [1, 1])
  assert.match(verdict.output, 'Expected values to be strictly equal')
})

const mustFail: readonly [fixture: string, problem: RegExp][] = [
  ['forgotten-run', /no summary of uvu/],
  ['second-suite-forgotten', /suite "second" has 1 tests that no \.run\(\) runs/],
  ['registered-late', /1 tests that no \.run\(\) runs/],
  ['no-test', /has no test/],
  ['no-suite', /registers no suite/],
  ['never-settles', /no summary of uvu/],
  ['early-exit', /no summary of uvu/],
  ['exit-before-run', /no summary of uvu \(exit 0\)/],
  ['throws-while-loading', /no summary of uvu/],
  ['unhandled-rejection', /wrote something after uvu had finished/],
  ['rejection-after-end', /wrote something after uvu had finished/],
  ['output-after-end', /wrote something after uvu had finished/],
  ['exit-code', /ended with 3 although no test failed/],
  ['left-only', /has a \.only left in it/],
  ['leftover-process', /left processes running/],
]
for (const [fixture, problem] of mustFail) {
  test(`must fail: ${fixture}`, async () => {
    const verdict = await run(fixture)
    assert.ok(verdict.failed > 0)
    assert.match(verdict.problems.join('\n'), problem)
  })
}

test('must fail: a file that hangs, by waiting, in a loop, or with its tests done', async () => {
  const timeLimitMs = 1000
  const [hanging, busy, open] = await Promise.all([
    run('hanging', { timeLimitMs }),
    run('hanging-busy', { timeLimitMs }),
    runUntilItsTestsAreDone('still-open', timeLimitMs),
  ])
  for (const verdict of [hanging, busy]) {
    assert.match(verdict.problems.join('\n'), 'time limit of 1 s, before its tests were done')
    assert.is(verdict.failed, 1)
  }
  assert.match(open.problems.join('\n'), 'although its tests were done')
})

/** With more and more time: how long a busy machine takes to start it is not the matter. */
async function runUntilItsTestsAreDone(name: string, timeLimitMs: number): Promise<Verdict> {
  const verdict = await run(name, { timeLimitMs })
  return verdict.passed > 0 || timeLimitMs > 60_000 ? verdict : await runUntilItsTestsAreDone(name, 4 * timeLimitMs)
}

test('.only is for working on chosen files', async () => {
  assert.equal((await run('left-only', { allowOnly: true })).problems, [])
})

function command(args: readonly string[], seed?: string): { status: number | null; lines: string[]; errors: string } {
  const { FUZZ_SEED: _, ...env } = process.env
  const result = spawnSync(process.execPath, [RUNNER, '--root', FIXTURES, ...args], {
    encoding: 'utf8',
    env: { ...env, ...(seed === undefined ? {} : { FUZZ_SEED: seed }) },
  })
  return { status: result.status, lines: result.stdout.trimEnd().split('\n'), errors: result.stderr }
}

test('one seed for all files, printed once, taken from the environment; a failing property says how to replay it', () => {
  const chosen = command(['/passing.test', '/failing.test'])
  assert.match(chosen.lines[0] ?? '', /^seed: FUZZ_SEED=\d+$/)
  assert.is(chosen.lines.filter((line) => line.startsWith('seed:')).length, 1)

  const given = command(['/failing-property.test'], '4711')
  assert.is(given.status, 1)
  assert.is(given.lines[0], 'seed: FUZZ_SEED=4711')
  const replay = 'FUZZ_SEED=4711 node test/run.ts test/support/fixtures/failing-property.test.ts'
  assert.ok(
    given.lines.some((line) => line.endsWith(`Replay: ${replay}`)),
    given.lines.join('\n'),
  )
  assert.ok(given.lines.includes(`failed: test/support/fixtures/failing-property.test.ts (again: ${replay})`))

  const wrong = command(['/passing.test'], 'many')
  assert.is(wrong.status, 2)
  assert.match(wrong.errors, 'FUZZ_SEED')
})

test('the command: totals, exit codes, patterns', () => {
  const passing = command(['/passing.test'])
  assert.is(passing.status, 0, passing.errors)
  assert.is(passing.lines.at(-1), '2 passed, 0 failed, 1 skipped')

  const failing = command(['/passing.test', '/failing.test'])
  assert.is(failing.status, 1)
  assert.is(failing.lines.at(-1), '3 passed, 1 failed, 1 skipped')
  assert.ok(failing.lines.some((line) => line.startsWith('failed: test/support/fixtures/failing.test.ts ')))

  const nothing = command(['/passing.test', 'no-such-file'])
  assert.is(nothing.status, 2)
  assert.match(nothing.errors, 'no test file matches "no-such-file"')
  assert.is(command(['--no-such-option']).status, 2)
})

test.run()
