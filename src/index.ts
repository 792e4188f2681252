/**
 * coppice: verifiable databases among peers that do not trust each other. This is the composition of the layers, for
 * databases in directories and a network of libp2p; each layer is a subpath of its own. LMDB and libp2p are loaded at
 * first use, not by importing this.
 */
import type * as db from './db/index.ts'
import type { CarSource } from './car/index.ts'
import type { ByteSource } from './formats/index.ts'
import type { OpenedKey, SignedElsewhere } from './keys.ts'
import type { DiscoveryOptions } from './lazy-network.ts'
import type { Access, CloneOptions, CreateOptions, ForkOptions } from './local.ts'
import type { ExportMirrorOptions, MirrorReport } from './mirror/index.ts'
import type { OnFork, SignedRoot, Signer, UnsignedRoot } from './pointer/index.ts'
import type { Resolution } from './carriers/index.ts'
import type { ResolveOptions } from './resolve-address.ts'
import type { ServeOptions, Server } from './serve.ts'
import type {
  ExportCarOptions,
  ExportOptions,
  ImportCarOptions,
  ImportOptions,
  ImportReport,
} from './transfer/index.ts'

export type {
  ExportCarOptions,
  ExportOptions,
  ImportCarOptions,
  ImportOptions,
  ImportReport,
} from './transfer/index.ts'
export type { CarCounts, CarSource } from './car/index.ts'
export type { HttpServeOptions } from './serve-http.ts'
export type { DiscoveryOptions } from './lazy-network.ts'
export type { OpenedKey, SignedElsewhere } from './keys.ts'
export type { Access, CloneOptions, CreateOptions, ForkOptions } from './local.ts'
export type { Evidence, KeyRole, OnFork, SignedRoot, Signer, UnsignedRoot } from './pointer/index.ts'
export type { ExportMirrorOptions, MirrorProgress, MirrorReport } from './mirror/index.ts'
export type { CarrierOptions, ResolveOptions } from './resolve-address.ts'
export type { CarrierReport, Resolution, Told } from './carriers/index.ts'
export type { ServeOptions, Server } from './serve.ts'
export type { PutChange } from './db/index.ts'

interface SignalOption {
  readonly signal?: AbortSignal | undefined
}

export interface OpenOptions extends SignalOption {
  /** 'write' by default: then no other process may write. */
  readonly access?: Access | undefined
}

export interface OpenDatabaseOptions extends OpenOptions {
  /** Signs roots, instead of the keys in the directory: a hardware token, a key management service, a key file elsewhere. */
  readonly signer?: Signer | undefined
}

export interface OpenReplicaOptions extends OpenOptions, DiscoveryOptions {
  /** What to do when its author signed contradicting roots, from now on; it is kept with the replica. `stop` at first. */
  readonly onFork?: OnFork | undefined
}

export type Database = db.Database
export type Replica = db.Replica
export type Snapshot = db.Snapshot

/** One's own database, in a directory of this machine. */
export const Database = {
  /**
   * Makes a new, empty database in `path`, which is absent or empty, and opens it for writing. Its author is a new key pair, or
   * `options.author`, whose secret key is elsewhere.
   * @throws {CoppiceError} `DATABASE_EXISTS`, `USAGE` for a bad name, `STORE_*`.
   */
  async create(path: string, options: CreateOptions & SignalOption): Promise<Database> {
    const { createDatabase, unlessAborted } = await import('./local.ts')
    return await unlessAborted(options.signal, () => createDatabase(path, options))
  },

  /**
   * Makes a database of one's own, with a new key pair, that begins with the state of another at hand; what both have in
   * common is remembered for `merge`. Moves nothing over the network. A fork that was interrupted goes on when it is called again.
   * @throws {CoppiceError} `DATABASE_EXISTS`, `USAGE` for a bad name, `ROOT_NOT_FOUND` (a replica without a complete state), `STORE_*`.
   */
  async fork(source: Database | Replica, path: string, options: ForkOptions = {}): Promise<Database> {
    const { forkDatabase } = await import('./local.ts')
    return await forkDatabase(source, path, options)
  },

  /** As {@link fork}, of the database at `address`, which is cloned first. @throws {CoppiceError} as `Replica.clone` too. */
  async forkAddress(
    address: string,
    path: string,
    options: CloneOptions & Pick<ForkOptions, 'name'> = {},
  ): Promise<Database> {
    const { forkAddress } = await import('./local.ts')
    return await forkAddress(address, path, options)
  },

  /**
   * Opens a database; with access 'write', the default, no other process may write until it is closed.
   * @throws {CoppiceError} `NOT_A_DATABASE`, `DATABASE_KIND` (a replica), `FORMAT_NEWER`, `STORE_LOCKED`, `STORE_*`, `KEY_FILE_INVALID`.
   */
  async open(path: string, options: OpenDatabaseOptions = {}): Promise<Database> {
    const { openDatabase, unlessAborted } = await import('./local.ts')
    const { access = 'write', signal, signer } = options
    return await unlessAborted(signal, () => openDatabase(path, access, signer))
  },
} as const

/** A copy of somebody else's database, in a directory of this machine. */
export const Replica = {
  /**
   * Makes a replica of the database at `address` in `path` and pulls its newest signed root from the address's peers.
   * An interrupted clone goes on where it ended when it is called again.
   * @throws {CoppiceError} `ADDRESS_INVALID`, `DATABASE_EXISTS` (something else is there), as `replica.pull`, `STORE_*`.
   */
  async clone(address: string, path: string, options: CloneOptions = {}): Promise<Replica> {
    const { cloneReplica } = await import('./local.ts')
    return await cloneReplica(address, path, options)
  },

  /** Opens a replica. @throws {CoppiceError} as `Database.open`; `DATABASE_KIND` for a database of one's own. */
  async open(path: string, options: OpenReplicaOptions = {}): Promise<Replica> {
    const { openReplica, unlessAborted } = await import('./local.ts')
    const replica = await unlessAborted(options.signal, () => openReplica(path, options.access ?? 'write', options))
    try {
      if (options.onFork !== undefined) await replica.setOnFork(options.onFork)
      return replica
    } catch (error) {
      await replica.close()
      throw error
    }
  },
} as const

/** Key files: one private key each, for its owner only. Nothing here gives a secret key away, but `export` under its passphrase. */
export const KeyFile = {
  /** Makes a key in a new file. @throws {CoppiceError} `KEY_FILE_INVALID` where `path` exists: keys are never replaced; `STORE_*`. */
  async create(path: string, options: { readonly role?: 'author' | 'signer' } = {}): Promise<OpenedKey> {
    const { createKey } = await import('./keys.ts')
    return await createKey(path, options.role ?? 'author')
  },

  /** @throws {CoppiceError} `KEY_FILE_INVALID` where it is absent, open to others, damaged or of another kind. */
  async open(path: string): Promise<OpenedKey> {
    const { openKey } = await import('./keys.ts')
    return await openKey(path)
  },

  /** The key as an age file, armored, which `import` and the program age open with the passphrase. */
  async export(path: string, passphrase: string): Promise<string> {
    const { exportKey } = await import('./keys.ts')
    return await exportKey(path, passphrase)
  },

  /** Makes a key file at `path` of an age file. @throws {CoppiceError} `KEY_FILE_INVALID`, also for another passphrase. */
  async import(age: Uint8Array, passphrase: string, path: string): Promise<OpenedKey> {
    const { importKey } = await import('./keys.ts')
    return await importKey(age, passphrase, path)
  },

  /**
   * Signs a root that was prepared elsewhere (`db.preparePublish`), and remembers it in `<path>.signed`, so that the key never contradicts
   * itself. What carriers need of the key comes with it, `envelopes` for `db.completePublish`. `confirm` sees it before; undefined where it says no.
   * @throws {CoppiceError} `SIGNED_ROOT_INVALID`, `PUBLISH_REFUSED` with `details.reason`, `KEY_FILE_INVALID`, `STORE_*`.
   */
  async sign(
    path: string,
    unsignedRoot: Uint8Array,
    options: { readonly confirm?: (unsigned: UnsignedRoot) => Promise<boolean> } = {},
  ): Promise<SignedElsewhere | undefined> {
    const { signWithKey } = await import('./keys.ts')
    return await signWithKey(path, unsignedRoot, options.confirm)
  },
} as const

/** Opens whichever of the two is in `path`; tell them apart by `kind`. */
export async function openDirectory(
  path: string,
  options: OpenOptions = {},
): Promise<{ readonly kind: 'author'; readonly db: Database } | { readonly kind: 'replica'; readonly db: Replica }> {
  options.signal?.throwIfAborted()
  const { openEither } = await import('./local.ts')
  return await openEither(path, options.access ?? 'write')
}

/**
 * Asks carriers and peers at once for the newest signed root of the database at `address`, verifies what they show, and tells those
 * that show an older one. Needs no directory, and so remembers nothing: `replica.resolve` refuses what is older than it has seen.
 * @throws {CoppiceError} `ADDRESS_INVALID`, `USAGE`; `PEER_UNREACHABLE` where nobody answered, `ROOT_NOT_FOUND` where nobody has a
 *   root that can be taken, `EQUIVOCATION`, `QUORUM_MISSED`, each with `details.carriers`, what each said.
 */
export async function resolve(address: string, options: ResolveOptions = {}): Promise<Resolution> {
  const { resolveAddress } = await import('./resolve-address.ts')
  return await resolveAddress(address, options)
}

/**
 * Serves databases and replicas to anybody over libp2p, until the server is closed. What other processes publish or pull
 * into them is announced within a second.
 * @throws {CoppiceError} `ADDRESS_INVALID`, `LISTEN_FAILED`; `KEY_FILE_INVALID`, `STORE_READ_ONLY` for the peer key.
 */
export async function serve(
  databases: Database | Replica | readonly (Database | Replica)[],
  options: ServeOptions = {},
): Promise<Server> {
  const served = 'state' in databases ? [databases] : databases
  const server = await import('./serve.ts')
  const { peerKeyFor } = await import('./local.ts')
  return await server.serve(served, { ...options, peerKey: options.peerKey ?? (await peerKeyFor(served[0])) })
}

/**
 * Imports documents from NDJSON, a JSON array or CSV, also compressed, into one collection: all, or none where it rejects.
 * @throws {CoppiceError} `INPUT_*` with `details.line` and `details.column`, `SCHEMA_MISMATCH`, `TOO_MANY_CHANGES` and others.
 */
export async function importDocuments(
  database: Database,
  source: ByteSource,
  options: ImportOptions,
): Promise<ImportReport> {
  const transfer = await import('./transfer/index.ts')
  return await transfer.importDocuments(database, source, options)
}

/** The documents of a collection as NDJSON or CSV, in the order of their keys. Importing the NDJSON gives the same root. */
export async function* exportDocuments(
  snapshot: Snapshot,
  options: ExportOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const transfer = await import('./transfer/index.ts')
  yield* transfer.exportDocuments(snapshot, options)
}

/** Imports byte keys and values as hexadecimal lines, `{"key":"..","value":".."}`: all, or none where it rejects. */
export async function importRaw(
  database: Database,
  source: ByteSource,
  options: Omit<ImportOptions, 'collection' | 'key' | 'types' | 'format'> = {},
): Promise<ImportReport> {
  const transfer = await import('./transfer/index.ts')
  return await transfer.importRaw(database, source, options)
}

/** Every key and value, metadata and schemas included, as hexadecimal lines. Importing them gives the same root. */
export async function* exportRaw(
  snapshot: Snapshot,
  options: SignalOption = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const transfer = await import('./transfer/index.ts')
  yield* transfer.exportRaw(snapshot, options)
}

/**
 * Writes the published state as a static mirror into `directory`, for any web server, or brings the mirror there up to date: packs
 * first, then one file in one step. Killed or aborted at any point, the mirror is what it was. What it is given as a peer: its URL.
 * @throws {CoppiceError} `ROOT_NOT_FOUND` before the first publish; `DATABASE_EXISTS`, `PUBLISH_REFUSED`, `FORMAT_NEWER` about what is
 *   there; `STORE_LOCKED` while another process exports into it; `BLOCK_MISSING`, `STORE_*`; the signal's reason.
 */
export async function exportMirror(
  database: Database | Replica,
  directory: string,
  options: ExportMirrorOptions = {},
): Promise<MirrorReport> {
  const mirror = await import('./mirror/index.ts')
  return await mirror.exportMirror(database, directory, options)
}

/**
 * A published state as a CAR archive, whose root is its head block; with `since` only what that state lacks of it.
 * @throws {CoppiceError} `ROOT_NOT_FOUND` where the state is not held, `BLOCK_MISSING`, `STORE_*`.
 */
export async function* exportCar(
  database: Database | Replica,
  signed: SignedRoot,
  options: ExportCarOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const transfer = await import('./transfer/index.ts')
  yield* transfer.exportCar(database, signed, options)
}

/**
 * Brings a replica to the signed root in a CAR archive, if that is newer, verified as what a peer sends is.
 * @throws {CoppiceError} `CAR_INVALID`, and as `replica.pull`.
 */
export async function importCar(
  replica: Replica,
  source: CarSource,
  options: ImportCarOptions = {},
): Promise<db.PullResult> {
  const transfer = await import('./transfer/index.ts')
  return await transfer.importCar(replica, source, options)
}

export { CoppiceError, type ErrorCode, isCoppiceError } from './errors.ts'
