/** Several carriers at once: the highest that verifies, by the floor, within a deadline; what each of them said; who is told. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import { type Carrier, SHOWN_MAX } from '../../src/carriers/carrier.ts'
import { resolveAndTell, type Resolution } from '../../src/carriers/resolution.ts'
import { resolveFailure } from '../../src/carriers/resolve-failure.ts'
import { type Known, resolve, type Resolved, type ResolveOptions } from '../../src/carriers/resolve.ts'
import { tellOlder } from '../../src/carriers/tell.ts'
import {
  createAuthority,
  createFloor,
  decodeRotation,
  encodeEvidence,
  encodeRotations,
  findConflict,
  type SignedRoot,
  signRotation,
} from '../../src/pointer/index.ts'
import { failureOf, signerOf, thrownBy, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { ScriptedCarrier, type ScriptedOptions } from '../support/scripted-carrier.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('carriers/resolve')

class Scene {
  readonly clock = new VirtualClock()
  readonly author = new RogueAuthor(this.clock)
  readonly roots: SignedRoot[] = []
  known: Known = {
    floor: createFloor(this.author.author, this.author.name),
    authority: createAuthority(this.author.author),
  }

  static async of(count: number): Promise<Scene> {
    const scene = new Scene()
    for (let i = 0; i < count; i++)
      scene.roots.push(await scene.author.publish([{ key: utf8('k'), value: utf8(`${i}`) }]))
    return scene
  }

  at(sequence: number): SignedRoot {
    return this.roots[sequence - 1] as SignedRoot
  }

  carrier(
    name: string,
    shown: readonly (number | Uint8Array | SignedRoot)[] = [],
    options: ScriptedOptions = {},
  ): ScriptedCarrier {
    const bytes = shown.map((each) =>
      typeof each === 'number' ? this.at(each).bytes : each instanceof Uint8Array ? each : each.bytes,
    )
    return new ScriptedCarrier(name, this.clock, bytes, options)
  }

  async resolve(carriers: readonly Carrier[], options: Partial<ResolveOptions> = {}): Promise<Resolved> {
    const resolved = await this.clock.run(resolve(this.author, carriers, this.known, { clock: this.clock, ...options }))
    this.known = resolved
    return resolved
  }

  resolution(carriers: readonly Carrier[], options: Partial<ResolveOptions> = {}): Promise<Resolution> {
    const keep = (resolved: Resolved): Promise<void> => {
      this.known = resolved
      return Promise.resolve()
    }
    return this.clock.run(resolveAndTell(this.author, carriers, this.known, { clock: this.clock, keep, ...options }))
  }
}

const sequenceOf = ({ floor }: Resolved): number | undefined => floor.accepted?.root.payload.sequence
const outcomes = ({ carriers }: Pick<Resolved, 'carriers'>): Record<string, string> =>
  Object.fromEntries(carriers.map(({ name, outcome }) => [name, outcome]))

test('the highest that verifies wins, whoever shows it and in whatever order; each is told apart', async () => {
  const scene = await Scene.of(4)
  const stranger = new RogueAuthor(scene.clock, 'stranger')
  const forged = (await stranger.publish([])).bytes
  const carriers = [
    scene.carrier('new', [4], { ms: 40, copies: 3 }),
    scene.carrier('old', [2], { ms: 10 }),
    scene.carrier('both', [1, 4, 3], { copies: 2 }),
    scene.carrier('none'),
    scene.carrier('forged', [forged]),
    scene.carrier('garbage', [utf8('garbage')]),
    scene.carrier('away', [], { isAway: true }),
  ]
  for (const order of [carriers, carriers.toReversed()]) {
    scene.known = { floor: createFloor(scene.author.author, scene.author.name), authority: scene.author.authority }
    const resolved = await scene.resolve(order)
    assert.is(sequenceOf(resolved), 4)
    assert.equal(outcomes(resolved), {
      new: 'newest',
      old: 'older',
      both: 'newest',
      none: 'nothing',
      forged: 'invalid',
      garbage: 'invalid',
      away: 'failed',
    })
    const byName = new Map(resolved.carriers.map((report) => [report.name, report]))
    assert.equal([byName.get('new')?.copies, byName.get('both')?.copies, byName.get('old')?.sequence], [3, 2, 2])
    assert.match(byName.get('away')?.reason ?? '', 'nobody is there')
    assert.is(resolved.sources, 2)
    assert.equal(resolved.record?.signedRoot, scene.at(4).bytes)
  }
})

test('never below the floor: what is older moves nothing, and the floor is the same object', async () => {
  const scene = await Scene.of(3)
  await scene.resolve([scene.carrier('one', [3])])
  const { floor } = scene.known
  const again = await scene.resolve([scene.carrier('one', [2]), scene.carrier('two', [1])])
  assert.is(again.floor, floor)
  assert.equal([sequenceOf(again), again.record, again.sources], [3, undefined, 0])
  assert.equal(outcomes(again), { one: 'older', two: 'older' })
})

test('the root of the floor that was is older once there is a newer one', async () => {
  const scene = await Scene.of(3)
  await scene.resolve([scene.carrier('one', [2])])
  const resolved = await scene.resolve([scene.carrier('one', [2]), scene.carrier('two', [3])])
  assert.equal(outcomes(resolved), { one: 'older', two: 'newest' })
})

test('a deadline: who is late is reported so and not waited for, also where it heeds no signal', async () => {
  const scene = await Scene.of(2)
  const begin = scene.clock.now()
  const carriers = [
    scene.carrier('quick', [1], { ms: 100 }),
    scene.carrier('slow', [2], { ms: 9_000 }),
    scene.carrier('silent', [2], { isSilent: true }),
  ]
  const resolved = await scene.resolve(carriers, { deadlineMs: 2_000 })
  assert.is(scene.clock.now() - begin, 2_000)
  assert.equal(outcomes(resolved), { quick: 'newest', slow: 'late', silent: 'late' })
  assert.equal(
    resolved.carriers.map(({ ms }) => ms),
    [100, 2_000, 2_000],
  )
  // All there: nobody waits for the deadline.
  const all = await scene.resolve(carriers.slice(0, 2))
  assert.equal([scene.clock.now() - begin, sequenceOf(all)], [11_000, 2])
})

test('an abort ends it with its reason', async () => {
  const scene = await Scene.of(1)
  const control = new AbortController()
  const resolving = thrownBy(
    resolve(scene.author, [scene.carrier('silent', [], { isSilent: true })], scene.known, {
      clock: scene.clock,
      signal: control.signal,
    }),
  )
  const reason = new Error('enough')
  control.abort(reason)
  assert.is(await resolving, reason)
  assert.instance(await thrownBy(scene.resolve([], { quorum: 0 })), RangeError)
})

test('a quorum: sources count once each, and what too few of them show moves nothing', async () => {
  const scene = await Scene.of(3)
  const shows = [
    scene.carrier('a', [3], { source: 'same' }),
    scene.carrier('b', [3], { source: 'same' }),
    scene.carrier('c', [2]),
    scene.carrier('d', [2]),
  ]
  const two = await scene.resolve(shows, { quorum: 2 })
  assert.equal([sequenceOf(two), two.sources], [2, 2])
  assert.equal(outcomes(two), { a: 'unsupported', b: 'unsupported', c: 'newest', d: 'newest' })
  assert.match(two.carriers[0]?.reason ?? '', '1 of 2 sources')
  const three = await scene.resolve(shows, { quorum: 3 })
  assert.is(resolveFailure('cities', three, 3)?.code, 'QUORUM_MISSED')
  assert.is(resolveFailure('cities', two, 2), undefined)
  assert.is(sequenceOf(await scene.resolve(shows)), 3)
})

test('what too few sources show still proves a fork, below and beside what is taken', async () => {
  for (const depth of [0, 1]) {
    const scene = await Scene.of(2)
    const other = scene.author.fork()
    const rival = await other.publish([{ key: utf8('other'), value: utf8('history') }])
    for (let i = 0; i <= depth; i++) {
      scene.roots.push(await scene.author.publish([{ key: utf8('k'), value: utf8(`own ${i}`) }]))
    }
    const top = scene.roots.length
    const carriers = [scene.carrier('x', [rival]), scene.carrier('a', [top]), scene.carrier('b', [top])]
    const resolved = await scene.resolve(carriers, { quorum: 2 })
    assert.is(resolved.evidence.length, 1)
    assert.is(resolved.floor.evidence.length, 1)
    assert.is(sequenceOf(resolved), top)
    assert.is(resolveFailure('cities', resolved, 2)?.code, 'EQUIVOCATION')
    assert.is(outcomes(resolved)['x'], 'fork')
  }
})

test('two roots of one place are a fork for everybody who shows them, whichever came first, and nobody is told of it', async () => {
  const scene = await Scene.of(2)
  const rival = await scene.author.fork().publish([{ key: utf8('other'), value: utf8('history') }])
  const own = await scene.author.publish([{ key: utf8('k'), value: utf8('own') }])
  const floors = new Set<number | undefined>()
  for (const [first, second] of [
    [rival, own],
    [own, rival],
  ] as const) {
    const fresh = new Scene()
    fresh.known = { floor: createFloor(scene.author.author, scene.author.name), authority: scene.author.authority }
    const carriers = [
      fresh.carrier('one', [first]),
      fresh.carrier('two', [second]),
      fresh.carrier('old', [scene.at(1)]),
    ]
    const resolved = await fresh.clock.run(resolve(scene.author, carriers, fresh.known, { clock: fresh.clock }))
    assert.equal(outcomes(resolved), { one: 'fork', two: 'fork', old: 'older' })
    floors.add(resolved.floor.accepted?.root.link.at(-1))
    assert.equal(await tellOlder(scene.author, carriers, resolved, { clock: fresh.clock }), [])
    fresh.known = resolved
    const error = await failureOf(fresh.resolution(carriers))
    assert.is(error.code, 'EQUIVOCATION')
  }
  assert.is(floors.size, 1, 'the floor does not depend on the order of carriers')
})

test('a fork far below the newest root halts it, where both sides are shown', async () => {
  const scene = await Scene.of(1)
  const rival = await scene.author.fork().publish([{ key: utf8('other'), value: utf8('history') }])
  for (let i = 0; i < 8; i++) scene.roots.push(await scene.author.publish([{ key: utf8('k'), value: utf8(`${i}`) }]))
  const resolved = await scene.resolve([scene.carrier('a', [rival]), scene.carrier('b', [2]), scene.carrier('c', [9])])
  assert.is(resolved.evidence.length, 1)
  assert.is(resolveFailure('cities', resolved)?.code, 'EQUIVOCATION')
  assert.is(outcomes(resolved)['c'], 'fork')
})

test('statements beside a root: rotations say who may sign, evidence halts, and what is not theirs is passed over', async () => {
  const scene = await Scene.of(2)
  const { author, name } = scene.author
  const next = signerOf('next')
  const rotation = decodeRotation(await signRotation(scene.author.signer, { author, epoch: 1, newKey: next.publicKey }))
  const authority = { author, rotations: [rotation] }
  const rotated = new RogueAuthor(scene.clock)
  Object.assign(rotated, { signer: next, authority, published: scene.author.published, name })
  const newest = await rotated.publish([{ key: utf8('k'), value: utf8('rotated') }], { epoch: 1 })
  const rotations = new Map([[ATTACHMENT_IDS.rotations, encodeRotations(authority)]])
  const garbage = new Map([
    [ATTACHMENT_IDS.rotations, utf8('garbage')],
    [ATTACHMENT_IDS.evidence, utf8('garbage')],
  ])
  const without = await scene.resolve([scene.carrier('root', [newest], { attachments: garbage })])
  assert.equal([sequenceOf(without), outcomes(without)], [undefined, { root: 'invalid' }])
  // The statement may come from somebody who shows another root.
  const told = await scene.resolve([
    scene.carrier('root', [newest], { attachments: garbage }),
    scene.carrier('old', [1], { attachments: rotations }),
  ])
  assert.equal([sequenceOf(told), told.authority.rotations.length], [3, 1])
  assert.equal(outcomes(told), { root: 'newest', old: 'older' })

  const fork = await Scene.of(2)
  const rival = await fork.author.fork().publish([{ key: utf8('x'), value: utf8('x') }])
  const own = await fork.author.publish([{ key: utf8('k'), value: utf8('own') }])
  const conflict = findConflict(rival, own)
  assert.ok(conflict)
  const evidence = new Map([[ATTACHMENT_IDS.evidence, encodeEvidence(conflict)]])
  const halted = await fork.resolve([
    fork.carrier('root', [own]),
    fork.carrier('warns', [1], { attachments: evidence }),
  ])
  assert.equal([sequenceOf(halted), halted.evidence.length], [undefined, 1])
  assert.is(resolveFailure('cities', halted)?.code, 'EQUIVOCATION')
})

test('a fork that has ended is not why a new reader takes nothing', async () => {
  const scene = await Scene.of(1)
  const rival = await scene.author.fork().publish([{ key: utf8('x'), value: utf8('x') }])
  const own = await scene.author.publish([{ key: utf8('k'), value: utf8('own') }])
  const conflict = findConflict(rival, own)
  assert.ok(conflict)
  const attachments = new Map([[ATTACHMENT_IDS.evidence, encodeEvidence(conflict)]])
  const ended = await scene.author.publish([{ key: utf8('k'), value: utf8('joined') }], { epoch: 1 })
  const halted = await scene.resolve([scene.carrier('a', [own], { attachments })], { quorum: 2 })
  assert.is(resolveFailure('cities', halted, 2)?.code, 'EQUIVOCATION')
  const resolved = await scene.resolve([scene.carrier('a', [ended], { attachments })], { quorum: 2 })
  assert.equal([sequenceOf(resolved), outcomes(resolved)], [undefined, { a: 'unsupported' }])
  assert.is(resolveFailure('cities', resolved, 2)?.code, 'QUORUM_MISSED')
})

test('two rotations for one epoch: evidence, and the first one seen stands', async () => {
  const scene = await Scene.of(1)
  const { author, signer } = scene.author
  const chains = await Promise.all(
    ['one', 'two'].map(async (label) => {
      const bytes = await signRotation(signer, { author, epoch: 1, newKey: signerOf(label).publicKey })
      return new Map([[ATTACHMENT_IDS.rotations, encodeRotations({ author, rotations: [decodeRotation(bytes)] })]])
    }),
  )
  const carriers = chains.map((attachments, i) => scene.carrier(`c${i}`, [1], { attachments }))
  const resolved = await scene.resolve(carriers)
  assert.equal(
    [resolved.authority.rotations.length, resolved.evidence[0]?.kind, resolved.floor.evidence[0]?.epoch],
    [1, 'rotations', 1],
  )
  // Epoch 0 goes on.
  assert.is(sequenceOf(resolved), 1)
})

test('nobody there, nothing there, and no carrier at all are different failures, with what each said', async () => {
  const scene = await Scene.of(1)
  const away = scene.carrier('away', [], { isAway: true })
  const cases: readonly (readonly [readonly Carrier[], string])[] = [
    [[], 'PEER_UNREACHABLE'],
    [[away, scene.carrier('silent', [], { isSilent: true })], 'PEER_UNREACHABLE'],
    [[away, scene.carrier('none')], 'ROOT_NOT_FOUND'],
    [[away, scene.carrier('garbage', [utf8('x')])], 'ROOT_NOT_FOUND'],
  ]
  for (const [carriers, code] of cases) {
    const error = await failureOf(scene.resolution(carriers))
    assert.equal([error.code, (error.details['carriers'] as unknown[]).length], [code, carriers.length])
  }
  // With a floor, somebody who answers is enough.
  await scene.resolve([scene.carrier('one', [1])])
  assert.is((await scene.resolution([scene.carrier('none')])).root.payload.sequence, 1)
  assert.is((await failureOf(scene.resolution([away]))).code, 'PEER_UNREACHABLE')
})

test('a root of the future, and one of a newer format, are refused with a reason', async () => {
  const scene = await Scene.of(1)
  const future = await scene.author.publish([{ key: utf8('k'), value: utf8('f') }], {
    now: Math.floor(scene.clock.now() / 1000) + 3_600,
  })
  const resolved = await scene.resolve([scene.carrier('one', [1]), scene.carrier('ahead', [future])])
  assert.equal([sequenceOf(resolved), outcomes(resolved)], [1, { one: 'newest', ahead: 'refused' }])
  assert.match(resolved.carriers[1]?.reason ?? '', /issued 3600 s ahead/)
})

test('those behind are told the newest with what travels beside it; read-only, silent and refusing ones hold nothing up', async () => {
  const scene = await Scene.of(3)
  const envelope = new Map([[ATTACHMENT_IDS.bep44 as number, utf8('envelope')]])
  const old = scene.carrier('old', [1])
  const none = scene.carrier('none')
  const newest = scene.carrier('new', [3], { attachments: envelope })
  const stuck = Object.assign(scene.carrier('stuck', [2]), { put: () => new Promise(() => {}) }) as Carrier
  const refusing = Object.assign(scene.carrier('refusing', [2]), {
    put: () => Promise.reject(new Error('no')),
  }) as Carrier
  const mute = scene.carrier('mute', [2], { isReadOnly: true })
  const { told } = await scene.resolution([old, none, newest, stuck, refusing, mute])
  assert.equal(
    told.map(({ name, receipt }) => [name, receipt?.stored]),
    [
      ['old', 1],
      ['none', 1],
      ['stuck', undefined],
      ['refusing', undefined],
      ['mute', undefined],
    ],
  )
  assert.equal([old.told.length, none.told.length, newest.told.length], [1, 1, 0])
  assert.equal(old.told[0]?.signedRoot, scene.at(3).bytes)
  assert.equal(old.told[0]?.attachments, envelope)
})

test('a flood of roots from one carrier: only the first few are looked at', async () => {
  const scene = await Scene.of(SHOWN_MAX + 2)
  const flood = Array.from({ length: SHOWN_MAX + 2 }, (_, i) => i + 1)
  assert.is(sequenceOf(await scene.resolve([scene.carrier('flood', flood)])), SHOWN_MAX)
})

test.run()
