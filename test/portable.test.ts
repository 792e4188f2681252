/** What leaf modules do with Node's own functions where these exist is what they do without them, as in a browser. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as native from '../src/bytes.ts'
import * as nativeHash from '../src/sha256.ts'
import { assertProperty } from './support/property.ts'
import { withoutNode } from './support/without-node.ts'

const test = suite('portable')

const portable = await withoutNode<typeof native>('bytes.ts')
const portableHash = await withoutNode<typeof nativeHash>('sha256.ts')

const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ minLength: 4000, maxLength: 8192 }))

test('bytes as a key of a Map', async () => {
  await assertProperty(
    fc.property(anyBytes, (bytes) => {
      const key = native.bytesToMapKey(bytes)
      assert.is(key, portable.bytesToMapKey(bytes))
      assert.equal(
        Uint8Array.from(key, (char) => char.charCodeAt(0)),
        bytes,
      )
    }),
    100,
  )
})

test('ranges of bytes compared', async () => {
  const ranges = fc.record({
    length: fc.integer({ min: 0, max: 600 }),
    start: fc.nat(50),
    other: fc.nat(50),
    flip: fc.nat(700),
  })
  await assertProperty(
    fc.property(ranges, ({ length, start, other, flip }) => {
      const a = Uint8Array.from({ length: 700 }, (_, i) => (i - start) % 251)
      const b = Uint8Array.from({ length: 700 }, (_, i) => ((i - other) % 251) ^ (i === flip ? 1 : 0))
      const isSame = flip < other || flip >= other + length
      for (const { equalRanges } of [native, portable]) assert.is(equalRanges(a, start, b, other, length), isSame)
    }),
    300,
  )
})

test('sha2-256, as bytes and as text', async () => {
  await assertProperty(
    fc.property(anyBytes, (bytes) => {
      const digest = portableHash.sha256(bytes)
      assert.equal(new Uint8Array(nativeHash.sha256(bytes)), digest)
      for (const { sha256Text } of [nativeHash, portableHash])
        assert.is(sha256Text(bytes), native.bytesToMapKey(digest))
    }),
    100,
  )
})

test.run()
