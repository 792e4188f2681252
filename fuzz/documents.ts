/** Documents, typed keys and the files they are read from: made, damaged and random ones, cut anywhere. */
import fc from 'fast-check'
import { encodeDocument } from '../src/db/documents/document.ts'
import { encodeTuple, type KeyPart, PART_TYPES, type PartType } from '../src/db/documents/tuple.ts'
import {
  readCsv,
  readHexLines,
  readJsonArray,
  readNdjson,
  stringifyHexLine,
  stringifyJson,
} from '../src/formats/index.ts'
import { document, text } from '../test/support/arbitraries.ts'
import { damaged } from '../test/support/damage.ts'
import {
  assertDocumentStrict,
  assertSameWhereverCut,
  assertTupleStrict,
  type SameOptions,
} from '../test/support/decoder-properties.ts'
import { Random } from '../test/support/random.ts'
import { utf8 } from '../test/support/records.ts'

export const summary =
  'documents and keys decode to what encodes to the same bytes, or are refused; readers give the same wherever chunks are cut'

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const documents = sample(fc.array(document, { maxLength: 4 }), seed)
  const texts = sample(fc.array(text, { minLength: 8, maxLength: 8 }), seed)
  assertDocumentStrict(random.bytes(random.below(60)))
  assertDocumentStrict(Uint8Array.of(0xa1, 0x61, 0x61, ...random.bytes(random.below(40))))
  for (const each of documents) assertVariants(random, encodeDocument(each), assertDocumentStrict)
  assertTuples(random, texts)
  const lines = documents.map(stringifyJson)
  await assertReader(random, (source) => readNdjson(source), lines.join('\n'))
  await assertReader(random, (source) => readJsonArray(source), `[${lines.join(',\n')}]`)
  await assertReader(random, (source) => readCsv(source), csvOf(texts), { namesFirst: false })
  const entries = texts.map((each) => stringifyHexLine({ key: utf8(each), value: random.bytes(random.below(9)) }))
  await assertReader(random, (source) => readHexLines(source), entries.join('\n'), {
    codes: ['INPUT_SYNTAX', 'KEY_TOO_LONG'],
  })
}

function sample<T>(arbitrary: fc.Arbitrary<T>, seed: number): T {
  const [value] = fc.sample(arbitrary, { seed: seed | 0, numRuns: 1 })
  if (value === undefined) throw new Error('expected a sample')
  return value
}

function assertVariants(random: Random, bytes: Uint8Array, check: (bytes: Uint8Array) => void): void {
  check(bytes)
  for (let i = 0; bytes.length > 0 && i < 20; i++) check(damaged(random, bytes))
}

function assertTuples(random: Random, texts: readonly string[]): void {
  const types = Array.from({ length: random.below(5) }, () => random.pick(PART_TYPES))
  const key = encodeTuple(
    types.map((type) => partOf(random, type, texts)),
    types,
  )
  assertVariants(random, key, (bytes) => assertTupleStrict(bytes, types))
  assertTupleStrict(random.bytes(random.below(30)), types)
}

function partOf(random: Random, type: PartType, texts: readonly string[]): KeyPart {
  switch (type) {
    case 'integer':
      return (random.below(2 ** 30) - 2 ** 29) * random.pick([1, 255, 2 ** 20])
    case 'number':
      return (random.below(2 ** 30) - 2 ** 29) / random.pick([1, 3, 1e20])
    case 'text':
      return random.pick(texts)
    case 'bytes':
      return random.bytes(random.below(12))
    case 'boolean':
      return random.chance(0.5)
  }
}

function csvOf(texts: readonly string[]): string {
  const cells = texts.map((each) => `"${each.replaceAll('"', '""')}"`)
  return `a,b\r\n${cells.map((cell, i) => cell + (i % 2 === 0 ? ',' : '\r\n')).join('')}`
}

/** The input as it is, and damaged in a few places, each cut in another way. */
async function assertReader<T>(
  random: Random,
  read: (source: Iterable<Uint8Array>) => AsyncIterable<T>,
  input: string,
  options: SameOptions = {},
): Promise<void> {
  const bytes = utf8(input)
  for (let i = 0; bytes.length > 0 && i < 4; i++) {
    const sizes = Array.from({ length: random.between(1, 6) }, () => random.between(1, 9))
    await assertSameWhereverCut(read, i === 0 ? bytes : damaged(random, bytes), sizes, options)
  }
}
