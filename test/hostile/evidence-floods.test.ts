/** Threats 6 and 32, from those who ask: evidence costs signatures to look at, so whoever sends much of it must not cost much. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS, encodeAttachments } from '../../src/carriers/attachments.ts'
import { Hearing } from '../../src/db/roots/hearing.ts'
import { readFloor } from '../../src/db/roots/standing.ts'
import type { Replica } from '../../src/db/index.ts'
import { encodeEvidence, type Evidence, EVIDENCE_EPOCHS_MAX, findConflict } from '../../src/pointer/index.ts'
import { DatabaseLab, utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('hostile/evidence-floods')

const clock = new VirtualClock()
const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]
/** More than are looked at at once. */
const MANY = 200

async function evidenceOf(epoch: number, label = 'rogue', name = 'cities'): Promise<Evidence> {
  const author = new RogueAuthor(clock, label, name)
  const other = author.fork()
  const found = findConflict(await author.publish(rows('a'), { epoch }), await other.publish(rows('b'), { epoch }))
  if (found === undefined) throw new Error('expected a conflict')
  return found
}

function said(bytes: Uint8Array): Uint8Array {
  return encodeAttachments(new Map([[ATTACHMENT_IDS.evidence, bytes]]))
}

/** With another signature each. */
function forged(real: Uint8Array, i: number): Uint8Array {
  return real.with(-2 - (i % 32), (real.at(-2 - (i % 32)) ?? 0) ^ (1 + Math.floor(i / 32)))
}

async function served(): Promise<{ replica: Replica; hearing: Hearing; kept: () => Promise<number[]> }> {
  const replica = await new DatabaseLab(clock).replica(new RogueAuthor(clock), [])
  const kept = async (): Promise<number[]> => (await readFloor(replica.state)).evidence.map(({ epoch }) => epoch)
  return { replica, hearing: new Hearing(replica.state), kept }
}

/** One is refused after its burst of 4: this uses up what all may have. */
async function flood(hearing: Hearing, real: Uint8Array): Promise<void> {
  for (let i = 0; i < MANY; i++) await hearing.hear(said(forged(real, i)), `host ${i % 20}`)
}

test('of a flood of forgeries only so many are looked at; what is true is heard a little later', async () => {
  const { hearing, kept } = await served()
  const real = encodeEvidence(await evidenceOf(0))
  await flood(hearing, real)
  await hearing.hear(said(real), 'friend')
  assert.equal(await kept(), [], 'nobody looks at any more now')
  await clock.run(clock.sleep(1_000))
  await hearing.hear(said(real), 'friend')
  assert.equal(await kept(), [0])
})

test('what one host says does not keep the others from being heard', async () => {
  const { hearing, kept } = await served()
  const real = encodeEvidence(await evidenceOf(0))
  for (let i = 0; i < MANY; i++) await hearing.hear(said(forged(real, i)), 'foe')
  await hearing.hear(said(real), 'foe')
  assert.equal(await kept(), [], 'it has had its share')
  await hearing.hear(said(real), 'friend')
  assert.equal(await kept(), [0], 'at once')
})

test('a host that said what is false is heard again after a while', async () => {
  const { hearing, kept } = await served()
  const real = encodeEvidence(await evidenceOf(0))
  for (let i = 0; i < MANY; i++) await hearing.hear(said(forged(real, i)), 'both')
  await clock.run(clock.sleep(9_000))
  await hearing.hear(said(real), 'both')
  assert.equal(await kept(), [])
  await clock.run(clock.sleep(1_000))
  await hearing.hear(said(real), 'both')
  assert.equal(await kept(), [0])
})

test('of very many hosts those that were not heard for longest are forgotten, and get no more than all may have', async () => {
  const { hearing, kept } = await served()
  const real = encodeEvidence(await evidenceOf(0))
  for (let i = 0; i < MANY; i++) await hearing.hear(said(forged(real, i)), 'first')
  for (let i = 0; i < 1024; i++) await hearing.hear(said(forged(real, i % MANY)), `host ${i}`)
  await hearing.hear(said(real), 'first')
  assert.equal(await kept(), [], 'forgotten, and yet not heard')
  await clock.run(clock.sleep(1_000))
  await hearing.hear(said(real), 'first')
  assert.equal(await kept(), [0])
})

test('what is known, of another database, or too old to be kept costs nothing, however often it comes', async () => {
  const { hearing, kept } = await served()
  const known = said(encodeEvidence(await evidenceOf(20)))
  await hearing.hear(known, 'a')
  const foreign = [await evidenceOf(5, 'stranger'), await evidenceOf(5, 'rogue', 'towns')].map((each) =>
    said(encodeEvidence(each)),
  )
  for (const bytes of [known, ...foreign]) for (let i = 0; i < MANY; i++) await hearing.hear(bytes, 'a')
  for (let epoch = 21; epoch < 20 + EVIDENCE_EPOCHS_MAX; epoch++) {
    await hearing.hear(said(encodeEvidence(await evidenceOf(epoch))), `of ${epoch}`)
  }
  assert.is((await kept()).length, EVIDENCE_EPOCHS_MAX)
  const old = said(encodeEvidence(await evidenceOf(19)))
  for (let i = 0; i < MANY; i++) await hearing.hear(old, 'a')
  // Nothing was used up, though no time has passed.
  await hearing.hear(said(encodeEvidence(await evidenceOf(100))), 'a')
  assert.equal((await kept())[0], 100)
})

test('whatever bytes come, nothing is thrown and nothing is kept', async () => {
  const { hearing, kept } = await served()
  const real = encodeEvidence(await evidenceOf(0))
  for (let cut = 1; cut < 64; cut++) {
    await hearing.hear(said(real).slice(cut), 'a')
    await hearing.hear(said(real.slice(0, -7 * cut)), 'a')
    await hearing.hear(encodeAttachments(new Map([[ATTACHMENT_IDS.rotations, real.slice(cut)]])), 'a')
  }
  assert.equal(await kept(), [])
})

test.run()
