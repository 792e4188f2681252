/**
 * What `zstd -3` makes of two releases of browser-compat-data as NDJSON: of the older one, and of the documents that the
 * newer one changes or adds. Prints a line of JSON.
 *
 *     node bench/rounds/compat-zstd.ts [DOCUMENTS]
 */
import { constants, zstdCompressSync } from 'node:zlib'
import { loadRelease } from '../../demo/dataset.ts'
import type { CompatResult } from '../parts/results.ts'

const LEVEL = 3
const most = Number(process.argv[2] ?? 'Infinity')
const before = await linesOf('bcd-old')
const known = new Set(before)
const changed = (await linesOf('bcd-new')).filter((line) => !known.has(line))
const [all, some] = [before, changed].map((lines) => Buffer.from(lines.join(''))) as [Buffer, Buffer]
const result: Omit<CompatResult, 'clone' | 'pull'> = {
  documents: before.length,
  ndjsonBytes: all.length,
  zstdBytes: compressedBytes(all),
  changedDocuments: changed.length,
  changedBytes: some.length,
  changedZstdBytes: compressedBytes(some),
}
console.log(JSON.stringify(result))

async function linesOf(release: 'bcd-old' | 'bcd-new'): Promise<string[]> {
  return (await loadRelease(release)).lines().take(most).toArray()
}

function compressedBytes(bytes: Buffer): number {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }).length
}
