/**
 * Every subset of the carriers dead or lying (THREATS rows 2, 4, 12, 15): the reader ends with the newest honest root reachable, or says
 * why not. All combinations of what five carriers may do to one question, and every subset of them in real pulls.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import type { Carrier } from '../../src/carriers/carrier.ts'
import { resolveFailure } from '../../src/carriers/resolve-failure.ts'
import { type CarrierOutcome, resolve, type Resolved } from '../../src/carriers/resolve.ts'
import { Replica } from '../../src/db/index.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { createAuthority, createFloor, encodeSignedRoot, type SignedRoot } from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { DatabaseLab, text, thrownBy, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { carriersOf, ScriptedCarrier } from '../support/scripted-carrier.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('hostile/fault-matrix')

const CARRIERS = ['peers', 'dht', 'ipns', 'bep44', 'mirror'] as const
/** `forged`: the newest root with another signature, and a stranger's. `fork`: a second root of the newest's sequence, by the same key. */
const DEEDS = ['honest', 'dead', 'silent', 'empty', 'older', 'forged', 'fork'] as const
type Deed = (typeof DEEDS)[number]

const NEWEST = 3
const DEADLINE_MS = 1_000
/** Questions under way at once. */
const BATCH = 343

class Scene {
  readonly clock: VirtualClock = new VirtualClock()
  readonly author: RogueAuthor = new RogueAuthor(this.clock)
  readonly roots: SignedRoot[] = []
  rival!: SignedRoot
  forged!: Uint8Array
  foreign!: Uint8Array

  static async create(): Promise<Scene> {
    const scene = new Scene()
    const { author } = scene
    const rowOf = (mark: string): { key: Uint8Array; value: Uint8Array } => ({ key: utf8('k'), value: utf8(mark) })
    for (let i = 1; i < NEWEST; i++) scene.roots.push(await author.publish([rowOf(`${i}`)]))
    const fork = author.fork()
    scene.rival = await fork.publish([rowOf('rival')])
    const newest = await author.publish([rowOf(`${NEWEST}`)])
    scene.roots.push(newest)
    const [signature] = newest.signatures
    assert.ok(signature)
    const flipped = {
      key: signature.key,
      signature: signature.signature.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
    }
    scene.forged = encodeSignedRoot(newest.payloadBytes, [flipped])
    scene.foreign = (await new RogueAuthor(scene.clock, 'stranger').publish([rowOf('x')])).bytes
    return scene
  }

  at(sequence: number): SignedRoot {
    return this.roots[sequence - 1] as SignedRoot
  }

  shownBy(deed: Deed): readonly Uint8Array[] {
    switch (deed) {
      case 'honest':
        return [this.at(NEWEST).bytes]
      case 'older':
        return [this.at(1).bytes]
      case 'forged':
        return [this.foreign, this.forged]
      case 'fork':
        return [this.rival.bytes]
      default:
        return []
    }
  }

  carrier(name: string, deed: Deed): Carrier {
    const options = { isSilent: deed === 'silent', isAway: deed === 'dead' }
    return new ScriptedCarrier(name, this.clock, this.shownBy(deed), options)
  }
}

const OUTCOME_OF: Readonly<Record<Deed, readonly CarrierOutcome[]>> = {
  honest: ['newest', 'fork'],
  dead: ['failed'],
  silent: ['late'],
  empty: ['nothing'],
  older: ['older', 'newest'],
  forged: ['invalid'],
  fork: ['fork', 'newest'],
}

/** What the reader has to end with, by what the carriers do and nothing else. */
function expected(deeds: readonly Deed[]): string {
  const has = (deed: Deed): boolean => deeds.includes(deed)
  // Nothing shows that there is a fork where one side of it is all that anybody shows.
  if (has('honest') && has('fork')) return 'EQUIVOCATION'
  if (has('honest')) return `@${NEWEST}`
  if (has('fork')) return 'rival'
  if (has('older')) return '@1'
  return has('empty') || has('forged') ? 'ROOT_NOT_FOUND' : 'PEER_UNREACHABLE'
}

function outcomeOf(scene: Scene, resolved: Resolved): string {
  const failure = resolveFailure(scene.author.name, resolved)
  if (failure !== undefined) return failure.code
  const { root } = resolved.floor.accepted ?? {}
  assert.ok(root)
  return equalBytes(root.link, scene.rival.link) ? 'rival' : `@${root.payload.sequence}`
}

function* combinations(length: number): Generator<readonly Deed[], void, undefined> {
  if (length === 0) return yield []
  for (const rest of combinations(length - 1)) for (const deed of DEEDS) yield [...rest, deed]
}

test('one question to five carriers, each doing each of seven things: 16,807 combinations', async () => {
  const scene = await Scene.create()
  const { author, clock } = scene
  const known = { floor: createFloor(author.author, author.name), authority: createAuthority(author.author) }
  const seen: Record<string, number> = {}
  for (const batch of batches([...combinations(CARRIERS.length)])) {
    const questions = batch.map(async (deeds) => {
      const carriers = deeds.map((deed, i) => scene.carrier(CARRIERS[i] as string, deed))
      const resolved = await resolve(author, carriers, known, { clock, deadlineMs: DEADLINE_MS })
      const outcome = outcomeOf(scene, resolved)
      assert.is(outcome, expected(deeds), deeds.join())
      for (const [i, { outcome: said }] of resolved.carriers.entries()) {
        assert.ok(OUTCOME_OF[deeds[i] as Deed].includes(said), `${CARRIERS[i]} is reported as ${said}: ${deeds.join()}`)
      }
      seen[outcome] = (seen[outcome] ?? 0) + 1
    })
    await clock.run(Promise.all(questions))
  }
  assert.equal(seen, {
    '@3': 4651,
    '@1': 2101,
    rival: 4651,
    EQUIVOCATION: 4380,
    ROOT_NOT_FOUND: 992,
    PEER_UNREACHABLE: 32,
  })
})

function* batches<T>(items: readonly T[]): Generator<readonly T[], void, undefined> {
  for (let i = 0; i < items.length; i += BATCH) yield items.slice(i, i + BATCH)
}

/** At the start the replica has the root before the newest; the peer has the blocks of all, whatever it shows. */
test('every subset of the carriers dead or lying, each in every way, while a replica pulls: 187 pulls', async () => {
  const scene = await Scene.create()
  let count = 0
  for (const deed of DEEDS.filter((each) => each !== 'honest')) {
    for (let subset = 0; subset < 2 ** CARRIERS.length; subset++) {
      if (subset === 0 && deed !== 'dead') continue
      const deeds = CARRIERS.map((_, i): Deed => ((subset >> i) & 1 ? deed : 'honest'))
      await pullWhere(scene, deeds)
      count++
    }
  }
  assert.is(count, 1 + 31 * (DEEDS.length - 1))
})

async function pullWhere(scene: Scene, deeds: readonly Deed[]): Promise<void> {
  const { author, clock } = scene
  const lab = new DatabaseLab(clock)
  const [peerDeed = 'dead', ...others] = deeds
  lab.handle('peer', author.showing(scene.at(NEWEST - 1)))
  const carriers = others.map((deed, i) => scene.carrier(CARRIERS[i + 1] as string, deed))
  const store = new MemoryStore()
  await store.write({ meta: Replica.initialMeta(author.author, author.name, ['peer', 'blocks']) })
  const replica = await Replica.load(store, {
    clock,
    random: () => 0.5,
    isWritable: true,
    network: lab.network,
    carriers: carriersOf(...carriers),
  })
  // Before the carriers turn: the floor is at the second root.
  await clock.run(replica.pull({ from: [await lab.network.dialer('peer')] }))
  const [shown] = scene.shownBy(peerDeed)
  if (shown === undefined) lab.stop('peer')
  else lab.handle('peer', author.showingBytes(shown))
  // Somebody who has all blocks and shows an old root, as a gateway does.
  lab.handle('blocks', author.showing(scene.at(1)))
  const error = await clock.run(thrownBy(replica.pull()).catch(() => undefined))
  const value = text(await replica.get(utf8('k')))
  const label = deeds.join()
  if (deeds.includes('honest') && deeds.includes('fork')) {
    assert.ok(isCoppiceError(error, 'EQUIVOCATION'), label)
    assert.is(value, `${NEWEST - 1}`, label)
  } else if (deeds.includes('honest')) {
    assert.is(error, undefined, label)
    assert.is(value, `${NEWEST}`, label)
  } else {
    // Never below the floor, whatever is shown.
    assert.ok(error !== undefined || value !== '1', label)
    assert.ok(value === `${NEWEST - 1}` || (deeds.includes('fork') && value === 'rival'), `${label}: ${value}`)
  }
  await clock.run(replica.close())
}

test.run()
