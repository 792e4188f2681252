/** Serving databases over libp2p: a node, and for each database a provider that watches its store. */
import { PUBLISHED } from './db/meta.ts'
import { type Database, type DatabaseState, decodeOwn, type Replica } from './db/index.ts'
import { createNode, type NetworkNode } from './net/index.ts'
import { formatAddress } from './pointer/index.ts'
import { ProviderSet, REQUEST_FRAME_BYTES_MAX } from './sync/index.ts'
import { surroundings } from './surroundings.ts'

export interface ServeOptions {
  /** 32 bytes, kept secret: this machine's network identity. Never an author key. */
  readonly peerKey: Uint8Array
  /** Multiaddrs such as `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one. Loopback and a free port by default. */
  readonly listen?: readonly string[]
  /** Called with a signed root that a peer shows as newer than ours: unverified. */
  readonly onTell?: (database: Database | Replica, signedRoot: Uint8Array) => void
}

export interface Server extends AsyncDisposable {
  readonly peerId: string
  /** Multiaddrs that others can dial. */
  readonly addresses: readonly string[]
  /** `coppice:<author>/<name>?peer=...` of a served database. */
  addressOf(database: Database | Replica): string
  /** Peers connected now. */
  peers(): readonly string[]
  /** Ends the network node. The databases stay open: they are whoever opened them. */
  close(): Promise<void>
}

export const DEFAULT_LISTEN = '/ip4/127.0.0.1/tcp/0'

export async function serve(databases: readonly (Database | Replica)[], options: ServeOptions): Promise<Server> {
  const providers = new ProviderSet({ clock: surroundings.clock })
  for (const database of databases) {
    const { state } = database
    providers.add({
      store: state.store,
      author: state.author,
      name: state.name,
      newest: () => newestOf(state),
      changed: async (signal) => {
        await state.changed(PUBLISHED, await state.store.getMeta(PUBLISHED), signal)
      },
      onTell: (signedRoot) => options.onTell?.(database, signedRoot),
    })
  }
  const node = await createNode({ peerKey: options.peerKey, listen: options.listen ?? [DEFAULT_LISTEN] })
  try {
    await node.handle(providers.handle, { frameBytesMax: REQUEST_FRAME_BYTES_MAX })
  } catch (error) {
    await node.stop()
    throw error
  }
  return serverOf(node)
}

async function newestOf(
  state: DatabaseState,
): Promise<{ signedRoot: Uint8Array; id: { payload: Uint8Array; epoch: number; sequence: number } } | undefined> {
  const signedRoot = await state.store.getMeta(PUBLISHED)
  if (signedRoot === undefined) return undefined
  const { link, payload } = decodeOwn(signedRoot)
  return { signedRoot, id: { payload: link, epoch: payload.epoch, sequence: payload.sequence } }
}

function serverOf(node: NetworkNode): Server {
  const close = (): Promise<void> => node.stop()
  return {
    peerId: node.peerId,
    addresses: node.addresses(),
    addressOf: ({ author, name }) => formatAddress({ author, name, peers: node.addresses() }),
    peers: () => node.peers(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
