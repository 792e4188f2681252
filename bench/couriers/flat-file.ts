/**
 * The most compact file that rows can be exported to: key after value after key, 80 bytes each, in key order. What is sent
 * by tools that know files and nothing else. A copy of it is found by bisection.
 */
import { closeSync, copyFileSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { compareBytes } from '../../src/bytes.ts'
import type { Change } from '../data/changes.ts'
import { type Entries, ENTRY_BYTES, KEY_BYTES } from '../data/entries.ts'

const ROWS_PER_WRITE = 10_000

export class FlatFile {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  write(entries: Entries): void {
    const file = openSync(this.path, 'w')
    let rows: Uint8Array[] = []
    for (const { key, value } of entries.all()) {
      rows.push(key, value)
      if (rows.length < 2 * ROWS_PER_WRITE) continue
      writeSync(file, Buffer.concat(rows))
      rows = []
    }
    writeSync(file, Buffer.concat(rows))
    fdatasyncSync(file)
    closeSync(file)
  }

  /** Puts rows at their places. */
  put(changes: Iterable<Change>): void {
    const file = openSync(this.path, 'r+')
    for (const { place, key, value } of changes) {
      writeSync(file, Buffer.concat([key, value]), 0, ENTRY_BYTES, place * ENTRY_BYTES)
    }
    fdatasyncSync(file)
    closeSync(file)
  }

  copyTo(path: string): void {
    copyFileSync(this.path, path)
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const file = openSync(this.path, 'r')
    try {
      const row = Buffer.alloc(ENTRY_BYTES)
      let [low, high] = [0, fstatSync(file).size / ENTRY_BYTES]
      while (low < high) {
        const middle = (low + high) >>> 1
        readSync(file, row, 0, ENTRY_BYTES, middle * ENTRY_BYTES)
        const order = compareBytes(row.subarray(0, KEY_BYTES), key)
        if (order === 0) return row.subarray(KEY_BYTES)
        if (order < 0) low = middle + 1
        else high = middle
      }
      return undefined
    } finally {
      closeSync(file)
    }
  }
}
