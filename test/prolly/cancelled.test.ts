/**
 * Builds and edits that are cancelled, or whose input turns out wrong, after any number of entries: the reason as it was
 * given, a tree that stays as it was, blocks that nothing refers to and nothing else, and a sink that serves the next try.
 */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { type Link, linkTo, linkCodec, linkMapKey } from '../../src/link.ts'
import {
  buildTree,
  checkTree,
  editTree,
  type Format,
  type Put,
  type Source,
  Tree,
  type TreeRef,
} from '../../src/prolly/index.ts'
import { BlockMap } from '../support/blocks.ts'
import { assertProperty } from '../support/property.ts'
import { asyncOf, blockSet, DEEP, refText, treeOf, u32be, WIDE } from '../support/tree-sets.ts'

const test = suite('prolly/cancelled')

/** Rows after which the signal is looked at, at the latest. */
const HEEDED_WITHIN = 256
const ROWS = 1500

/** Even keys to build with; and values on both sides of inline. */
const rows: readonly Put[] = Array.from({ length: ROWS }, (_, i) => ({
  key: u32be(2 * i),
  value: new Uint8Array(i % 40),
}))
const edits: readonly Put[] = rows.map(({ value }, i) => ({ key: u32be(2 * i + (i % 3 === 0 ? 0 : 1)), value }))

interface Trial {
  readonly name: string
  readonly format: Format
  readonly input: readonly Put[]
  /** What is in the sink before. */
  readonly base: Tree | undefined
  readonly sink: BlockMap
  write(input: Source<Put>, signal?: AbortSignal): Promise<TreeRef>
}

async function trials(): Promise<Trial[]> {
  const out: Trial[] = []
  for (const format of [DEEP, WIDE]) {
    const sink = new BlockMap()
    out.push({
      name: 'build',
      format,
      input: rows,
      base: undefined,
      sink,
      write: async (input, signal) => buildTree(input, sink, { format, signal }),
    })
    const held = new BlockMap()
    const base = await treeOf(rows, format, held)
    out.push({
      name: 'edit',
      format,
      input: edits,
      base,
      sink: held,
      write: async (input, signal) => editTree(base, input, held, { format, signal }),
    })
  }
  return out
}

async function outcome(writing: Promise<TreeRef>): Promise<{ readonly ref: TreeRef } | { readonly error: unknown }> {
  return await writing.then(
    (ref) => ({ ref }),
    (error: unknown) => ({ error }),
  )
}

/** Every block is the bytes of its link, and the base is as it was: what was written besides stands alone. */
async function assertUnharmed({ base, sink }: Trial, before: ReadonlySet<string>): Promise<void> {
  for (const [id, bytes] of sink.map) {
    const link: Link = Uint8Array.from(id, (c) => c.charCodeAt(0))
    assert.is(linkMapKey(linkTo(linkCodec(link), bytes)), id)
  }
  if (base === undefined) return
  const again = await Tree.open(sink, base.ref.root)
  assert.is(refText(again.ref), refText(base.ref))
  assert.equal(await blockSet(again, true), before)
}

function* abortingAt(input: readonly Put[], at: number, abort: () => void): Generator<Put> {
  for (const [i, row] of input.entries()) {
    if (i === at) abort()
    yield row
  }
}

test('aborted at every n-th entry: the reason, nothing else changed, and the next try gives the tree', async () => {
  for (const trial of await trials()) {
    const { name, input, base, write } = trial
    const before = base === undefined ? new Set<string>() : await blockSet(base, true)
    const whole = refText(await write(input))
    let completed = 0
    for (let at = 0; at < input.length; at += 61) {
      const controller = new AbortController()
      const source = abortingAt(input, at, () => controller.abort())
      const result = await outcome(write(at % 2 === 0 ? source : asyncOf(source), controller.signal))
      if ('error' in result) {
        assert.is(result.error, controller.signal.reason, `${name} at ${at}`)
        assert.is((result.error as Error).name, 'AbortError')
      } else {
        assert.ok(at > input.length - HEEDED_WITHIN, `${name} at ${at}: not heeded`)
        assert.is(refText(result.ref), whole, 'who finishes in time, finishes whole')
        completed++
      }
    }
    assert.ok(completed <= 5, `${completed} were not heeded`)
    await assertUnharmed(trial, before)
    assert.is(refText(await write(input)), whole)
  }
})

/** Which item is wrong, and how. */
interface Fault {
  readonly at: number
  readonly isDuplicate: boolean
  readonly isLate: boolean
}

/** The item at `at` is the one before it again, or one from before that. */
function spoilt(input: readonly Put[], { at, isDuplicate, isLate }: Fault): Source<Put> {
  const wrong = input.slice()
  wrong[at] = input[isDuplicate ? at - 1 : Math.floor((at - 1) / 2)] as Put
  return isLate ? asyncOf(wrong) : wrong
}

test('unsorted and duplicate input at any place: its position, nothing else changed, and the next try gives the tree', async () => {
  const fault = fc.record({
    at: fc.integer({ min: 2, max: ROWS - 1 }),
    isDuplicate: fc.boolean(),
    isLate: fc.boolean(),
  })
  for (const trial of await trials()) {
    const { name, format, input, base, sink, write } = trial
    const before = base === undefined ? new Set<string>() : await blockSet(base, true)
    await assertProperty(
      fc.asyncProperty(fault, async (spoiling) => {
        const result = await outcome(write(spoilt(input, spoiling)))
        const code = spoiling.isDuplicate ? 'INPUT_DUPLICATE_KEY' : 'INPUT_UNSORTED'
        if (!('error' in result) || !isCoppiceError(result.error, code)) throw new Error(`${name}: expected ${code}`)
        assert.is(result.error.details['position'], spoiling.at)
      }),
      15,
    )
    await assertUnharmed(trial, before)
    const ref = await write(input)
    assert.is((await checkTree(sink, ref, { format })).problemCount, 0)
  }
})

test.run()
