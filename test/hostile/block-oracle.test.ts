/** Threats 7, 13 and 31: only what is complete and signed is served, one pinned root is fetched, and a part is never taken for the whole. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey } from '../../src/link.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { createMemoryDialer, type PeerReport, ChannelSession } from '../../src/sync/index.ts'
import { Random } from '../support/random.ts'
import { AUTHOR, CountingStore, Lab, NAME, publish, type Published, sameBlocks } from '../support/sync-lab.ts'
import { applyEdits, DEEP, randomEdits, randomRows, treeOf, utf8 } from '../support/tree-sets.ts'
import { BlockMap } from '../support/blocks.ts'

const test = suite('hostile/block-oracle')

async function ask(
  lab: Lab,
  published: Published,
  links: readonly Uint8Array[],
): Promise<readonly (Uint8Array | null)[]> {
  const dialer = createMemoryDialer('alice', lab.handlerOf(published))
  const ask = async (): Promise<readonly (Uint8Array | null)[]> => {
    const session = new ChannelSession(await dialer.open(new AbortController().signal), 'alice', lab.clock)
    await session.hello({ author: AUTHOR, name: NAME, have: null })
    const blocks = await session.getBlocks(published.target.root, links)
    await session.close()
    return typeof blocks === 'string' ? [] : blocks
  }
  return lab.clock.run(ask())
}

test('drafts are not here', async () => {
  const rows = randomRows(new Random(1), 100, DEEP)
  const source = await publish(rows, { format: DEEP })
  const built = new BlockMap()
  await treeOf(applyEdits(rows, randomEdits(new Random(2), rows, 5, DEEP)), DEEP, built)
  const drafts = [...built.map].filter(([key]) => !source.blocks.has(key))
  const links = drafts.map(([key]) => Uint8Array.from(key, (c) => c.charCodeAt(0)))
  await source.store.write({ blocks: links.map((link, i) => ({ link, bytes: drafts[i]?.[1] as Uint8Array })) })
  assert.ok(links.length > 0)
  const secret = links.slice(0, 200)
  assert.equal(
    await ask(new Lab(), source, secret),
    secret.map(() => null),
  )
  const open = [...source.blocks].slice(0, 50).map((key) => Uint8Array.from(key, (c) => c.charCodeAt(0)))
  const blocks = await ask(new Lab(), source, open)
  assert.ok(blocks.every((bytes, i) => bytes === source.store.get(open[i] as Uint8Array) || bytes !== null))
})

test('a replica in the middle of a pull serves only its complete subtrees', async () => {
  const source = await publish(randomRows(new Random(3), 400, DEEP), { format: DEEP })
  const half = new CountingStore()
  half.failsAtWrite = 4
  const lab = new Lab()
  await lab.pull(source, [lab.peer('alice', source)], half, { writeBytesMax: 2000, base: undefined }).catch(() => {})
  const links = half.written.slice(0, 200).map((key) => Uint8Array.from(key, (c) => c.charCodeAt(0)))
  const blocks = await ask(lab, { ...source, store: half }, links)
  for (const [i, link] of links.entries()) {
    assert.is(blocks[i] !== null, half.records.has(linkMapKey(link)))
  }
  assert.is(half.getComplete(source.target.root), undefined, 'the root is recorded last')
})

test('a block whose bytes rotted is not here, and its owner is told', async () => {
  const source = await publish([{ key: utf8('a'), value: new Uint8Array(2000) }])
  const [value] = [...source.blocks].filter((key) => key.charCodeAt(1) === 0x55)
  const link = Uint8Array.from(value ?? '', (c) => c.charCodeAt(0))
  const rotten: Published = { ...source, store: new CountingStore() }
  await rotten.store.write({
    blocks: [{ link, bytes: new Uint8Array(2000).fill(1) }],
    complete: [...source.store.records.values()],
  })
  assert.equal(await ask(new Lab(), rotten, [link]), [null])
})

test('other databases and other names are unknown, whoever asks', async () => {
  const source = await publish([{ key: utf8('a'), value: utf8('1') }])
  const lab = new Lab()
  const hellos = [
    { author: AUTHOR, name: 'other', have: null },
    { author: new Uint8Array(32), name: NAME, have: source.newest.id },
  ]
  for (const hello of hellos) {
    const dialer = createMemoryDialer('alice', lab.handlerOf(source))
    const session = new ChannelSession(await dialer.open(new AbortController().signal), 'alice', lab.clock)
    const error: unknown = await lab.clock.run(session.hello(hello).catch((thrown: unknown) => thrown))
    assert.ok(isCoppiceError(error))
    assert.is(session.end?.fault, 'unknown')
  }
})

test('peers that publish during a pull do not mix their trees into it', async () => {
  const rows = randomRows(new Random(5), 300, DEEP)
  const before = await publish(rows, { format: DEEP })
  const after = await publish(applyEdits(rows, randomEdits(new Random(6), rows, 60, DEEP)), {
    format: DEEP,
    sequence: 2,
  })
  const lab = new Lab()
  const store = new CountingStore()
  const report = await lab.pull(after, [lab.peer('old', before), lab.peer('new', after)], store)
  assert.ok(sameBlocks(after, store))
  for (const key of store.written) assert.ok(after.blocks.has(key), 'nothing but the pinned tree is kept')
  assert.equal(Object.fromEntries(report.peers.map(({ name, outcome }) => [name, outcome])), {
    new: 'used',
    old: 'outdated',
  })
})

test('nobody has all of it: what is there is kept, and not called complete', async () => {
  const rows = randomRows(new Random(7), 300, DEEP)
  const before = await publish(rows, { format: DEEP })
  const after = await publish(applyEdits(rows, randomEdits(new Random(8), rows, 10, DEEP)), {
    format: DEEP,
    sequence: 2,
  })
  const lab = new Lab()
  const store = new CountingStore()
  const root = after.store.get(after.target.root) as Uint8Array
  await store.write({ blocks: [{ link: after.target.root, bytes: root }] })
  const error: unknown = await lab.pull(after, [lab.peer('old', before)], store).catch((thrown: unknown) => thrown)
  assert.ok(isCoppiceError(error, 'NO_PEER_LEFT'))
  assert.is((error.details['peers'] as readonly PeerReport[])[0]?.outcome, 'outdated')
  assert.is(store.getComplete(after.target.root), undefined)
  for (const key of store.records.keys()) assert.ok(after.blocks.has(key) && before.blocks.has(key))
})

test.run()
