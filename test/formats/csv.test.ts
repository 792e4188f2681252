import { parse as parseSync } from 'csv-parse/sync'
import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeDocument, encodeDocument } from '../../src/db/documents/document.ts'
import type { Document, FieldValue } from '../../src/document-model.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { guardFormula, parseColumnTypes, unguardFormula, type CellType } from '../../src/formats/csv-cell.ts'
import { readCsv } from '../../src/formats/csv-read.ts'
import { collectColumns, writeCsv } from '../../src/formats/csv-write.ts'
import { chunkSizes, document, text } from '../support/arbitraries.ts'
import { assertSameWhereverCut } from '../support/decoder-properties.ts'
import { assertProperty } from '../support/property.ts'
import { collect, collectUntilError, joined, utf8 } from '../support/records.ts'

const test = suite('formats/csv')
const RUNS = 200

async function rows(input: string, types?: string): Promise<Document[]> {
  const options = types === undefined ? {} : { types: parseColumnTypes(types) }
  return (await collect(readCsv([utf8(input)], options))).map(({ value }) => value)
}

async function errorOf(input: string | Uint8Array, types?: string, recordBytesMax?: number): Promise<string> {
  const options = { types: types === undefined ? undefined : parseColumnTypes(types), recordBytesMax }
  const { error } = await collectUntilError(readCsv([typeof input === 'string' ? utf8(input) : input], options))
  return error === undefined
    ? 'none'
    : `${error.code} ${String(error.details['line'])}:${String(error.details['column'])}`
}

test('cells are text unless a type is given', async () => {
  assert.equal(await rows('id,name\n007,5\n'), [{ id: '007', name: '5' }])
  assert.equal(
    await rows(
      'id,x,b,r,j,t\n007,1.50,TRUE,0aFF,"[1,{""a"":null}]",5\n',
      'id:integer,x:number,b:boolean,r:bytes,j:json,t:text',
    ),
    [{ id: 7, x: 1.5, b: true, r: Uint8Array.of(10, 255), j: [1, { a: null }], t: '5' }],
  )
  assert.equal(await rows('id\n18446744073709551615\n-9223372036854775808\n', 'id:integer'), [
    { id: 18446744073709551615n },
    { id: -9223372036854775808n },
  ])
})

test('an empty cell is null, an empty quoted cell empty text', async () => {
  assert.equal(await rows('a,b,n\n,"",\n', 'n:number'), [{ a: null, b: '', n: null }])
  assert.equal(await rows('n,m\n"",5\n', 'n:integer,m:integer'), [{ n: null, m: 5 }])
})

test('quotes, line breaks in cells, CRLF, blank rows, no final line break, byte order mark', async () => {
  const input = '\ufeffa,b\r\n"x\r\ny","say ""hi"""\r\n\r\n \u00e9 ,z'
  const records = await collect(readCsv([utf8(input)]))
  assert.equal(records, [
    { value: { a: 'x\r\ny', b: 'say "hi"' }, line: 2, column: 1 },
    { value: { a: ' \u00e9 ', b: 'z' }, line: 5, column: 1 },
  ])
})

test('places of the first problem', async () => {
  const cases: readonly (readonly [string, string, string?])[] = [
    ['', '1:1'],
    ['a,b\n1\n', '2:1'],
    ['a,b\n"x\r\ny",1\n1,2,3\n', '4:1'],
    ['a,a\n', '1:3'],
    ['a,b\n1,"x"y\n', '2:3'],
    ['a,b\n"x"y,1\n', '2:1'],
    ['a,b\n1,x"y\n', '2:3'],
    ['a,b\n1,2\n3,"x\n', '3:3'],
    ['a,b\n"\u{1f600},\n""",x\n', '3:5', 'b:integer'],
    ['a,b\n1,2\n\n\u{1f600},1.5\n', '4:3', 'b:integer'],
    ['a\n18446744073709551616\n', '2:1', 'a:integer'],
    ['a\n1e400\n', '2:1', 'a:number'],
    ['a\nNaN\n', '2:1', 'a:number'],
    ['a\n 1\n', '2:1', 'a:number'],
    ['a\nyes\n', '2:1', 'a:boolean'],
    ['a\nabc\n', '2:1', 'a:bytes'],
    ['a\n"{""x"":1,""x"":2}"\n', '2:1', 'a:json'],
  ]
  for (const [input, place, types] of cases) assert.is(await errorOf(input, types), `INPUT_SYNTAX ${place}`, input)
  assert.is(await errorOf(Uint8Array.of(...utf8('a,b\n\u00e9,'), 0xff, 0x0a)), 'INPUT_SYNTAX 2:3')
  assert.is(await errorOf('a\n1\n', 'b:integer'), 'USAGE undefined:undefined')
  assert.is(await errorOf(`a\n1\n${'x'.repeat(100)}\n`, undefined, 50), 'INPUT_SYNTAX 3:1')
})

test('chunks may be cut anywhere, broken input included', async () => {
  const input = fc.tuple(
    fc.array(fc.array(text, { minLength: 2, maxLength: 2 }), { maxLength: 4 }),
    fc.nat(),
    fc.nat(255),
    fc.boolean(),
  )
  await assertProperty(
    fc.asyncProperty(input, chunkSizes, async ([cells, at, byte, isBroken], sizes) => {
      const quoted = cells
        .map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',') + '\r\n')
        .join('')
      const bytes = utf8('a,b\r\n' + quoted)
      if (isBroken) bytes[at % bytes.length] = byte
      const { whole } = await assertSameWhereverCut((source) => readCsv(source), bytes, sizes)
      if (!isBroken) {
        assert.ok(
          isDeepStrictEqual(
            whole.items.map(({ value }) => [value['a'], value['b']]),
            cells.map((row) => row.map((cell) => unguardFormula(cell))),
          ),
        )
      }
    }),
    RUNS,
  )
})

test('import of an export: text and null exactly, other values given their types', async () => {
  const cell = fc.oneof(
    text,
    fc.constant(null),
    text.map((each) => `'=${each}`),
  )
  const row = fc.record({
    id: fc.integer(),
    t: cell,
    'n,"=\n': cell,
    x: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null)),
    b: fc.option(fc.boolean()),
    r: fc.option(fc.uint8Array({ maxLength: 5 })),
    j: document,
  })
  await assertProperty(
    fc.asyncProperty(fc.array(row, { maxLength: 4 }), async (raw) => {
      const documents = raw.map((each) => decodeDocument(encodeDocument(each)))
      const types = parseColumnTypes('id:integer,x:number,b:boolean,r:bytes,j:json')
      const columns = await collectColumns(documents, ['id', 't', 'n,"=\n', 'x', 'b', 'r', 'j'])
      const bytes = await joined(writeCsv(documents, { columns, types }))
      const back = (await collect(readCsv([bytes], { types }))).map(({ value }) =>
        decodeDocument(encodeDocument(value)),
      )
      assert.ok(isDeepStrictEqual(back, documents))
    }),
    RUNS,
  )
})

test('no spreadsheet takes a cell for a formula', async () => {
  await assertProperty(
    fc.asyncProperty(
      fc.array(fc.record({ a: text, '=b': text }), { minLength: 1, maxLength: 4 }),
      async (documents) => {
        const bytes = await joined(writeCsv(documents, { columns: ['a', '=b'] }))
        const cells = parseSync(Buffer.from(bytes), { relax_column_count: true, record_delimiter: '\n' }).flat()
        assert.is(cells.length, 2 + 2 * documents.length)
        for (const cell of cells) assert.not.match(cell, /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/)
      },
    ),
    RUNS,
  )
})

test('the guard is undone, whatever the text', async () => {
  await assertProperty(
    fc.property(fc.oneof(text, fc.string({ unit: fc.constantFrom("'", '=', '@', 'a', '\r') })), (each) => {
      assert.is(unguardFormula(guardFormula(each)), each)
    }),
    1000,
  )
  assert.is(guardFormula('=1+1'), "'=1+1")
  assert.is(guardFormula("it's"), "it's")
})

test('only the columns asked for, in that order; integers beyond 2^53 and doubles', async () => {
  const documents: Document[] = [{ b: 2n ** 63n, a: 2 ** 60, c: 1 }, { a: [1, { x: 2n ** 63n }] as FieldValue }]
  const bytes = await joined(writeCsv(documents, { columns: ['a', 'b', 'd'] }))
  assert.is(
    Buffer.from(bytes).toString(),
    'a,b,d\n1152921504606847000.0,9223372036854775808,\n"[1,{""x"":9223372036854775808}]",,\n',
  )
  assert.equal(
    await collectColumns(
      [
        { b: 1, a: 2 },
        { c: 3, a: 1 },
      ],
      ['a'],
    ),
    ['a', 'b', 'c'],
  )
})

test('hostile column names', async () => {
  const [row] = await rows('__proto__,toString\n1,2\n')
  assert.equal(Object.entries(row ?? {}), [
    ['__proto__', '1'],
    ['toString', '2'],
  ])
})

test('lists of types', () => {
  assert.equal([...parseColumnTypes('id:integer, a:b:number')], [
    ['id', 'integer'],
    ['a:b', 'number'],
  ] as [string, CellType][])
  for (const bad of ['id', 'id:int', ':text', 'a:text,a:text', '']) {
    try {
      parseColumnTypes(bad)
      assert.unreachable(bad)
    } catch (error) {
      assert.ok(isCoppiceError(error, 'USAGE'), bad)
    }
  }
})

test.run()
