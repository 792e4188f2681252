/** The forms of a diff: text, numbers, keys, JSON; each change becomes lines as it comes. */
import { bytesToHex } from '../bytes.ts'
import {
  type Change,
  changesBetween,
  type KeyMeaning,
  LargeValue,
  meaningOfKey,
  type RowValue,
  renderTreeKey,
  type Schema,
  type Snapshot,
} from '../db/index.ts'
import { documentRange } from '../db/documents/collection-view.ts'
import type { FieldValue } from '../document-model.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { type DiffOptions, diffTrees, type KeyRange } from '../prolly/index.ts'
import { usageError } from './arguments.ts'
import type { DiffState } from './diff-operands.ts'
import { renderChange } from './diff-text.ts'
import { parseDocumentRange, parseRawRange, type RangeOptions } from './keys.ts'
import { chooseCollection } from './open.ts'
import { renderJson } from './output.ts'
import { renderCount, renderTable } from './render.ts'

export interface DiffRangeOptions extends Pick<RangeOptions, 'start' | 'end'> {
  readonly collection?: string
  readonly raw?: true
}

export interface DiffFormOptions {
  readonly stat?: true
  readonly keys?: true
  readonly json?: true
}

export interface DiffPrinter {
  /** The lines of each change. */
  changes(): AsyncIterable<readonly string[]>
  /** What comes after the last. */
  end(): readonly string[]
}

/** The keys to compare. @throws {CoppiceError} `COLLECTION_UNKNOWN`, `KEY_INVALID`, `USAGE`. */
export async function diffRange(from: Snapshot, to: Snapshot, options: DiffRangeOptions): Promise<KeyRange> {
  const { collection, start, end, raw } = options
  if (raw === true) {
    if (collection !== undefined) throw usageError('--collection', 'none with --raw, which has byte keys', collection)
    return parseRawRange(options)
  }
  if (collection === undefined && start === undefined && end === undefined) return {}
  const schema = await schemaIn(from, to, collection)
  return documentRange(schema, parseDocumentRange(schema, options))
}

/** A collection may be in one of the two only. */
async function schemaIn(from: Snapshot, to: Snapshot, asked: string | undefined): Promise<Schema> {
  const schemaOf = async (snapshot: Snapshot): Promise<Schema> =>
    await snapshot.collection(await chooseCollection(snapshot, asked, '--collection')).schema()
  return await schemaOf(to).catch((error: unknown) => {
    if (isCoppiceError(error, 'COLLECTION_UNKNOWN')) return schemaOf(from)
    throw error
  })
}

/** @throws {CoppiceError} `USAGE` for two forms at once. */
export function createPrinter(
  options: DiffFormOptions,
  from: DiffState,
  to: DiffState,
  range: DiffOptions,
): DiffPrinter {
  if (options.stat === true && options.keys === true) {
    throw new CoppiceError('USAGE', 'diff: expected one of --stat and --keys, got both')
  }
  const trees = () => diffTrees(from.snapshot.tree, to.snapshot.tree, range)
  const isJson = options.json === true
  if (options.stat === true) return statPrinter(trees, from, to, isJson)
  if (options.keys === true) return keysPrinter(trees, isJson)
  const changes = () => changesBetween(from.snapshot, to.snapshot, range)
  return isJson ? jsonPrinter(changes) : textPrinter(changes, from, to)
}

/** What a diff says of a change without its values. */
type KeyedChange = Pick<Change, 'type' | 'key'>

function textPrinter(changes: () => AsyncIterable<Change>, from: DiffState, to: DiffState): DiffPrinter {
  async function* lines(): AsyncGenerator<readonly string[]> {
    let headers = [`--- ${from.label}`, `+++ ${to.label}`]
    for await (const change of changes()) {
      yield [...headers, ...renderChange(change)]
      headers = []
    }
  }
  return { changes: lines, end: () => [] }
}

const SIGNS = { add: '+', remove: '-', update: '~' } as const

function keysPrinter(changes: () => AsyncIterable<KeyedChange>, isJson: boolean): DiffPrinter {
  async function* lines(): AsyncGenerator<readonly string[]> {
    for await (const { type, key } of changes()) {
      yield [isJson ? renderJson(keyJson(type, key, meaningOfKey(key))) : `${SIGNS[type]} ${renderTreeKey(key)}`]
    }
  }
  return { changes: lines, end: () => [] }
}

function jsonPrinter(changes: () => AsyncIterable<Change>): DiffPrinter {
  async function* lines(): AsyncGenerator<readonly string[]> {
    for await (const change of changes()) yield [renderJson(changeJson(change))]
  }
  return { changes: lines, end: () => [] }
}

/** One line of `coppice diff --json`, which is API. */
export function changeJson({ type, key, meaning, from, to }: Change): { readonly [field: string]: FieldValue } {
  return { ...keyJson(type, key, meaning), from: sideJson(from), to: sideJson(to) }
}

/** A value that is not loaded is told by its CID and size. */
export function sideJson(side: RowValue | undefined): FieldValue {
  return side instanceof LargeValue ? { cid: side.cid, size: side.size } : (side ?? null)
}

/** `rawKey` in hexadecimal; collection and key where it is a document's. */
export function keyJson(
  type: Change['type'] | 'conflict',
  key: Uint8Array,
  meaning: KeyMeaning | undefined,
): { readonly [field: string]: FieldValue } {
  const collection = meaning === undefined || meaning.space === 'metadata' ? null : meaning.collection
  const parts = meaning?.space === 'document' ? [...meaning.parts] : null
  return { type, space: meaning?.space ?? 'raw', collection, key: parts, rawKey: bytesToHex(key) }
}

type Counts = { added: number; removed: number; changed: number }

const COUNTED = { add: 'added', remove: 'removed', update: 'changed' } as const

function statPrinter(
  changes: () => AsyncIterable<KeyedChange>,
  from: DiffState,
  to: DiffState,
  isJson: boolean,
): DiffPrinter {
  const total: Counts = { added: 0, removed: 0, changed: 0 }
  const groups = new Map<string, Counts>()
  const collections = new Map<string, Counts>()
  async function* lines(): AsyncGenerator<readonly string[]> {
    for await (const { type, key } of changes()) {
      const meaning = meaningOfKey(key)
      const counts =
        meaning?.space === 'document'
          ? countsIn(collections, meaning.collection)
          : countsIn(groups, meaning?.space ?? 'raw')
      counts[COUNTED[type]]++
      total[COUNTED[type]]++
      yield []
    }
  }
  return {
    changes: lines,
    end: () => {
      if (!isJson) return statLines(total, groups, collections)
      const [before, after] = [from.snapshot.root, to.snapshot.root]
      return [
        renderJson({
          from: before,
          to: after,
          ...total,
          collections: Object.fromEntries(collections),
          other: Object.fromEntries(groups),
        }),
      ]
    },
  }
}

function countsIn(groups: Map<string, Counts>, name: string): Counts {
  const known = groups.get(name)
  if (known !== undefined) return known
  const counts = { added: 0, removed: 0, changed: 0 }
  groups.set(name, counts)
  return counts
}

const GROUP_NAMES: Readonly<Record<string, string>> = { metadata: '(metadata)', schema: '(schemas)', raw: '(raw keys)' }

function statLines(total: Counts, groups: Map<string, Counts>, collections: Map<string, Counts>): string[] {
  const rows: [string, string][] = []
  for (const [name, counts] of collections) rows.push([escapeText(name), renderCounts(counts)])
  for (const [name, counts] of groups) rows.push([GROUP_NAMES[name] ?? name, renderCounts(counts)])
  rows.push(['total', renderCounts(total)])
  return renderTable(rows)
}

function renderCounts({ added, removed, changed }: Counts): string {
  return `${renderCount(added)} added, ${renderCount(removed)} removed, ${renderCount(changed)} changed`
}
