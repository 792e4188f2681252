/** Room on the disk of the benchmarks' data, and what they take of it. */
import { readdirSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Bytes that the files below a directory take on the disk: files may have holes. */
export function directoryBytes(directory: string): number {
  return readdirSync(directory, { withFileTypes: true, recursive: true }).reduce((sum, entry) => {
    if (!entry.isFile()) return sum
    const { size, blocks } = statSync(join(entry.parentPath, entry.name))
    return sum + Math.min(size, blocks * 512)
  }, 0)
}

/** @throws {Error} where the disk of temporary files has less room than that. */
export function requireRoom(bytes: number): void {
  const { bavail, bsize } = statfsSync(tmpdir())
  const room = bavail * bsize
  if (room >= bytes) return
  throw new Error(
    `disk: expected ${gibibytes(bytes)} free in ${tmpdir()}, got ${gibibytes(room)}; free some space, or name another directory with TMPDIR`,
  )
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`
}
