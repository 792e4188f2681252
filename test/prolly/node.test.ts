/** Nodes (docs/spec/tree.md, 2): decoding is total, and what decodes is the one DAG-CBOR encoding of what it says. */
import * as dagCbor from '@ipld/dag-cbor'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compareBytes, equalBytes } from '../../src/bytes.ts'
import { DecodeFailure, HeadReader, headLength, MAJOR_UINT, writeHead } from '../../src/prolly/cbor.ts'
import { Node } from '../../src/prolly/index.ts'
import { assertCanonical, run as runDecode, toReferenceValue } from '../../fuzz/decode.ts'
import { assertProperty, seeds } from '../support/property.ts'
import type { ReferenceValue } from '../support/tree-reference.ts'
import { cidOf } from '../support/tree-reference.ts'

const test = suite('prolly/node')

test('random bytes: only DecodeFailure, or one encoding', async () => {
  await assertProperty(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void assertCanonical(bytes)),
    3000,
  )
  const likely = fc.array(
    fc.constantFrom(0x80, 0x81, 0x82, 0x83, 0x85, 0x00, 0x01, 0x18, 0x19, 0x1b, 0x40, 0x41, 0x58, 0xd8, 0x2a),
  )
  await assertProperty(
    fc.property(likely, (bytes) => void assertCanonical(Uint8Array.from(bytes))),
    5000,
  )
})

test('damaged nodes: only DecodeFailure, or one encoding', () => {
  for (const seed of seeds(300)) runDecode(seed)
})

test('whatever the oracle encodes of legal parts decodes to the same parts', async () => {
  const number = fc.oneof(
    fc.nat(300),
    fc.integer({ min: 0, max: 2 ** 40 }),
    fc.constantFrom(23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32),
  )
  const key = fc.uint8Array({ maxLength: 300 })
  const digest = fc.uint8Array({ maxLength: 8 })
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .tuple(fc.constantFrom(0x55, 0x70), digest, number)
      .map(([codec, bytes, size]): ReferenceValue => [cidOf(codec, bytes), size]),
  )
  const leaf = fc.array(fc.tuple(key, value), { maxLength: 30 })
  const leaves = fc.property(leaf, (rows) => {
    const bytes = dagCbor.encode([0, rows.map(([k]) => k), rows.map(([, v]) => v)])
    const node = Node.decode(bytes)
    assert.is(node.length, rows.length)
    assert.is(node.entries, rows.length)
    const below = rows.reduce((sum, [, v]) => sum + (Array.isArray(v) ? v[1] : 0), 0)
    assert.is(node.totalBytes, bytes.length + below)
    for (const [i, [k, v]] of rows.entries()) {
      assert.ok(equalBytes(node.key(i), k))
      assert.is(node.isInline(i), !Array.isArray(v))
      assert.is(node.valueSize(i), Array.isArray(v) ? v[1] : v.length)
      assert.ok(equalBytes(dagCbor.encode(toReferenceValue(node.value(i))), dagCbor.encode(v)))
      assert.is(node.entryLength(i), dagCbor.encode(k).length + dagCbor.encode(v).length)
    }
  })
  await assertProperty(leaves, 400)
  const child = fc.array(fc.tuple(key, digest, number, number), { minLength: 1, maxLength: 30 })
  const inners = fc.property(fc.integer({ min: 1, max: 32 }), child, (level, children) => {
    const column = <T>(pick: (c: (typeof children)[number]) => T): T[] => children.map(pick)
    const links = column(([, bytes]) => cidOf(0x71, bytes))
    const bytes = dagCbor.encode([level, column((c) => c[0]), links, column((c) => c[2]), column((c) => c[3])])
    const node = Node.decode(bytes)
    assert.is(node.level, level)
    assert.is(
      node.entries,
      column((c) => c[2]).reduce((a, b) => a + b),
    )
    for (const [i, [k, , entries, size]] of children.entries()) {
      assert.ok(equalBytes(node.key(i), k))
      assert.ok(equalBytes(node.link(i), links[i]?.bytes ?? new Uint8Array(0)))
      assert.is(node.childEntries(i), entries)
      assert.is(node.childBytes(i), size)
      const encoded = [k, links[i], entries, size].reduce<number>((sum, part) => sum + dagCbor.encode(part).length, 0)
      assert.is(node.entryLength(i), encoded)
    }
  })
  await assertProperty(inners, 400)
})

test('search within a node equals a linear search', async () => {
  const keys = fc.uniqueArray(fc.uint8Array({ maxLength: 5, max: 3 }), { comparator: equalBytes, maxLength: 40 })
  const property = fc.property(keys, fc.uint8Array({ maxLength: 6, max: 3 }), (unsorted, wanted) => {
    const sorted = [...unsorted].sort(compareBytes)
    const node = Node.decode(dagCbor.encode([0, sorted, sorted]))
    const first = sorted.findIndex((k) => compareBytes(k, wanted) >= 0)
    assert.is(node.lowerBound(wanted), first < 0 ? sorted.length : first)
    for (const [i, k] of sorted.entries()) {
      assert.is(Math.sign(node.compareKey(i, wanted)), Math.sign(compareBytes(k, wanted)))
    }
  })
  await assertProperty(property, 500)
})

test('heads are written and read in their shortest form, up to 2^53-1', () => {
  const edges = [0, 23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]
  for (const n of edges) {
    const out = new Uint8Array(9)
    const end = writeHead(out, 0, MAJOR_UINT, n)
    assert.is(end, headLength(n))
    assert.ok(equalBytes(out.subarray(0, end), dagCbor.encode(n)), String(n))
    assert.is(new HeadReader(out.subarray(0, end)).head(MAJOR_UINT, 'a number'), n)
    for (let cut = 0; cut < end; cut++) {
      assert.throws(
        () => new HeadReader(out.subarray(0, cut)).head(MAJOR_UINT, 'a number'),
        (error: unknown) => error instanceof DecodeFailure,
      )
    }
  }
  for (const longer of [
    '1817',
    '190018',
    '1a0000ffff',
    '1b00000000ffffffff',
    '1b0020000000000000',
    '1bffffffffffffffff',
    '1c',
    '1f',
    '20',
    '40',
  ]) {
    const reader = new HeadReader(Uint8Array.from(Buffer.from(longer, 'hex')))
    assert.throws(
      () => reader.head(MAJOR_UINT, 'a number'),
      (error: unknown) => error instanceof DecodeFailure,
      longer,
    )
  }
})

test.run()
