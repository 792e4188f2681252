/** Directories and resources of a test, removed and disposed however it ends. (`await using` needs Node 24.) */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Registers a resource for disposal at the end of the scope, the newest first. */
export type Use = <T extends AsyncDisposable>(resource: T) => T

export async function scope<T>(body: (use: Use) => Promise<T>): Promise<T> {
  const resources: AsyncDisposable[] = []
  try {
    return await body((resource) => {
      resources.push(resource)
      return resource
    })
  } finally {
    for (const resource of resources.toReversed()) await resource[Symbol.asyncDispose]()
  }
}

/** A new empty directory, removed after what `body` uses is disposed of. */
export async function inDirectory(body: (path: string, use: Use) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'coppice-'))
  try {
    await scope((use) => body(path, use))
  } finally {
    await rm(path, { recursive: true })
  }
}
