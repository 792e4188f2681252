/** Reading all of a reader, and the error it ends with. */
import { isCoppiceError, type CoppiceError } from '../../src/errors.ts'

export async function collect<T>(source: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

/** What came before the coded error, and the error; undefined where there was none. */
export async function collectUntilError<T>(
  source: AsyncIterable<T>,
): Promise<{ items: T[]; error: CoppiceError | undefined }> {
  const items: T[] = []
  try {
    for await (const item of source) items.push(item)
  } catch (error) {
    if (isCoppiceError(error)) return { items, error }
    throw error
  }
  return { items, error: undefined }
}

export async function joined(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await collect(source)))
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
