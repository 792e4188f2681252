/** What an overlay reads from below, and that it writes nothing there. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MemoryStore } from '../../src/store/memory.ts'
import { OverlayStore } from '../../src/store/overlay.ts'
import { blockOf, recordOf } from '../conformance/store.ts'

const test = suite('store/overlay')

const [below, above, nowhere] = [blockOf('below'), blockOf('above'), blockOf('nowhere')]

test('blocks and records are found in both, meta values on top only', async () => {
  const base = new MemoryStore()
  await base.write({ blocks: [below], complete: [recordOf(below)], meta: new Map([['root', below.link]]) })
  const store = new OverlayStore(new MemoryStore(), base)
  await store.write({ blocks: [above], complete: [recordOf(above)], meta: new Map([['floor', above.link]]) })
  const links = [below.link, above.link, nowhere.link]
  assert.equal(await store.getMany(links), [below.bytes, above.bytes, undefined])
  assert.equal(await Promise.all(links.map(async (link) => await store.has(link))), [true, true, false])
  const records = await Promise.all(links.map(async (link) => await store.getComplete(link)))
  assert.equal(records, [recordOf(below), recordOf(above), undefined])
  assert.is(await store.getMeta('root'), undefined)
  assert.equal(await store.getMeta('floor'), above.link)
  assert.equal([store.listBlocks(undefined, 9), store.listComplete(undefined, 9)], [[above.link], [above.link]])
  await store.write({ removeBlocks: [below.link], removeComplete: [below.link] })
  assert.equal(await store.get(below.link), below.bytes, 'nothing is removed below')
  assert.equal(
    [base.has(above.link), base.getComplete(above.link), base.getMeta('floor')],
    [false, undefined, undefined],
  )
})

test('closing it leaves the base open', async () => {
  const base = new MemoryStore()
  await new OverlayStore(new MemoryStore(), base).close()
  assert.is(base.has(below.link), false)
})

test.run()
