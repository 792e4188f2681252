/** Mirrors in directories of a test: what is in their files, servers over them, and replicas that ask these beside peers of a lab. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { bytesToHex } from '../../src/bytes.ts'
import type { Clock } from '../../src/clock.ts'
import { type Database, decodeOwn, type Dialing } from '../../src/db/index.ts'
import { type Edit, walkTree } from '../../src/prolly/index.ts'
import { packBatch, unpackBatch } from '../../src/mirror/batch-coding.ts'
import { digestOf } from '../../src/mirror/digest.ts'
import { withMirrorFiles } from '../../src/mirror/mirror-files.ts'
import { decodeTable, layoutOf } from '../../src/mirror/pack-format.ts'
import { PackWriter } from '../../src/mirror/pack-writer.ts'
import {
  decodeRootFile,
  encodeRootFile,
  type PackEntry,
  packPath,
  type RootFile,
  wellKnownPath,
} from '../../src/mirror/root-file.ts'
import { httpDialerOf } from '../../src/peer-addresses.ts'
import type { Link } from '../../src/link.ts'
import type { SignedRoot } from '../../src/pointer/index.ts'
import type { Session, SessionDialer } from '../../src/sync/index.ts'
import { sha256 } from '../../src/sha256.ts'
import { surroundings } from '../../src/surroundings.ts'
import { collect, createDatabase, DatabaseLab, utf8 } from './database-lab.ts'
import { blockSet } from './tree-sets.ts'

/** Replicas of this lab ask URLs, too. */
export class MirrorLab extends DatabaseLab {
  override get network(): Dialing {
    const network = super.network
    return { ...network, dialer: async (address) => (await httpDialerOf(address)) ?? network.dialer(address) }
  }
}

/** Time that passes so many times as fast, for what waits long; requests are as fast as ever. */
export function fastClock(times: number): Clock {
  const { clock } = surroundings
  return { now: () => clock.now() * times, sleep: (ms, signal) => clock.sleep(ms / times, signal) }
}

/** Values that hardly compress, so that a pack is about as large as its blocks; some stand out of line. */
export function rowsOf(from: number, to: number, version = 0): Edit[] {
  return Array.from({ length: to - from }, (_, i) => {
    const n = from + i
    const key = utf8(String(n).padStart(8, '0'))
    const noise = sha256(utf8(`${n}/${version}`))
    return { key, value: n % 400 === 7 ? new Uint8Array(2000).fill(n + version) : new Uint8Array(noise) }
  })
}

/** A database with `count` rows, published. */
export async function publishedRows(count: number): Promise<Database> {
  const db = await createDatabase()
  await change(db, rowsOf(0, count))
  return db
}

export async function change(db: Database, edits: Edit[]): Promise<void> {
  await db.batch((tx) => tx.apply(edits))
  await db.publish()
}

export async function readRootFile(directory: string): Promise<RootFile> {
  return decodeRootFile(await readFile(join(directory, 'root')))
}

/** The sequence of the root in the small file that names the newest alone. */
export async function readNewest(db: Database, directory: string): Promise<number> {
  const file = decodeRootFile(await readFile(join(directory, wellKnownPath(db))))
  assert.is(file.packs.length, 0)
  return decodeOwn(file.roots[0]?.signedRoot).payload.sequence
}

/** The digests of the blocks in a pack, in hexadecimal digits, each as often as it is there, read from its batches alone. */
export async function digestsIn(directory: string, entry: PackEntry): Promise<string[]> {
  const file = new Uint8Array(await readFile(join(directory, packPath(entry))))
  const { index, table, end } = layoutOf(entry)
  const batches = decodeTable(file.subarray(table, end), index).map(({ start, end: stop, foldedBytes }) =>
    unpackBatch(file.subarray(start, stop), entry.coding, foldedBytes),
  )
  return (await Promise.all(batches)).flat().map((block) => bytesToHex(sha256(block)))
}

/** Of all packs that the newest root names. */
export async function digestsOf(directory: string): Promise<string[]> {
  const { roots, packs } = await readRootFile(directory)
  const named = roots[0]?.packs.map((number) => packs[number] as PackEntry) ?? []
  return (await Promise.all(named.map((entry) => digestsIn(directory, entry)))).flat()
}

/** The digests of the blocks of what the database shows. */
export async function digestsOfState(db: Database): Promise<Set<string>> {
  const keys = await blockSet((await db.snapshot()).tree, true)
  return new Set([...keys].map((key) => bytesToHex(Uint8Array.from(key, (c) => c.charCodeAt(0)).subarray(4))))
}

export async function packFiles(directory: string): Promise<string[]> {
  return (await readdir(join(directory, 'packs'))).toSorted()
}

/** Every root that the mirror offers has its whole tree in the packs that it names, all of which are there, and in the store. Gives the newest's sequence. */
export async function assertSound(db: Database, out: string): Promise<number> {
  const { roots, packs } = await readRootFile(out)
  const digests = await Promise.all(packs.map(async (pack) => new Set(await digestsIn(out, pack))))
  for (const { signedRoot, packs: own } of roots) {
    const { root } = decodeOwn(signedRoot).payload
    for await (const { link } of walkTree(db.state.store, root)) {
      const digest = bytesToHex(link.subarray(4))
      assert.ok(own.some((number) => digests[number]?.has(digest)))
    }
  }
  return decodeOwn(roots[0]?.signedRoot).payload.sequence
}

/** A mirror in which each block stands in a batch of its own, beside a megabyte of noise. Gives the links of the blocks. */
export async function exportPadded(db: Database, directory: string): Promise<Link[]> {
  const blocks = await collect(walkTree(db.state.store, (await db.snapshot()).tree.ref.root))
  const padding = randomBytes(1000 * 1024)
  const packs = await withMirrorFiles(directory, async (files) => {
    const writer = new PackWriter(files, { coding: 'zstd', sequence: 1 })
    for (const { link, bytes } of blocks) {
      const batch = packBatch([bytes, padding], bytes.length + padding.length, 'zstd')
      await writer.addBatch(batch.bytes, batch.foldedBytes, [digestOf(link)])
    }
    await writer.finish()
    return writer.written
  })
  const { bytes: signedRoot } = (await db.published()) as SignedRoot
  const file = { roots: [{ signedRoot, packs: [...packs.keys()] }], packs, attachments: [] }
  await writeFile(join(directory, 'root'), encodeRootFile(file))
  return blocks.map(({ link }) => link)
}

/** A session with the mirror of the database at a URL. */
export async function openSession(db: Database, url: string): Promise<Session> {
  const dialer = (await httpDialerOf(url)) as SessionDialer
  const hello = { author: db.author, name: db.name, have: null }
  return await dialer.openSession(hello, { clock: surroundings.clock, signal: new AbortController().signal })
}
