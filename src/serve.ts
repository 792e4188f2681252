/** Serving databases over libp2p: a node, and for each database a provider that watches its store. */
import { type Database, providerOptions, type Replica } from './db/index.ts'
import { isCoppiceError } from './errors.ts'
import { createNode, type NetworkNode, peerIdOfKey } from './net/index.ts'
import { sha256 } from './sha256.ts'
import { formatAddress } from './pointer/index.ts'
import { ProviderSet, REQUEST_FRAME_BYTES_MAX } from './sync/index.ts'
import { surroundings } from './surroundings.ts'

export interface ServeOptions {
  /**
   * 32 bytes, kept secret: this machine's network identity, never an author key. By default that in the directory of the
   * first database, made at first use.
   */
  readonly peerKey?: Uint8Array | undefined
  /**
   * Multiaddrs such as `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one. By default this machine alone, at a port that
   * follows from the peer key, so that addresses outlive a restart; a free one where that is taken.
   */
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

/** Where default ports begin and how many there are: below those that systems give to outgoing connections. */
const DEFAULT_PORT_MIN = 20_000
const DEFAULT_PORTS = 12_000

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
  const node = await startNode(options.peerKey, options.listen)
  try {
    options.signal?.throwIfAborted()
    await node.handle(providers.handle, { frameBytesMax: REQUEST_FRAME_BYTES_MAX })
  } catch (error) {
    await node.stop()
    throw error
  }
  return serverOf(node)
}

async function startNode(peerKey: Uint8Array, listen: readonly string[] | undefined): Promise<NetworkNode> {
  if (listen !== undefined) return await createNode({ peerKey, listen })
  try {
    return await createNode({ peerKey, listen: [`/ip4/127.0.0.1/tcp/${await defaultPort(peerKey)}`] })
  } catch (error) {
    if (!isCoppiceError(error, 'LISTEN_FAILED')) throw error
    return await createNode({ peerKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
  }
}

/** From the public name of the key: the port says nothing of the secret. */
async function defaultPort(peerKey: Uint8Array): Promise<number> {
  const digest = sha256(new TextEncoder().encode(await peerIdOfKey(peerKey)))
  return DEFAULT_PORT_MIN + (new DataView(digest.buffer, digest.byteOffset).getUint32(0) % DEFAULT_PORTS)
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
