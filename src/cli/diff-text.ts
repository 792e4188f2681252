/**
 * One change as lines like those of a unified diff, a document being its fields:
 *
 *     @@ cities["NL",2759794] @@
 *     -population: 821752
 *     +population: 931298
 *     -names.fy: "Amsterdam"
 *
 * Maps are walked into, so that a line is the smallest part that differs; arrays are compared as a whole.
 */
import { equalBytes } from '../bytes.ts'
import { type Change, renderTreeKey, type RowValue } from '../db/index.ts'
import type { Document, FieldValue } from '../document-model.ts'
import { escapeText, renderBytes } from '../escape.ts'
import { renderJson } from './output.ts'

/** Of a byte value so much is shown. */
const BYTES_SHOWN_MAX = 256

/** Escaped, without line ends. */
export function renderChange(change: Change): string[] {
  return [`@@ ${renderTreeKey(change.key)} @@`, ...renderSides(change.from, change.to)]
}

function renderSides(from: RowValue | undefined, to: RowValue | undefined): string[] {
  if (isDocument(from) && isDocument(to)) return differingFields(from, to, '')
  return [...wholeSide('-', from), ...wholeSide('+', to)]
}

function wholeSide(sign: '-' | '+', side: RowValue | undefined): string[] {
  if (side === undefined) return []
  if (!isDocument(side)) {
    const size = side.length > BYTES_SHOWN_MAX ? ` (${side.length} bytes)` : ''
    return [`${sign}${renderBytes(side, BYTES_SHOWN_MAX)}${size}`]
  }
  return Object.keys(side).flatMap((name) => fieldLines(sign, name, '', side[name]))
}

function differingFields(from: Document, to: Document, path: string): string[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])]
  return names.flatMap((name) => {
    const [before, after] = [fieldOf(from, name), fieldOf(to, name)]
    if (before !== undefined && after !== undefined) {
      if (equalValues(before, after)) return []
      if (isMap(before) && isMap(after)) return differingFields(before, after, `${path}${renderName(name)}.`)
    }
    return [...fieldLines('-', name, path, before), ...fieldLines('+', name, path, after)]
  })
}

function fieldLines(sign: '-' | '+', name: string, path: string, value: FieldValue | undefined): string[] {
  return value === undefined ? [] : [`${sign}${path}${renderName(name)}: ${renderJson(value)}`]
}

/** Quoted where a dot or a blank would make the path ambiguous. */
function renderName(name: string): string {
  return /^[\p{L}\p{N}_$-]+$/u.test(name) ? escapeText(name) : renderJson(name)
}

function fieldOf(document: Document, name: string): FieldValue | undefined {
  return Object.hasOwn(document, name) ? document[name] : undefined
}

function isDocument(side: RowValue | undefined): side is Document {
  return side !== undefined && !(side instanceof Uint8Array)
}

function isMap(value: FieldValue): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

/** Equal as decoded documents are: an integer beyond 2^53 is no double, the order of fields says nothing. */
function equalValues(a: FieldValue, b: FieldValue): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b)
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    const other: readonly FieldValue[] = b
    return a.length === b.length && a.every((each: FieldValue, i) => equalValues(each, other[i] ?? null))
  }
  if (isMap(a) && isMap(b)) {
    const names = Object.keys(a)
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && equalValues(a[name] ?? null, b[name] ?? null))
    )
  }
  return a === b
}
