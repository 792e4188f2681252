/** The history as an RFC 6962 tree (docs/spec/record.md, 1 and 5). */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, concatBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import {
  checkConsistency,
  checkInclusion,
  decodeFrontier,
  EMPTY_HISTORY,
  encodeFrontier,
  historyLeaf,
  historyRoot,
  isFrontierOf,
  proveConsistency,
  proveInclusion,
} from '../../src/pointer/index.ts'
import { sha256 } from '../../src/sha256.ts'
import { hex } from '../support/hex.ts'
import { History } from '../support/histories.ts'
import { assertProperty } from '../support/property.ts'
import { RECORD_VECTORS } from '../support/record-vectors.ts'
import { throwsType } from '../support/throws.ts'

const test = suite('pointer/history')

/** RFC 6962, 2.1, as it stands there, over leaf `start`..`end`-1. */
function referenceHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves
  if (only === undefined) return sha256(new Uint8Array(0))
  if (leaves.length === 1) return sha256(concatBytes(Uint8Array.of(0), only))
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(
    concatBytes(Uint8Array.of(1), referenceHash(leaves.slice(0, split)), referenceHash(leaves.slice(split))),
  )
}

const numbered = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => new TextEncoder().encode(`${i}`))

const CT = new History(RECORD_VECTORS.history.leaves.map(hex))

const hexes = (path: readonly Uint8Array[]): string[] => path.map(bytesToHex)

test('roots of the published leaves', () => {
  assert.is(bytesToHex(CT.root(0)), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  assert.is(bytesToHex(CT.root(8)), '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
  RECORD_VECTORS.history.roots.forEach((root, i) => assert.is(bytesToHex(CT.root(i + 1)), root))
})

test('published inclusion paths', async () => {
  assert.equal(await proveInclusion(0, 1, CT.read), [])
  assert.equal(hexes(await proveInclusion(0, 8, CT.read)), [
    '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
    '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
  ])
  assert.equal(hexes(await proveInclusion(5, 8, CT.read)), [
    'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  ])
  assert.equal(hexes(await proveInclusion(2, 3, CT.read)), [
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  ])
})

test('published consistency proofs', async () => {
  assert.equal(await proveConsistency(1, 1, CT.read), [])
  assert.equal(hexes(await proveConsistency(1, 8, CT.read)), [
    '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
    '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
  ])
  assert.equal(hexes(await proveConsistency(6, 8, CT.read)), [
    '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  ])
  assert.equal(hexes(await proveConsistency(2, 5, CT.read)), [
    '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
  ])
})

test('every size up to 40: root, all inclusion paths, all consistency proofs, and none for another place', async () => {
  const size = 40
  const history = new History(numbered(size))
  for (let to = 1; to <= size; to++) {
    const root = history.root(to)
    assert.is(bytesToHex(root), bytesToHex(referenceHash(history.leaves.slice(0, to))))
    for (let i = 0; i < to; i++) {
      const leaf = historyLeaf(history.leaves[i] as Uint8Array)
      const path = await proveInclusion(i, to, history.read)
      assert.ok(checkInclusion(leaf, i, to, path, root))
      assert.not.ok(checkInclusion(leaf, i + 1, to, path, root))
      assert.not.ok(checkInclusion(leaf, i, to, [...path, leaf], root))
      assert.not.ok(checkInclusion(historyLeaf(Uint8Array.of(255)), i, to, path, root))
    }
    for (let from = 0; from <= to; from++) {
      const path = await proveConsistency(from, to, history.read)
      assert.ok(checkConsistency(from, to, path, history.root(from), root), `${from} -> ${to}`)
      assert.not.ok(checkConsistency(from, to, [...path, root], history.root(from), root))
      assert.not.ok(checkConsistency(from, to, path, historyLeaf(Uint8Array.of(255)), root))
      if (path.length > 0) assert.not.ok(checkConsistency(from, to, path.slice(1), history.root(from), root))
    }
  }
})

test('a proof that is changed anywhere proves nothing', async () => {
  const history = new History(numbered(300))
  const place = fc.tuple(fc.nat(299), fc.nat(299)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const)
  const property = fc.asyncProperty(place, fc.nat(), fc.nat(255), async ([low, high], at, bit) => {
    const change = (path: readonly Uint8Array[]): Uint8Array[] =>
      path.map((hash, i) => (i === at % path.length ? hash.map((byte, j) => (j === bit % 32 ? byte ^ 1 : byte)) : hash))
    const leaf = historyLeaf(history.leaves[low] as Uint8Array)
    const inclusion = await proveInclusion(low, high, history.read)
    assert.ok(checkInclusion(leaf, low, high, inclusion, history.root(high)))
    if (inclusion.length > 0) assert.not.ok(checkInclusion(leaf, low, high, change(inclusion), history.root(high)))
    const consistency = await proveConsistency(low, high, history.read)
    assert.ok(checkConsistency(low, high, consistency, history.root(low), history.root(high)))
    if (consistency.length > 0) {
      assert.not.ok(checkConsistency(low, high, change(consistency), history.root(low), history.root(high)))
    }
  })
  await assertProperty(property, 200)
})

test('proofs over 4000 roots read and hold few hashes, frontiers fewer', async () => {
  const history = new History(numbered(4000))
  assert.ok(history.frontier(4000).hashes.length <= 12)
  for (const from of [1, 2, 777, 2048, 3999]) {
    history.reads = 0
    const path = await proveConsistency(from, 4000, history.read)
    assert.ok(path.length <= 13)
    assert.ok(history.reads <= 13 + 12, `${history.reads} hashes read`)
  }
})

test('a slow reader is awaited', async () => {
  const path = await proveInclusion(1, 7, (subtrees) => Promise.resolve(CT.read(subtrees)))
  assert.ok(checkInclusion(historyLeaf(hex('00')), 1, 7, path, CT.root(7)))
})

test('places that are not there', () => {
  throwsType(() => proveInclusion(8, 8, CT.read), RangeError)
  throwsType(() => proveInclusion(-1, 8, CT.read), RangeError)
  throwsType(() => proveConsistency(9, 8, CT.read), RangeError)
  assert.not.ok(checkInclusion(CT.root(1), 0, 0, [], EMPTY_HISTORY))
  assert.not.ok(checkInclusion(CT.root(1), NaN, 1, [], CT.root(1)))
  assert.not.ok(checkConsistency(3, 2, [], CT.root(3), CT.root(2)))
  assert.not.ok(checkConsistency(0, 2, [], CT.root(1), CT.root(2)))
})

test('frontiers are kept and read back; damage is found', async () => {
  for (const frontier of new History(numbered(70)).frontiers) {
    const bytes = encodeFrontier(frontier)
    assert.equal(decodeFrontier(bytes), { size: frontier.size, hashes: frontier.hashes.map((h) => new Uint8Array(h)) })
    assert.ok(isFrontierOf(decodeFrontier(bytes), frontier.size, historyRoot(frontier)))
    assert.not.ok(isFrontierOf(frontier, frontier.size + 1, historyRoot(frontier)))
  }
  const bytes = encodeFrontier(CT.frontier(7))
  const property = fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
    const mutated = bytes.map((byte, i) => (i === at ? byte ^ change : byte))
    try {
      const frontier = decodeFrontier(mutated)
      assert.not.ok(isFrontierOf(frontier, 7, CT.root(7)))
    } catch (error) {
      assert.ok(isCoppiceError(error, 'STORE_CORRUPT'))
    }
  })
  await assertProperty(property, 100)
})

test.run()
