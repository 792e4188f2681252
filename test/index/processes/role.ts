/**
 * A process that uses the composed library, for tests that watch or kill it. Roles (argv[2]), with the directory in argv[3]:
 *
 * - `publisher`: releases of {@link releaseRows}, from the next number on, each published and then printed: `SEQUENCE HEX`
 * - `writer`: takes lines of standard input: `release N` imports and publishes release N, then prints its sequence
 * - `preparer`: prepares the next root of release 1, 2, ... again and again, each instead of the one before; prints `SEQUENCE HEX`
 * - `completer HEX`: completes what was prepared by the bytes of its signed root, prints `SEQUENCE HEX`
 * - `server`: serves the database or replica at its usual port, prints its address, until standard input ends
 * - `cloner ADDRESS`: clones, then prints `SEQUENCE ENTRIES`
 * - `reader`: scans the replica again and again, prints the release of each new state or `mixed`, until standard input ends
 */
import process from 'node:process'
import { createInterface } from 'node:readline'
import { bytesToHex, hexToBytes } from '../../../src/bytes.ts'
import { type Database as DatabaseType, openDirectory, Replica, serve, Database } from '../../../src/index.ts'
import { importDocuments } from '../../../src/transfer/index.ts'
import { type Child, startScript } from '../../store/processes/child.ts'
import { seededRandom } from '../../support/seeded-random.ts'

export const RELEASE_ROWS = 400

export function startRole(role: string, directory: string, ...args: string[]): Child {
  return startScript(new URL('role.ts', import.meta.url), role, directory, ...args)
}

/** NDJSON, about 120 KB: every row names the release. */
export function releaseRows(release: number, rows: number = RELEASE_ROWS): Uint8Array {
  const random = seededRandom(1)
  const lines = Array.from({ length: rows }, (_, id) => {
    const filling = Array.from({ length: 25 }, () => Math.floor(random() * 2 ** 32).toString(36)).join('')
    return JSON.stringify({ id, release, filling })
  })
  return new TextEncoder().encode(lines.join('\n'))
}

export async function importRelease(db: DatabaseType, release: number, rows: number = RELEASE_ROWS): Promise<void> {
  await importDocuments(db, [releaseRows(release, rows)], {
    collection: 'rows',
    key: ['id'],
    format: 'ndjson',
    replace: true,
  })
}

function print(...words: readonly unknown[]): void {
  process.stdout.write(`${words.join(' ')}\n`)
}

const endOfInput = (): Promise<unknown> => new Promise((resolve) => process.stdin.resume().on('end', resolve))

const roles: Readonly<Record<string, (directory: string, ...args: string[]) => Promise<void>>> = {
  async publisher(directory) {
    const db = await Database.open(directory)
    const before = await db.published()
    print('open')
    for (let release = (before?.payload.sequence ?? 0) + 1; ; release++) {
      await importRelease(db, release)
      const { signedRoot } = await db.publish()
      print(signedRoot.payload.sequence, bytesToHex(signedRoot.bytes))
    }
  },

  async preparer(directory) {
    const db = await Database.open(directory)
    print('open')
    for (let release = 1; ; release++) {
      await importRelease(db, release)
      const unsigned = await db.preparePublish({ replacePrepared: true, refresh: true })
      if (unsigned !== undefined) print(unsigned.next.payload.sequence, bytesToHex(unsigned.bytes))
    }
  },

  async completer(directory, signedRoot = '') {
    const db = await Database.open(directory)
    print('open')
    const report = await db.completePublish(hexToBytes(signedRoot) ?? new Uint8Array())
    print(report.signedRoot.payload.sequence, bytesToHex(report.signedRoot.bytes))
    await db.close()
  },

  async writer(directory) {
    const db = await Database.open(directory)
    print('open')
    for await (const line of createInterface({ input: process.stdin })) {
      await importRelease(db, Number(line.split(' ')[1]))
      print((await db.publish()).signedRoot.payload.sequence)
    }
    await db.close()
  },

  async server(directory) {
    const { db } = await openDirectory(directory, { access: 'read' })
    const server = await serve(db)
    print(server.addressOf(db))
    await endOfInput()
    await server.close()
    await db.close()
  },

  async cloner(directory, address = '') {
    const replica = await Replica.clone(address, directory)
    const { payload } = (await replica.published()) ?? {}
    print(payload?.sequence, payload?.entries)
    await replica.close()
  },

  async reader(directory) {
    let isOver = false
    void endOfInput().then(() => (isOver = true))
    const replica = await Replica.open(directory, { access: 'read' })
    print('open')
    let last = ''
    while (!isOver) {
      const seen = new Set<unknown>()
      let rows = 0
      for await (const { release } of replica.collection<{ release: number }>('rows').scan()) {
        seen.add(release)
        rows++
      }
      const state =
        seen.size === 1 && rows === RELEASE_ROWS ? String([...seen][0]) : `mixed: ${[...seen].join()} ${rows}`
      if (state !== last) print(state)
      last = state
      await new Promise((resolve) => setImmediate(resolve))
    }
    await replica.close()
  },
}

if (process.argv[1] === import.meta.filename) {
  const [role = '', ...args] = process.argv.slice(2)
  await roles[role]?.(args[0] ?? '', ...args.slice(1))
}
