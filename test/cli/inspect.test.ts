/** `coppice inspect`: blocks as the store holds them, followed from the root, checked with tools that are not ours. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { spawnSync } from 'node:child_process'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database } from '../../src/index.ts'
import { parseLink } from '../../src/link.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { fail, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/inspect')

interface Child {
  readonly key: { readonly '/': { readonly bytes: string } }
  readonly text: string
  readonly link: { readonly '/': string }
  readonly entries: number
  readonly bytes: number
}

interface LeafRow {
  readonly text: string
  readonly value?: { readonly '/': { readonly bytes: string } }
  readonly link?: { readonly '/': string }
  readonly size?: number
}

/** 1,000 documents, one of them out of line, published; and one more, not published. */
async function prepare(cwd: string): Promise<void> {
  const long = { id: 500, text: 'x'.repeat(3000) }
  const rows = Array.from({ length: 1000 }, (_, i) => (i === 500 ? long : { id: i, text: `document ${i}` }))
  writeFileSync(join(cwd, 'c.ndjson'), rows.map((row) => JSON.stringify(row)).join('\n'))
  await succeed(['init', 'db'], { cwd })
  await succeed(['import', 'db', 'c.ndjson', '--key', 'id'], { cwd })
  await succeed(['publish', 'db'], { cwd })
  await succeed(['put', 'db', 'c', '{"id":5000}'], { cwd })
}

/** The bytes that `--raw` writes. */
function rawBlock(cwd: string, cid: string): Uint8Array {
  const bin = join(import.meta.dirname, '../../bin/coppice.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'inspect', 'db', cid, '--raw'], { cwd })
  assert.is(status, 0, stderr.toString())
  return Uint8Array.from(stdout)
}

test('from the root to a row and its value: counts, bytes, keys and links are those of the blocks', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    const root = await succeedJson(['inspect', 'db', '@1'], { cwd })
    const children = root['children'] as Child[]
    assert.equal([root['kind'], root['level'], root['entries']], ['internal', 1, 1001])
    const below = children.reduce((sum, { bytes }) => sum + bytes, 0)
    assert.is(root['bytes'], (root['size'] as number) + below)
    const [, keys, links] = dagCbor.decode<[number, Uint8Array[], CID[]]>(rawBlock(cwd, root['cid'] as string))
    assert.equal(
      children.map(({ key, link }) => [key['/'].bytes, link['/']]),
      keys.map((key, i) => [Buffer.from(key).toString('base64').replace(/=+$/, ''), String(links[i])]),
    )

    const child = children.find(({ text }) => Number(/^c\[(\d+)\]$/.exec(text)?.[1]) >= 500)
    const leaf = await succeedJson(['inspect', 'db', child?.link['/'] ?? ''], { cwd })
    const rows = leaf['rows'] as LeafRow[]
    assert.equal([leaf['kind'], leaf['level'], leaf['entries'], leaf['bytes']], ['leaf', 0, child?.entries, child?.bytes]) // prettier-ignore
    assert.is(rows.length, child?.entries)
    assert.is(rows.at(-1)?.text, child?.text)
    const short = rows.find(({ value }) => value !== undefined)
    assert.match(Buffer.from(short?.value?.['/'].bytes ?? '', 'base64').toString(), 'document')

    const out = rows.find(({ text }) => text === 'c[500]')
    const cid = out?.link?.['/'] ?? ''
    assert.equal(await succeedJson(['inspect', 'db', cid], { cwd }), { cid, kind: 'raw', size: out?.size })
    const bytes = rawBlock(cwd, cid)
    assert.is(bytes.length, out?.size)
    assert.equal(createHash('sha256').update(bytes).digest(), Buffer.from(CID.parse(cid).multihash.digest))
    assert.is(dagCbor.decode<{ id: number }>(bytes).id, 500)
  }))

test('for people: one line for the block, one for each entry; without BLOCK the working state', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    const [head = '', first = '', ...others] = (await succeed(['inspect', 'db'], { cwd })).trimEnd().split('\n')
    assert.match(head, /^internal node bafy\w+: level 1, \d+ children, 1,002 entries, [\d,]+ bytes \([\d,]+ with all below\)$/) // prettier-ignore
    assert.match(first, /^ {2}up to c\[\d+\] -> bafy\w+, \d+ entries, [\d,]+ bytes$/)
    assert.is(Number(/(\d+) children/.exec(head)?.[1]), 1 + others.length)
    assert.match(others.at(-1) ?? '', 'c[5000]')
    const leaf = await succeed(['inspect', 'db', /bafy\w+/.exec(first)?.[0] ?? ''], { cwd })
    assert.match(leaf, /^leaf bafy\w+: level 0, \d+ entries, [\d,]+ bytes/)
    assert.match(leaf, /\n {2}schema of c -> inline, \d+ bytes\n {2}c\[0\] -> inline, \d+ bytes\n/)
    const middle = /c\[5\d\d\] -> (\w+)/.exec((await succeed(['inspect', 'db', '@1'], { cwd })))?.[1] ?? '' // prettier-ignore
    const value = /c\[500\] -> (raw (bafk\w+), [\d,]+ bytes)\n/.exec(await succeed(['inspect', 'db', middle], { cwd }))
    assert.match(
      await succeed(['inspect', 'db', value?.[2] ?? ''], { cwd }),
      /^raw block bafk\w+: a value, or a part of one, 3,\d\d\d bytes\n$/,
    )
  }))

test('a value beyond 1 MiB: the node of its file, and a leaf of it', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    const db = await Database.open(join(cwd, 'db'))
    await db.put(Buffer.from('film'), new Uint8Array(3_000_000).fill(7))
    await db.close()
    const shown = await succeed(['inspect', 'db'], { cwd })
    const cid = /\n {2}"film" -> unixfs (bafybei\w+), 3,000,000 bytes\n$/.exec(shown)?.[1] ?? ''
    const [row] = (await succeedJson(['inspect', 'db'], { cwd }))['rows'] as LeafRow[]
    assert.equal([row?.link, row?.size], [{ '/': cid }, 3_000_000])
    const bytes = rawBlock(cwd, cid)
    assert.equal(await succeedJson(['inspect', 'db', cid], { cwd }), { cid, kind: 'unixfs', size: bytes.length })
    assert.match(await succeed(['inspect', 'db', cid], { cwd }), `unixfs node ${cid}: links of a long value, `)
    const leaf = CID.createV1(0x55, await sha256.digest(new Uint8Array(1024 * 1024).fill(7))).toString()
    assert.is(rawBlock(cwd, leaf).length, 1024 * 1024)
  }))

test('keys from strangers reach no terminal as they are', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    const key = Buffer.from('\u001b[31m\u202e').toString('hex')
    await succeed(['put', 'db', '--raw', `{"key":"${key}","value":"00"}`], { cwd })
    for (const args of [[], ['--json']]) assert.match(await succeed(['inspect', 'db', ...args], { cwd }), /^[ -~\n]*$/)
  }))

test('missing, corrupt, and no block at all are told apart', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    const [first, second] = (await succeedJson(['inspect', 'db'], { cwd }))['children'] as Child[]
    const [corrupt = '', exchanged = ''] = [first?.link['/'], second?.link['/']]
    const store = await LmdbStore.open(join(cwd, 'db'), 'write')
    const other = store.get(parseLink(corrupt)) ?? new Uint8Array(0)
    await store.write({ blocks: [{ link: parseLink(exchanged), bytes: other }] })
    await store.write({ blocks: [{ link: parseLink(corrupt), bytes: Uint8Array.of(1, 2, 3) }] })
    await store.close()
    for (const cid of [corrupt, exchanged]) {
      for (const args of [[], ['--json'], ['--raw']]) {
        assert.match(await fail('STORE_CORRUPT', ['inspect', 'db', cid, ...args], { cwd }), cid)
      }
    }
    const absent = CID.createV1(0x55, CID.parse(corrupt).multihash).toString()
    const missing = await fail('BLOCK_MISSING', ['inspect', 'db', absent], { cwd })
    assert.match(missing, absent)
    assert.match(missing, 'no block of this database')
    assert.not.match(missing, '--repair')
    await fail('ROOT_NOT_FOUND', ['inspect', 'db', '@2'], { cwd })
    for (const text of ['', '@0', 'nope', CID.parse(corrupt).toV1().toString().slice(1)]) {
      await fail('USAGE', ['inspect', 'db', text], { cwd })
    }
    await fail('USAGE', ['inspect', 'db', '--raw', '--json'], { cwd })
    await fail('NOT_A_DATABASE', ['inspect', 'absent'], { cwd })
  }))

test.run()
