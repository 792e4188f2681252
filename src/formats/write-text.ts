/** Text to bytes in batches: what all writers end with. */

const BATCH_UNITS = 64 * 1024

/** The texts `render` gives for `items`, in UTF-8, in pieces of about 64 KiB. */
export async function* batchText<T>(
  items: AsyncIterable<T> | Iterable<T>,
  render: (item: T) => string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let batch = ''
  for await (const item of items) {
    batch += render(item)
    if (batch.length < BATCH_UNITS) continue
    signal?.throwIfAborted()
    yield Buffer.from(batch)
    batch = ''
  }
  signal?.throwIfAborted()
  if (batch !== '') yield Buffer.from(batch)
}
