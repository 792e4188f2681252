/**
 * Field-wise merge of one document: a field that one side changed is that side's; maps are looked into, arrays and all
 * other values are one piece. A field that both sides changed, and not to the same, is a conflict of that field.
 */
import { type Document, equalFieldValues, type FieldValue, fieldOf, isFieldMap } from '../../document-model.ts'
import { documentPath } from '../documents/document-format.ts'

export interface MergedFields {
  /** With what left has in fields of conflict. */
  readonly document: Document
  /** JSON pointers of the fields in conflict. */
  readonly conflicts: readonly string[]
}

/** Without a base both sides added the document: each has all of its fields new. */
export function mergeFields(base: Document | undefined, left: Document, right: Document): MergedFields {
  const conflicts: string[] = []
  return { document: mergeMaps(base ?? {}, left, right, [], conflicts), conflicts }
}

function mergeMaps(
  base: Document,
  left: Document,
  right: Document,
  steps: readonly string[],
  conflicts: string[],
): Document {
  const names = new Set([...Object.keys(left), ...Object.keys(right)])
  const fields: [string, FieldValue][] = []
  for (const name of names) {
    const value = mergeField(
      fieldOf(base, name),
      fieldOf(left, name),
      fieldOf(right, name),
      [...steps, name],
      conflicts,
    )
    if (value !== undefined) fields.push([name, value])
  }
  return Object.fromEntries(fields)
}

/** Undefined: the field is not there. */
function mergeField(
  base: FieldValue | undefined,
  left: FieldValue | undefined,
  right: FieldValue | undefined,
  steps: readonly string[],
  conflicts: string[],
): FieldValue | undefined {
  if (isSame(left, right) || isSame(base, right)) return left
  if (isSame(base, left)) return right
  if (isFieldMap(left) && isFieldMap(right) && (base === undefined || isFieldMap(base))) {
    return mergeMaps(base ?? {}, left, right, steps, conflicts)
  }
  conflicts.push(documentPath(steps))
  return left
}

function isSame(a: FieldValue | undefined, b: FieldValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalFieldValues(a, b)
}
