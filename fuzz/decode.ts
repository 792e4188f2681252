/** Decoding nodes from damaged and from random bytes, against @ipld/dag-cbor. */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { equalBytes } from '../src/bytes.ts'
import { DecodeFailure } from '../src/prolly/cbor.ts'
import { isValueRef, Node, type Value } from '../src/prolly/index.ts'
import { damaged } from '../test/support/damage.ts'
import { Random } from '../test/support/random.ts'
import { type ReferenceNode, referenceTree, type ReferenceValue } from '../test/support/tree-reference.ts'
import { FORMATS, randomRows } from '../test/support/tree-sets.ts'

export const summary = 'decoding a node fails in one way only, or the bytes are the one DAG-CBOR encoding'

/** Bytes that nodes are made of: random bytes seldom get beyond the first. */
const LIKELY = [0x80, 0x81, 0x82, 0x83, 0x85, 0x00, 0x01, 0x18, 0x19, 0x1b, 0x40, 0x41, 0x58, 0xd8, 0x2a, 0xff]

export function run(seed: number): void {
  const random = new Random(seed)
  assertCanonical(random.bytes(random.below(100)))
  assertCanonical(Uint8Array.from({ length: random.below(60) }, () => random.pick(LIKELY)))
  const [, format] = random.pick(FORMATS)
  const { nodes } = referenceTree(randomRows(random, random.below(60), format), format)
  for (const bytes of nodes.values()) {
    assert.ok(assertCanonical(bytes), 'an honest node decodes')
    for (let i = 0; i < 20; i++) assertCanonical(damaged(random, bytes))
  }
}

/** Whether `bytes` are a node. @throws where decoding breaks its promise. */
export function assertCanonical(bytes: Uint8Array): boolean {
  const node = tryDecode(bytes)
  if (node === undefined) return false
  assert.ok(equalBytes(dagCbor.encode(toReference(node)), bytes), 'the oracle encodes the same bytes')
  return true
}

/** The node, or undefined where decoding refuses in the one way it may. */
function tryDecode(bytes: Uint8Array): Node | undefined {
  try {
    return Node.decode(bytes)
  } catch (error) {
    assert.instance(error, DecodeFailure)
    return undefined
  }
}

/** What a node says, as the arrays it is made of. */
function toReference(node: Node): ReferenceNode {
  const indexes = Array.from({ length: node.length }, (_, i) => i)
  const keys = indexes.map((i) => node.key(i))
  if (node.level === 0) return [0, keys, indexes.map((i) => toReferenceValue(node.value(i)))]
  return [
    node.level,
    keys,
    indexes.map((i) => CID.decode(node.link(i))),
    indexes.map((i) => node.childEntries(i)),
    indexes.map((i) => node.childBytes(i)),
  ]
}

export function toReferenceValue(value: Value): ReferenceValue {
  return isValueRef(value) ? [CID.decode(value.link), value.size] : value
}
