/** Keys of the tree as people read them, safe for a terminal. For display: nothing parses it back. */
import { renderBytes, renderKey } from '../../escape.ts'
import { meaningOfKey } from './schema.ts'
import { inspectTuple } from './tuple.ts'

/** `cities["NL",2759794]`, `schema of cities`, `metadata`; other tuples as `[2,"x"]`, raw keys as text or `0x0a0b`. */
export function renderTreeKey(key: Uint8Array): string {
  const meaning = meaningOfKey(key)
  switch (meaning?.space) {
    case 'metadata':
      return 'metadata'
    case 'schema':
      return `schema of ${meaning.collection}`
    case 'document':
      return meaning.collection + renderKey(meaning.parts)
    case undefined: {
      const tuple = inspectTuple(key)
      return tuple === undefined || tuple.parts.length === 0 ? renderBytes(key) : renderKey(tuple.parts)
    }
  }
}
