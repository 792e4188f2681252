/** Sorted entries in a temporary file: what {@link sortEntries} spills, and reads back in order. */
import { open, type FileHandle } from 'node:fs/promises'
import type { Place } from './place.ts'

/** An entry and where in the input it stood. */
export interface SortEntry extends Place {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Length of key, of value (u32), line (f64: more than 2^32 lines are possible), column (u32), then key and value. */
const HEADER_BYTES = 20
const WRITE_BATCH_BYTES = 256 * 1024

/** Writes `entries` to a new file. The caller removes it, also after an error. */
export async function writeRun(path: string, entries: AsyncIterable<SortEntry> | Iterable<SortEntry>): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await writeEntries(file, entries)
  } finally {
    await file.close()
  }
}

async function writeEntries(file: FileHandle, entries: AsyncIterable<SortEntry> | Iterable<SortEntry>): Promise<void> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for await (const entry of entries) {
    batch.push(encodeHeader(entry), entry.key, entry.value)
    bytes += HEADER_BYTES + entry.key.length + entry.value.length
    if (bytes < WRITE_BATCH_BYTES) continue
    await writeAll(file, batch)
    batch = []
    bytes = 0
  }
  await writeAll(file, batch)
}

/** `writev` may write less than all of it; one `write` call loop is simpler, and the copy is cheap beside the disk. */
async function writeAll(file: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  const bytes = Buffer.concat(batch)
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at)
    at += bytesWritten
  }
}

function encodeHeader({ key, value, line, column }: SortEntry): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES)
  const view = new DataView(header.buffer)
  view.setUint32(0, key.length)
  view.setUint32(4, value.length)
  view.setFloat64(8, line)
  view.setUint32(16, column)
  return header
}

/** Reads a run from its start, in batches of `bufferBytes` (more where one entry is longer). */
export async function* readRun(path: string, bufferBytes: number): AsyncGenerator<SortEntry[]> {
  const file = await open(path, 'r')
  try {
    yield* readEntries(file, bufferBytes)
  } finally {
    await file.close()
  }
}

async function* readEntries(file: FileHandle, bufferBytes: number): AsyncGenerator<SortEntry[]> {
  let rest: Uint8Array = new Uint8Array(0)
  let wanted = bufferBytes
  for (;;) {
    const chunk = new Uint8Array(Math.max(bufferBytes, wanted))
    const { bytesRead } = await file.read(chunk, 0, chunk.length)
    if (bytesRead === 0) return
    const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
    const { entries, end, missing } = decodeEntries(bytes)
    rest = bytes.subarray(end)
    wanted = missing
    if (entries.length > 0) yield entries
  }
}

/** The whole entries in `bytes`, where they end, and how many bytes the next one lacks at least. */
function decodeEntries(bytes: Uint8Array): { entries: SortEntry[]; end: number; missing: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const entries: SortEntry[] = []
  let at = 0
  for (;;) {
    if (at + HEADER_BYTES > bytes.length) return { entries, end: at, missing: HEADER_BYTES }
    const keyBegin = at + HEADER_BYTES
    const valueBegin = keyBegin + view.getUint32(at)
    const end = valueBegin + view.getUint32(at + 4)
    if (end > bytes.length) return { entries, end: at, missing: end - bytes.length }
    entries.push({
      key: bytes.subarray(keyBegin, valueBegin),
      value: bytes.subarray(valueBegin, end),
      line: view.getFloat64(at + 8),
      column: view.getUint32(at + 16),
    })
    at = end
  }
}
