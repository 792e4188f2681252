/**
 * A process of the sync benchmark: an author who imports an older release of browser-compat-data as its users would, as
 * documents of one collection, and for each line on standard input publishes the next one. Prints where it is found.
 *
 *     node bench/rounds/compat-author.ts DIRECTORY [DOCUMENTS]
 */
import { createInterface } from 'node:readline'
import { Database, importDocuments, serve } from '../../src/index.ts'
import { loadRelease } from '../../demo/dataset.ts'

const [path = '', documents = 'Infinity'] = process.argv.slice(2)
const db = await Database.create(path, { name: 'support' })
await importRelease('bcd-old')
const server = await serve([db], {
  peerKey: crypto.getRandomValues(new Uint8Array(32)),
  listen: ['/ip4/127.0.0.1/tcp/0'],
})
console.log(server.addressOf(db))
for await (const _ of createInterface({ input: process.stdin })) {
  await importRelease('bcd-new')
  console.log('published')
}
await server.close()
await db.close()

async function importRelease(release: 'bcd-old' | 'bcd-new'): Promise<void> {
  const lines = (await loadRelease(release)).lines().take(Number(documents))
  const encoded = lines.map((line) => new TextEncoder().encode(line))
  const options = { collection: 'support', key: ['feature', 'browser'], format: 'ndjson', replace: true } as const
  await importDocuments(db, ReadableStream.from(encoded), options)
  await db.publish()
}
