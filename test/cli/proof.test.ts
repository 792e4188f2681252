/** prove and verify of proofs, through the real command. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { literalNaming } from '../../src/cli/literal-keys.ts'
import { describeQuestion, questionJson } from '../../src/cli/proof-text.ts'
import { questionOf, schemaNaming } from '../../src/cli/question.ts'
import type { QuestionOptions } from '../../src/cli/question-options.ts'
import { Schema, Snapshot } from '../../src/db/index.ts'
import type { Question } from '../../src/proof/index.ts'
import { coppice, fail, jsonLines, type Outcome, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { rejectsCode } from '../support/throws.ts'
import { treeOf } from '../support/tree-sets.ts'

const test = suite('cli/proof')

/** 600 documents, published, then one changed and published again; gives the address. */
async function prepare(cwd: string): Promise<string> {
  const line = (i: number): string =>
    JSON.stringify({ country: i % 2 === 0 ? 'FR' : 'NL', id: i, text: 'x'.repeat(i % 50 === 0 ? 2000 : 20) })
  writeFileSync(join(cwd, 'c.ndjson'), Array.from({ length: 600 }, (_, i) => `${line(i)}\n`).join(''))
  await succeed(['init', 'db'], { cwd })
  await succeed(['import', 'db', 'c.ndjson', '--key', 'country,id'], { cwd })
  await succeed(['publish', 'db'], { cwd })
  await succeed(['put', 'db', 'c', '{"country":"NL","id":1,"text":"new"}'], { cwd })
  await succeed(['publish', 'db'], { cwd })
  return String((await succeedJson(['status', 'db'], { cwd }))['address'])
}

test('documents, ranges, counts and changes are proven to whoever trusts the author, and nothing else', () =>
  inDirectory(async (cwd) => {
    const address = await prepare(cwd)
    const [author = ''] = /k51\w+/.exec(address) ?? []
    const verified = async (
      args: readonly string[],
      ...trust: string[]
    ): Promise<{ stdout: string; stderr: string }> => {
      await succeed(['prove', 'db', ...args, '-o', 'p'], { cwd })
      const { status, ...output } = await coppice(['verify', 'p', ...trust], { cwd })
      assert.is(status, args.includes('NL,2') ? 1 : 0, output.stderr)
      return output
    }
    const one = await verified(['c', 'NL', '1'], '--address', address)
    assert.equal(jsonLines(one.stdout), [{ country: 'NL', id: 1, text: 'new' }])
    assert.match(one.stderr, /signed by k51.*@2 of db.*\n.*are those you trust/)
    const page = await verified(['c', '--prefix', 'FR', '--limit', '5'], '--author', author)
    assert.equal(
      jsonLines(page.stdout),
      jsonLines(await succeed(['scan', 'db', '--prefix', 'FR', '--limit', '5'], { cwd })),
    )
    assert.match(page.stderr, /proven: the keys that begin with c\["FR"\]: the first 5 rows; more follow/)
    const several = await verified(['--key', 'NL,1', '--key', '["FR",50]', '--key', 'NL,2', '--no-values'])
    const [large, small] = jsonLines(several.stdout)
    assert.match(JSON.stringify(large), /^{"collection":"c","key":\["FR",50\],"cid":"bafk\w+","size":20\d\d}$/)
    assert.is(small?.['text'], 'new')
    assert.match(several.stderr, 'proven: c["FR",50], c["NL",1]: there; c["NL",2]: absent\n')
    assert.match(several.stderr, /whether that key is your author.s is for you to compare/)
    const changes = await verified(['--since', '@1'], '--address', address)
    const [change] = jsonLines(changes.stdout)
    assert.equal([change?.['type'], change?.['key']], ['update', ['NL', 1]])
    assert.match(changes.stderr, /since @1 bafy.*signed by the same/)
    // Not signed, of another author, changed.
    await succeed(['put', 'db', 'c', '{"country":"NL","id":3,"text":"unpublished"}'], { cwd })
    const { root } = await succeedJson(['status', 'db'], { cwd })
    const unsigned = await coppice(['prove', 'db', 'c', 'NL', '3', '--at', String(root), '-o', 'p'], { cwd })
    assert.is(unsigned.status, 0)
    assert.match(unsigned.stderr, 'not signed')
    assert.is((await coppice(['verify', 'p', '--address', address], { cwd })).status, 1)
    const known = await coppice(['verify', 'p', '--root', String(root)], { cwd })
    assert.is(known.status, 0, known.stderr)
    assert.match(known.stdout, 'unpublished')
    assert.match((await coppice(['verify', 'p'], { cwd })).stderr, /nobody signed here/)
    const made = await succeedJson(['prove', 'db', 'c', 'NL', '3', '-o', 'p'], { cwd })
    assert.equal([made['file'], made['sequence'], made['unpublished'], made['present']], ['p', 2, true, true])
    const strange = await coppice(['verify', 'p', '--address', address.replace(/db$/, 'other')], { cwd })
    assert.equal([strange.status, strange.stdout.startsWith('p: not proven: ')], [1, true])
    const bytes = readFileSync(join(cwd, 'p'))
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    const changed = await coppice(['verify', '-', '--json'], { cwd, input: bytes })
    assert.is(changed.status, 1)
    assert.equal(jsonLines(changed.stdout)[0]?.['reason'], 'block')
    const whole = await coppice(['verify', '-', '--json'], { cwd, input: readFileSync(join(cwd, 'p')) })
    const [json] = jsonLines(whole.stdout)
    assert.equal([json?.['valid'], json?.['present'], json?.['trusted'], json?.['name']], [true, true, null, 'db'])
    await fail('USAGE', ['verify', 'db', '--root', 'bafy'], { cwd })
    for (const choice of ['--all', '--repair', '--at=@1']) await fail('USAGE', ['verify', 'p', choice], { cwd })
    await fail('KEY_INVALID', ['verify', 'p', '@1'], { cwd })
    await fail('USAGE', ['verify', 'p', '--prefix', 'NL'], { cwd })
    await fail('USAGE', ['verify', 'db', '--prefix', 'NL'], { cwd })
    await fail('USAGE', ['verify', 'db', '@1', '@2'], { cwd })
    assert.match(await fail('INPUT_NOT_FOUND', ['verify', 'absent.proof'], { cwd }), 'no such file or directory')
    await fail('ADDRESS_INVALID', ['verify', 'p', '--author', 'k51'], { cwd })
  }))

test('what raw options ask', async () => {
  const asked = (words: readonly string[], options: QuestionOptions & { values?: boolean }): Promise<Question> =>
    questionOf(
      words,
      { raw: true, ...options },
      { findNaming: literalNaming, values: options.values ?? true, since: undefined },
    )
  const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)]
  assert.equal(await asked(['01'], { key: ['02'] }), { type: 'get', keys: [one, two], values: true })
  const range = { start: one, end: two }
  assert.equal(await asked([], { count: true, prefix: '01' }), { type: 'count', ...range })
  assert.equal(await asked([], { start: '01', end: '02', limit: 3, reverse: true, values: false }), {
    type: 'scan',
    ...range,
    limit: 3,
    reverse: true,
    values: false,
  })
  assert.equal(await asked(['01'], { rank: true }), { type: 'rank', key: one })
  assert.equal(await asked([], { nth: 7 }), { type: 'at', position: 7, values: true })
})

test('what was asked wrongly', async () => {
  const refused: [words: string[], options: QuestionOptions][] = [
    [['c', 'NL', '1'], { prefix: 'NL' }],
    [['c', 'NL', '1'], { count: true }],
    [['c'], { count: true, rank: true }],
    [['c', 'NL', '1'], { rank: true }],
    [[], { raw: true, rank: true }],
    [[], { nth: 3 }],
    [[], { raw: true, nth: 3, start: '00' }],
    [[], { raw: true, limit: 0 }],
    [[], { raw: true, count: true, limit: 3 }],
    [[], { raw: true, count: true, reverse: true }],
    [[], { raw: true, start: '02', end: '01' }],
    [['00'.repeat(1025)], { raw: true }],
    [[], { raw: true, end: '00'.repeat(1026) }],
  ]
  const nothing = new Snapshot(await treeOf([]))
  const context = { findNaming: schemaNaming(nothing), values: true, since: undefined }
  for (const [words, options] of refused) await rejectsCode(questionOf(words, options, context), 'USAGE')
  const since = nothing.tree.ref.root
  await rejectsCode(questionOf([], { raw: true, count: true }, { ...context, since }), 'USAGE', /--since/)
})

test('whoever names the question gets an answer to it or none, and absence is exit 1', () =>
  inDirectory(async (cwd) => {
    const row = { country: 'NL', id: 1, zip: '0' }
    for (const name of ['cities', 'secret']) {
      writeFileSync(join(cwd, `${name}.ndjson`), `${JSON.stringify(row)}\n`)
      if (name === 'cities') await succeed(['init', 'db'], { cwd })
      await succeed(['import', 'db', `${name}.ndjson`, '--key', 'country,id'], { cwd })
    }
    const address = String((await succeedJson(['status', 'db'], { cwd }))['address'])
    await succeed(['publish', 'db'], { cwd })
    await succeed(['put', 'db', 'cities', JSON.stringify({ ...row, id: 3 })], { cwd })
    const prove = async (...args: readonly string[]): Promise<string> => {
      const { status, stderr } = await coppice(['prove', 'db', ...args, '-o', 'p'], { cwd })
      assert.is(status, 0, stderr)
      return stderr
    }
    const verify = (...args: readonly string[]): Promise<Outcome> => coppice(['verify', 'p', ...args], { cwd })

    const made = await prove('secret', 'NL', '1')
    assert.match(made, 'proven: secret["NL",1]: there\n')
    assert.match(made, 'changes that are not published')
    const unnamed = await verify('--address', address)
    assert.equal([unnamed.status, jsonLines(unnamed.stdout)], [0, [row]])
    assert.match(unnamed.stderr, /proven: secret\["NL",1\]: there\n.*is your question/)
    const named = await verify('secret', 'NL', '1', '--address', address)
    assert.equal([named.status, jsonLines(named.stdout)], [0, [row]])
    assert.not.match(named.stderr, 'your question')
    assert.is((await verify('--key', '["NL",1]', 'secret')).status, 0)
    const swapped = await verify('cities', 'NL', '1', '--address', address)
    assert.is(swapped.status, 1)
    assert.match(swapped.stdout, 'p: not proven: proof: expected one of cities["NL",1], got one of secret["NL",1]\n')
    const [json] = jsonLines((await verify('cities', 'NL', '1', '--json')).stdout)
    assert.equal([json?.['valid'], json?.['present'], json?.['reason']], [false, null, 'question'])
    assert.equal(json?.['asked'], { type: 'get', keys: [{ collection: 'cities', key: ['NL', 1] }] })
    assert.equal(json?.['question'], { type: 'get', keys: [{ collection: 'secret', key: ['NL', 1] }] })
    const [whole] = jsonLines((await verify('secret', 'NL', '1', '--json')).stdout)
    assert.equal(whole?.['rows'], [{ collection: 'secret', key: ['NL', 1], document: row }])
    assert.equal(whole?.['asked'], whole?.['question'])

    assert.match(await prove('cities', 'NL', '3'), 'proven: cities["NL",3]: absent\n')
    for (const words of [[], ['cities', 'NL', '3']]) {
      const absent = await verify(...words)
      assert.equal([absent.status, absent.stdout], [1, ''])
      assert.match(absent.stderr, 'proven: cities["NL",3]: absent\n')
    }
    const [absent] = jsonLines((await verify('cities', 'NL', '3', '--json')).stdout)
    assert.equal([absent?.['valid'], absent?.['present']], [true, false])
    assert.equal(absent?.['absent'], [{ collection: 'cities', key: ['NL', 3] }])
    await prove('--raw', '--nth', '99')
    assert.is((await verify()).status, 1)

    // A key of another type is absent, whatever stands under the one that was meant.
    await prove('--raw', Buffer.from(TEXT_KEY).toString('hex'))
    const other = await verify('cities', 'NL', '1')
    assert.is(other.status, 1)
    assert.match(other.stdout, `expected one of cities["NL",1], got one of cities["NL","1"]; of other types`)
    assert.match((await verify('cities', 'NL', '"1"')).stderr, 'proven: cities["NL","1"]: absent')

    await prove('cities', '--prefix', 'NL', '--limit', '5')
    assert.is((await verify('cities', '--prefix', 'NL', '--limit', '5')).status, 0)
    for (const wrong of [['--limit', '4'], ['--limit', '5', '--reverse'], ['--count'], []]) {
      const { status, stdout } = await verify('cities', '--prefix', 'NL', ...wrong)
      assert.equal([status, stdout.startsWith('p: not proven: ')], [1, true])
    }
    await succeed(['publish', 'db'], { cwd })
    const changed = await prove('cities', '--since', '@1', '--limit', '1')
    assert.match(changed, 'the changes of all of cities: 1, complete through cities["NL",3]; more may follow')
    assert.not.match(changed, 'not published')
    const [first] = jsonLines(await succeed(['log', 'db', '--json'], { cwd })).slice(-1)
    for (const root of ['@1', String(first?.['root'])]) {
      assert.is((await verify('cities', '--since', root, '--limit', '1')).status, 0)
    }
    const later = await verify('cities', '--since', '@2', '--limit', '1')
    assert.is(later.status, 1)
    assert.match(later.stdout, 'since @2, got one of the changes of all of cities, at most 1 since @1\n')
  }))

const TEXT_KEY: Uint8Array = new Schema('cities', [
  { field: 'country', type: 'text' },
  { field: 'id', type: 'text' },
]).keyFor(['NL', '1'])

test('questions in words', async () => {
  const context = { findNaming: literalNaming, values: true, since: undefined }
  const all = { prefix: null, start: null, end: null }
  const scan = { type: 'scan', collection: 'c', ...all, limit: null, reverse: false }
  const cases: [words: string[], options: QuestionOptions, text: string, json: Record<string, unknown>][] = [
    [['c'], {}, 'all of c', scan],
    [['c'], { prefix: 'NL' }, 'the keys that begin with c["NL"]', { ...scan, prefix: ['NL'] }],
    [['c'], { start: 'NL,1' }, 'c["NL",1] to the end of c', { ...scan, start: ['NL', 1] }],
    [['c'], { end: 'PL' }, 'the start of c up to c["PL"], not included', { ...scan, end: ['PL'] }],
    [
      ['c'],
      { prefix: 'NL', start: 'NL,5', limit: 3, reverse: true },
      'c["NL",5] to the last that begins with c["NL"], from the last to the first, at most 3',
      { ...scan, prefix: ['NL'], start: ['NL', 5], limit: 3, reverse: true },
    ],
    [['c'], { count: true }, 'the count of all of c', { type: 'count', collection: 'c', ...all }],
    [[], { raw: true }, 'all keys', { ...scan, collection: null }],
    [
      [],
      { raw: true, prefix: '1501' },
      'the keys whose bytes begin with 0x1501',
      { ...scan, collection: null, prefix: '1501' },
    ],
    [[], { raw: true, start: '15' }, '0x15 to the end of the keys', { ...scan, collection: null, start: '15' }],
    [
      ['c', 'a', '-5', '1.0', 'true', '0x0a', '"1"', '"', '007', '123456789012345678901', '1e2', '-0'],
      {},
      'c["a",-5,1,true,0x0a,"1","\\"","007","123456789012345678901",100,"-0"]',
      {},
    ],
    [['c'], { key: ['a,1', '["b,",2]'] }, 'c["a",1], c["b,",2]', {}],
  ]
  for (const [words, options, text, json] of cases) {
    const question = await questionOf(words, options, context)
    assert.is(describeQuestion(question), text)
    if ('type' in json) assert.equal(questionJson(question), json)
  }
  // Types are written, not guessed: each is another key.
  const keys = await Promise.all(['1', '1.0', '"1"', '0x31'].map((text) => questionOf(['c', text], {}, context)))
  assert.is(
    new Set(
      keys.map((question) =>
        JSON.stringify(question, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value)),
      ),
    ).size,
    4,
  )
  await rejectsCode(questionOf(['c'], { key: ['1', 'a'] }, context), 'KEY_INVALID')
})

test.run()
