/** The map from links against a Map of strings, with links that share their first bits too. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CODEC_DAG_CBOR, CODEC_RAW, type Link, linkMapKey, linkTo } from '../src/link.ts'
import { LinkMap } from '../src/link-map.ts'
import { assertProperty } from './support/property.ts'

const test = suite('link-map')

/** Links that differ in one place each: the codec, and every byte of the digest. */
function neighbours(): Link[] {
  const link = linkTo(CODEC_DAG_CBOR, Uint8Array.of(1, 2, 3))
  const changed = Array.from({ length: 32 }, (_, i) => link.map((byte, at) => (at === 4 + i ? byte ^ 0x80 : byte)))
  return [link, link.map((byte, at) => (at === 1 ? CODEC_RAW : byte)), ...changed]
}

test('as a Map of strings, for links however alike', async () => {
  const links = neighbours()
  const writes = fc.array(fc.record({ i: fc.integer({ min: 0, max: links.length - 1 }), value: fc.integer() }))
  await assertProperty(
    fc.property(writes, (each) => {
      const [map, model] = [new LinkMap<number>(), new Map<string, number>()]
      for (const { i, value } of each) {
        map.set(links[i]!, value)
        model.set(linkMapKey(links[i]!), value)
      }
      for (const link of links) assert.is(map.get(link), model.get(linkMapKey(link)))
    }),
    200,
  )
})

test('a link is found by its bytes, whichever array holds them', () => {
  const map = new LinkMap<string>()
  const [link, other] = neighbours() as [Link, Link]
  map.set(link, 'here')
  const block = new Uint8Array(50)
  block.set(link, 7)
  assert.is(map.get(block.subarray(7, 43)), 'here')
  assert.is(map.get(other), undefined)
})

test.run()
