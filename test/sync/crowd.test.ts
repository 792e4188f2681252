/** What a provider leaves to those to whom it has sent it, and for how long (protocol.md, 9). */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Node, NodeReader } from '../../src/prolly/index.ts'
import type { Link } from '../../src/link.ts'
import { ELSEWHERE_MS_MAX, ELSEWHERE_WAITS_MAX, SPREAD_MS } from '../../src/sync/limits.ts'
import { Crowd, type CrowdMember } from '../../src/sync/serving/crowd.ts'
import type { GetBlocks, GetRange } from '../../src/sync/wire/index.ts'
import { Random } from '../support/random.ts'
import { publish } from '../support/sync-lab.ts'
import { u32be } from '../support/tree-sets.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('sync/crowd')

const source = await publish(
  Array.from({ length: 30_000 }, (_, i) => ({ key: u32be(i), value: new Random(i).bytes(60) })),
)
const { root } = source.target
const top = await new NodeReader(source.store).get(root)
assert.ok(top instanceof Node && top.level === 2)
/** Subtrees of leaves. */
const PARTS: readonly Link[] = Array.from({ length: top.length }, (_, i) => top.link(i))

class Scene {
  readonly clock = new VirtualClock()
  readonly serving = new Set<string>()
  readonly crowd = new Crowd({
    clock: this.clock,
    store: source.store,
    isServing: (peer) => this.serving.has(peer),
  })

  /** One who serves, and knows others who do. */
  join(name: string): CrowdMember {
    this.serving.add(name)
    const member = this.crowd.join(name)
    member.knowsOthers = true
    return member
  }

  async pass(ms: number): Promise<void> {
    await this.clock.run(this.clock.sleep(ms))
  }
}

function range(links: readonly Link[], bytesMax = 1024 * 1024): GetRange {
  return { type: 'get range', id: 1, root, base: null, links, bytesMax }
}

function blocks(links: readonly Link[]): GetBlocks {
  return { type: 'get blocks', id: 1, root, links, bytesMax: 1024 * 1024 }
}

async function asked(member: CrowdMember, ...links: readonly Link[]): Promise<readonly Link[]> {
  return (await member.take(range(links)))?.links ?? []
}

const [A, B, C] = PARTS as [Link, Link, Link]

test('what one was sent is left to it by the next, and nothing else is', async () => {
  const scene = new Scene()
  const [alice, bob] = [scene.join('alice'), scene.join('bob'), scene.join('carol')]
  assert.equal(await asked(alice, A), [A])
  assert.equal(await asked(bob, A), [])
  assert.equal(await asked(bob, B), [B])
  assert.equal(await asked(alice, C, B), [C], 'a range ends where the first part is elsewhere')
  assert.equal(await asked(alice, A), [A], 'whoever lost it gets it again')
})

test('one alone is never refused anything, nor is one who knows nobody else', async () => {
  const scene = new Scene()
  const alice = scene.join('alice')
  for (const part of [...PARTS, ...PARTS]) assert.equal(await asked(alice, part), [part])
  const stranger = scene.crowd.join('stranger')
  for (const part of PARTS) assert.equal(await asked(stranger, part), [part])
})

test('two are no crowd, and neither are many channels of two', async () => {
  const scene = new Scene()
  const [alice, bob] = [scene.join('alice'), scene.join('bob'), scene.join('bob')]
  for (const member of [alice, bob]) assert.equal(await asked(member, A), [A])
  const carol = scene.join('carol')
  assert.equal(await asked(carol, A), [])
  carol.leave()
  scene.crowd.join('reader')
  assert.equal(await asked(bob, A), [A])
  await asked(alice, B)
  assert.equal(await asked(bob, B), [B], 'who has left is none of it')
})

test('what was sent to one who does not serve, or in part only, or without what a base has, is sent to the next', async () => {
  const scene = new Scene()
  const reader = scene.crowd.join('reader')
  reader.knowsOthers = true
  const [alice, bob] = [scene.join('alice'), scene.join('bob'), scene.join('carol')]
  await asked(reader, A)
  assert.equal(await asked(bob, A), [A])
  await alice.take(range([B], 1000))
  assert.equal(await asked(bob, B), [B])
  await alice.take({ ...range([C]), base: root })
  assert.equal(await asked(bob, C), [C])
  scene.join('dave')
  scene.serving.delete('bob')
  assert.equal(await asked(alice, A), [A], 'one who serves no longer passes nothing on')
})

test('nodes above leaves are sent to each who asks for them by their links; leaves are not', async () => {
  const scene = new Scene()
  const [alice, bob] = [scene.join('alice'), scene.join('bob'), scene.join('carol')]
  const leaf = await new NodeReader(source.store).get(A)
  assert.ok(leaf instanceof Node)
  const leaves = [leaf.link(0), leaf.link(1), leaf.link(2)]
  for (const member of [alice, bob]) assert.equal((await member.take(blocks([A])))?.links, [A])
  assert.equal((await alice.take(blocks(leaves)))?.links, leaves)
  assert.is(await bob.take(blocks(leaves)), undefined)
  const mixed = [leaves[0] as Link, leaf.link(3), leaf.link(4)]
  assert.equal((await bob.take(blocks(mixed)))?.links, mixed, 'an answer about blocks has all of them')
})

test('a part that does not spread is sent again, each time after twice as long', async () => {
  const scene = new Scene()
  const members = ['alice', 'bob', 'carol', 'dave'].map((name) => scene.join(name))
  assert.equal(await asked(members[0] as CrowdMember, A), [A])
  await scene.pass(SPREAD_MS - 1)
  assert.equal(await asked(members[1] as CrowdMember, A), [])
  await scene.pass(1)
  assert.equal(await asked(members[1] as CrowdMember, A), [A])
  await scene.pass(2 * SPREAD_MS - 1)
  assert.equal(await asked(members[2] as CrowdMember, A), [])
  await scene.pass(1)
  assert.equal(await asked(members[2] as CrowdMember, A), [A])
  assert.equal(await asked(members[3] as CrowdMember, A), [])
})

test('whoever else keeps asking for it: nobody is refused a part for longer than the bound', async () => {
  const scene = new Scene()
  const bob = scene.join('bob')
  scene.join('carol')
  for (let i = 0; i < 6; i++) assert.equal(await asked(scene.join(`liar ${i}`), A), i === 0 ? [A] : [])
  assert.equal(await asked(bob, A), [])
  const until = scene.clock.now() + ELSEWHERE_MS_MAX
  while (scene.clock.now() < until) {
    const given = await asked(bob, A)
    assert.equal(given, [], 'liars come first each time')
    await scene.pass(SPREAD_MS / 8)
    for (let i = 0; i < 6; i++) await asked(scene.join(`liar ${i}`), A)
  }
  assert.equal(await asked(bob, A), [A])
})

test('of more parts than are remembered none is refused', async () => {
  const scene = new Scene()
  const leaves: Link[] = []
  for (const part of PARTS) {
    const node = await new NodeReader(source.store).get(part)
    assert.ok(node instanceof Node)
    for (let i = 0; i < node.length; i++) leaves.push(node.link(i))
  }
  const [alice, bob] = [scene.join('alice'), scene.join('bob'), scene.join('carol')]
  for (const leaf of leaves) await asked(alice, leaf)
  let refused = 0
  for (const leaf of leaves) if ((await asked(bob, leaf)).length === 0) refused++
  assert.is(refused, ELSEWHERE_WAITS_MAX)
})

test('who has parts only passes on whatever is asked for', async () => {
  const scene = new Scene()
  const partial = new Crowd({
    clock: scene.clock,
    store: {
      get: (link) => source.store.get(link),
      getMany: (links) => source.store.getMany(links),
      getComplete: (link) => (link === root ? undefined : source.store.getComplete(link)),
    },
    isServing: () => true,
  })
  const members = ['alice', 'bob', 'carol'].map((name) => partial.join(name))
  for (const member of members) {
    member.knowsOthers = true
    assert.equal(await asked(member, A), [A])
  }
})

test.run()
