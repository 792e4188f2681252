/** The plain ways to break each rule of docs/spec/tree.md, 4: one fault each, in trees as small as they can be. */
import {
  type Case,
  cidHex,
  DAG_CBOR,
  DAG_PB,
  DEEP,
  hex,
  honest,
  innerOf,
  leafOf,
  leafWithValue,
  LINK,
  RAW,
  rawRoot,
  required,
  utf8,
} from './tree-negative-case.ts'
import { cidOf, type ReferenceInner, type ReferenceNode } from './tree-reference.ts'

const root = (text: string): Case => ({ rule: 2, make: rawRoot(hex(text)) })
/** A root whose one value is encoded so. */
const value = (text: string): Case => ({ rule: 2, make: rawRoot(leafWithValue(text)) })
/** A value of 2,000 bytes whose link is encoded so. */
const link = (text: string): Case => value(`82 ${text} 19 07d0`)
const DIGEST = 'ab'.repeat(32)

const leaf = (...keys: string[]): ReferenceNode => [0, keys.map(utf8), keys.map(() => new Uint8Array(0))]

/** An internal root over these nodes that says of them what `says` makes of the truth. */
function over(
  nodes: readonly ReferenceNode[],
  says: (truth: ReferenceInner) => ReferenceInner = (truth) => truth,
): Case['make'] {
  return (forge) => {
    const cids = nodes.map((node) => forge.store(node))
    const totals = cids.map((cid) => forge.totals(cid))
    const keys = totals.map(({ last }) => last)
    const counts = totals.map(({ entries }) => entries)
    const sizes = totals.map(({ bytes }) => bytes)
    return { root: forge.store(says([1, keys, cids, counts, sizes])) }
  }
}

/** One row whose value is the pair of a CID, of bytes that are nowhere, and a size. */
function outOfLine(codec: number, size: number): Case {
  return { rule: 6, make: (forge) => ({ root: forge.store([0, [utf8('a')], [[cidOf(codec, utf8('x')), size]]]) }) }
}

/** A deep tree in which a node of level 1 says something else of its children. */
function misstated(change: (node: ReferenceInner) => ReferenceInner): Case {
  return {
    rule: 8,
    format: DEEP,
    make: (forge, format) => {
      const place = required(honest(forge, format).inner.find(({ node }) => node[0] === 1))
      return { root: forge.replace(place, forge.store(change(innerOf(place)))) }
    },
  }
}

export const PLAIN_CASES: Readonly<Record<string, Case>> = {
  'key-as-text': root('83 00 81 61 61 81 40'),
  'key-length-not-shortest': root('83 00 81 58 01 61 81 40'),
  'keys-as-one-byte-string': root('83 00 41 61 81 40'),
  'array-of-keys-indefinite': root('83 00 9f 41 61 ff 81 40'),
  'outer-array-indefinite': root('9f 00 80 80 ff'),
  'byte-after-the-end': root('83 00 80 80 00'),
  'leaf-of-four-elements': root('84 00 81 41 61 81 40 80'),
  'leaf-of-two-elements': root('82 00 80'),
  'fewer-values-than-keys': root('83 00 82 41 61 41 62 81 40'),
  'more-values-than-keys': root('83 00 81 41 61 82 40 40'),
  'map-instead-of-array': root('a0'),
  'level-as-float': root('83 f9 0000 80 80'),
  'level-negative': root('83 20 80 80'),
  'level-not-shortest': root('83 18 00 80 80'),
  'value-null': value('f6'),
  'value-as-text': value('61 78'),
  'child-link-to-a-value': {
    rule: 2,
    make: rawRoot(
      hex(`85 01 82 41 61 41 62 82 ${LINK} ${cidHex(RAW)} ${LINK} ${cidHex(DAG_CBOR)} 82 01 01 82 08 08`),
      2,
    ),
  },
  'fewer-counts-than-children': {
    rule: 2,
    make: rawRoot(hex(`85 01 82 41 61 41 62 82 ${`${LINK} ${cidHex(DAG_CBOR)} `.repeat(2)} 81 02 82 08 08`), 2),
  },
  'link-of-sha1': link(`d8 2a 58 19 00 01 55 11 14 ${'ab'.repeat(20)}`),
  'link-of-identity': link('d8 2a 46 00 01 55 00 01 61'),
  'link-of-a-short-digest': link(`d8 2a 58 15 00 01 55 12 10 ${'ab'.repeat(16)}`),
  'link-of-version-0': link(`d8 2a 58 23 00 12 20 ${DIGEST}`),
  'link-without-its-zero': link(`d8 2a 58 24 01 55 12 20 ${DIGEST}`),
  'link-of-another-tag': link(`d8 2b 58 25 00 01 55 12 20 ${DIGEST}`),
  'link-as-plain-bytes': link(`58 24 01 55 12 20 ${DIGEST}`),
  'empty-leaf-said-to-hold-one': {
    rule: 4,
    make: over([leaf(), leaf('b')], ([level, keys, cids, , bytes]) => [
      level,
      keys.with(0, utf8('a')),
      cids,
      [1, 1],
      bytes,
    ]),
  },
  'empty-leaf-and-a-count-of-0': { rule: 4, make: over([leaf(), leaf('b')]) },
  'keys-descending': { rule: 5, make: (forge) => ({ root: forge.store(leaf('b', 'a')) }) },
  'key-twice': { rule: 5, make: (forge) => ({ root: forge.store(leaf('a', 'a')) }) },
  'children-of-equal-keys': { rule: 5, make: over([leaf('a'), leaf('a')]) },
  'last-key-below-its-parents': {
    rule: 5,
    make: over([leaf('a'), leaf('c')], ([level, keys, ...rest]) => [level, keys.with(0, utf8('b')), ...rest]),
  },
  'last-key-above-its-parents': {
    rule: 5,
    make: over([leaf('a', 'b'), leaf('c')], ([level, keys, ...rest]) => [level, keys.with(0, utf8('a')), ...rest]),
  },
  'inline-1025': {
    rule: 6,
    make: (forge) => ({ root: forge.store([0, [utf8('a')], [new Uint8Array(1025)]]) }),
  },
  'out-of-line-1024': outOfLine(RAW, 1024),
  'raw-of-1-MiB-and-a-byte': outOfLine(RAW, 1024 * 1024 + 1),
  'unixfs-of-1-MiB': outOfLine(DAG_PB, 1024 * 1024),
  'unixfs-of-1025': outOfLine(DAG_PB, 1025),
  'root-of-one-child': {
    rule: 7,
    make: over([leaf('a')]),
  },
  'leaf-appended-after-an-open-one': { rule: 7, make: over([leaf('a'), leaf('b')]) },
  'leaf-cut-too-early': {
    rule: 7,
    format: DEEP,
    make: (forge, format) => {
      const place = required(honest(forge, format).leaves.find(({ node }) => node[1].length >= 2))
      const [level, keys, values] = leafOf(place)
      return { root: forge.replace(place, forge.store([level, keys.slice(0, -1), values.slice(0, -1)])) }
    },
  },
  'rows-beyond-the-largest-chunk': {
    rule: 7,
    make: (forge) => {
      const keys = Array.from({ length: 18 }, (_, i) => Uint8Array.of(i))
      return { root: forge.store([0, keys, keys.map(() => new Uint8Array(1024))]) }
    },
  },
  'count-one-too-many': misstated(([level, keys, cids, counts, bytes]) => [
    level,
    keys,
    cids,
    counts.with(0, required(counts[0]) + 1),
    bytes,
  ]),
  'bytes-one-too-few': misstated(([level, keys, cids, counts, bytes]) => [
    level,
    keys,
    cids,
    counts,
    bytes.with(0, required(bytes[0]) - 1),
  ]),
  'signed-entries-one-too-many': {
    rule: 8,
    make: (forge) => ({ root: forge.store(leaf('a')), entries: 2, bytes: 7 }),
  },
  'signed-bytes-one-too-many': {
    rule: 8,
    make: (forge) => ({ root: forge.store(leaf('a')), entries: 1, bytes: 8 }),
  },
}
