/**
 * Whether an LMDB file is long enough for what it says it holds. A copy that was interrupted is not, and a process that reads
 * beyond the end of a mapped file is killed by the system (SIGBUS), with no error to catch.
 *
 * Sound, not complete: a file may be shorter than its last page number where the last pages are free, so only the pages that are
 * in use are counted, without looking where they are. What is refused here lacks at least one of them; a file that lacks less
 * than it has free pages passes. Costs a few reads of a page.
 *
 * Layout (mdb.c: MDB_page_header, MDB_meta, MDB_db, MDB_node), of 64-bit systems: page header 24 bytes; meta from there:
 * magic 4, version 4, address 8, map size 8, two records of tables of 48, last page 8, transaction 8.
 */
import { fstatSync, readSync } from 'node:fs'
import { endianness } from 'node:os'

const PAGE_HEADER_BYTES = 24
const FLAGS_AT = 18
const LOWER_AT = 20
const LEAF_FLAG = 0x02
const META_FLAG = 0x08
const META_BYTES = 160
const FREE_TABLE_AT = 48
const MAIN_TABLE_AT = 96
const TRANSACTION_AT = 152
const META_PAGES = 2

/** Of a table's record: page size in that of the free list, pages of three kinds, root. */
const TABLE_BYTES = 48
const PAGE_COUNTS_AT = [8, 16, 24] as const
const ROOT_AT = 40
/** The root of an empty table. */
const NO_PAGE: bigint = 2n ** 64n - 1n

/** Of a node: length of the data 4, flags 2, length of the key 2. Of these tables, the data is a table's record. */
const NODE_HEADER_BYTES = 8
const NODE_FLAGS_AT = 4
const KEY_LENGTH_AT = 6
const SUBTABLE_FLAG = 0x02

const LITTLE = endianness() === 'LE'

/** A page that lies beyond the end. */
class BeyondEnd extends Error {}

/**
 * Whether each state that the file may be opened in needs more pages than there are. `file` is open for reading. False where
 * the layout is not the expected one, or changes while it is looked at: LMDB has the word then.
 */
export function isCutShort(file: number): boolean {
  const before = readMetas(file)
  // After the pages that tell what is needed: a writer makes the file longer first.
  const fileBytes = fstatSync(file).size
  if (fileBytes < META_BYTES) return true
  const needed = before.metas.map((meta) => pagesNeeded(file, meta, before.pageBytes, fileBytes))
  if (needed.length === 0 || readMetas(file).key !== before.key) return false
  return needed.every((pages) => pages * before.pageBytes > fileBytes)
}

interface Metas {
  readonly pageBytes: number
  readonly metas: readonly DataView[]
  /** Changes with every commit. */
  readonly key: string
}

function readMetas(file: number): Metas {
  const first = readAt(file, 0, META_BYTES)
  const pageBytes = first?.getUint32(FREE_TABLE_AT, LITTLE) ?? 0
  if (first === undefined || pageBytes < 256 || pageBytes > 65536 || (pageBytes & (pageBytes - 1)) !== 0) {
    return { pageBytes: 0, metas: [], key: '' }
  }
  const second = readAt(file, pageBytes, META_BYTES)
  const metas = [first, second].filter((view): view is DataView => {
    return view !== undefined && (view.getUint16(FLAGS_AT, LITTLE) & META_FLAG) !== 0
  })
  return { pageBytes, metas, key: metas.map((view) => view.getBigUint64(TRANSACTION_AT, LITTLE)).join() }
}

/** Pages in use: those of the free list, of the main table and of the tables it names. Infinity where one lies beyond the end. */
function pagesNeeded(file: number, meta: DataView, pageBytes: number, fileBytes: number): number {
  try {
    let pages = META_PAGES
    const count = (view: DataView, at: number): void => {
      for (const offset of PAGE_COUNTS_AT) pages += Number(view.getBigUint64(at + offset, LITTLE))
      const root = view.getBigUint64(at + ROOT_AT, LITTLE)
      if (root !== NO_PAGE && (root + 1n) * BigInt(pageBytes) > BigInt(fileBytes)) throw new BeyondEnd()
    }
    count(meta, FREE_TABLE_AT)
    count(meta, MAIN_TABLE_AT)
    const root = meta.getBigUint64(MAIN_TABLE_AT + ROOT_AT, LITTLE)
    const page = root === NO_PAGE ? undefined : readAt(file, Number(root) * pageBytes, pageBytes)
    for (const at of page === undefined ? [] : subtablesOf(page, root)) count(page as DataView, at)
    return pages
  } catch (error) {
    if (error instanceof BeyondEnd) return Infinity
    throw error
  }
}

/** Where the records of named tables stand in the main table's only page; none where it looks otherwise. */
function subtablesOf(page: DataView, number: bigint): number[] {
  const isLeaf = (page.getUint16(FLAGS_AT, LITTLE) & LEAF_FLAG) !== 0
  if (!isLeaf || page.getBigUint64(0, LITTLE) !== number) return []
  const found: number[] = []
  // Both count from the end of the header.
  const end = Math.min(PAGE_HEADER_BYTES + page.getUint16(LOWER_AT, LITTLE), page.byteLength)
  for (let at = PAGE_HEADER_BYTES; at + 2 <= end; at += 2) {
    const node = PAGE_HEADER_BYTES + page.getUint16(at, LITTLE)
    if (node + NODE_HEADER_BYTES > page.byteLength) return []
    const isSubtable = (page.getUint16(node + NODE_FLAGS_AT, LITTLE) & SUBTABLE_FLAG) !== 0
    const record = node + NODE_HEADER_BYTES + page.getUint16(node + KEY_LENGTH_AT, LITTLE)
    if (!isSubtable || record + TABLE_BYTES > page.byteLength) return []
    found.push(record)
  }
  return found
}

/** Undefined where the file ends before. */
function readAt(file: number, position: number, length: number): DataView | undefined {
  const bytes = new Uint8Array(length)
  if (readSync(file, bytes, 0, length, position) < length) return undefined
  return new DataView(bytes.buffer)
}
