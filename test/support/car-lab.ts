/** Databases as archives: a published one with values of every kind, archives cut and forged, and a replica of it. */
import { CarReader as StockReader } from '@ipld/car'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { bytesToHex } from '../../src/bytes.ts'
import type { Database, Replica } from '../../src/db/index.ts'
import type { Block } from '../../src/link.ts'
import type { SignedRoot } from '../../src/pointer/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { writeCar } from '../../src/car/index.ts'
import { exportCar, type ExportCarOptions } from '../../src/transfer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { collect, createDatabase, DatabaseLab, utf8 } from './database-lab.ts'

export const FILM_BYTES = 2_500_000

export function rowsFrom(from: number, to: number, text = 'value'): Edit[] {
  return Array.from({ length: to - from }, (_, i): Edit => {
    const n = from + i
    const value = n % 50 === 0 ? new Uint8Array(1500).fill(n) : utf8(`${text} ${n}`)
    return { key: utf8(String(n).padStart(7, '0')), value }
  })
}

/** Some hundred blocks: rows, values out of line, two rows with one value, and a value beyond 1 MiB. */
export async function publishedFilms(name = 'cities'): Promise<Database> {
  const db = await createDatabase({ name })
  await db.batch((tx) => tx.apply(rowsFrom(0, 5000)))
  await db.put(utf8('film'), new Uint8Array(FILM_BYTES).fill(7))
  await db.put(utf8('film of the same bytes'), new Uint8Array(FILM_BYTES).fill(7))
  await db.publish()
  return db
}

export async function signedOf(db: Database | Replica): Promise<SignedRoot> {
  const signed = await db.published()
  if (signed === undefined) throw new Error('nothing is published')
  return signed
}

export async function carOf(db: Database | Replica, options: ExportCarOptions = {}): Promise<Uint8Array> {
  return Buffer.concat(await collect(exportCar(db, await signedOf(db), options)))
}

/** By a reader that is not ours. */
export async function blocksOfCar(
  car: Uint8Array,
): Promise<{ readonly roots: Uint8Array[]; readonly blocks: Block[] }> {
  const reader = await StockReader.fromBytes(car)
  const roots = (await reader.getRoots()).map(({ bytes }) => bytes)
  const blocks = (await collect(reader.blocks())).map(({ cid, bytes }) => ({ link: cid.bytes, bytes }))
  return { roots, blocks }
}

export async function carOfBlocks(root: Uint8Array, blocks: Iterable<Block>): Promise<Uint8Array> {
  async function* each(): AsyncGenerator<Block> {
    yield* await Promise.resolve(blocks)
  }
  return Buffer.concat(await collect(writeCar(root, each())))
}

export async function* inChunks(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size))
}

/** CIDs of the blocks of the state that is shown, in depth-first order, by codecs that are not ours; each once. */
export async function stateKeys(db: Database | Replica): Promise<string[]> {
  const { store } = db.state
  const keys = new Set<string>()
  const walk = async (cid: CID): Promise<void> => {
    const key = bytesToHex(cid.bytes)
    if (keys.has(key)) return
    keys.add(key)
    const bytes = await store.get(cid.bytes)
    if (bytes === undefined) throw new Error(`${String(cid)} is not here`)
    if (cid.code === dagPb.code) for (const { Hash } of dagPb.decode(bytes).Links) await walk(Hash)
    if (cid.code !== dagCbor.code) return
    const [level, , items] = dagCbor.decode<[number, Uint8Array[], unknown[]]>(bytes)
    for (const item of items) {
      if (level > 0) await walk(item as CID)
      else if (Array.isArray(item)) await walk(item[0] as CID)
    }
  }
  await walk(CID.parse((await db.snapshot()).root))
  return [...keys]
}

export async function emptyReplica(
  of: Pick<Database, 'author' | 'name'>,
  store: MemoryStore = new MemoryStore(),
): Promise<Replica> {
  return await new DatabaseLab().replica(of, [], store)
}
