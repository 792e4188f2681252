/** Broken inputs of an import: a message with code, place and what to do, exit 2, and nothing committed. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fail, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/bad-import')

async function prepare(cwd: string): Promise<unknown> {
  await succeed(['init', 'db'], { cwd })
  return (await succeedJson(['put', 'db', 'c', '{"id":1,"n":"a"}', '{"id":2}', '--key', 'id'], { cwd }))['root']
}

async function assertRoot(cwd: string, root: unknown): Promise<void> {
  assert.is((await succeedJson(['status', 'db'], { cwd }))['root'], root)
}

/** Inputs of an import into collection `c` with key `id`: name, content, code, what the message says. */
const INPUTS: readonly (readonly [
  name: string,
  content: string,
  code: string,
  says: RegExp,
  args?: readonly string[],
])[] = [
  ['data.xlsx', 'PK', 'INPUT_TYPE_UNKNOWN', /\.ndjson.*\.csv.*data\.xlsx.*--format/],
  ['a.ndjson', '{"id":3}\n{"id":4,}\n', 'INPUT_SYNTAX', /a\.ndjson: line 2, column 9: expected .*nothing was written/],
  ['a.json', '[{"id":3}\n {"id":4}]', 'INPUT_SYNTAX', /a\.json: line 2, column 2: expected/],
  ['b.json', '{"id":3}', 'INPUT_SYNTAX', /b\.json: line 1, column 1: expected/],
  ['e.csv', 'id,,x\n3,4,5\n', 'INPUT_SYNTAX', /line 1, column 4: expected a name for column 2/],
  ['semi.csv', 'id;n\n3;x\n', 'USAGE', /column "id": .*\(id;n\).*separated by semicolons/],
  ['tabs.csv', 'id\tn\n3\tx\n', 'USAGE', /separated by tabs/, ['--types', 'id:integer']],
  ['f.csv', 'ident,n\n3,x\n', 'USAGE', /column "id": expected it among .*\(ident, n\)/],
  ['a.csv', 'id,n\n3,x\n4\n', 'INPUT_SYNTAX', /a\.csv: line 3, column 1: expected 2 cells/, ['--types', 'id:integer']],
  ['b.csv', 'id,n\n3,x\nfour,y\n', 'INPUT_SYNTAX', /line 3, column 1: expected an integer/, ['--types', 'id:integer']],
  ['c.csv', 'id,n\nthree,x\n', 'INPUT_SYNTAX', /c\.csv: line 2, column 1: expected an integer/],
  ['a.ndjson.gz', '{"id":3}\n', 'INPUT_SYNTAX', /gzip/],
  ['twice.ndjson', '{"id":3}\n{"id":4}\n{"id":3,"n":1}\n', 'INPUT_DUPLICATE_KEY', /twice\.ndjson: .*c\[3\]/],
  ['big.ndjson', '{"id":18446744073709551616}\n', 'INPUT_SYNTAX', /line 1, column 7: expected .*64 bits/],
  ['key.ndjson', '{"n":"no id"}\n', 'KEY_INVALID', /key\.ndjson: line 1: key field "id"/],
  [
    'many.ndjson',
    '{"id":1,"n":"b"}\n{"id":3}\n',
    'TOO_MANY_CHANGES',
    /at most 1 change.*--max-changes/,
    ['--max-changes', '50%'],
  ],
  ['utf8.ndjson', '{"id":3,"n":"\u00ff"}', 'INPUT_SYNTAX', /UTF-8/],
  ['dup.ndjson', '{"id":3,"id":4}\n', 'INPUT_SYNTAX', /line 1, column \d+: expected/],
]

test('broken inputs of an import: place and reason, nothing committed', () =>
  inDirectory(async (cwd) => {
    const root = await prepare(cwd)
    for (const [name, content, code, says, args = []] of INPUTS) {
      writeFileSync(join(cwd, name), Buffer.from(content, name === 'utf8.ndjson' ? 'latin1' : 'utf8'))
      const line = await fail(code, ['import', 'db', name, '--collection', 'c', '--replace', ...args], { cwd })
      assert.match(line, says)
      assert.is(/--format/.test(line), /xlsx|gz|b\.json/.test(name), line)
    }
    await assertRoot(cwd, root)
    const both = (await succeedJson(['put', 'db', 'd', '{"id":1}', '--key', 'id'], { cwd }))['root']
    assert.match(await fail('INPUT_NOT_FOUND', ['import', 'db', 'absent.csv'], { cwd }), 'absent.csv')
    assert.match(await fail('USAGE', ['import', 'db', 'f.csv'], { cwd }), '--key FIELD,... for a new one named f')
    assert.match(await fail('USAGE', ['scan', 'db'], { cwd }), 'expected COLLECTION to be one of c, d')
    assert.match(await fail('COLLECTION_UNKNOWN', ['import', 'db', 'a.json', '--collection', 'new'], { cwd }), '--key')
    const other = ['import', 'db', 'twice.ndjson', '--collection', 'c', '--key', 'n']
    assert.match(await fail('SCHEMA_MISMATCH', other, { cwd }), 'a key never changes')
    await assertRoot(cwd, both)
  }))

test.run()
