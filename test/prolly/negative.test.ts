/**
 * Trees that must be rejected, with the rule of docs/spec/tree.md, 4 that fails first: the same verdict from a whole
 * check, from a replica that holds nothing and from one that holds every sound subtree the forger could have used.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CODEC_DAG_CBOR, type Link, linkMapKey, parseLink } from '../../src/link.ts'
import { checkTree, type Format, FORMAT_1, Node, type TreeRef } from '../../src/prolly/index.ts'
import { type NegativeVector, loadNegative, ownVectors, sharedVectors } from '../support/tree-vectors.ts'
import { judgeTree, recordEverythingSound, type Records } from '../support/tree-walk.ts'

const test = suite('prolly/negative')
const shared = sharedVectors()

interface Source {
  readonly map: ReadonlyMap<string, Uint8Array>
  get(link: Link): Uint8Array | undefined
}

/** As a reader that also answers batches. */
function reader(source: Source): Parameters<typeof checkTree>[0] {
  return { get: (link) => source.get(link), getMany: (links) => links.map((link) => source.get(link)) }
}

async function assertChecked(vector: NegativeVector, source: Source, ref: TreeRef, format: Format): Promise<void> {
  const report = await checkTree(reader(source), ref, { format })
  const [first] = report.problems
  assert.is(first?.rule, vector.rule, `${vector.name}: ${first?.message ?? 'accepted'}`)
  assert.is(first?.kind, vector.rule === 1 ? 'corrupt' : 'malformed', vector.name)
}

function assertJudged(vector: NegativeVector, source: Source, ref: TreeRef, format: Format): void {
  const fresh = judgeTree(source, ref, format)
  assert.is(fresh.rule, vector.rule, `${vector.name}: fresh`)
  const everything = recordEverythingSound(source, format)
  const warm = judgeTree(source, ref, format, { held: everything })
  assert.is(warm.rule, vector.rule, `${vector.name}: holding ${everything.size} sound subtrees`)
  assert.is(warm.cid, fresh.cid, `${vector.name}: the same block is to blame`)
  assert.ok(warm.nodes <= fresh.nodes)
}

/** The trees a vector names as held are sound, and holding them changes nothing. */
function assertHeld(vector: NegativeVector, source: Source, ref: TreeRef, format: Format): void {
  const records: Records = new Map()
  for (const cid of vector.held ?? []) {
    const root = parseLink(cid)
    const bytes = source.get(root)
    if (bytes === undefined) throw new Error(`${vector.name}: ${cid} is not among the blocks`)
    const node = Node.decode(bytes)
    const sound = judgeTree(source, { root, entries: node.entries, bytes: node.totalBytes }, format, { records })
    assert.is(sound.rule, undefined, `${vector.name}: held tree ${cid}`)
  }
  assert.is(
    judgeTree(source, ref, format, { held: records }).rule,
    vector.rule,
    `${vector.name}: holding what it names`,
  )
}

async function assertRejected(vector: NegativeVector): Promise<void> {
  const { blocks, ref } = loadNegative(vector)
  const format = vector.format ?? FORMAT_1
  assertJudged(vector, blocks, ref, format)
  // The whole check goes on after a problem, so its first one may be deeper only where several rules are broken.
  await assertChecked(vector, blocks, ref, format)
  assertHeld(vector, blocks, ref, format)
}

for (const vector of ownVectors().negatives) {
  test(`${vector.name}: rule ${vector.rule}`, async () => assertRejected(vector))
}

const sharedTest = shared === undefined ? test.skip : test
sharedTest(`shared negative trees${shared === undefined ? ' (skipped: no shared folder)' : ''}`, async () => {
  const vectors = shared?.negatives ?? []
  assert.is(vectors.length, 36)
  for (const vector of vectors) await assertRejected(vector)
})

test('skipping by CID alone would accept forgeries that the rule for held subtrees refuses', () => {
  const accepted = ownVectors().negatives.filter((vector) => {
    const { blocks, ref } = loadNegative(vector)
    const format = vector.format ?? FORMAT_1
    const held = recordEverythingSound(blocks, format)
    return judgeTree(blocks, ref, format, { held, reuse: (_, claim) => claim.level !== undefined }).rule === undefined
  })
  assert.ok(accepted.length >= 2, `accepted: ${accepted.map(({ name }) => name).join(', ')}`)
})

test('a node is never taken for the value of the same bytes, nor the other way round', () => {
  const vector = ownVectors().negatives.find(({ name }) => name === 'value-of-raw-node-bytes-lies-about-its-size')
  if (vector === undefined) return assert.unreachable('the vector is there')
  const { blocks } = loadNegative(vector)
  const held = recordEverythingSound(blocks, vector.format ?? FORMAT_1)
  for (const [id, record] of held) {
    assert.is(id.charCodeAt(1), CODEC_DAG_CBOR)
    assert.is(id, linkMapKey(record.link))
  }
})

test.run()
