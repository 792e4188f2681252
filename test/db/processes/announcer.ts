/**
 * A process that publishes the database in argv[2] with a carrier, and stops for ever at one point (argv[3]), for tests that kill it
 * there: `asking` the carrier, `signing`, or `putting` the signed root on it. Prints the point, and the bytes that stand behind it.
 */
import process from 'node:process'
import { bytesToHex } from '../../../src/bytes.ts'
import type { Carrier } from '../../../src/carriers/index.ts'
import { Database } from '../../../src/db/index.ts'
import { openDatabaseDirectory } from '../../../src/directory/index.ts'
import type { Signer } from '../../../src/pointer/index.ts'
import { surroundings } from '../../../src/surroundings.ts'
import { carriersOf, NOTHING_SHOWN } from '../../support/carriers-lab.ts'
import { signerOf, utf8 } from '../../support/database-lab.ts'

const [, , path = '', point] = process.argv

async function stopAt<T>(here: string, bytes: Uint8Array, value: T): Promise<T> {
  if (here !== point) return value
  process.stdout.write(`${here} ${bytesToHex(bytes)}\n`)
  return await new Promise<never>(() => setInterval(() => {}, 1000))
}

const carrier: Carrier = {
  name: 'dht',
  source: 'dht',
  keepsMs: null,
  get: () => stopAt('asking', new Uint8Array(), NOTHING_SHOWN),
  put: (_pointer, { signedRoot }) => stopAt('putting', signedRoot, { stored: 1, newer: 0, seen: 1, refusals: [] }),
  close: () => Promise.resolve(),
}
const author = signerOf('author')
const signer: Signer = {
  publicKey: author.publicKey,
  sign: async (bytes) => await stopAt('signing', bytes, await author.sign(bytes)),
}
const { store } = await openDatabaseDirectory(path, 'write')
const db = await Database.load(store, {
  ...surroundings,
  isWritable: true,
  signers: [signer],
  carriers: carriersOf(carrier),
})
await db.put(utf8('n'), utf8(String(process.pid)))
await db.publish()
