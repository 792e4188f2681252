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
import { type Change, LargeValue, renderTreeKey, type RowValue } from '../db/index.ts'
import { type Document, equalFieldValues, type FieldValue, fieldOf, isFieldMap } from '../document-model.ts'
import { escapeText, renderBytes } from '../escape.ts'
import { renderJson } from './output.ts'

/** Of a byte value so much is shown. */
const BYTES_SHOWN_MAX = 256

/** Escaped, without line ends. */
export function renderChange(change: Change): string[] {
  return [`@@ ${renderTreeKey(change.key)} @@`, ...renderSides(change.from, change.to)]
}

/** What leads from one side to the other; undefined for nothing. Escaped, without line ends. */
export function renderSides(from: RowValue | undefined, to: RowValue | undefined): string[] {
  if (isDocument(from) && isDocument(to)) return differingFields(from, to, '')
  return [...wholeSide('-', from), ...wholeSide('+', to)]
}

function wholeSide(sign: '-' | '+', side: RowValue | undefined): string[] {
  if (side === undefined) return []
  if (side instanceof LargeValue) return [`${sign}${side.cid} (${side.size} bytes)`]
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
      if (equalFieldValues(before, after)) return []
      if (isFieldMap(before) && isFieldMap(after)) return differingFields(before, after, `${path}${renderName(name)}.`)
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

function isDocument(side: RowValue | undefined): side is Document {
  return side !== undefined && !(side instanceof Uint8Array) && !(side instanceof LargeValue)
}
