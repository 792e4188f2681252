/**
 * Databases in directories of this machine: puts together what the layers below know nothing of each other about. Loaded by
 * index.ts at first use, so that importing coppice loads neither LMDB nor libp2p.
 */
import { randomBytes } from 'node:crypto'
import { Database, type DatabaseOptions } from './db/index.ts'
import {
  createDatabaseDirectory,
  type DatabaseDirectory,
  directoryPaths,
  ensureKeyFile,
  type KeyCodec,
  openDatabaseDirectory,
  readKeyFile,
} from './directory/index.ts'
import { CoppiceError } from './errors.ts'
import {
  decodeKeyFile,
  encodeKeyFile,
  isDatabaseName,
  type KeyRole,
  NAME_RULE,
  SEED_BYTES,
  type Signer,
} from './pointer/index.ts'
import { systemClock } from './system-clock.ts'

export type Access = 'read' | 'write'

/** A key as it is kept: the seed to write, the signer to use. */
interface StoredKey {
  readonly seed: Uint8Array
  readonly signer: Signer
}

function keyCodec(role: KeyRole): KeyCodec<StoredKey> {
  return {
    encode: ({ seed }) => encodeKeyFile(role, seed),
    decode: (text) => decodeKeyFile(text, role),
  }
}

function newKey(role: KeyRole): StoredKey {
  return decodeKeyFile(encodeKeyFile(role, randomBytes(SEED_BYTES)), role)
}

/** See `Database.create` of index.ts. */
export async function createDatabase(path: string, name: string): Promise<Database> {
  if (!isDatabaseName(name)) {
    throw new CoppiceError('USAGE', `name: expected ${NAME_RULE}, got ${JSON.stringify(name.slice(0, 80))}`)
  }
  let signer: Signer | undefined
  const directory = await createDatabaseDirectory(path, {
    kind: 'author',
    prepare: async (paths, store) => {
      const key = await ensureKeyFile(paths.authorKey, keyCodec('author'), () => newKey('author'))
      signer = key.signer
      return await Database.initialMeta(store, signer.publicKey, name)
    },
  })
  return await load(directory, signer)
}

/** See `Database.open` of index.ts. */
export async function openDatabase(path: string, access: Access): Promise<Database> {
  const directory = await openDatabaseDirectory(path, access)
  if (directory.kind !== 'author') {
    await directory.close()
    throw new CoppiceError(
      'DATABASE_KIND',
      `${path}: expected a database of one's own, got a replica, which only its author changes`,
      {
        details: { path, kind: directory.kind },
      },
    )
  }
  return await load(directory, access === 'write' ? await authorKey(directory) : undefined)
}

/** A database without its key file can still be changed, but not published. */
async function authorKey(directory: DatabaseDirectory): Promise<Signer | undefined> {
  try {
    return (await readKeyFile(directory.authorKey, keyCodec('author'))).signer
  } catch (error) {
    if (error instanceof CoppiceError && error.details['reason'] === 'absent') return undefined
    await directory.close()
    throw error
  }
}

async function load(directory: DatabaseDirectory, signer: Signer | undefined): Promise<Database> {
  const options: DatabaseOptions = { clock: systemClock, isWritable: directory.access === 'write' }
  try {
    return await Database.load(directory.store, signer === undefined ? options : { ...options, signer })
  } catch (error) {
    await directory.close()
    throw error
  }
}

/** The network identity kept in a database's directory, made at first use. */
export async function peerKeySeed(path: string): Promise<Uint8Array> {
  const { seed } = await ensureKeyFile(directoryPaths(path).peerKey, keyCodec('peer'), () => newKey('peer'))
  return seed
}
