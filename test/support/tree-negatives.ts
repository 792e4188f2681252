/**
 * Named trees that must be rejected, each with the rule of docs/spec/tree.md, 4 that fails first: what
 * scripts/make-tree-vectors.ts writes to test/vectors/tree-negative.json. Made with the reference implementation only.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { BLOCK_CASES } from './tree-negative-blocks.ts'
import { type Case, DAG_CBOR } from './tree-negative-case.ts'
import { PLAIN_CASES } from './tree-negative-plain.ts'
import { SHAPE_CASES } from './tree-negative-shapes.ts'
import { Forge } from './tree-forge.ts'
import { REFERENCE_FORMAT_1, type ReferenceFormat } from './tree-reference.ts'

const CASES: Readonly<Record<string, Case>> = { ...BLOCK_CASES, ...SHAPE_CASES, ...PLAIN_CASES }

export interface Negative {
  readonly name: string
  readonly format: ReferenceFormat
  readonly rule: number
  readonly root: CID
  readonly entries: number
  readonly bytes: number
  readonly blocks: ReadonlyMap<string, Uint8Array>
  readonly held: readonly CID[]
  readonly note?: string
}

/** Only what the root and the held trees reach, and only what is there. */
function reachable(forge: Forge, roots: readonly CID[]): Map<string, Uint8Array> {
  const out = new Map<string, Uint8Array>()
  const walk = (cid: CID): void => {
    const bytes = forge.blocks.get(cid.toString())
    if (bytes === undefined || out.has(cid.toString())) return
    out.set(cid.toString(), bytes)
    if (cid.code !== DAG_CBOR) return
    try {
      for (const [, link] of dagCborLinks(bytes)) walk(link)
    } catch {
      // Not DAG-CBOR: that is what the case is about.
    }
  }
  for (const root of roots) walk(root)
  return out
}

function dagCborLinks(bytes: Uint8Array): Map<string, CID> {
  const links = new Map<string, CID>()
  const search = (item: unknown): void => {
    if (Array.isArray(item)) for (const part of item) search(part)
    const cid = CID.asCID(item)
    if (cid !== null) links.set(cid.toString(), cid)
  }
  search(dagCbor.decode(bytes))
  return links
}

export function treeNegatives(): Negative[] {
  return Object.entries(CASES).map(([name, { rule, format = REFERENCE_FORMAT_1, note, make }]) => {
    const forge = new Forge()
    const { root, held = [], ...claimed } = make(forge, format)
    const truth = claimed.bytes === undefined ? forge.ref(root) : undefined
    return {
      name,
      format,
      rule,
      root,
      entries: claimed.entries ?? truth?.entries ?? 0,
      bytes: claimed.bytes ?? truth?.bytes ?? 0,
      blocks: reachable(forge, [root, ...held]),
      held,
      ...(note === undefined ? {} : { note }),
    }
  })
}
