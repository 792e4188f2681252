/** Keeping a signed root alive on carriers that forget (docs/spec/record.md, 7), in virtual time. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS, type Carrier, type CarrierReceipt, type PointerRecord } from '../../src/carriers/index.ts'
import { keepAlive, type PutChange } from '../../src/db/announcing/keep-alive.ts'
import type { Database, Replica } from '../../src/db/index.ts'
import { keepAttachments } from '../../src/db/roots/attachments.ts'
import { CoppiceError } from '../../src/errors.ts'
import { decodeSignedRoot } from '../../src/pointer/index.ts'
import { carrierClock, carriersOf, never } from '../support/carriers-lab.ts'
import { createDatabase, DatabaseLab, utf8 } from '../support/database-lab.ts'

const test = suite('db/keep-alive')

/** What the carrier of these tests keeps a record for. */
const KEEPS_MS = 40_000

/** Remembers each put: its time and its record. */
class Forgetful implements Carrier {
  readonly name: string
  readonly source: string
  readonly keepsMs: number | null
  readonly puts: { readonly at: number; readonly record: PointerRecord }[] = []
  /** What a put comes to, by its number. */
  answer: (put: number, signal: AbortSignal) => Promise<CarrierReceipt> = () => Promise.resolve(TAKEN)
  readonly #now: () => number

  constructor(now: () => number, name = 'forgetful', keepsMs: number | null = KEEPS_MS) {
    this.#now = now
    this.name = name
    this.source = name
    this.keepsMs = keepsMs
  }

  get times(): number[] {
    return this.puts.map(({ at }) => at)
  }

  get sequences(): number[] {
    return this.puts.map(({ record }) => decodeSignedRoot(record.signedRoot).payload.sequence)
  }

  async get(): Promise<never> {
    throw new Error('nobody asks it here')
  }

  async put(_pointer: unknown, record: PointerRecord, signal: AbortSignal): Promise<CarrierReceipt> {
    this.puts.push({ at: this.#now(), record })
    return await this.answer(this.puts.length, signal)
  }

  async close(): Promise<void> {}
}

const TAKEN: CarrierReceipt = { stored: 4, newer: 0, seen: 4, refusals: [] }

class Lab {
  readonly clock = carrierClock()
  readonly begin = this.clock.now()
  readonly carrier = this.forgetful()

  forgetful(name?: string, keepsMs?: number | null): Forgetful {
    return new Forgetful(() => this.clock.now() - this.begin, name, keepsMs)
  }

  async database(expiresInSeconds?: number): Promise<Database> {
    const db = await createDatabase({ clock: this.clock })
    await db.put(utf8('a'), utf8('1'))
    await db.publish({ expiresInSeconds })
    return db
  }

  /** Keeps it alive for so long. */
  async keep(db: Database | Replica, ms: number, ...carriers: Carrier[]): Promise<void> {
    const over = new AbortController()
    const isReplica = !('publish' in db)
    const kept = keepAlive(db.state, carriersOf(...carriers), { isReplica, signal: over.signal })
    await this.clock.run(this.clock.sleep(ms))
    over.abort()
    await this.clock.run(kept)
  }
}

test('an author puts at once, and again well before the carrier forgets', async () => {
  const lab = new Lab()
  const db = await lab.database()
  await lab.keep(db, 10 * KEEPS_MS, lab.carrier)
  const { times } = lab.carrier
  assert.is(times[0], 0)
  for (const [i, at] of times.slice(1).entries()) {
    const waited = at - (times[i] ?? 0)
    assert.ok(waited >= 0.4 * KEEPS_MS && waited <= 0.6 * KEEPS_MS + 1, `waited ${waited}`)
  }
  assert.ok(times.length >= 16 && times.length <= 26, `${times.length} puts`)
  assert.ok(new Set(times.slice(1).map((at, i) => at - (times[i] ?? 0))).size > 5, 'spread')
})

test('it ends at the signed expiry, and never puts after it', async () => {
  const lab = new Lab()
  const db = await lab.database(100)
  await lab.keep(db, 400_000, lab.carrier)
  assert.ok(lab.carrier.times.every((at) => at < 100_000))
  assert.ok((lab.carrier.times.at(-1) ?? 0) >= 100_000 - 0.6 * KEEPS_MS)
  const before = lab.carrier.puts.length
  await lab.keep(db, 100_000, lab.carrier)
  assert.is(lab.carrier.puts.length, before)
})

test('a newer root takes the place of the one before, also of a put that is under way', async () => {
  const lab = new Lab()
  const db = await lab.database()
  lab.carrier.answer = (put, signal) => (put === 2 ? never(signal) : Promise.resolve(TAKEN))
  const publishing = (async () => {
    await lab.clock.sleep(0.7 * KEEPS_MS)
    assert.equal(lab.carrier.sequences, [1, 1])
    await db.publish({ refresh: true })
  })()
  await lab.keep(db, 3 * KEEPS_MS, lab.carrier)
  await publishing
  const { sequences, times } = lab.carrier
  assert.equal(sequences.slice(0, 3), [1, 1, 2])
  assert.ok(sequences.slice(2).every((sequence) => sequence === 2))
  assert.ok((times[2] ?? 0) <= 0.7 * KEEPS_MS + 1000, 'at once')
})

test('after failures it tries again, less and less often, and goes on as before when it succeeds', async () => {
  const lab = new Lab()
  const db = await lab.database()
  const slow = lab.forgetful('slow', 40 * KEEPS_MS)
  slow.answer = (put) =>
    put <= 4 ? Promise.reject(new CoppiceError('PEER_UNREACHABLE', 'nobody is there')) : Promise.resolve(TAKEN)
  await lab.keep(db, 40 * KEEPS_MS, slow, lab.carrier)
  const waits = slow.times.slice(1).map((at, i) => at - (slow.times[i] ?? 0))
  for (const [i, waited] of waits.slice(0, 4).entries()) {
    assert.ok(waited >= 15_000 * 2 ** i && waited <= 45_000 * 2 ** i + 1, `waited ${waited} after failure ${i + 1}`)
  }
  assert.ok((waits[4] ?? Infinity) >= 16 * KEEPS_MS)
  assert.ok(lab.carrier.puts.length >= 60, 'the others are put meanwhile')
})

test('one that never answers holds up nobody for longer than a put may take', async () => {
  const lab = new Lab()
  const db = await lab.database()
  const silent = lab.forgetful('silent', 40 * KEEPS_MS)
  silent.answer = (_put, signal) => never(signal)
  const patient = lab.forgetful('patient', 10 * KEEPS_MS)
  await lab.keep(db, 10 * KEEPS_MS, silent, patient)
  assert.ok(patient.puts.length >= 2)
  const [first, second] = silent.times
  assert.ok((second ?? 0) - (first ?? 0) >= 60_000)
})

test('carriers that keep for good, or can only be read, are left alone', async () => {
  const lab = new Lab()
  const db = await lab.database()
  const lasting = lab.forgetful('lasting', null)
  const readOnly: Carrier = {
    name: 'reading',
    source: 'reading',
    keepsMs: KEEPS_MS,
    get: (_pointer, signal) => never(signal),
    close: () => Promise.resolve(),
  }
  await lab.keep(db, 5 * KEEPS_MS, lasting, readOnly, lab.carrier)
  assert.is(lasting.puts.length, 0)
  assert.ok(lab.carrier.puts.length > 0)
})

test('a replica helps with the envelopes that it got, from some time after it learned of the root', async () => {
  const lab = new Lab()
  const db = await lab.database(300)
  const peers = new DatabaseLab(lab.clock)
  peers.serve('author', db)
  const replica = await peers.replica(db, ['author'])
  const { to } = await lab.clock.run(replica.pull())
  await keepAttachments(replica.state, to, new Map([[ATTACHMENT_IDS.bep44, utf8('item')]]))
  peers.stop('author')
  await db.close()
  const begin = lab.clock.now() - lab.begin
  await lab.keep(replica, 1_000_000, lab.carrier)
  const [first] = lab.carrier.puts
  assert.ok(first !== undefined && first.at - begin <= KEEPS_MS / 8 && first.at > begin)
  assert.equal(first.record.signedRoot, to.bytes)
  assert.equal([...first.record.attachments], [[ATTACHMENT_IDS.bep44, utf8('item')]])
  assert.ok(
    lab.carrier.times.every((at) => at < 300_000),
    'until the signed expiry',
  )
  assert.ok((lab.carrier.times.at(-1) ?? 0) > 250_000)
})

test('that puts begin to fail is told once, and once that they are over, whatever root it is', async () => {
  const lab = new Lab()
  const db = await lab.database()
  const told: PutChange[] = []
  const untaken = { stored: 0, newer: 0, seen: 0 }
  const good = lab.forgetful('good')
  lab.carrier.answer = (put) => {
    if (put <= 2) return Promise.reject(new CoppiceError('PEER_UNREACHABLE', 'nobody is there '.repeat(1000)))
    if (put === 3 || put === 6) return Promise.resolve({ ...untaken, refusals: ['full', 'away'] })
    return Promise.resolve(put === 7 ? { ...untaken, newer: 1, refusals: [] } : TAKEN)
  }
  const over = new AbortController()
  const kept = keepAlive(db.state, carriersOf(lab.carrier, good), {
    isReplica: false,
    signal: over.signal,
    onPutChange: (change) => told.push(change),
  })
  await lab.clock.run(lab.clock.sleep(10_000))
  assert.is(lab.carrier.puts.length, 1)
  await lab.clock.run(db.publish({ refresh: true }))
  await lab.clock.run(lab.clock.sleep(20 * KEEPS_MS))
  over.abort()
  await lab.clock.run(kept)
  assert.ok(lab.carrier.puts.length > 7)
  assert.equal(
    told.map(({ carrier, failure }) => [carrier, failure?.slice(0, 10)]),
    [
      ['forgetful', 'nobody is '],
      ['forgetful', undefined],
      ['forgetful', 'full; away'],
      ['forgetful', undefined],
    ],
  )
  assert.is(told[0]?.failure?.length, 300)
})

test('a handle that is closed keeps nothing alive', async () => {
  const lab = new Lab()
  const db = await lab.database()
  const over = new AbortController()
  const kept = keepAlive(db.state, carriersOf(lab.carrier), { isReplica: false, signal: over.signal })
  await lab.clock.run(lab.clock.sleep(1000))
  await db.close()
  await lab.clock.run(kept)
  assert.is(lab.carrier.puts.length, 1)
})

test.run()
