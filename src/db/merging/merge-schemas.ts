/**
 * Schemas in a merge. Documents stand under keys of their collection's schema, so what both sides did is only joined where
 * they mean the same by a collection: nobody can resolve that key by key.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText } from '../../escape.ts'
import { diffTrees } from '../../prolly/index.ts'
import { documentsRange, meaningOfKey, SCHEMA_RANGE } from '../documents/schema.ts'
import type { Snapshot } from '../snapshot.ts'

/** @throws {CoppiceError} `SCHEMA_MISMATCH` where a collection's key was changed by one side, and it or its documents by the other. */
export async function assertSchemasMerge(base: Snapshot, left: Snapshot, right: Snapshot): Promise<void> {
  const [was, mine, theirs] = [await schemasOf(base), await schemasOf(left), await schemasOf(right)]
  for (const collection of new Set([...was.keys(), ...mine.keys(), ...theirs.keys()])) {
    const [b, l, r] = [was.get(collection), mine.get(collection), theirs.get(collection)]
    if (isSame(l, r)) continue
    // One that only one side has is new with its documents.
    if (b === undefined && (l === undefined || r === undefined)) continue
    if (isSame(b, l) && !(await hasChanges(base, left, collection))) continue
    if (isSame(b, r) && !(await hasChanges(base, right, collection))) continue
    throw new CoppiceError(
      'SCHEMA_MISMATCH',
      `collection ${escapeText(collection)}: expected one key in both, got two, and documents changed under each; ` +
        'import the documents of one into a collection of another name, and merge then',
      { details: { collection } },
    )
  }
}

async function schemasOf(snapshot: Snapshot): Promise<ReadonlyMap<string, Uint8Array>> {
  const schemas = new Map<string, Uint8Array>()
  for await (const { key, value } of snapshot.scan(SCHEMA_RANGE)) {
    const meaning = meaningOfKey(key)
    if (meaning?.space === 'schema') schemas.set(meaning.collection, value)
  }
  return schemas
}

async function hasChanges(from: Snapshot, to: Snapshot, collection: string): Promise<boolean> {
  const { done } = await diffTrees(from.tree, to.tree, documentsRange(collection)).next()
  return done !== true
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b)
}
