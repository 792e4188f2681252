/**
 * A process that writes to the store in argv[2], for tests that watch or kill it. Modes (argv[3]):
 *
 * - `numbered FROM COUNT`: batches FROM, FROM+1, ... of {@link numberedBatch}, each durable and then printed
 * - `hold`: takes the writer lock, prints "locked", keeps it until standard input ends
 * - `echo`: opens for reading, prints "ready", then for each line NAME of standard input the meta value as text
 */
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { CODEC_RAW, linkTo, type Block } from '../../../src/link.ts'
import type { WriteBatch } from '../../../src/store/interface.ts'
import { LmdbStore } from '../../../src/store/lmdb.ts'

/** Blocks of 0.1 to 40 KB, from `number` alone. */
export function numberedBlocks(number: number): Block[] {
  return Array.from({ length: 6 }, (_, i) => {
    const bytes = new TextEncoder().encode(`batch ${number} block ${i} `.repeat(5 + 400 * i))
    return { link: linkTo(CODEC_RAW, bytes), bytes }
  })
}

/** Blocks, a record for each, and the number as meta value 'last'. */
export function numberedBatch(number: number): WriteBatch & { readonly blocks: Block[] } {
  const key = new TextEncoder().encode(`key ${number}`)
  const blocks = numberedBlocks(number)
  const complete = blocks.map(({ link }) => ({
    link,
    level: 0,
    entries: 1,
    bytes: number,
    firstKey: key,
    lastKey: key,
    spineClosed: true,
  }))
  return { blocks, complete, meta: new Map([['last', new TextEncoder().encode(String(number))]]) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , path = '', mode, from = '0', count = '0'] = process.argv
  const lines = createInterface({ input: process.stdin })
  const store = await LmdbStore.open(path, mode === 'echo' ? 'read' : 'write')
  if (mode === 'numbered') {
    await store.lockWriter()
    for (let number = Number(from); number < Number(from) + Number(count); number++) {
      await store.write(numberedBatch(number), { durable: true })
      process.stdout.write(`${number}\n`)
    }
  } else if (mode === 'hold') {
    await store.lockWriter()
    process.stdout.write('locked\n')
    for await (const _line of lines);
  } else {
    process.stdout.write('ready\n')
    for await (const name of lines) {
      const value = store.getMeta(name)
      process.stdout.write(`${value === undefined ? '-' : new TextDecoder().decode(value)}\n`)
    }
  }
  lines.close()
  await store.close()
}
