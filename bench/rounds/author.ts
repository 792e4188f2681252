/**
 * A process of ./clone.ts: an author's database of ENTRIES entries in the directory given, served over TCP and noise.
 * Prints its address; for each line on standard input publishes UPDATES random updates and prints a line.
 */
import { createInterface } from 'node:readline'
import { Database, serve } from '../../src/index.ts'
import { Entries, ENTRIES, UPDATES } from '../data/entries.ts'

const [path = '', size = ENTRIES] = process.argv.slice(2)
const entries = new Entries(Number(size))
const db = await Database.create(path, { name: 'bench' })
await db.batch((tx) => tx.apply(entries.all()))
await db.publish()
const server = await serve([db], { peerKey: crypto.getRandomValues(new Uint8Array(32)) })
console.log(server.addressOf(db))

let version = 0
for await (const _ of createInterface({ input: process.stdin })) {
  version++
  await db.batch((tx) => tx.apply(entries.updates(UPDATES, version)))
  await db.publish()
  console.log('published')
}
await server.close()
await db.close()
