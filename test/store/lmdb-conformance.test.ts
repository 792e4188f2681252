import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { storeConformance } from '../conformance/store.ts'

storeConformance('store/lmdb-conformance', async () => {
  const path = await mkdtemp(join(tmpdir(), 'coppice-'))
  return { store: await LmdbStore.open(path, 'write'), remove: () => rm(path, { recursive: true }) }
})
