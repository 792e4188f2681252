/** Documents merged field by field: what one side changed is that side's, and what both changed is named. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mergeFields } from '../../src/db/merging/merge-fields.ts'
import { decodeDocument, encodeDocument, type Document, type FieldValue } from '../../src/db/index.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'

const test = suite('db/merge-fields')

const BASE: Document = { id: 1, name: 'a', size: 5, tags: ['x'], place: { lat: 1, lon: 2 } }

test("fields that one side changed, added or took away are that side's, in maps too", () => {
  const left: Document = { id: 1, name: 'b', tags: ['x'], place: { lat: 9, lon: 2 }, mine: true }
  const right: Document = {
    id: 1,
    name: 'a',
    size: 5,
    tags: ['x', 'y'],
    place: { lat: 1, lon: 2, alt: 3 },
    theirs: null,
  }
  const { document, conflicts } = mergeFields(BASE, left, right)
  assert.equal(conflicts, [])
  const place = { lat: 9, lon: 2, alt: 3 }
  assert.equal(document, { id: 1, name: 'b', tags: ['x', 'y'], place, mine: true, theirs: null })
})

test('a field that both changed is named by its path, arrays and kinds of value as one piece', () => {
  const left: Document = { ...BASE, name: 'b', tags: ['l'], place: { lat: 3, lon: 2 }, new: 1 }
  const right: Document = { ...BASE, name: 'c', tags: ['r'], place: { lat: 4, lon: 2 }, new: 1n }
  const { document, conflicts } = mergeFields(BASE, left, right)
  assert.equal(conflicts, ['/name', '/tags', '/place/lat', '/new'])
  assert.equal(document, left)
  const apart = mergeFields(BASE, { ...BASE, place: 7 }, { ...BASE, place: { lat: 1 } })
  assert.equal(apart.conflicts, ['/place'])
  const unlike = mergeFields({ place: 1 }, { place: { lat: 1 } }, { place: { lon: 2 } })
  assert.equal(unlike.conflicts, ['/place'])
  const deleted = mergeFields(BASE, { ...BASE, place: { lat: 3, lon: 2 } }, { id: 1 })
  assert.equal(deleted.conflicts, ['/place'])
})

test('without a base, what both added together is one document where it agrees', () => {
  assert.equal(mergeFields(undefined, { a: 1, m: { x: 1 } }, { b: 2, m: { y: 2 } }), {
    document: { a: 1, b: 2, m: { x: 1, y: 2 } },
    conflicts: [],
  })
  assert.equal(mergeFields(undefined, { a: 1 }, { a: 2 }).conflicts, ['/a'])
})

test('names that mean something to JavaScript are names', () => {
  const parse = (text: string): Document => decodeDocument(encodeDocument(JSON.parse(text)))
  const { document, conflicts } = mergeFields(
    parse('{"__proto__":{"a":1},"constructor":1}'),
    parse('{"__proto__":{"a":2},"constructor":1}'),
    parse('{"__proto__":{"a":1,"b":1},"constructor":2,"toString":3}'),
  )
  assert.equal(conflicts, [])
  assert.is(JSON.stringify(document), '{"__proto__":{"a":2,"b":1},"constructor":2,"toString":3}')
})

function randomDocument(random: Random, depth = 0): Document {
  const fields: [string, FieldValue][] = []
  for (const name of ['a', 'b', 'c', 'd']) {
    if (random.chance(0.3)) continue
    fields.push([name, depth < 2 && random.chance(0.4) ? randomDocument(random, depth + 1) : random.below(3)])
  }
  return Object.fromEntries(fields)
}

test('any documents: an unchanged side is the other side, and sides may change places', () => {
  for (const seed of seeds(2000)) {
    const random = new Random(seed)
    const [base, left, right] = [randomDocument(random), randomDocument(random), randomDocument(random)]
    assert.equal(mergeFields(base, base, right), { document: right, conflicts: [] })
    assert.equal(mergeFields(base, left, base), { document: left, conflicts: [] })
    assert.equal(mergeFields(base, left, left), { document: left, conflicts: [] })
    const [there, back] = [mergeFields(base, left, right), mergeFields(base, right, left)]
    assert.equal(new Set(there.conflicts), new Set(back.conflicts))
    if (there.conflicts.length === 0) assert.equal(there.document, back.document)
  }
})

test.run()
