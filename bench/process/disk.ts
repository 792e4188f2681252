/** Room on the disk of the benchmarks' data, and what they take of it. */
import { readdirSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Bytes that the files below a directory take on the disk: files may have holes, and LevelDB removes some meanwhile. */
export function directoryBytes(directory: string): number {
  return readdirSync(directory, { withFileTypes: true, recursive: true }).reduce((sum, entry) => {
    const stats = entry.isFile() ? statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false }) : undefined
    return stats === undefined ? sum : sum + Math.min(stats.size, stats.blocks * 512)
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
