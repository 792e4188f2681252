/** Databases on the command line: opened for the time of one command, and closed however it ends. */
import type { Snapshot } from '../db/index.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText, quoteText } from '../escape.ts'
import type { Database, Replica } from '../index.ts'

/** Everything here loads the library when it is needed: `coppice --help` must be quick. */
export type Opened =
  { readonly kind: 'author'; readonly db: Database } | { readonly kind: 'replica'; readonly db: Replica }

/** Reads whichever database is in `path`; others may write to it meanwhile. */
export async function reading<R>(path: string, body: (opened: Opened) => Promise<R>): Promise<R> {
  const { openDirectory } = await import('../index.ts')
  const opened = await openDirectory(path, { access: 'read' })
  return await closing(opened.db, () => body(opened))
}

/** Writes one's own database in `path`. */
export async function writing<R>(path: string, body: (db: Database) => Promise<R>): Promise<R> {
  const { Database } = await import('../index.ts')
  const db = await Database.open(path)
  return await closing(db, () => body(db))
}

/** Runs `body`, then closes; the error of `body` is the one that is told. */
export async function closing<R>(db: { close(): Promise<void> }, body: () => Promise<R>): Promise<R> {
  try {
    return await body()
  } finally {
    await db.close()
  }
}

/**
 * The name asked for, or the only one there is. `how` is what names one: COLLECTION, or --collection.
 * @throws {CoppiceError} `COLLECTION_UNKNOWN`, `USAGE` where there are several.
 */
export async function chooseCollection(snapshot: Snapshot, asked: string | undefined, how: string): Promise<string> {
  if (asked !== undefined) return asked
  const names = (await snapshot.collections()).map(({ collection }) => collection)
  const [only] = names
  if (only !== undefined && names.length === 1) return only
  if (only === undefined)
    throw new CoppiceError('COLLECTION_UNKNOWN', 'collection: expected one, got a database without any')
  throw new CoppiceError('USAGE', `collection: expected ${how} to be one of ${listNames(names)}, got none`)
}

const NAMES_SHOWN_MAX = 20

/** Collections for a message; escaped. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).map(escapeText).join(', ')
  return names.length > NAMES_SHOWN_MAX ? `${shown}, ...` : shown
}

/** @throws {CoppiceError} `USAGE`. */
export function requireArgument(value: string | undefined, name: string): string {
  if (value !== undefined) return value
  throw new CoppiceError('USAGE', `missing required argument ${quoteText(name)}`)
}
