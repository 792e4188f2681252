/** The history against published proofs of RFC 6962 trees and another implementation of them (docs/spec/record.md, 5). */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, concatBytes } from '../../src/bytes.ts'
import {
  checkConsistency,
  checkInclusion,
  completeSubtrees,
  frontierSubtrees,
  historyLeaf,
  proveConsistency,
  proveInclusion,
  shownSubtrees,
} from '../../src/pointer/index.ts'
import { foldSubtrees } from '../../src/pointer/history.ts'
import { sha256 } from '../../src/sha256.ts'
import { hex } from '../support/hex.ts'
import { History, VastHistory } from '../support/histories.ts'
import { assertProperty } from '../support/property.ts'
import { RFC6962_VECTORS } from '../support/rfc6962-vectors.ts'

const test = suite('pointer/rfc6962')

const numbered = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => new TextEncoder().encode(String(i)))

test('published proofs are made, and hold; spoiled ones do not', async () => {
  const { leaves, roots, inclusion, consistency } = RFC6962_VECTORS
  const history = new History(leaves.map(hex))
  roots.forEach((root, i) => assert.is(bytesToHex(history.root(i + 1)), root))
  for (const { what, index, size, leaf, root, path, holds } of inclusion) {
    assert.is(checkInclusion(hex(leaf), index, size, path.map(hex), hex(root)), holds, `${what}: ${index} of ${size}`)
    if (what === 'published') {
      assert.equal((await proveInclusion(index, size, history.read)).map(bytesToHex), path)
    }
  }
  for (const { what, from, to, fromRoot, toRoot, path, holds } of consistency) {
    const given = [path.map(hex), hex(fromRoot), hex(toRoot)] as const
    assert.is(checkConsistency(from, to, ...given), holds, `${what}: ${from} to ${to}`)
    if (what === 'published') assert.equal((await proveConsistency(from, to, history.read)).map(bytesToHex), path)
  }
  assert.equal([inclusion.length, consistency.length], [80, 82])
})

const digest = (paths: readonly (readonly Uint8Array[])[]): string =>
  bytesToHex(sha256(concatBytes(...paths.flatMap((path) => [Uint8Array.of(path.length), ...path]))))

test('all proofs of all trees of up to 64 leaves are those of the other implementation', async () => {
  const history = new History(numbered(64))
  for (const { size, root, inclusion, consistency } of RFC6962_VECTORS.trees) {
    assert.is(bytesToHex(history.root(size)), root)
    const places = Array.from({ length: size }, (_, i) => i)
    assert.is(digest(await Promise.all(places.map(async (i) => proveInclusion(i, size, history.read)))), inclusion)
    const proofs = await Promise.all(places.map(async (i) => proveConsistency(i + 1, size, history.read)))
    assert.is(digest(proofs), consistency)
  }
  assert.is(RFC6962_VECTORS.trees.length, 64)
})

test('what a path shows of the tree is so, and has the history below its leaf', async () => {
  const size = 70
  const history = new History(numbered(size))
  for (let to = 1; to <= size; to++) {
    for (let index = 0; index < to; index++) {
      const leaf = historyLeaf(history.leaves[index] as Uint8Array)
      const shown = shownSubtrees(leaf, index, to, await proveInclusion(index, to, history.read))
      const known = new Map(shown.map(({ level, index: at, hash }) => [`${level}/${at}`, hash]))
      for (const subtree of shown) {
        assert.ok((subtree.index + 1) * 2 ** subtree.level <= to)
        assert.equal(subtree.hash, history.read([subtree])[0])
      }
      for (const { level, index: at, hash } of frontierSubtrees(history.frontier(index))) {
        assert.equal(known.get(`${level}/${at}`), hash, `${index} of ${to}: ${level}/${at}`)
      }
    }
  }
})

test('proofs between any two of 2^40 roots: right, and of some hundred hashes at most', async () => {
  const bits = fc.integer({ min: 1, max: 40 })
  const pair = bits
    .chain((n) => fc.tuple(fc.nat(2 ** n - 1), fc.nat(2 ** n - 1), fc.constant(n)))
    .filter(([a, b]) => a !== b)
    .map(([a, b, n]) => [Math.min(a, b), Math.max(a, b), n] as const)
  const property = fc.asyncProperty(pair, async ([index, size, n]) => {
    const history = new VastHistory(index)
    const rootOf = (leaves: number): Uint8Array => foldSubtrees(history.read(completeSubtrees(0, leaves)))
    const root = rootOf(size)
    const [leaf] = history.read([{ level: 0, index }])
    assert.ok(leaf)
    history.reads = 0
    const inclusion = await proveInclusion(index, size, history.read)
    assert.ok(history.reads <= 2 * n, `${history.reads} hashes read for 2^${n}`)
    assert.ok(inclusion.length <= n)
    assert.ok(checkInclusion(leaf, index, size, inclusion, root))
    assert.not.ok(checkInclusion(leaf, index === 0 ? 1 : index - 1, size, inclusion, root))
    if (index === 0) return
    history.reads = 0
    const consistency = await proveConsistency(index, size, history.read)
    assert.ok(history.reads <= 2 * n + 1, `${history.reads} hashes read for 2^${n}`)
    assert.ok(checkConsistency(index, size, consistency, rootOf(index), root))
    assert.not.ok(checkConsistency(index, size, consistency, root, root))
  })
  await assertProperty(property, 300)
})

test.run()
