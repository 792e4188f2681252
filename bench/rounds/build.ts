/**
 * How fast does an author's database on disk take in data? One round: ENTRIES streamed entries as one durable batch into a
 * new LMDB database, then `publish`.
 *
 *     node bench/rounds/build.ts [ENTRIES]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '../../src/index.ts'
import { Entries, ENTRIES } from '../data/entries.ts'
import { printFigures, seconds } from '../report/figure.ts'

const size = Number(process.argv[2] ?? ENTRIES)
const directory = await mkdtemp(join(tmpdir(), 'coppice-'))
try {
  const db = await Database.create(join(directory, 'author'), { name: 'bench' })
  const build = await seconds(() => db.batch((tx) => tx.apply(new Entries(size).all())))
  const publish = await seconds(() => db.publish())
  const { diskBytes } = await db.state.store.usage()
  await db.close()
  printFigures([
    { name: 'bulk build into LMDB, durable', value: size / build, unit: 'entries/s' },
    { name: 'publish of it', value: publish, unit: 's' },
    { name: 'LMDB on disk', value: diskBytes, unit: 'bytes' },
  ])
} finally {
  await rm(directory, { recursive: true })
}
