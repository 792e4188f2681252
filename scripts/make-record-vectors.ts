/**
 * Writes test/vectors/record.json: `node scripts/make-record-vectors.ts`. It follows docs/spec/record.md with libraries only
 * (@ipld/dag-cbor, multiformats, node:crypto) and imports nothing of src/: what it makes, src/pointer has to reproduce.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { base36 } from 'multiformats/bases/base36'
import type { CID } from 'multiformats/cid'
import { writeFileSync } from 'node:fs'
import { makeMalformed, makeStates, makeUnentitled } from './record-vectors/refused.ts'
import {
  author,
  grantBytes,
  hexOf,
  ISSUED,
  type Link,
  NAME,
  next,
  type Options,
  rotated,
  sealLargest,
  signBytes,
  signer,
  treeHash,
  utf8,
} from './record-vectors/sealed.ts'

const OUTPUT = new URL('../test/vectors/record.json', import.meta.url)

/** A chain with a message, trees that come back, a granted epoch, a fork that is resolved, and a rotated key. */
function makeChain(): { records: unknown[]; fork: unknown; links: Link[] } {
  const links: Link[] = []
  const records: unknown[] = []
  const add = (label: string, options: Options = {}): void => {
    const made = next(label, links, options)
    links.push(made.link)
    records.push(made.record)
  }
  const message = [1, utf8('first release \u{1f333}')]
  add('first, of the empty tree', { tree: 0 })
  add('with a message', { extensions: [message] })
  add('the same tree again, for freshness', { tree: 2 })
  add('another tree, no promise', { expires: null })
  add('the tree of sequence 2 again', { tree: 2 })
  add('an odd extension, which may be ignored', { extensions: [message, [77, utf8('later')]] })
  const grant = grantBytes(author, 1, signer.publicKey, 7, ISSUED + 1_000_000)
  add('by the signer of a granted epoch', { epoch: 1, grant, by: signer })
  add('by the same signer', { epoch: 1, grant, by: signer })
  const other = next('the other tip of a fork', links, { epoch: 1, grant, by: signer, tree: 99 })
  add('one tip of a fork', { epoch: 1, grant, by: signer })
  add('which a new epoch resolves', { epoch: 2, resolves: [links.at(-1)?.cid as CID, other.link.cid] })
  add('by the key of a rotation', { epoch: 3, by: rotated })
  return { records, fork: other.record, links }
}

function makeRotation(): string {
  const payload = dagCbor.encode(['coppice/rotation/1', author.publicKey, 3, rotated.publicKey])
  return hexOf(dagCbor.encode([payload, signBytes(author, payload)]))
}

/** Of exactly the bytes that may be: 996. */
function makeLargest(): unknown {
  const { payload, cid, signedRoot } = sealLargest(42)
  return {
    name: 'n'.repeat(48),
    payload: hexOf(payload),
    payloadCid: cid.toString(),
    signedRoot: hexOf(signedRoot),
    length: signedRoot.length,
  }
}

/** RFC 6962 over the well-known leaves of the Certificate Transparency test suite. */
function makeHistory(): unknown {
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const bytes = leaves.map((leaf) => new Uint8Array(Buffer.from(leaf, 'hex')))
  return { leaves, roots: leaves.map((_, i) => hexOf(treeHash(bytes.slice(0, i + 1)))) }
}

const { records, fork, links } = makeChain()
const address = `coppice:${base36.encode(Uint8Array.from([1, 0x72, 0, 0x24, 8, 1, 0x12, 0x20, ...author.publicKey]))}/${NAME}`
const vectors = {
  generator: 'scripts/make-record-vectors.ts',
  seeds: { author: author.seed, signer: signer.seed, rotated: rotated.seed },
  author: hexOf(author.publicKey),
  name: NAME,
  address,
  rotation: makeRotation(),
  records,
  fork,
  largest: makeLargest(),
  states: makeStates(links),
  unentitled: makeUnentitled(links),
  malformed: makeMalformed(links),
  history: makeHistory(),
}
writeFileSync(OUTPUT, `${JSON.stringify(vectors, null, 1)}\n`)
console.log(`${OUTPUT.pathname}: ${records.length} records, ${vectors.malformed.length} malformed`)
