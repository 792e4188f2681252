/** Roots whose bytes alone condemn them: rules 1 and 2 of docs/spec/tree.md, 4. */
import * as dagCbor from '@ipld/dag-cbor'
import {
  type Case,
  cidHex,
  DAG_CBOR,
  DAG_PB,
  DEEP,
  hex,
  honest,
  leafOf,
  leafWithValue,
  LINK,
  RAW,
  rawRoot,
  required,
} from './tree-negative-case.ts'
import type { ReferenceLeaf } from './tree-reference.ts'

export const BLOCK_CASES: Readonly<Record<string, Case>> = {
  'bytes-of-another-block': {
    rule: 1,
    format: DEEP,
    make: (forge, format) => {
      const { root, leaves } = honest(forge, format)
      const truth = forge.ref(root)
      forge.blocks.set(required(leaves[1]).cid.toString(), encoded(leafOf(leaves[2])))
      return { root, entries: truth.entries, bytes: truth.bytes }
    },
  },
  'block-of-20-KiB-and-a-byte': {
    rule: 1,
    note: 'size comes before everything: the bytes would not decode either',
    make: rawRoot(new Uint8Array(20 * 1024 + 1)),
  },
  'no-bytes': { rule: 2, make: rawRoot(new Uint8Array(0)) },
  'depth-bomb': { rule: 2, make: rawRoot(new Uint8Array(4096).fill(0x81)) },
  'array-of-4-billion-keys': { rule: 2, make: rawRoot(hex('83 00 9a ff ff ff ff')) },
  'key-longer-than-the-block': { rule: 2, make: rawRoot(hex('83 00 81 5b 00 1f ff ff ff ff ff ff 61')) },
  'level-33': { rule: 2, make: rawRoot(hex('85 18 21 80 80 80 80')) },
  'leaf-of-5-elements': { rule: 2, make: rawRoot(hex('85 00 80 80 80 80')) },
  'internal-of-3-elements': { rule: 2, make: rawRoot(hex('83 01 80 80')) },
  'key-of-1025-bytes': {
    rule: 2,
    make: (forge) => ({ root: forge.store([0, [new Uint8Array(1025)], [new Uint8Array(0)]]) }),
  },
  'indefinite-byte-string': { rule: 2, make: rawRoot(leafWithValue('5f 41 31 ff')) },
  'value-true': { rule: 2, make: rawRoot(leafWithValue('f5')) },
  'value-integer': { rule: 2, make: rawRoot(leafWithValue('01')) },
  'value-of-one-element': { rule: 2, make: rawRoot(leafWithValue(`81 ${LINK} ${cidHex(RAW)}`)) },
  'value-of-three-elements': { rule: 2, make: rawRoot(leafWithValue(`83 ${LINK} ${cidHex(RAW)} 19 07d0 00`)) },
  'value-link-without-size': { rule: 2, make: rawRoot(leafWithValue(`${LINK} ${cidHex(RAW)}`)) },
  'value-link-to-a-node': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(DAG_CBOR)} 19 07d0`)) },
  'value-size-not-shortest': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(RAW)} 1a 000007d0`)) },
  'value-size-beyond-2^53': {
    rule: 2,
    make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(DAG_PB)} 1b 0020000000000000`)),
  },
  'value-size-bignum': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(RAW)} c2 42 07d0`)) },
  'value-size-negative': { rule: 2, make: rawRoot(leafWithValue(`82 ${LINK} ${cidHex(RAW)} 39 07cf`)) },
  'child-link-to-unixfs': {
    rule: 2,
    make: rawRoot(
      hex(`85 01 82 41 61 41 62 82 ${LINK} ${cidHex(DAG_PB)} ${LINK} ${cidHex(DAG_CBOR)} 82 01 01 82 08 08`),
      2,
    ),
  },
  'sum-of-counts-beyond-2^53': {
    rule: 2,
    make: rawRoot(
      hex(`85 01 82 41 61 41 62 82 ${`${LINK} ${cidHex(DAG_CBOR)} `.repeat(2)} 82 01 1b 001fffffffffffff 82 08 08`),
    ),
  },
  'sum-of-bytes-beyond-2^53': {
    rule: 2,
    make: rawRoot(
      hex(`85 01 82 41 61 41 62 82 ${`${LINK} ${cidHex(DAG_CBOR)} `.repeat(2)} 82 01 01 82 01 1b 001fffffffffffff`),
    ),
  },
}

function encoded(leaf: ReferenceLeaf): Uint8Array {
  return dagCbor.encode(leaf)
}
