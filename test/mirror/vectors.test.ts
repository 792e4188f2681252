/** The committed mirror, which other code made by the specification: its files are read, and a clone of it is its database. */
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeRootFile } from '../../src/mirror/root-file.ts'
import { FileServer } from '../support/file-server.ts'
import { hex } from '../support/hex.ts'
import { digestsOf, MirrorLab, readRootFile } from '../support/mirror-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

interface MirrorVector {
  readonly author: string
  readonly name: string
  readonly root: string
  readonly rows: number
  readonly files: Readonly<Record<string, string>>
}

const vector = JSON.parse(readFileSync(new URL('../vectors/mirror.json', import.meta.url), 'utf8')) as MirrorVector

async function writeVector(directory: string): Promise<void> {
  await mkdir(join(directory, 'packs'))
  for (const [path, bytes] of Object.entries(vector.files)) await writeFile(join(directory, path), hex(bytes))
}

const test = suite('mirror/vectors')

test('the root file is read, and written, as it stands', async () => {
  await inDirectory(async (directory) => {
    await writeVector(directory)
    const file = await readRootFile(directory)
    assert.equal(encodeRootFile(file), hex(vector.files['root'] ?? ''))
    assert.equal(
      file.packs.map(({ coding, batches, sequence }) => [coding, batches, sequence]),
      [
        ['zstd', 2, 1],
        ['deflate', 1, 1],
      ],
    )
    assert.equal(
      file.attachments.map(({ kind }) => kind),
      [7],
    )
    const digests = await digestsOf(directory)
    assert.is(
      digests.length,
      file.packs.reduce((sum, { blocks }) => sum + blocks, 0),
    )
  })
})

test('a clone of it has its rows', async () => {
  await inDirectory(async (directory, use) => {
    await writeVector(directory)
    const server = use(await FileServer.open(directory))
    const replica = await new MirrorLab().replica({ author: hex(vector.author), name: vector.name }, [server.url])
    await replica.pull()
    const snapshot = await replica.snapshot()
    assert.is(snapshot.root, vector.root)
    assert.is(await snapshot.count(), vector.rows)
  })
})

test.run()
