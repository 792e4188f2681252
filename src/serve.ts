/** Serving databases over libp2p: a node, and for each database a provider that watches its store. */
import { type Database, providerOptions, type Replica } from './db/index.ts'
import { createNode, type NetworkNode } from './net/index.ts'
import { formatAddress } from './pointer/index.ts'
import { ProviderSet, REQUEST_FRAME_BYTES_MAX } from './sync/index.ts'
import { surroundings } from './surroundings.ts'

export interface ServeOptions {
  /**
   * 32 bytes, kept secret: this machine's network identity, never an author key. By default that in the directory of the
   * first database, made at first use.
   */
  readonly peerKey?: Uint8Array | undefined
  /** Multiaddrs such as `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one. Loopback and a free port by default. */
  readonly listen?: readonly string[] | undefined
  /** Called with a signed root that a peer shows as newer than ours: unverified. */
  readonly onTell?: ((database: Database | Replica, signedRoot: Uint8Array) => void) | undefined
  /** Aborted before the server listens, none is started; later it changes nothing. */
  readonly signal?: AbortSignal | undefined
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

/** See `serve` of index.ts, which finds the peer key. */
export async function serve(
  databases: readonly (Database | Replica)[],
  options: ServeOptions & { readonly peerKey: Uint8Array },
): Promise<Server> {
  const providers = new ProviderSet({ clock: surroundings.clock })
  for (const database of databases) {
    const onTell = (signedRoot: Uint8Array): void => options.onTell?.(database, signedRoot)
    providers.add({ ...providerOptions(database.state), onTell })
  }
  options.signal?.throwIfAborted()
  const node = await createNode({ peerKey: options.peerKey, listen: options.listen ?? [DEFAULT_LISTEN] })
  try {
    options.signal?.throwIfAborted()
    await node.handle(providers.handle, { frameBytesMax: REQUEST_FRAME_BYTES_MAX })
  } catch (error) {
    await node.stop()
    throw error
  }
  return serverOf(node)
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
