/** Batches against a sorted map: any commands, kept or aborted, give the same reads, and one root. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database, Transaction } from '../../src/db/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { collect, createDatabase, text, utf8 } from '../support/database-lab.ts'
import { assertProperty } from '../support/property.ts'

const test = suite('db/batch-model')

const KEYS = 40

type Command =
  | { readonly type: 'put'; readonly key: number; readonly value: string }
  | { readonly type: 'del'; readonly key: number }
  | { readonly type: 'get'; readonly key: number }
  | {
      readonly type: 'scan'
      readonly start: number
      readonly end: number
      readonly reverse: boolean
      readonly limit: number
    }
  | { readonly type: 'count'; readonly start: number; readonly end: number }
  | { readonly type: 'apply'; readonly edits: readonly (readonly [key: number, value: string | null])[] }

const key = fc.nat(KEYS - 1)
const value = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.nat(3000).map((n) => 'x'.repeat(n)),
)
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('put' as const), key, value }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('del' as const), key }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('get' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('scan' as const),
      start: key,
      end: key,
      reverse: fc.boolean(),
      limit: fc.nat(KEYS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('count' as const), start: key, end: key }) },
  {
    weight: 1,
    arbitrary: fc
      .uniqueArray(fc.tuple(key, fc.option(value)), { selector: ([k]) => k, maxLength: 10 })
      .map((edits) => ({ type: 'apply' as const, edits: edits.toSorted(([a], [b]) => a - b) })),
  },
)

const keyOf = (n: number): Uint8Array => utf8(`k${String(n).padStart(2, '0')}`)
type Model = Map<number, string>

function rowsOf(model: Model, start = 0, end = KEYS, reverse = false): [string, string][] {
  const rows = [...model]
    .filter(([k]) => k >= start && k < end)
    .toSorted(([a], [b]) => a - b)
    .map(([k, v]): [string, string] => [`k${String(k).padStart(2, '0')}`, v])
  return reverse ? rows.toReversed() : rows
}

async function run(tx: Transaction, model: Model, step: Command): Promise<void> {
  switch (step.type) {
    case 'put':
      model.set(step.key, step.value)
      return tx.put(keyOf(step.key), utf8(step.value))
    case 'del':
      return assert.is(await tx.del(keyOf(step.key)), model.delete(step.key))
    case 'get':
      return assert.is(text(await tx.get(keyOf(step.key))), model.get(step.key))
    case 'scan': {
      const { start, end, reverse, limit } = step
      const rows = await collect(tx.scan({ start: keyOf(start), end: keyOf(end), reverse, limit }))
      const expected = rowsOf(model, start, end, reverse).slice(0, limit)
      return assert.equal(
        rows.map((row) => [text(row.key), text(row.value)]),
        expected,
      )
    }
    case 'count':
      return assert.is(
        await tx.count({ start: keyOf(step.start), end: keyOf(step.end) }),
        rowsOf(model, step.start, step.end).length,
      )
    case 'apply': {
      const edits = step.edits.map(([k, v]): Edit => ({ key: keyOf(k), value: v === null ? null : utf8(v) }))
      for (const [k, v] of step.edits) {
        if (v === null) model.delete(k)
        else model.set(k, v)
      }
      return tx.apply(edits)
    }
  }
}

async function assertState(db: Database, model: Model): Promise<void> {
  for (const reverse of [false, true]) {
    const rows = await collect(db.scan({ reverse }))
    assert.equal(
      rows.map((row) => [text(row.key), text(row.value)]),
      rowsOf(model, 0, KEYS, reverse),
    )
  }
  assert.is(await db.count(), model.size)
}

test('any batches behave as a sorted map, kept or aborted, and the root depends on the rows alone', async () => {
  const batches = fc.array(fc.record({ steps: fc.array(command, { maxLength: 30 }), isKept: fc.boolean() }), {
    maxLength: 5,
  })
  await assertProperty(
    fc.asyncProperty(batches, async (plan) => {
      const db = await createDatabase()
      let model: Model = new Map()
      for (const { steps, isKept } of plan) {
        const before = (await db.snapshot()).root
        const inside: Model = new Map(model)
        const batch = db.batch(async (tx) => {
          for (const step of steps) await run(tx, inside, step)
          if (!isKept) throw new Error('changed my mind')
        })
        await batch.catch((error: unknown) => assert.is((error as Error).message, 'changed my mind'))
        if (isKept) model = inside
        else assert.is((await db.snapshot()).root, before)
        await assertState(db, model)
      }
      const rebuilt = await createDatabase()
      await rebuilt.batch(async (tx) => {
        for (const [k, v] of [...model].toReversed()) await tx.put(keyOf(k), utf8(v))
      })
      assert.is((await db.snapshot()).root, (await rebuilt.snapshot()).root)
    }),
    150,
  )
})

test.run()
