/** Real documents: a clone of browser-compat-data and the pull of its next release, against `zstd -3` of its NDJSON. */
import { join } from 'node:path'
import { Child } from '../process/child.ts'
import { withDirectory } from '../process/directory.ts'
import type { Taken } from '../rounds/replica.ts'
import type { CompatResult, WirePull } from './results.ts'

const TIMEOUT_MS = 180_000

export async function measureCompat(documents: number | undefined): Promise<CompatResult> {
  const args = documents === undefined ? [] : [String(documents)]
  const zstd = new Child('compat-zstd.ts', args, TIMEOUT_MS)
  const compressed = JSON.parse(await zstd.line()) as Omit<CompatResult, 'clone' | 'pull'>
  await zstd.end()
  return await withDirectory(async (directory) => {
    const author = new Child('compat-author.ts', [join(directory, 'author'), ...args], TIMEOUT_MS)
    const address = await author.line()
    const replica = new Child('replica.ts', [address, join(directory, 'replica')], TIMEOUT_MS)
    const clone = wirePull(JSON.parse(await replica.line()) as Taken)
    author.tell('next release')
    await author.line()
    replica.tell('pull')
    const pull = wirePull(JSON.parse(await replica.line()) as Taken)
    await replica.end()
    await author.end()
    return { ...compressed, clone, pull }
  })
}

function wirePull({ seconds, wireBytes, roundTrips, entries, blockBytes }: Taken): WirePull {
  return { seconds, wireBytes, roundTrips, entries, blockBytes }
}
