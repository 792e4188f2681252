import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import { decodeDocument, encodeDocument } from '../../src/db/documents/document.ts'
import type { Document } from '../../src/document-model.ts'
import { readJsonArray } from '../../src/formats/json-array.ts'
import { findJsonProblem } from '../../src/formats/json-scan.ts'
import { parseJsonDocument, stringifyJson } from '../../src/formats/json-text.ts'
import { readNdjson, writeNdjson } from '../../src/formats/ndjson.ts'
import { chunkSizes, cut, document } from '../support/arbitraries.ts'
import { assertSameWhereverCut } from '../support/decoder-properties.ts'
import { assertProperty } from '../support/property.ts'
import { collect, collectUntilError, joined, utf8 } from '../support/records.ts'

const test = suite('formats/json')
const RUNS = 300
const READERS = { ndjson: readNdjson, array: readJsonArray } as const

function arrayOf(documents: readonly Document[], between = ','): string {
  return `[${documents.map(stringifyJson).join(between)}]`
}

async function errorOf(reader: keyof typeof READERS, input: string | Uint8Array, options = {}): Promise<string> {
  const bytes = typeof input === 'string' ? utf8(input) : input
  const { error } = await collectUntilError(READERS[reader]([bytes], options))
  return error === undefined
    ? 'none'
    : `${error.code} ${String(error.details['line'])}:${String(error.details['column'])}`
}

test('a name with an escape is never taken for another one that was read before', () => {
  const place = { line: 1, column: 1 }
  const names = ['\\', '"', 'a\\', 'a"', '\\\\', '\n', '/', '__proto__"', 'é"']
  for (const before of names) {
    for (const name of names) {
      parseJsonDocument(`{"":false,${JSON.stringify(before)}:1,"x":1}`, place)
      const text = `{ "" : false , ${JSON.stringify(name)} : [ 1 , {"\\"":-1.5e3} , [] , {} ],"z":12345678901234567890}`
      const read = parseJsonDocument(text, place)
      assert.equal(Object.keys(read), ['', name, 'z'])
      assert.equal(read[name], [1, { '"': -1500 }, [], {}])
      assert.is(read['z'], 12345678901234567890n)
    }
  }
})

test('import of an export gives equal documents', async () => {
  await assertProperty(
    fc.asyncProperty(fc.array(document, { maxLength: 5 }), async (documents) => {
      // As the database holds them, in stored order.
      const stored = documents.map((each) => decodeDocument(encodeDocument(each)))
      const exported = await joined(writeNdjson(stored))
      const back = await collect(readNdjson([exported]))
      assert.is(back.length, documents.length)
      for (const [i, record] of back.entries()) {
        assert.ok(isDeepStrictEqual(record.value, documents[i]))
        assert.ok(equalBytes(encodeDocument(record.value), encodeDocument(documents[i])))
        assert.is(record.line, i + 1)
      }
      const again = await joined(writeNdjson(back.map(({ value }) => decodeDocument(encodeDocument(value)))))
      assert.ok(equalBytes(again, exported))
    }),
    RUNS,
  )
})

test('chunks may be cut anywhere', async () => {
  await assertProperty(
    fc.asyncProperty(
      fc.array(document, { maxLength: 4 }),
      chunkSizes,
      fc.constantFrom('\n', '\r\n', '\n\n \n'),
      async (documents, sizes, end) => {
        const lines = utf8('\ufeff' + documents.map((each) => stringifyJson(each) + end).join(''))
        assert.ok(isDeepStrictEqual(await collect(readNdjson(cut(lines, sizes))), await collect(readNdjson([lines]))))
        const array = utf8('\ufeff ' + arrayOf(documents, `${end},`) + end)
        const elements = await collect(readJsonArray(cut(array, sizes)))
        assert.ok(isDeepStrictEqual(elements, await collect(readJsonArray([array]))))
        assert.ok(
          isDeepStrictEqual(
            elements.map(({ value }) => value),
            documents,
          ),
        )
      },
    ),
    RUNS,
  )
})

test('broken bytes: the same records and the same error, wherever chunks are cut', async () => {
  const broken = fc.tuple(fc.array(document, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(255), fc.boolean())
  await assertProperty(
    fc.asyncProperty(broken, chunkSizes, async ([documents, at, byte, lines], sizes) => {
      const bytes = utf8(lines ? documents.map((each) => stringifyJson(each) + '\n').join('') : arrayOf(documents))
      bytes[at % bytes.length] = byte
      const reader = lines ? readNdjson : readJsonArray
      const { whole, pieces } = await assertSameWhereverCut((source) => reader(source), bytes, sizes)
      assert.ok(isDeepStrictEqual(pieces.items, whole.items))
    }),
    RUNS,
  )
})

test('the scanner agrees with JSON.parse', async () => {
  const mutated = fc.tuple(
    document,
    fc.nat(),
    fc.string({ unit: fc.constantFrom(...Array.from('{}[]",:\\ue0-1.tnf \n\u0000a')), maxLength: 2 }),
  )
  await assertProperty(
    fc.property(mutated, ([each, at, insert]) => {
      const text = stringifyJson(each)
      const split = at % (text.length + 1)
      const changed = text.slice(0, split) + insert + text.slice(split + (at % 3))
      let valid = true
      try {
        JSON.parse(changed)
      } catch {
        valid = false
      }
      const problem = findJsonProblem(changed)
      if (!valid) assert.ok(problem !== undefined, changed)
      else if (problem !== undefined) assert.match(problem.expected, /once|64/)
    }),
    2000,
  )
})

test('places of the first problem', async () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"a":1}\n{"a":x}\n', '2:6'],
    ['{"a":1,}', '1:8'],
    ['{"a" 1}', '1:6'],
    ['{a:1}', '1:2'],
    ['{"a":1', '1:7'],
    ['{"a":1}}', '1:8'],
    ['{"a":1} {"b":2}', '1:9'],
    ['{"a":"\u00e9\u{1f600}",x}', '1:11'],
    ['{"a":"\\x"}', '1:7'],
    ['{"a":"\\ud8"}', '1:7'],
    ['{"a":"x\ty"}', '1:8'],
    ['{"a":01}', '1:7'],
    ['{"a":1.}', '1:7'],
    ['{"a":-}', '1:6'],
    ['{"a":nul}', '1:6'],
    ['{"a":[1,2}', '1:10'],
    ['{"a":[1,]}', '1:9'],
    ['{"a":NaN}', '1:6'],
    ['{"a":1e400}', '1:6'],
    ['{"a":-1e999}', '1:6'],
    ['{"a":18446744073709551616}', '1:6'],
    ['{"a":-9223372036854775809}', '1:6'],
    ['{"a":' + '9'.repeat(1000) + '}', '1:6'],
    ['{"a":1,"b":{"c":1,"c":2}}', '1:19'],
    ['{"a":1,"\\u0061":2}', '1:8'],
    ['\n\n 5', '3:2'],
    ['[]', '1:1'],
    ['null', '1:1'],
    ['"x"', '1:1'],
    ['{"a":{"/":{"bytes":"A"}}}', '1:1'],
    ['{"a":'.repeat(65) + '1' + '}'.repeat(65), '1:1'],
    ['{"a":' + '['.repeat(100_000) + ']'.repeat(100_000) + '}', '1:1'],
  ]
  for (const [input, place] of cases)
    assert.is(await errorOf('ndjson', input), `INPUT_SYNTAX ${place}`, input.slice(0, 60))
  assert.is(
    await errorOf('ndjson', Uint8Array.of(...utf8('{"a":1}\n{"a":"\u00e9'), 0xff, 0x22, 0x7d)),
    'INPUT_SYNTAX 2:8',
  )
  assert.is(await errorOf('ndjson', Uint8Array.of(...utf8('{"a":"'), 0xe2, 0x82)), 'INPUT_SYNTAX 1:7')
})

test('places in arrays', async () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', '1:1'],
    ['{"a":1}', '1:1'],
    ['[', '1:2'],
    ['[,', '1:2'],
    ['[{}', '1:4'],
    ['[{},', '1:5'],
    ['[{},]', '1:5'],
    ['[{} {}]', '1:5'],
    ['[{}]x', '1:5'],
    ['[{}][', '1:5'],
    ['[5]', '1:2'],
    ['[\n{"a":1},\n  {"b":tru}\n]', '3:8'],
    ['["\u{1f600}"]', '1:2'],
    ['[{"\u{1f600}":1},{"b":x}]', '1:15'],
    ['[{"a":1,\n "b":[1,2},{"c":1}]', '2:10'],
    ['[{"a":"x},\n{"b":1}]', '1:11'],
    ['[{"a":1', '1:2'],
  ]
  for (const [input, place] of cases) assert.is(await errorOf('array', input), `INPUT_SYNTAX ${place}`, input)
  assert.equal(await collect(readJsonArray([utf8(' [ ] \n')])), [])
  const records = await collect(readJsonArray([utf8('[{"a":1},\n {"b":"}]"}]')]))
  assert.equal(records, [
    { value: { a: 1 }, line: 1, column: 2 },
    { value: { b: '}]' }, line: 2, column: 2 },
  ])
})

test('numbers are exact or refused', () => {
  const parse = (text: string): unknown => parseJsonDocument(`{"a":${text}}`, { line: 1, column: 1 })['a']
  assert.is(parse('9007199254740993'), 9007199254740993n)
  assert.is(parse('18446744073709551615'), 18446744073709551615n)
  assert.is(parse('-9223372036854775808'), -9223372036854775808n)
  assert.is(parse('9007199254740991'), 9007199254740991)
  assert.is(parse('9007199254740992.0'), 2 ** 53)
  assert.is(parse('1e300'), 1e300)
  assert.is(parse('1E2'), 100)
  assert.is(parse('0.1234567890123456789'), 0.12345678901234568)
  assert.equal(parse('["1234567890123456789", 1234567890123456789]'), ['1234567890123456789', 1234567890123456789n])
  assert.is(
    stringifyJson({ a: 2 ** 60, b: 2n ** 60n, c: 1e21, d: 2 ** 53, e: 2n ** 53n }),
    '{"a":1152921504606847000.0,"b":1152921504606846976,"c":1e+21,"d":9007199254740992.0,"e":9007199254740992}',
  )
})

test('bytes and hostile names', () => {
  const value = { a: Uint8Array.of(0, 1, 255, 3), b: { toJSON: 1, constructor: [] } }
  assert.is(stringifyJson(value), '{"a":{"/":{"bytes":"AAH/Aw"}},"b":{"toJSON":1,"constructor":[]}}')
  assert.equal(parseJsonDocument('{"a":{"\\u002f":{"bytes":"AAH/Aw"}}}', { line: 1, column: 1 }), { a: value.a })
  const proto = parseJsonDocument('{"__proto__":{"x":1}, "n": 12345678901234567}', { line: 1, column: 1 })
  assert.equal(Object.keys(proto), ['__proto__', 'n'])
  assert.is((proto as { x?: unknown }).x, undefined)
})

test('errors show an escaped excerpt and what was expected', async () => {
  const { error } = await collectUntilError(readNdjson([utf8('{"a":"\u202e\u009b31m", oops}')]))
  assert.ok(error !== undefined)
  assert.match(error.message, 'line 1, column 15: expected a field name in double quotes, got "o"')
  assert.match(error.message, '\\u202e\\u009b31m')
  assert.not.match(error.message, /[\u202e\u009b]/)
})

test('records have a limit', async () => {
  const long = `{"a":"${'x'.repeat(100)}"}`
  const options = { recordBytesMax: 50 }
  assert.is(await errorOf('ndjson', `{}\n${long}\n`, options), 'INPUT_SYNTAX 2:1')
  assert.is(await errorOf('array', `[{},${long}]`, options), 'INPUT_SYNTAX 1:5')
  for (const reader of [readNdjson, readJsonArray]) {
    let given = 0
    const endless = (function* () {
      yield utf8(reader === readNdjson ? '{"a":"' : '[{"a":"')
      for (;;) {
        given++
        yield utf8('x'.repeat(10))
      }
    })()
    const { error } = await collectUntilError(reader(endless, options))
    assert.is(error?.code, 'INPUT_SYNTAX')
    assert.ok(given < 10)
  }
})

test('problems after long strings and many values are found too', async () => {
  const long = 'x'.repeat(4_000_000)
  assert.is(await errorOf('ndjson', `{"a":"${long}","b":oops}`), 'INPUT_SYNTAX 1:4000013')
  assert.is(await errorOf('array', `[{"a":[${'1,'.repeat(500_000)}]}]`), 'INPUT_SYNTAX 1:1000008')
})

test("an abort is the signal's own reason", async () => {
  const reason = new Error('stop')
  const options = { signal: AbortSignal.abort(reason) }
  for (const reader of [readNdjson, readJsonArray]) {
    try {
      await collect(reader([utf8('[]')], options))
      assert.unreachable()
    } catch (error) {
      assert.is(error, reason)
    }
  }
})

test.run()
