/** THREATS row 19: proofs that omit, that prove something else than was asked, or that cost more than they should. */
import * as dagCbor from '@ipld/dag-cbor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { copyBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_DAG_CBOR, linkMapKey, linkTo } from '../../src/link.ts'
import { Node, type Put, type Tree } from '../../src/prolly/index.ts'
import {
  checkProof,
  decodeProof,
  PROOF_BLOCKS_MAX,
  PROOF_BYTES_MAX,
  PROOF_VALUES_MAX,
  type ProofContent,
  type ProofReason,
  prove,
  type Question,
} from '../../src/proof/index.ts'
import { encodeProof } from '../../src/proof/proof-bytes.ts'
import { AuthorChain } from '../support/author-chain.ts'
import { BlockMap } from '../support/blocks.ts'
import { rejectsCode } from '../support/throws.ts'
import { DEEP, treeOf, u32be, utf8 } from '../support/tree-sets.ts'

const test = suite('hostile/proofs')
const options = { format: DEEP }

const rows: Put[] = Array.from({ length: 400 }, (_, i) => ({ key: u32be(2 * i), value: u32be(i) }))
const tree = await treeOf(rows, DEEP)
const range = { type: 'scan', start: u32be(100), end: u32be(180) } as const

function refused(bytes: Uint8Array, question: Question, reason: ProofReason, root: Uint8Array = tree.ref.root): void {
  assert.throws(
    () => checkProof(bytes, question, root, options),
    (error: unknown) => isCoppiceError(error, 'PROOF_INVALID') && error.details['reason'] === reason,
    reason,
  )
}

/** An honest proof, changed and encoded again. */
async function changed(
  question: Question,
  change: (content: ProofContent) => Partial<ProofContent>,
): Promise<Uint8Array> {
  const content = decodeProof(await prove(tree, question, options))
  return encodeProof({ ...content, ...change(content) })
}

test('a proof of another key, though it shows the same leaf', async () => {
  const asked = { type: 'get', keys: [u32be(100)] } as const
  const other = { type: 'get', keys: [u32be(101)] } as const
  refused(await prove(tree, other, options), asked, 'question')
  const both = decodeProof(await prove(tree, asked, options))
  assert.equal(decodeProof(await prove(tree, other, options)).blocks, both.blocks, 'only the question differs')
})

test('an entry dropped from a leaf: the leaf is another block', async () => {
  for (const which of [0, 1]) {
    const proof = await changed(range, ({ blocks }) => ({
      blocks: blocks.map((block) => {
        const node = dagCbor.decode<[number, unknown[], unknown[]]>(block)
        return node[0] > 0 || node[1].length < 2
          ? block
          : dagCbor.encode([0, node[1].toSpliced(which, 1), node[2].toSpliced(which, 1)])
      }),
    }))
    refused(proof, range, 'block')
  }
})

test('a tree without the entry is another root, whatever its proof says', async () => {
  const without = await treeOf(rows.toSpliced(60, 1), DEEP)
  const proof = await prove(without, range, options)
  refused(proof, range, 'root')
  const content = decodeProof(proof)
  const renamed = encodeProof({ ...content, root: { ...content.root, link: tree.ref.root } })
  refused(renamed, range, 'block')
})

test('a leaf dropped: at either end, or between', async () => {
  const honest = decodeProof(await prove(tree, range, options)).blocks
  const leaves = honest.flatMap((block, i) => (dagCbor.decode<[number]>(block)[0] === 0 ? [i] : []))
  assert.ok(leaves.length > 4)
  for (const at of leaves) {
    const reason = at === honest.length - 1 ? 'missing' : 'block'
    refused(await changed(range, ({ blocks }) => ({ blocks: blocks.toSpliced(at, 1) })), range, reason)
  }
})

test('bounds shifted to where the proof would be shorter', async () => {
  const shorter = [
    { ...range, start: u32be(102) },
    { ...range, end: u32be(170) },
    { ...range, limit: 3 },
    { ...range, reverse: true },
  ]
  for (const question of shorter) {
    const proof = await prove(tree, question, options)
    refused(proof, range, 'question')
    const content = decodeProof(proof)
    const relabelled = encodeProof({ ...content, question: range })
    if ('reverse' in question) refused(relabelled, range, 'block')
    else if (!('start' in question) || 'limit' in question) refused(relabelled, range, 'missing')
  }
})

test('padding: a block too many, one twice, one that is nobody’s', async () => {
  const extra = u32be(7)
  refused(await changed(range, ({ blocks }) => ({ blocks: [...blocks, extra] })), range, 'unused')
  refused(await changed(range, ({ blocks }) => ({ blocks: [...blocks, ...blocks.slice(-1)] })), range, 'unused')
  refused(await changed(range, ({ blocks }) => ({ blocks: [...blocks.slice(0, 1), ...blocks] })), range, 'block')
  const proof = await prove(tree, range, options)
  refused(Uint8Array.of(...proof, 0), range, 'encoding')
})

test('blocks in another order', async () => {
  const honest = decodeProof(await prove(tree, range, options)).blocks
  for (let i = 1; i < honest.length; i++) {
    const swapped = honest.toSpliced(i - 1, 2, honest[i] as Uint8Array, honest[i - 1] as Uint8Array)
    refused(await changed(range, () => ({ blocks: swapped })), range, 'block')
  }
})

test('a second encoding of the same content', async () => {
  const { root, question, blocks } = decodeProof(await prove(tree, { type: 'count' }, options))
  const longer = copyBytes(encodeProof({ root, from: undefined, question, blocks }))
  assert.is(longer[0], 0x84)
  refused(Uint8Array.of(0x98, 4, ...longer.subarray(1)), question, 'encoding')
  const keys = { type: 'get', keys: [u32be(2), u32be(4)] } as const
  const proof = await prove(tree, keys, options)
  const text = Buffer.from(proof).toString('latin1')
  const pair = (a: number, b: number): string => Buffer.from([0x44, ...u32be(a), 0x44, ...u32be(b)]).toString('latin1')
  for (const [a, b] of [
    [4, 2],
    [2, 2],
  ] as const) {
    refused(Buffer.from(text.replace(pair(2, 4), pair(a, b)), 'latin1'), keys, 'encoding')
  }
})

test('roots that the question does not speak of, and questions that cannot be', async () => {
  const other = await treeOf(rows.slice(1), DEEP)
  const plain = (link: Uint8Array): ProofContent['root'] => ({ link, signed: undefined, rotations: new Uint8Array(0) })
  const from = plain(other.ref.root)
  refused(await changed(range, () => ({ from })), range, 'encoding')
  const blocks = new BlockMap()
  const [old, now] = [await treeOf(rows.slice(1), DEEP, blocks), await treeOf(rows, DEEP, blocks)]
  const question = { type: 'diff', from: old.ref.root, limit: 5 } as const
  const diff = decodeProof(await prove(now, question, options))
  refused(encodeProof({ ...diff, from: undefined }), question, 'encoding')
  refused(encodeProof({ ...diff, from: plain(now.ref.root) }), question, 'encoding')
  const signed = await new AuthorChain().publish({ tree: old.ref })
  const signedFrom = { link: old.ref.root, signed, rotations: Uint8Array.of(0x80) }
  refused(encodeProof({ ...diff, from: signedFrom }), question, 'encoding')
  const proof = Buffer.from(await prove(tree, range, options)).toString('latin1')
  const bounds = (start: number, end: number): string =>
    Buffer.from([0x44, ...u32be(start), 0x44, ...u32be(end)]).toString('latin1')
  assert.ok(proof.includes(bounds(100, 180)))
  refused(Buffer.from(proof.replace(bounds(100, 180), bounds(180, 100)), 'latin1'), range, 'encoding')
})

/** A few rows in two levels, signed: every byte of it counts. */
async function small(): Promise<{
  tree: Tree
  proof: (question: Question) => Promise<Uint8Array>
  trusted: Parameters<typeof checkProof>[2]
}> {
  const few = await treeOf(rows.slice(0, 12), DEEP)
  const chain = new AuthorChain()
  const signed = await chain.publish({ tree: few.ref })
  const trusted = { author: chain.signer.publicKey, name: chain.name }
  return { tree: few, proof: (question) => prove(few, question, { signed, ...options }), trusted }
}

test('every byte of a proof, changed: refused with a code, whatever the change', async () => {
  const { proof: make, trusted } = await small()
  const questions: Question[] = [
    { type: 'get', keys: [u32be(4), u32be(5)] },
    { type: 'scan', start: u32be(3), limit: 2 },
    { type: 'count', end: u32be(9) },
  ]
  for (const question of questions) {
    const proof = await make(question)
    checkProof(proof, question, trusted, options)
    for (let at = 0; at < proof.length; at++) {
      for (const flip of [0x01, 0x20, 0x80, 0xff]) {
        const bytes = copyBytes(proof)
        bytes[at] = (bytes[at] as number) ^ flip
        assert.throws(
          () => checkProof(bytes, question, trusted, options),
          (error: unknown) => isCoppiceError(error, 'PROOF_INVALID') || isCoppiceError(error, 'FORMAT_NEWER'),
          `${question.type}: byte ${at} with ${flip}`,
        )
      }
    }
  }
})

test('every beginning of a proof', async () => {
  const { proof: make, trusted } = await small()
  const question = { type: 'get', keys: [u32be(4)] } as const
  const proof = await make(question)
  for (let length = 0; length < proof.length; length++) {
    assert.throws(
      () => checkProof(proof.subarray(0, length), question, trusted, options),
      (error: unknown) => isCoppiceError(error, 'PROOF_INVALID'),
      `${length} bytes`,
    )
  }
})

test('sizes and counts that are announced and not there cost nothing', () => {
  const count = { type: 'count' } as const
  const root = linkTo(CODEC_DAG_CBOR, u32be(1))
  const [domain, blocks] = [utf8('coppice/proof/1'), Uint8Array.of(0x9b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]
  const head = [0x84, 0x60 + domain.length, ...domain, 0x81, 0x81, 0xd8, 0x2a, 0x58, 0x25, 0, ...root]
  const question = [0x83, 0x65, ...utf8('count'), 0xf6, 0xf6]
  refused(Uint8Array.of(...head, ...question, ...blocks), count, 'encoding', root)
  // Blocks of no bytes, one too many and as many as there may be.
  const empty = (length: number): Uint8Array =>
    Uint8Array.of(0x99, length >> 8, length & 0xff, ...new Uint8Array(length).fill(0x40))
  refused(Uint8Array.of(...head, ...question, ...empty(PROOF_BLOCKS_MAX + 1)), count, 'encoding', root)
  refused(Uint8Array.of(...head, ...question, ...empty(PROOF_BLOCKS_MAX)), count, 'block', root)
  // The most that may be announced, then nothing.
  refused(Uint8Array.of(...head, ...question, 0x99, PROOF_BLOCKS_MAX >> 8, 0), count, 'encoding', root)
  refused(Uint8Array.of(...head, ...question, 0x81, 0x5a, 0xff, 0xff, 0xff, 0xff), count, 'encoding', root)
  const keys = Uint8Array.of(0x83, 0x63, ...utf8('get'), 0, 0x9a, 0xff, 0xff, 0xff, 0xff)
  refused(Uint8Array.of(...head, ...keys), { type: 'get', keys: [u32be(1)] }, 'encoding', root)
  refused(new Uint8Array(PROOF_BYTES_MAX + 1), count, 'encoding', root)
})

test('rows so small that a short proof would fill the memory', async () => {
  const tiny = Array.from({ length: PROOF_VALUES_MAX + 1 }, (_, i) => ({
    key: u32be(i).subarray(1),
    value: new Uint8Array(0),
  }))
  const blocks = new BlockMap()
  const large = await treeOf(tiny, undefined, blocks)
  const question = { type: 'scan' } as const
  await rejectsCode(prove(large, question), 'PROOF_TOO_LARGE')
  const walk = (link: Uint8Array): Uint8Array[] => {
    const block = blocks.map.get(linkMapKey(link)) as Uint8Array
    const node = Node.decode(block)
    const children = node.level === 0 ? [] : Array.from({ length: node.length }, (_, i) => walk(node.link(i)))
    return [block, ...children.flat()]
  }
  const root = { link: large.ref.root, signed: undefined, rotations: new Uint8Array(0) }
  const bytes = encodeProof({ root, from: undefined, question, blocks: walk(large.ref.root) })
  assert.ok(bytes.length < 2_000_000)
  assert.throws(
    () => checkProof(bytes, question, large.ref.root),
    (error: unknown) => isCoppiceError(error, 'PROOF_INVALID') && error.details['reason'] === 'values',
  )
})

test('nesting without end', () => {
  const root = linkTo(CODEC_DAG_CBOR, u32be(1))
  for (const byte of [0x81, 0x84, 0xa1, 0xd8, 0x9f]) {
    refused(new Uint8Array(1_000_000).fill(byte), { type: 'count' }, 'encoding', root)
  }
})

test('blocks as large as they may be, none of them a node', () => {
  const block = new Uint8Array(1024 * 1024).fill(0x81)
  const root = { link: linkTo(CODEC_DAG_CBOR, block), signed: undefined, rotations: new Uint8Array(0) }
  const question = { type: 'count' } as const
  const proof = encodeProof({ root, from: undefined, question, blocks: [block] })
  refused(proof, question, 'block', root.link)
})

test('another version is told apart from damage', () => {
  const bytes = Uint8Array.of(0x84, 0x60 + 15, ...utf8('coppice/proof/2'))
  assert.throws(
    () => checkProof(bytes, { type: 'count' }, tree.ref.root),
    (error: unknown) => isCoppiceError(error, 'FORMAT_NEWER'),
  )
})

test.run()
