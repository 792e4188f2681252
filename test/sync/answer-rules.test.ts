/** Which answers break the protocol, and which bring a peer a second of patience: crumbs do not, however they are cut. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CODEC_DAG_CBOR, linkTo } from '../../src/link.ts'
import { PATCH_PAGE_ROWS_GOOD } from '../../src/sync/limits.ts'
import { dataBytesMaxOf, judgeAnswer, type Question } from '../../src/sync/peers/answer-rules.ts'
import type { Answer } from '../../src/sync/wire/index.ts'
import { u32be } from '../support/tree-sets.ts'

const MIB = 1024 * 1024
const root = linkTo(CODEC_DAG_CBOR, u32be(1))
const links = [1, 2, 3].map((i) => linkTo(CODEC_DAG_CBOR, u32be(i)))
const node = new Uint8Array(4000)

const getBlocks: Question = { type: 'get blocks', id: 1, root, links, bytesMax: MIB }
const getRange: Question = { type: 'get range', id: 1, root, base: null, links, bytesMax: 10_000 }
const getPatch: Question = {
  type: 'get patch',
  id: 1,
  from: root,
  to: root,
  after: null,
  until: null,
  bytesMax: 10_000,
}
const getHave: Question = { type: 'get have', id: 1, root, links }

const rows = (count: number, bytes: number, isLast = false): Answer => ({
  type: 'patch',
  id: 1,
  keys: Array.from({ length: count }, (_, i) => u32be(i)),
  values: Array.from({ length: count }, () => new Uint8Array(bytes)),
  isLast,
})

const test = suite('sync/answer-rules')

test('a second is for all that was asked for, or half of the budget', () => {
  const earns = (question: Question, answer: Answer): boolean => {
    const { broken, earns: does } = judgeAnswer(question, answer)
    assert.is(broken, undefined)
    return does
  }
  assert.ok(earns(getBlocks, { type: 'blocks', id: 1, blocks: [node, null, node] }))
  assert.ok(earns(getRange, { type: 'range', id: 1, blocks: [node, node] }))
  assert.not(earns(getRange, { type: 'range', id: 1, blocks: [node] }))
  assert.ok(earns(getPatch, rows(60, 80)))
  assert.ok(earns(getPatch, rows(1, 0, true)), 'the last page')
  assert.not(earns(getPatch, rows(40, 80)))
  assert.not(earns({ ...getPatch, bytesMax: MIB }, rows(PATCH_PAGE_ROWS_GOOD - 1, 0)))
  assert.ok(earns({ ...getPatch, bytesMax: MIB }, rows(PATCH_PAGE_ROWS_GOOD, 0)))
  assert.ok(earns(getHave, { type: 'refusal', id: 1, reason: 'busy' }))
})

test('more than was asked for, less than would fit, and something else', () => {
  const broken: readonly (readonly [Question, Answer])[] = [
    [getBlocks, { type: 'blocks', id: 1, blocks: [node, node, node, node] }],
    [getBlocks, { type: 'blocks', id: 1, blocks: [node, node] }],
    [getBlocks, { type: 'range', id: 1, blocks: [node] }],
    [
      { ...getBlocks, bytesMax: 7000 },
      { type: 'blocks', id: 1, blocks: [node, node] },
    ],
    [getRange, { type: 'range', id: 1, blocks: [node, node, node] }],
    [getPatch, rows(300, 80)],
    [getPatch, rows(0, 0)],
    [{ ...getPatch, after: u32be(0) }, rows(2, 1)],
    [{ ...getPatch, until: u32be(0) }, rows(2, 1)],
    [getHave, { type: 'have', id: 1, has: [true] }],
  ]
  for (const [question, answer] of broken) assert.ok(judgeAnswer(question, answer).broken !== undefined)
})

test('the one block or row that is always allowed counts for what may be unpacked', () => {
  assert.is(dataBytesMaxOf({ ...getRange, bytesMax: 1 }), MIB)
  assert.is(dataBytesMaxOf({ ...getPatch, bytesMax: 1 }), 2048)
  assert.is(dataBytesMaxOf(getPatch), 10_000)
  assert.is(dataBytesMaxOf(getHave), 0)
})

test.run()
