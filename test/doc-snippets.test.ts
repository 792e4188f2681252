/** Finding the runnable snippets of a document, and running them with the right line named when one fails. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findSnippets, joinPrograms, SnippetError } from '../scripts/doc-snippets.ts'

const RUNNER: string = join(import.meta.dirname, '../scripts/run-docs.ts')

function runDocument(markdown: string): { status: number | null; output: string } {
  const directory = mkdtempSync(join(tmpdir(), 'coppice-'))
  try {
    const document = join(directory, 'guide.md')
    writeFileSync(document, markdown)
    const { status, stdout, stderr } = spawnSync(process.execPath, [RUNNER, document], { encoding: 'utf8' })
    return { status, output: stdout + stderr }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const test = suite('doc snippets')

test('finds sh and ts, and reads their marks', () => {
  const markdown =
    '# Title\n\n```sh\na\n```\n```json\n{}\n```\n```ts no-run needs two machines\nb\n```\n```ts\nc\n```\n```ts continues\nd\n```\n'
  const snippets = findSnippets('x.md', markdown)
  assert.equal(
    snippets.map(({ language, line, noRun, continues }) => [language, line, noRun, continues]),
    [
      ['sh', 3, undefined, false],
      ['ts', 9, 'needs two machines', false],
      ['ts', 12, undefined, false],
      ['ts', 15, undefined, true],
    ],
  )
  const programs = joinPrograms('x.md', snippets)
  assert.is(programs.length, 3)
  const lines = programs[2]?.code.split('\n')
  assert.equal([lines?.[12], lines?.[15], lines?.length], ['c', 'd', 16])
})

test('refuses what it would have to guess', () => {
  const message = (markdown: string): string => {
    try {
      joinPrograms('x.md', findSnippets('x.md', markdown))
    } catch (error) {
      if (error instanceof SnippetError) return error.message
      throw error
    }
    return ''
  }
  assert.is(message('```sh no-run\n```'), 'x.md:1: no-run needs a reason')
  assert.is(message('\n```sh later\n```'), 'x.md:2: expected no-run or continues, got "later"')
  assert.is(message('```sh\n```\n```ts continues\n```'), 'x.md:3: there is no ts snippet before it to continue')
  assert.is(message('text\n```sh\n'), 'x.md:2: this fence is never closed')
})

test('runs a document in one directory, in order', () => {
  const { status, output } = runDocument(
    "```sh\nsleep 60 &\necho 41 > n\n```\n```ts\nimport { readFileSync, writeFileSync } from 'node:fs'\nconst n = Number(readFileSync('n', 'utf8'))\n```\n```ts continues\nwriteFileSync('n', String(n + 1))\n```\n```sh\ntest \"$(cat n)\" = 42\n```\n",
  )
  assert.is(status, 0, output)
  assert.is(output.match(/^ok /gm)?.length, 3)
})

test('names the line that fails, in a shell, in a program, in its types', () => {
  const shell = runDocument('# Title\n\n```sh\ntrue\nfalse\ntrue\n```\n')
  assert.is(shell.status, 1)
  assert.match(shell.output, 'guide.md:3: the sh snippet ended with 1')
  assert.match(shell.output, 'guide.md.3.sh: line 5: exit 1: false')
  const program = runDocument("text\n```ts\nconst a = 1\nthrow new Error('at line 4: ' + a)\n```\n")
  assert.is(program.status, 1)
  assert.match(program.output, 'guide.md.2.ts:4')
  const types = runDocument("```ts\nconst a: number = 'text'\n```\n")
  assert.is(types.status, 1)
  assert.match(types.output, 'guide.md.1.ts(2,7): error TS2322')
})

test.run()
