/** Directories for the data of rounds. Held by who started the round, so that they go even where it is killed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const held = new Set<string>()
process.on('exit', () => held.forEach(remove))

/** Gives `work` an empty directory and removes it afterwards, also when this process is interrupted meanwhile. */
export async function withDirectory<Result>(work: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'coppice-bench-'))
  held.add(directory)
  try {
    return await work(directory)
  } finally {
    remove(directory)
    held.delete(directory)
  }
}

function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}
