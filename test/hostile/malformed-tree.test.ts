/**
 * Threats 17, 26 and 27: trees whose hashes are right and whose shape is not. The author is to blame, by rule and path;
 * no peer is, the last complete tree stays, and the verdict is the same whether the replica holds nothing, or every sound
 * part the forger could have used.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, CODEC_RAW, formatLink, type Link, linkTo } from '../../src/link.ts'
import { buildTree, type Format, FORMAT_1, Node, type TreeRef } from '../../src/prolly/index.ts'
import type { CompleteRecord } from '../../src/store/interface.ts'
import { fetchTree, openSessions, type PathStep, type PeerReport } from '../../src/sync/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { AUTHOR, CountingStore, Lab, NAME, type Published, publish, valueRecord } from '../support/sync-lab.ts'
import { pullFromRelays, relay, unverified } from '../support/sync-relay.ts'
import { Forge, FORGERIES, forgeTree } from '../support/tree-forge.ts'
import { applyEdits, DEEP, randomEdits, randomRows, sortRows, utf8, WIDE } from '../support/tree-sets.ts'
import { loadNegative, type NegativeVector, ownVectors, sharedVectors } from '../support/tree-vectors.ts'
import { judgeTree, recordEverythingSound, type Records } from '../support/tree-walk.ts'

const test = suite('hostile/malformed-tree')

interface Source {
  readonly map: ReadonlyMap<string, Uint8Array>
  get(link: Link): Uint8Array | undefined
}

/** A replica that holds these subtrees, and values, as complete. */
async function storeWith(source: Source, records: Records): Promise<CountingStore> {
  const store = new CountingStore()
  const all = [...source.map].map(([id, bytes]) => ({ link: Uint8Array.from(id, (c) => c.charCodeAt(0)), bytes }))
  const values = all.filter(({ link, bytes }) => link[1] === CODEC_RAW && isSound(link, bytes))
  const blocks = all.filter(({ link }) => records.has(String.fromCharCode(...link)))
  await store.write({
    blocks: [...blocks, ...values],
    complete: [...[...records.values()].map((record): CompleteRecord => record), ...values.map(valueRecord)],
  })
  return store
}

function isSound(link: Link, bytes: Uint8Array): boolean {
  return formatLink(linkTo(CODEC_RAW, bytes)) === formatLink(link)
}

async function assertRejected(vector: NegativeVector): Promise<void> {
  const { blocks, ref } = loadNegative(vector)
  const format = vector.format ?? FORMAT_1
  const stores = [new CountingStore(), await storeWith(blocks, recordEverythingSound(blocks, format))]
  for (const [i, store] of stores.entries()) {
    const what = `${vector.name}, ${i === 0 ? 'fresh' : 'warm'}`
    // What is sound as a subtree may still be malformed as a root.
    const knewRoot = store.getComplete(ref.root) !== undefined
    const outcome = await pullFromRelays(new Lab(), unverified(blocks, ref, format), store)
    if (!('error' in outcome)) throw new Error(`${what}: accepted`)
    const { error } = outcome
    if (!isCoppiceError(error)) throw error
    assert.is(error.code, vector.rule === 1 ? 'NO_PEER_LEFT' : 'TREE_MALFORMED', `${what}: ${error.message}`)
    if (vector.rule === 1) {
      const peers = error.details['peers'] as readonly PeerReport[]
      assert.ok(
        peers.every(({ outcome: became }) => became === 'liar'),
        what,
      )
      continue
    }
    assert.is(error.details['rule'], vector.rule, what)
    const path = error.details['path'] as readonly PathStep[]
    assert.is(path[0]?.cid, formatLink(ref.root), what)
    assert.is(path.at(-1)?.cid, error.details['cid'], what)
    assert.ok(error.details['signedRoot'] instanceof Uint8Array, what)
    assert.is(store.getComplete(ref.root) !== undefined, knewRoot, what)
  }
}

for (const vector of ownVectors().negatives) {
  test(`${vector.name}: rule ${vector.rule}`, () => assertRejected(vector))
}

const shared = sharedVectors()
const sharedTest = shared === undefined ? test.skip : test
sharedTest(`shared negative trees${shared === undefined ? ' (skipped: no shared folder)' : ''}`, async () => {
  for (const vector of shared?.negatives ?? []) await assertRejected(vector)
})

test('no peer is blamed, and the sessions go on', async () => {
  const lab = new Lab()
  const vector = ownVectors().negatives.find(({ name }) => name === 'leaf-joined-with-the-next')
  if (vector === undefined) return assert.unreachable('the vector is there')
  const { blocks, ref } = loadNegative(vector)
  const bad = unverified(blocks, ref, vector.format ?? FORMAT_1)
  const good = await publish(randomRows(new Random(1), 50, DEEP), { format: DEEP })
  const both: Published = { ...bad, store: { get: (link: Link) => blocks.get(link) ?? good.store.get(link) } as never }
  await lab.clock.run(
    (async () => {
      const hello = { author: AUTHOR, name: NAME, have: null }
      const { sessions } = await openSessions([relay(lab, 'alice', both), relay(lab, 'bob', both)], hello, {
        clock: lab.clock,
      })
      const options = { clock: lab.clock, random: () => 0.5, format: DEEP, holds: () => true }
      const error: unknown = await fetchTree(bad.target, sessions, new CountingStore(), options).catch(
        (e: unknown) => e,
      )
      assert.ok(isCoppiceError(error, 'TREE_MALFORMED'))
      assert.ok(sessions.every((session) => session.isOpen))
      const report = await fetchTree(good.target, sessions, new CountingStore(), options)
      assert.is(report.entries, good.target.entries)
      assert.ok(report.peers.every(({ outcome }) => outcome === 'used' || outcome === 'unused'))
      await Promise.all(sessions.map((session) => session.close()))
    })(),
  )
})

test('random forgeries: a fresh and a warm replica accept and refuse the same', async () => {
  for (const seed of seeds(12)) {
    const random = new Random(seed)
    const format = random.pick([DEEP, WIDE])
    const forge = new Forge()
    const rows = randomRows(random, random.between(5, 60), format)
    const others = [rows, applyEdits(rows, randomEdits(random, rows, 8, format)), rows.slice(2)]
    const roots = others.map((some) => forge.addTree(some, format))
    const donors = roots.flatMap((root) => forge.places(root))
    for (const kind of FORGERIES) {
      const ref = forgeTree(kind, random, forge, roots[0] as never, donors)
      if (ref !== undefined) await assertAlike(`seed ${seed}, ${kind}`, forge, roots, ref, format)
    }
  }
})

async function assertAlike(
  what: string,
  forge: Forge,
  roots: ReturnType<Forge['addTree']>[],
  ref: TreeRef,
  format: Format,
) {
  const { rule } = judgeTree(forge, ref, format)
  const warm = new CountingStore()
  for (const root of roots) {
    const lab = new Lab()
    const honest = unverified(forge, forge.ref(root), format)
    await lab.pull(honest, [relay(lab, 'alice', honest)], warm)
  }
  for (const store of [new CountingStore(), warm]) {
    const outcome = await pullFromRelays(new Lab(), unverified(forge, ref, format), store)
    const accepted = !('error' in outcome)
    const { message } = accepted ? { message: 'accepted' } : (outcome.error as Error)
    assert.is(accepted, rule === undefined, `${what}, rule ${rule}: ${message}`)
    if (rule === undefined || rule === 'missing' || rule === 1) continue
    assert.ok(!accepted && isCoppiceError(outcome.error, 'TREE_MALFORMED'), `${what}: ${message}`)
  }
}

test('node bytes held as a value prove nothing about the node', async () => {
  const rows = randomRows(new Random(3), 200, DEEP)
  const source = await publish(rows, { format: DEEP })
  const store = new CountingStore()
  // Every node of the tree is here as a raw value, recorded as one.
  const values = [...source.blocks].map((id) => {
    const bytes = source.store.get(Uint8Array.from(id, (c) => c.charCodeAt(0))) as Uint8Array
    return { link: linkTo(CODEC_RAW, bytes), bytes }
  })
  await store.write({ blocks: values, complete: values.map(valueRecord) })
  const nodes = [...source.blocks].filter((id) => id.charCodeAt(1) === CODEC_DAG_CBOR).length
  const lab = new Lab()
  const report = await lab.pull(source, [lab.peer('alice', source)], store)
  assert.is(report.blocksReceived, nodes)
  assert.is(report.subtreesSkipped, 0)
})

test('held blocks without records are looked into, not believed', async () => {
  const source = await publish(randomRows(new Random(4), 300, DEEP), { format: DEEP })
  const store = new CountingStore()
  const root = source.store.get(source.target.root) as Uint8Array
  await store.write({ blocks: [{ link: source.target.root, bytes: root }] })
  const lab = new Lab()
  const report = await lab.pull(source, [lab.peer('alice', source)], store)
  assert.is(report.blocksHeld, 1)
  assert.is(report.blocksReceived, source.blocks.size - 1)
})

test('the last complete tree stays when the next one is malformed', async () => {
  const rows = randomRows(new Random(11), 120, DEEP)
  const good = await publish(rows, { format: DEEP })
  const store = new CountingStore()
  const lab = new Lab()
  await lab.pull(good, [lab.peer('alice', good)], store)
  const recorded = new Map(store.records)
  const blocks = new BlockMap()
  const next = await buildTree(sortRows([...rows, { key: utf8('a new key of this tree'), value: utf8('x') }]), blocks, {
    format: DEEP,
  })
  // The signed totals lie.
  const bad = unverified(
    { get: (link) => blocks.get(link) as Uint8Array },
    { ...next, entries: next.entries + 1 },
    DEEP,
  )
  const outcome = await pullFromRelays(new Lab(), bad, store)
  assert.ok('error' in outcome && isCoppiceError(outcome.error, 'TREE_MALFORMED'))
  for (const [id, record] of recorded) assert.equal(store.records.get(id), record)
  const again = await lab.pull(good, [], store)
  assert.is(again.entries, good.target.entries)
  assert.ok(Node.decode(store.get(good.target.root) as Uint8Array).length > 0)
})

test.run()
