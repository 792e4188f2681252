/** The log of signed roots: all that an author published, or those a replica accepted. */
import { equalBytes } from '../../bytes.ts'
import { decodeSignedRoot, type SignedRoot } from '../../pointer/index.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import type { PayloadName } from '../../sync/index.ts'
import { decodeCount, encodeCount, LOG_LENGTH, logName } from '../meta.ts'
import { type DatabaseState, rootNotFound } from '../state.ts'

export interface LogEntry {
  readonly signedRoot: SignedRoot
  /** Whether the tree is still in the store. */
  readonly isHeld: boolean
}

export interface LogOptions {
  /** At most so many, the newest. */
  readonly limit?: number
  readonly signal?: AbortSignal | undefined
}

/** Newest first. */
export async function* readLog(
  state: DatabaseState,
  options: LogOptions = {},
): AsyncGenerator<LogEntry, void, undefined> {
  const length = await state.logLength()
  const last = Math.max(0, length - (options.limit ?? length))
  for (let position = length - 1; position >= last; position--) {
    options.signal?.throwIfAborted()
    const signedRoot = decodeOwn(await state.logAt(position))
    const isHeld = (await state.store.getComplete(signedRoot.payload.root)) !== undefined
    yield { signedRoot, isHeld }
  }
}

/** The signed root with that sequence. @throws {CoppiceError} `ROOT_NOT_FOUND`. */
export async function requireSequence(state: DatabaseState, sequence: number): Promise<SignedRoot> {
  for await (const { signedRoot } of readLog(state)) {
    if (signedRoot.payload.sequence === sequence) return signedRoot
    if (signedRoot.payload.sequence < sequence) break
  }
  throw rootNotFound(`@${sequence}`)
}

/** The signed root at a position of the log, 0 being the oldest; undefined where it is damaged or absent. */
export async function readEntry(state: DatabaseState, position: number): Promise<SignedRoot | undefined> {
  try {
    return decodeOwn(await state.logAt(position))
  } catch (error) {
    if (isCoppiceError(error, 'STORE_CORRUPT')) return undefined
    throw error
  }
}

/** The signed root of that payload, if the log has it: looked for by its sequence, in some 20 reads of a million. */
export async function findInLog(
  state: DatabaseState,
  { sequence, link }: PayloadName,
): Promise<SignedRoot | undefined> {
  let [low, high] = [0, await state.logLength()]
  let found: SignedRoot | undefined
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const entry = await readEntry(state, middle)
    if (entry === undefined) return undefined
    if (entry.payload.sequence < sequence) low = middle + 1
    else [high, found] = [middle, entry]
  }
  return found !== undefined && equalBytes(found.link, link) ? found : undefined
}

/** What is to be written with a signed root, so that the log has it. */
export async function logEntryMeta(state: DatabaseState, bytes: Uint8Array): Promise<[string, Uint8Array][]> {
  const length = decodeCount(LOG_LENGTH, await state.store.getMeta(LOG_LENGTH))
  return [
    [logName(length), bytes],
    [LOG_LENGTH, encodeCount(length + 1)],
  ]
}

/** Decodes bytes of our own store. @throws {CoppiceError} `STORE_CORRUPT`. */
export function decodeOwn(bytes: Uint8Array | undefined): SignedRoot {
  if (bytes === undefined) throw damaged('nothing')
  try {
    const signedRoot = decodeSignedRoot(bytes)
    if (signedRoot.state !== 'newer-format') return signedRoot
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
    throw damaged(`other bytes (${error.message})`, error)
  }
  throw damaged('one of a newer format')
}

function damaged(got: string, cause?: unknown): CoppiceError {
  return new CoppiceError(
    'STORE_CORRUPT',
    `store: expected a signed root, got ${got}; restore a backup or clone again`,
    {
      cause,
    },
  )
}
