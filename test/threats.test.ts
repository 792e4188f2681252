/** Holds docs/THREATS.md to what there is: every file it names exists, every hostile test has its row. */
import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PROJECT, readSource, trackedFiles } from './support/source-files.ts'

interface Row {
  readonly number: number
  /** Below test/. */
  readonly files: readonly string[]
  readonly isLater: boolean
}

const ROWS = 35

const rows: readonly Row[] = readFileSync(join(PROJECT, 'docs/THREATS.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, number = '', , defence = '', tested = ''] = line.split('|')
    if (!/^ *\d+ *$/.test(number)) return []
    assert.ok(defence.trim() !== '', `row ${number} has a defence`)
    const files = [...tested.matchAll(/`([\w/-]+\.test\.ts)`/g)].map(([, file = '']) => file)
    return [{ number: Number(number), files, isLater: tested.includes('Later: ') }]
  })

const hostile = (await readdir(join(PROJECT, 'test/hostile'), { recursive: true }))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `hostile/${name.replaceAll('\\', '/')}`)

const test = suite('threats')

test('the table has every row once, each with a test or with what is missing', () => {
  assert.equal(
    rows.map(({ number }) => number),
    Array.from({ length: ROWS }, (_, i) => i + 1),
  )
  assert.equal(
    rows.filter(({ files, isLater }) => files.length === 0 && !isLater),
    [],
  )
})

test('every file it names exists', () => {
  const absent = rows.flatMap(({ number, files }) =>
    files.filter((file) => !existsSync(join(PROJECT, 'test', file))).map((file) => `row ${number}: ${file}`),
  )
  assert.equal(absent, [])
})

test('every hostile test is named by a row', () => {
  const named = new Set(rows.flatMap(({ files }) => files))
  assert.ok(hostile.length > 20)
  assert.equal(
    hostile.filter((file) => !named.has(file)),
    [],
  )
})

test('a hostile test that names its threats is named by their rows', () => {
  for (const file of hostile) {
    const [, numbers = ''] = /\bThreats? ((?:\d+(?:, | and )?)+)/.exec(readSource(`test/${file}`).text) ?? []
    for (const [number] of numbers.matchAll(/\d+/g)) {
      const row = rows.find((each) => each.number === Number(number))
      assert.ok(row?.files.includes(file) === true, `${file} says that it is about threat ${number}`)
    }
  }
})

test('rows that sources refer to exist', () => {
  const references = trackedFiles()
    .filter((path) => /^(src|test|fuzz)\/.*\.ts$/.test(path) && existsSync(join(PROJECT, path)))
    .flatMap((path) => [...readSource(path).text.matchAll(/THREATS rows? (\d+)/g)].map(([, number]) => Number(number)))
  assert.ok(references.every((number) => number >= 1 && number <= ROWS))
})

test.run()
