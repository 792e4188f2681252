/** Seeing that another process writes a database, without taking the lock, which that one would then be refused. */
import { LmdbEnv } from '../../src/store/lmdb-env.ts'
import { until } from './until.ts'

/** Resolves when the directory has a writer, or `isOver`. */
export async function lockedByAnother(path: string, isOver: () => boolean = () => false): Promise<void> {
  const env = await LmdbEnv.open(path, false)
  try {
    await until(() => {
      env.refresh()
      return env.meta.getBinary(Buffer.from('.writer')) !== undefined || isOver()
    })
  } finally {
    await env.close()
  }
}
