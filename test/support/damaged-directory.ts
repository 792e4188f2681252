/**
 * One case of a damaged database file: bits, bytes or pages of `data.mdb` changed, or its end cut off, as a seed says; then the directory is
 * used by a process of its own. What may come of it: the right rows, or a coded error. Never other rows, never an exception that nobody
 * catches. LMDB trusts its own pages, so that now and then a signal ends the process; that is an outcome, too.
 */
import { spawn } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import * as assert from 'uvu/assert'
import { compareBytes, equalBytes } from '../../src/bytes.ts'
import { Database } from '../../src/index.ts'
import type { Random } from './random.ts'
import { inDirectory } from './temporary-directory.ts'

const USER: string = join(import.meta.dirname, 'processes/use-damaged.ts')
const PAGE_BYTES = 4096
/** LMDB keeps its two newest states in the first two pages. Where one is damaged, the other is shown. */
const META_PAGES_BYTES: number = 2 * PAGE_BYTES
/** LMDB's pages: flags at 18, of which these are a branch and a leaf. */
const FLAGS_AT = 18
const TREE_PAGE_FLAGS = 0x03

export interface Use {
  /** The digest of all rows, or the code of the error. */
  readonly scan: string
  /** `sound`, `problems`, or a code. */
  readonly verify: string
  /** `published`, or a code. */
  readonly publish: string
  /** Rows after the publish. */
  readonly again: string
}

export interface Case {
  /** What was done to the file. */
  readonly damage: string
  /** Undefined where a signal ended the process. */
  readonly use: Use | undefined
}

export interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Put and published by the process that uses the directory. */
export const CHANGED_ROW: Row = {
  key: new TextEncoder().encode('001234'),
  value: new TextEncoder().encode('changed'),
}

export function addRow(hash: Hash, { key, value }: Row): void {
  hash.update(key).update('=').update(value).update('\n')
}

interface Base {
  readonly data: Uint8Array
  readonly key: Uint8Array
  /** Digests of the rows, and of those after the change that the process makes. */
  readonly scan: string
  readonly again: string
  /** The same of all states that there ever were. */
  readonly earlier: ReadonlySet<string>
}

/** Tries one case. @throws where the outcome is none of those allowed. */
export async function tryDamage(random: Random): Promise<Case> {
  const sound = await getBase()
  const { bytes, what, at } = damage(random, sound.data)
  const outcome = await useCopy(bytes, sound.key)
  if (outcome.signal !== null) return { damage: what, use: undefined }
  assert.is(outcome.code, 0, `${what}: ${outcome.stderr}`)
  const use = JSON.parse(outcome.stdout) as Use
  const allowed = (got: string, expected: string): boolean =>
    got === expected || isCode(got) || (at < META_PAGES_BYTES && sound.earlier.has(got))
  assert.ok(allowed(use.scan, sound.scan), `${what}: other rows`)
  assert.ok(allowed(use.again, sound.again) || use.again === use.scan, `${what}: other rows after a publish`)
  if (use.verify === 'sound') assert.not.ok(isCode(use.scan), `${what}: verify finds nothing, yet ${use.scan}`)
  return { damage: what, use }
}

function isCode(text: string): boolean {
  return /^(STORE_CORRUPT|BLOCK_MISSING|STORE_IO|STORE_FULL|ROOT_NOT_FOUND|NOT_A_DATABASE|FORMAT_NEWER|SIGNED_ROOT_INVALID|PUBLISH_REFUSED)$/.test(
    text,
  )
}

function damage(random: Random, data: Uint8Array): { bytes: Uint8Array; what: string; at: number } {
  const bytes = Uint8Array.from(data)
  const page = PAGE_BYTES * (2 + random.below(bytes.length / PAGE_BYTES - 2))
  const at = random.below(bytes.length)
  switch (random.below(7)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
      return { bytes, what: `a bit at ${at}`, at }
    case 1: {
      const patch = random.bytes(random.between(1, 64)).subarray(0, bytes.length - at)
      bytes.set(patch, at)
      return { bytes, what: `${patch.length} bytes at ${at}`, at }
    }
    case 2:
      bytes.fill(0, page, page + PAGE_BYTES)
      return { bytes, what: `zeros in the page at ${page}`, at: page }
    case 3:
      bytes.set(random.bytes(PAGE_BYTES), page)
      return { bytes, what: `noise in the page at ${page}`, at: page }
    case 4: {
      const other = PAGE_BYTES * (2 + random.below(bytes.length / PAGE_BYTES - 2))
      bytes.set(data.subarray(other, other + PAGE_BYTES), page)
      return { bytes, what: `the page at ${other} written to ${page}`, at: page }
    }
    case 5: {
      const treePage = random.pick(treePages(data))
      const inHead = treePage + random.below(64)
      bytes[inHead] = random.below(256)
      return { bytes, what: `a byte at ${inHead}, in the head of a page of LMDB's tree`, at: inHead }
    }
    default:
      return { bytes: bytes.subarray(0, at), what: `cut at ${at}`, at: META_PAGES_BYTES }
  }
}

function treePages(data: Uint8Array): number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const pages: number[] = []
  for (let at = META_PAGES_BYTES; at + PAGE_BYTES <= data.length; at += PAGE_BYTES) {
    const isItself = view.getBigUint64(at, true) === BigInt(at / PAGE_BYTES)
    if (isItself && (view.getUint16(at + FLAGS_AT, true) & TREE_PAGE_FLAGS) !== 0) pages.push(at)
  }
  return pages
}

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Uses a new directory with that file. */
async function useCopy(data: Uint8Array, key: Uint8Array): Promise<Ended> {
  let ended: Ended | undefined
  await inDirectory(async (path) => {
    await writeFile(join(path, 'data.mdb'), data)
    await writeFile(join(path, 'author.key'), key, { mode: 0o600 })
    const child = spawn(process.execPath, [USER, path], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    ended = { code, signal, stdout, stderr }
  })
  return ended as Ended
}

let base: Promise<Base> | undefined

/** Made once in a process: it is the same each time. */
function getBase(): Promise<Base> {
  base ??= makeBase()
  return base
}

async function makeBase(): Promise<Base> {
  let files: [Uint8Array, Uint8Array] | undefined
  await inDirectory(async (path) => {
    const directory = join(path, 'db')
    const db = await Database.create(directory, { name: 'damaged' })
    for (let round = 0; round < 3; round++) {
      await db.batch((tx) => tx.apply(rowsOf(round)))
      if (round < 2) await db.publish()
    }
    await db.close()
    files = [await readFile(join(directory, 'data.mdb')), await readFile(join(directory, 'author.key'))]
  })
  const [data, key] = files as [Uint8Array, Uint8Array]
  const digests = [[], rowsOf(0), rowsOf(1), rowsOf(2)].map((rows) => [digestOf(rows), digestOf(changed(rows))])
  const [scan, again] = digests.at(-1) as [string, string]
  return { data, key, scan, again, earlier: new Set(digests.flat()) }
}

function digestOf(rows: readonly Row[]): string {
  const hash = createHash('sha256')
  for (const row of rows) addRow(hash, row)
  return hash.digest('hex')
}

/** With the row that the process puts. */
function changed(rows: readonly Row[]): Row[] {
  const others = rows.filter(({ key }) => !equalBytes(key, CHANGED_ROW.key))
  return [...others, CHANGED_ROW].sort((a, b) => compareBytes(a.key, b.key))
}

function rowsOf(round: number): Row[] {
  return Array.from({ length: 3000 }, (_, i): Row => {
    const key = new TextEncoder().encode(String(i).padStart(6, '0'))
    if (i % 40 === 0) return { key, value: new Uint8Array(2000).fill(i + round) }
    return { key, value: new TextEncoder().encode(`row ${i}${i % 7 === round ? ` of round ${round}` : ''}`) }
  })
}
