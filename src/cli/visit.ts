/**
 * A served database looked at from afar: a replica in a temporary directory, gone when it is closed. What a database at
 * hand already has is neither fetched nor copied, so looking at a newer release costs what differs.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PullOptions, Replica } from '../db/index.ts'
import { createDatabaseDirectory } from '../directory/index.ts'
import { createNode } from '../net/index.ts'
import { parseAddress, SEED_BYTES } from '../pointer/index.ts'
import { OverlayStore, type Store } from '../store/index.ts'
import { surroundings } from '../surroundings.ts'

/** Pulled and complete; `close` removes it. @throws {CoppiceError} `ADDRESS_INVALID`, as `Replica.pull`, `STORE_*`. */
export async function visit(
  address: string,
  base: Store | undefined,
  options: PullOptions,
): Promise<{ readonly db: Replica; close(): Promise<void> }> {
  const { author, name, peers } = parseAddress(address)
  const path = await mkdtemp(join(tmpdir(), 'coppice-visit-'))
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true })
  try {
    const prepare = () => Promise.resolve(Replica.initialMeta(author, name, peers))
    const { store: top } = await createDatabaseDirectory(path, { kind: 'replica', prepare })
    const store = base === undefined ? top : new OverlayStore(top, base)
    const node = await createNode({ peerKey: randomBytes(SEED_BYTES) })
    const network = { dialer: (peer: string) => node.dialer(peer), close: () => node.stop() }
    const db = await Replica.load(store, { ...surroundings, isWritable: true, network })
    const close = async (): Promise<void> => {
      await db.close()
      await remove()
    }
    try {
      await db.pull(options)
      return { db, close }
    } catch (error) {
      await close()
      throw error
    }
  } catch (error) {
    await remove()
    throw error
  }
}
