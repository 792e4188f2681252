/**
 * Threats 1, 2, 9, 11, 16 and 34: mirrors whose files are wrong: root files of others, old or forged; packs that are cut,
 * swapped, or changed; indexes that lie; batches that inflate without end. Each is named with its URL, and an honest peer beside
 * it completes the clone.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Database, decodeOwn } from '../../src/db/index.ts'
import { exportMirror } from '../../src/mirror/index.ts'
import { decodeTable, layoutOf, type PackLayout, packPlace } from '../../src/mirror/pack-format.ts'
import { encodeRootFile, type PackEntry, packPath, type RootFile } from '../../src/mirror/root-file.ts'
import { createDatabase, failureOf, outcomesOf } from '../support/database-lab.ts'
import { FileServer } from '../support/file-server.ts'
import {
  change,
  exportPadded,
  MirrorLab,
  openSession,
  publishedRows,
  readRootFile,
  rowsOf,
} from '../support/mirror-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

/** A mirror with one pack of several batches, which a case changes. */
interface Mirror {
  readonly db: Database
  readonly directory: string
  readonly file: RootFile
  readonly pack: PackEntry
  readonly layout: PackLayout
  readonly bytes: Uint8Array
  readonly view: DataView
}

/** Clones from the mirror alone, which must fail, and from it and an honest peer, which must not. Gives the outcome of the mirror. */
async function outcomeOf(forge: (mirror: Mirror) => Promise<void> | void, db?: Database): Promise<string> {
  let outcome = ''
  await inDirectory(async (directory, use) => {
    const source = db ?? (await publishedRows(12_000))
    await exportMirror(source, directory)
    const file = await readRootFile(directory)
    const pack = file.packs[0] as PackEntry
    const bytes = new Uint8Array(await readFile(join(directory, packPath(pack))))
    const layout = layoutOf(pack)
    const mirror = { db: source, directory, file, pack, layout, bytes, view: new DataView(bytes.buffer) }
    await forge(mirror)
    const lab = new MirrorLab()
    const server = use(await FileServer.open(directory))
    const alone = await failureOf((await lab.replica(source, [server.url])).pull())
    assert.is(alone.code, 'NO_PEER_LEFT')
    assert.ok(alone.message.includes(server.url), alone.message)
    lab.serve('alice', source)
    const replica = await lab.replica(source, [server.url, 'alice'])
    const { report } = await replica.pull()
    assert.is((await replica.snapshot()).root, (await source.snapshot()).root)
    assert.is(outcomesOf(report)['alice'], 'used')
    const [peer] = alone.details['peers'] as { readonly name: string; readonly outcome: string }[]
    assert.is(peer?.name, server.url)
    outcome = peer?.outcome ?? ''
  })
  return outcome
}

async function writePack({ directory, pack, bytes }: Mirror, changed: Uint8Array = bytes): Promise<void> {
  await writeFile(join(directory, packPath(pack)), changed)
}

async function writeRoot({ directory, file }: Mirror, changes: Partial<RootFile>): Promise<void> {
  await writeFile(join(directory, 'root'), encodeRootFile({ ...file, ...changes }))
}

/** The pack with other batches, its index and the numbers in the root file to match. */
async function rebatch(
  mirror: Mirror,
  change: (i: number, batch: Uint8Array) => [file: Uint8Array, plain: number],
): Promise<void> {
  const { bytes, layout, pack } = mirror
  const parts = [bytes.subarray(0, 8)]
  const table: number[] = []
  for (const [i, { start, end, foldedBytes }] of decodeTable(bytes.subarray(layout.table), layout.index).entries()) {
    const [batch, plain] = i === 0 ? change(i, bytes.subarray(start, end)) : [bytes.subarray(start, end), foldedBytes]
    parts.push(batch)
    table.push(batch.length, plain)
  }
  const tail = Buffer.alloc(4 * table.length)
  for (const [i, n] of table.entries()) tail.writeUInt32BE(n, 4 * i)
  const forged = Buffer.concat([...parts, bytes.subarray(layout.index, layout.table), tail])
  await writePack(mirror, forged)
  await writeRoot(mirror, { packs: [{ ...pack, bytes: forged.length }] })
}

const test = suite('hostile/mirror-files')

test('root files: a page, another database, a bad signature, numbers that contradict each other', async () => {
  const page = ({ directory }: Mirror): Promise<void> => writeFile(join(directory, 'root'), '<html>welcome</html>')
  assert.is(await outcomeOf(page), 'protocol')
  const other = await createDatabase({ label: 'other', name: 'others' })
  await change(other, rowsOf(0, 10))
  assert.is(
    await outcomeOf(async ({ directory }) => {
      await writeFile(join(directory, 'root'), '')
      await inDirectory(async (out) => {
        await exportMirror(other, out)
        await writeFile(join(directory, 'root'), await readFile(join(out, 'root')))
      })
    }),
    'unknown',
  )
  assert.is(
    await outcomeOf(async (mirror) => {
      const [root] = mirror.file.roots
      const signedRoot = (root?.signedRoot ?? new Uint8Array()).slice()
      // A bit of what was signed: it is still of the right form.
      const at = Buffer.from(signedRoot).indexOf(decodeOwn(signedRoot).payload.history)
      signedRoot[at] = (signedRoot[at] as number) ^ 1
      await writeRoot(mirror, { roots: [{ signedRoot, packs: [0] }] })
    }),
    'liar',
  )
  assert.is(
    await outcomeOf((mirror) => writeRoot(mirror, { roots: [{ signedRoot: new Uint8Array([1]), packs: [0] }] })),
    'liar',
  )
  const { pack } = { pack: { blocks: 200_000 } }
  assert.is(await outcomeOf((mirror) => writeRoot(mirror, { packs: [{ ...mirror.pack, ...pack }] })), 'protocol')
})

test('an old root file beside a newer root: the mirror is outdated, and no more', async () => {
  const db = await publishedRows(12_000)
  await inDirectory(async (directory, use) => {
    await exportMirror(db, directory)
    await change(db, rowsOf(0, 10, 1))
    const lab = new MirrorLab()
    lab.serve('alice', db)
    const server = use(await FileServer.open(directory))
    const replica = await lab.replica(db, ['alice', server.url])
    const { report, to } = await replica.pull()
    assert.is(to.payload.sequence, 2)
    assert.equal(outcomesOf(report), { alice: 'used', [server.url]: 'outdated' })
    // What it has is not taken for newer later, when nobody else is there.
    lab.stop('alice')
    assert.is((await replica.pull()).to.payload.sequence, 2)
  })
})

test('packs that are cut short, or another file: the mirror does not have the tree', async () => {
  assert.is(
    await outcomeOf((mirror) => writePack(mirror, mirror.bytes.subarray(0, mirror.bytes.length / 2))),
    'outdated',
  )
  assert.is(await outcomeOf((mirror) => writePack(mirror, new Uint8Array(10))), 'outdated')
  assert.is(await outcomeOf((mirror) => writePack(mirror, Buffer.concat([mirror.bytes, mirror.bytes]))), 'outdated')
})

test('packs of the right length with other bytes', async () => {
  // In the middle of the leaves, which are found by an index that is right.
  const outcome = await outcomeOf((mirror) => {
    mirror.bytes.fill(7, 300, 3000)
    return writePack(mirror)
  })
  assert.ok(['liar', 'protocol'].includes(outcome), outcome)
  assert.is(await outcomeOf((mirror) => writePack(mirror, new Uint8Array(mirror.bytes.length))), 'protocol')
})

test('an index that names blocks for digests of others', async () => {
  assert.is(
    await outcomeOf((mirror) => {
      const { view, layout } = mirror
      // Every digest leads where its neighbour does.
      for (let at = layout.index; at + 20 < layout.buckets; at += 40) {
        const [a, b] = [view.getUint32(at + 16), view.getUint32(at + 36)]
        view.setUint32(at + 16, b)
        view.setUint32(at + 36, a)
      }
      return writePack(mirror)
    }),
    'liar',
  )
})

test('an index that names batches and places that there are not', async () => {
  for (const place of [packPlace({ batch: 1_000_000, place: 0 }), packPlace({ batch: 0, place: 4095 })]) {
    assert.is(
      await outcomeOf((mirror) => {
        for (let at = mirror.layout.index; at < mirror.layout.buckets; at += 20) mirror.view.setUint32(at + 16, place)
        return writePack(mirror)
      }),
      'protocol',
    )
  }
})

test('an index without most of the digests: blocks that it lacks', async () => {
  assert.is(
    await outcomeOf((mirror) => {
      for (let at = mirror.layout.index + 40; at < mirror.layout.buckets; at += 20) mirror.bytes.fill(255, at, at + 16)
      return writePack(mirror)
    }),
    'incomplete',
  )
})

test('buckets and tables that lead elsewhere, or claim gigabytes', async () => {
  for (const forge of [
    ({ view, layout }: Mirror) => view.setUint32(layout.buckets, 0xffffffff),
    ({ view, layout }: Mirror) => view.setUint32(layout.buckets, 1),
    ({ view, layout }: Mirror) => view.setUint32(layout.table, 0xffffffff),
    ({ view, layout }: Mirror) => view.setUint32(layout.table + 4, 0xffffffff),
    ({ view, layout }: Mirror) => view.setUint32(layout.table, view.getUint32(layout.table) + 1),
  ]) {
    assert.is(
      await outcomeOf((mirror) => {
        forge(mirror)
        return writePack(mirror)
      }),
      'protocol',
    )
  }
})

test('a batch that inflates without end, one that inflates to less, one whose blocks are not in it', async () => {
  const bomb = zstdCompressSync(new Uint8Array(256 * 1024 * 1024))
  assert.ok(bomb.length < 64 * 1024)
  const before = process.memoryUsage().arrayBuffers
  assert.is(await outcomeOf((mirror) => rebatch(mirror, () => [bomb, 1024 * 1024])), 'protocol')
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
  const short = zstdCompressSync(new Uint8Array(1000))
  assert.is(await outcomeOf((mirror) => rebatch(mirror, () => [short, 250_000])), 'protocol')
  // A form of an answer with 1,024 blocks, of which there are no bytes; and one of rows.
  for (const head of [
    [5, 9, 0, 128, 8, 1, 127],
    [4, 11, 0, 1, 0],
  ]) {
    const plain = new Uint8Array(1000)
    plain.set(head)
    assert.is(await outcomeOf((mirror) => rebatch(mirror, () => [zstdCompressSync(plain), 1000])), 'protocol')
  }
})

test('batches that are padded: much more is sent than the tree has, for blocks that are right', async () => {
  await inDirectory(async (directory, use) => {
    const db = await publishedRows(3500)
    const { root } = (await db.snapshot()).tree.ref
    const links = await exportPadded(db, directory)
    const server = use(await FileServer.open(directory))
    const session = await openSession(db, server.url)
    // Each again and again, as somebody would whose store forgets.
    const read = async (): Promise<void> => {
      for (;;) for (const link of links) await session.getBlocks(root, [link])
    }
    assert.is((await failureOf(read())).details['fault'], 'protocol')
    assert.ok(session.traffic.bytesReceived < 150 * 1024 * 1024, `${session.traffic.bytesReceived} bytes`)
  })
})

test.run()
