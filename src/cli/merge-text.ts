/**
 * A conflict of a merge, as lines and as JSON: what each side made of what both grew out of.
 *
 *     @@ cities["NL",2759794] @@ /population
 *     <<< ours
 *     -population: 741636
 *     +population: 800000
 *     >>> theirs
 *     -population: 741636
 *     +population: 931298
 */
import { renderTreeKey, type RowConflict } from '../db/index.ts'
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { keyJson, sideJson } from './diff.ts'
import { renderSides } from './diff-text.ts'

/** Escaped, without line ends. */
export async function renderConflict(conflict: RowConflict): Promise<string[]> {
  const fields = conflict.fields.map((path) => ` ${escapeText(path)}`).join('')
  return [
    `@@ ${renderTreeKey(conflict.key)} @@${fields}`,
    '<<< ours',
    ...(await renderSide(conflict, 'left')),
    '>>> theirs',
    ...(await renderSide(conflict, 'right')),
  ]
}

async function renderSide(conflict: RowConflict, side: 'left' | 'right'): Promise<string[]> {
  return renderSides(await conflict.read('base'), await conflict.read(side))
}

export async function conflictJson(conflict: RowConflict): Promise<{ readonly [field: string]: FieldValue }> {
  const { key, meaning, fields } = conflict
  return {
    ...keyJson('conflict', key, meaning),
    fields,
    base: sideJson(await conflict.read('base')),
    ours: sideJson(await conflict.read('left')),
    theirs: sideJson(await conflict.read('right')),
  }
}
