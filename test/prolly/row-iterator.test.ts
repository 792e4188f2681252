/**
 * Rows one at a time behave as an async generator over the same leaves does, whatever is called in which order and without
 * waiting: results, order, end, errors, and what the source of leaves is told.
 */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type LeafRows, type Node, RowIterator } from '../../src/prolly/index.ts'
import { assertProperty } from '../support/property.ts'
import { collect, DEEP, treeOf, u32be } from '../support/tree-sets.ts'

const test = suite('prolly/row-iterator')

const ROWS = 40
const tree = await treeOf(
  Array.from({ length: ROWS }, (_, i) => ({ key: u32be(i), value: u32be(i) })),
  DEEP,
)
const broken = new Error('a row that cannot be read')

type Rows = AsyncGenerator<number, void, undefined>

interface Case {
  readonly reverse: boolean
  readonly limit: number
  /** The row that fails, if any, and those that are read late. */
  readonly fails: number
  readonly late: number
  readonly calls: readonly { readonly call: 'next' | 'return' | 'throw'; readonly waits: boolean }[]
}

/** Reads row `n` as the case says: at once, late, or not at all. */
function reader({ fails, late }: Case): (leaf: Node, row: number) => number | Promise<number> {
  return (leaf, row) => {
    const n = new DataView(Uint8Array.from(leaf.key(row)).buffer).getUint32(0)
    if (n % late === 0)
      return new Promise((resolve, reject) => setImmediate(() => (n === fails ? reject(broken) : resolve(n))))
    if (n === fails) throw broken
    return n
  }
}

/** The leaves, and whether they were read to the end or given back. */
async function* watched(reverse: boolean, end: { isOver: boolean }): AsyncGenerator<LeafRows, void, undefined> {
  try {
    yield* tree.leaves({ reverse })
  } finally {
    end.isOver = true
  }
}

async function* plain(leaves: AsyncGenerator<LeafRows>, limit: number, read: ReturnType<typeof reader>): Rows {
  let left = limit
  if (left <= 0) return
  for await (const { leaf, from, to } of leaves) {
    const step = from <= to ? 1 : -1
    for (let row = from; row !== to; row += step) {
      yield await read(leaf, row)
      if (--left === 0) return
    }
  }
}

async function outcomes(rows: Rows, { calls }: Case): Promise<string[]> {
  const answers: Promise<string>[] = []
  for (const { call, waits } of calls) {
    const result = call === 'next' ? rows.next() : call === 'return' ? rows.return() : rows.throw(new Error('thrown'))
    const answer = result.then(
      ({ done, value }) => (done === true ? 'done' : String(value)),
      (error: Error) => error.message,
    )
    answers.push(answer)
    if (waits) await answer
  }
  return await Promise.all(answers)
}

const cases = fc.record({
  reverse: fc.boolean(),
  limit: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 0, max: ROWS + 2 })),
  fails: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: ROWS - 1 })),
  late: fc.integer({ min: 1, max: 6 }),
  calls: fc.array(
    fc.record({
      call: fc.oneof(
        { weight: 30, arbitrary: fc.constant('next' as const) },
        fc.constantFrom('return' as const, 'throw' as const),
      ),
      waits: fc.boolean(),
    }),
    { maxLength: ROWS + 10 },
  ),
})

test('as an async generator, under any calls', async () => {
  await assertProperty(
    fc.asyncProperty(cases, async (each) => {
      const [expectedEnd, end] = [{ isOver: false }, { isOver: false }]
      const expected = await outcomes(plain(watched(each.reverse, expectedEnd), each.limit, reader(each)), each)
      const rows = new RowIterator(watched(each.reverse, end), each.limit, reader(each))
      assert.equal(await outcomes(rows, each), expected)
      if (expected.includes('done')) assert.is(end.isOver, expectedEnd.isOver)
    }),
    500,
  )
})

test('nothing is read before the first row is asked for, and a break gives the leaves back', async () => {
  const end = { isOver: false }
  const rows = new RowIterator(watched(false, end), Number.POSITIVE_INFINITY, (leaf, row) => leaf.key(row))
  for await (const _ of rows) break
  assert.ok(end.isOver)
  assert.equal(await rows.next(), { done: true, value: undefined })
  const unread = new RowIterator(watched(false, end), 0, () => assert.unreachable('no row was asked for'))
  assert.equal(await collect(unread), [])
})

test.run()
