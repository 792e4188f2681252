/**
 * Databases in directories of this machine: puts together what the layers below know nothing of each other about. Loaded by
 * index.ts at first use, so that importing coppice loads neither LMDB nor libp2p.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { equalBytes } from './bytes.ts'
import {
  adoptMeta,
  copyState,
  type CopyStateOptions,
  Database,
  forkMeta,
  type PullOptions,
  type PullResult,
  readCarrierSettings,
  readOrigin,
  readPeers,
  Replica,
} from './db/index.ts'
import {
  createDatabaseDirectory,
  type DatabaseDirectory,
  type DatabaseKind,
  directoryPaths,
  ensureKeyFile,
  keyCodec,
  kindMeta,
  newKey,
  openDatabaseDirectory,
  readKeyFile,
  removeDatabaseDirectory,
} from './directory/index.ts'
import { CoppiceError, isCoppiceError } from './errors.ts'
import {
  type Address,
  isDatabaseName,
  isPublicKey,
  type KeyRole,
  NAME_RULE,
  parseAddress,
  SEED_BYTES,
  type Signer,
} from './pointer/index.ts'
import type { CarSource } from './car/index.ts'
import type { CarrierSettings } from './carriers/index.ts'
import type { Store } from './store/index.ts'
import { type Configured, LazyCarriers } from './lazy-carriers.ts'
import { type DiscoveryOptions, LazyNetwork } from './lazy-network.ts'
import { requireDialAddress, requirePeerAddress } from './peer-addresses.ts'
import { surroundings } from './surroundings.ts'

export type Access = 'read' | 'write'

/** Where open handles came from, and over what they ask peers. */
const paths = new WeakMap<Database | Replica, string>()
const networks = new WeakMap<Database | Replica, LazyNetwork>()

export interface CreateOptions {
  readonly name: string
  /** The author's public key, where the secret one is elsewhere; by default that of `signer`, or a new key in the directory. */
  readonly author?: Uint8Array | undefined
  /** Signs instead of the keys in the directory, as long as the handle is open. */
  readonly signer?: Signer | undefined
}

/** See `Database.create` of index.ts. */
export async function createDatabase(path: string, options: CreateOptions): Promise<Database> {
  const { name } = options
  return await createAuthor(path, options, (author, store) => Database.initialMeta(store, author, name))
}

/** A database with a new key, if none is given; `initial` gives the values it starts with, and may run again after a kill. */
async function createAuthor(
  path: string,
  { name, signer, author = signer?.publicKey }: CreateOptions,
  initial: (author: Uint8Array, store: Store) => Promise<ReadonlyMap<string, Uint8Array>>,
): Promise<Database> {
  validateName(name)
  if (author !== undefined && !isPublicKey(author)) {
    throw new CoppiceError('USAGE', 'author: expected a public key that signatures count under, 32 bytes, got another')
  }
  const directory = await createDatabaseDirectory(path, {
    kind: 'author',
    prepare: async (paths, store) => {
      return await initial(author ?? (await ensureAuthorKey(paths.authorKey)).publicKey, store)
    },
  })
  try {
    return await loadDatabase(directory, await signersOf(directory, signer))
  } catch (error) {
    await directory.close()
    throw error
  }
}

async function ensureAuthorKey(path: string): Promise<Signer> {
  return (await ensureKeyFile(path, keyCodec('author'), () => newKey('author'))).signer
}

function validateName(name: string): void {
  if (isDatabaseName(name)) return
  throw new CoppiceError('USAGE', `name: expected ${NAME_RULE}, got ${JSON.stringify(name.slice(0, 80))}`)
}

export interface ForkOptions extends CopyStateOptions {
  /** Of the new database; that of the source without. */
  readonly name?: string | undefined
}

/** See `Database.fork` of index.ts. */
export async function forkDatabase(
  source: Database | Replica,
  path: string,
  options: ForkOptions = {},
): Promise<Database> {
  // Before a directory is made for what has no state yet.
  const snapshot = await source.snapshot(options)
  const name = options.name ?? source.name
  const peers = source instanceof Replica ? await source.peers() : []
  return await createAuthor(path, { name }, async (author, store) => {
    await copyState(snapshot, store, options)
    return await forkMeta(source, snapshot, { author, name, peers })
  })
}

/** See `Database.forkAddress` of index.ts. */
export async function forkAddress(
  address: string,
  path: string,
  options: CloneOptions & Pick<ForkOptions, 'name'>,
): Promise<Database> {
  const name = options.name ?? parseAddress(address).name
  validateName(name)
  const replica = await cloneReplica(address, path, options, true)
  try {
    const { publicKey: author } = await ensureAuthorKey(directoryPaths(path).authorKey)
    const meta = await adoptMeta(replica, { author, name, peers: await replica.peers() })
    await replica.state.store.write({ meta: new Map([...meta, kindMeta('author')]) }, { durable: true })
  } finally {
    await replica.close()
  }
  return await openDatabase(path, 'write')
}

/** See `Database.open` of index.ts. */
export async function openDatabase(path: string, access: Access, signer?: Signer): Promise<Database> {
  const opened = await openEither(path, access, { signer })
  if (opened.kind === 'author') return opened.db
  await opened.db.close()
  throw wrongKind(path, opened.kind, "a database of one's own", 'a replica, which only its author changes')
}

/** See `Replica.open` of index.ts. */
export async function openReplica(path: string, access: Access, discovery: DiscoveryOptions = {}): Promise<Replica> {
  const opened = await openEither(path, access, discovery)
  if (opened.kind === 'replica') return opened.db
  try {
    const origin = await readOrigin(opened.db.state.store)
    throw wrongKind(path, opened.kind, 'a replica', "a database of one's own", origin?.address)
  } finally {
    await opened.db.close()
  }
}

export type Opened =
  { readonly kind: 'author'; readonly db: Database } | { readonly kind: 'replica'; readonly db: Replica }

/** For whichever of the two is there. */
interface OpenEitherOptions extends DiscoveryOptions {
  readonly signer?: Signer | undefined
}

/** See `openDirectory` of index.ts. */
export async function openEither(path: string, access: Access, options: OpenEitherOptions = {}): Promise<Opened> {
  const directory = await openDatabaseDirectory(path, access)
  try {
    if (directory.kind === 'replica') return { kind: 'replica', db: await loadReplica(directory, options) }
    const signers = access === 'write' ? await signersOf(directory, options.signer) : []
    return { kind: 'author', db: await loadDatabase(directory, signers) }
  } catch (error) {
    await directory.close()
    throw error
  }
}

export interface CloneOptions extends PullOptions, DiscoveryOptions {
  /** Peers to ask beside those of the address. */
  readonly peers?: readonly string[] | undefined
  /** An archive to take it from, instead of its peers, which are kept for later. */
  readonly car?: CarSource | undefined
  /** Called with the replica before it pulls, to serve it meanwhile for example; what it throws ends the clone. */
  readonly onOpened?: ((replica: Replica) => Promise<void> | void) | undefined
  /** Called with what the pull did. */
  readonly onPulled?: ((result: PullResult) => void) | undefined
}

/** See `Replica.clone` of index.ts. With `isFork` it is to become a fork, and goes on also where all was cloned before. */
export async function cloneReplica(
  addressText: string,
  path: string,
  options: CloneOptions,
  isFork = false,
): Promise<Replica> {
  const address = parseAddress(addressText)
  const peers = [...new Set([...address.peers, ...(options.peers ?? [])])]
  options.signal?.throwIfAborted()
  // Before a directory is made for what can never be asked.
  for (const peer of peers) await requirePeerAddress(peer)
  for (const node of options.dht ?? []) await requireDialAddress(node)
  const isNew = !existsSync(path)
  // A key that was put there before, from a backup perhaps, is not ours to remove.
  const before = isNew ? [] : await readdir(path).catch(() => [])
  const replica = await createOrResume({ ...address, peers }, path, isFork, options)
  try {
    await options.onOpened?.(replica)
    const result =
      options.car === undefined ? await replica.pull(options) : await importInto(replica, options.car, options)
    options.onPulled?.(result)
    return replica
  } catch (error) {
    const isEmpty = (await replica.standing()).newest === undefined
    await replica.close()
    // No peer showed a signed root of that author and name: a mistyped address must not block the directory.
    if (isEmpty) await removeDatabaseDirectory(path, isNew, before)
    throw error
  }
}

async function importInto(replica: Replica, car: CarSource, options: PullOptions): Promise<PullResult> {
  const { importCar } = await import('./transfer/index.ts')
  return await importCar(replica, car, options)
}

async function createOrResume(
  address: Address,
  path: string,
  isFork: boolean,
  discovery: DiscoveryOptions,
): Promise<Replica> {
  const { author, name, peers } = address
  let directory: DatabaseDirectory
  try {
    directory = await createDatabaseDirectory(path, {
      kind: 'replica',
      prepare: () => Promise.resolve(Replica.initialMeta(author, name, peers, isFork)),
    })
  } catch (error) {
    if (!isCoppiceError(error, 'DATABASE_EXISTS')) throw error
    return await resume(error, address, path, isFork, discovery)
  }
  return await loadReplica(directory, discovery)
}

/** A clone or fork of the same database that has not completed goes on; anything else that is there stays untouched. */
async function resume(
  exists: CoppiceError,
  address: Address,
  path: string,
  isFork: boolean,
  discovery: DiscoveryOptions,
): Promise<Replica> {
  let opened: Opened
  try {
    opened = await openEither(path, 'write', discovery)
  } catch (error) {
    throw isCoppiceError(error, 'NOT_A_DATABASE') ? exists : error
  }
  const { kind, db } = opened
  const isSame = kind === 'replica' && equalBytes(db.author, address.author) && db.name === address.name
  const goesOn = isSame && (!(await db.isComplete()) || (isFork && (await db.isForking())))
  if (!goesOn) {
    await db.close()
    throw exists
  }
  if (address.peers.length > 0) await db.setPeers(address.peers)
  return db
}

/** Opens a handle, and closes it again where the signal aborted meanwhile. @throws the signal's reason. */
export async function unlessAborted<T extends AsyncDisposable>(
  signal: AbortSignal | undefined,
  open: () => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const handle = await open()
  if (signal?.aborted !== true) return handle
  await handle[Symbol.asyncDispose]()
  throw signal.reason
}

/** `forkedFrom`: of a fork, the address of what it came from. */
function wrongKind(path: string, kind: DatabaseKind, expected: string, got: string, forkedFrom?: string): CoppiceError {
  const details = { path, kind, ...(forkedFrom === undefined ? {} : { forkedFrom }) }
  return new CoppiceError('DATABASE_KIND', `${path}: expected ${expected}, got ${got}`, { details })
}

/** The keys in the directory, those that are there, or the one that is given. Without any a database can still be changed. */
async function signersOf(directory: DatabaseDirectory, given: Signer | undefined): Promise<Signer[]> {
  if (given !== undefined) return [given]
  const { authorKey, signerKey } = directory
  const keys = await Promise.all([readIfAny(authorKey, 'author'), readIfAny(signerKey, 'signer')])
  return keys.filter((key) => key !== undefined)
}

async function readIfAny(path: string, role: KeyRole): Promise<Signer | undefined> {
  try {
    return (await readKeyFile(path, keyCodec(role))).signer
  } catch (error) {
    if (error instanceof CoppiceError && error.details['reason'] === 'absent') return undefined
    throw error
  }
}

async function loadDatabase(directory: DatabaseDirectory, signers: readonly Signer[]): Promise<Database> {
  const { network, carriers } = surroundingsOf(directory, {}, signers)
  const isWritable = directory.access === 'write'
  const db = await Database.load(directory.store, { ...surroundings, isWritable, network, carriers, signers })
  paths.set(db, directory.path)
  networks.set(db, network)
  return db
}

async function loadReplica(directory: DatabaseDirectory, discovery: DiscoveryOptions): Promise<Replica> {
  const { network, carriers } = surroundingsOf(directory, discovery, [])
  const isWritable = directory.access === 'write'
  const replica = await Replica.load(directory.store, { ...surroundings, isWritable, network, carriers })
  paths.set(replica, directory.path)
  networks.set(replica, network)
  return replica
}

/** Whom the database in `directory` asks. A DHT that peers are found in keeps signed roots, too. */
function surroundingsOf(
  { store }: DatabaseDirectory,
  discovery: DiscoveryOptions,
  signers: readonly Signer[],
): { readonly network: LazyNetwork; readonly carriers: LazyCarriers } {
  const { dht } = discovery
  const asked = dht === undefined || dht.length === 0 ? {} : { dht: { bootstrap: dht } }
  const settings = async (): Promise<CarrierSettings> => ({ ...(await readCarrierSettings(store)), ...asked })
  const network = new LazyNetwork(discovery, settings)
  const configured = async (): Promise<Configured> => ({ settings: await settings(), peers: await readPeers(store) })
  return { network, carriers: new LazyCarriers(configured, { network, signers }) }
}

/** The network of `db`, where it was opened from a directory. */
export function networkOf(db: Database | Replica): LazyNetwork | undefined {
  return networks.get(db)
}

/** The network identity for serving `db`: that of its directory, or for one without a new one. */
export async function peerKeyFor(db: Database | Replica | undefined): Promise<Uint8Array> {
  const path = db === undefined ? undefined : paths.get(db)
  return path === undefined ? randomBytes(SEED_BYTES) : await peerKeySeed(path)
}

/** The network identity kept in a database's directory, made at first use. */
export async function peerKeySeed(path: string): Promise<Uint8Array> {
  const { seed } = await ensureKeyFile(directoryPaths(path).peerKey, keyCodec('peer'), () => newKey('peer'))
  return seed
}
