/** Serving databases over libp2p: a node, and for each database a provider that watches its store. */
import {
  Database,
  forgetfulCarriers,
  keepAlive,
  providerOptions,
  type PutChange,
  type Replica,
  type WindowOptions,
} from './db/index.ts'
import type { CarrierSettings } from './carriers/index.ts'
import { isCoppiceError } from './errors.ts'
import { createNode, type NetworkNode, type NodeOptions, peerIdOfKey } from './net/index.ts'
import { sha256 } from './sha256.ts'
import type { Gateway } from './gateway/index.ts'
import { type HttpServeOptions, parseHttp, type ServedOverHttp, serveHttp } from './serve-http.ts'
import { type Evidence, formatAddress } from './pointer/index.ts'
import { type DiscoveryOptions, discoveryOf } from './lazy-network.ts'
import { networkOf } from './local.ts'
import { ProviderSet, REQUEST_FRAME_BYTES_MAX, type Vouch } from './sync/index.ts'
import { surroundings } from './surroundings.ts'

export interface ServeOptions extends DiscoveryOptions {
  /**
   * 32 bytes, kept secret: this machine's network identity, never an author key. By default that in the directory of the
   * first database, made at first use.
   */
  readonly peerKey?: Uint8Array | undefined
  /**
   * Multiaddrs such as `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one. By default this machine alone, at a port that
   * follows from the peer key, so that addresses outlive a restart; a free one where that is taken. A relay's address with
   * `/p2p-circuit` at its end takes a place at that relay.
   */
  readonly listen?: readonly string[] | undefined
  /**
   * Multiaddrs under which others reach it, beside those of this machine: of a port that is forwarded, or a DNS name,
   * `/dns4/data.example.org/tcp/4001`.
   */
  readonly announce?: readonly string[] | undefined
  /** Relays for peers that cannot be dialled, within limits: small talk, until they reach each other. */
  readonly relay?: boolean | undefined
  /** Serves over HTTP too: the same to the web, to replicas by URL, and to IPFS tools. */
  readonly http?: HttpServeOptions | undefined
  /** How long superseded roots go on being served: 16 signed roots and an hour where absent. @throws {RangeError} where out of bounds. */
  readonly window?: WindowOptions | undefined
  /**
   * Puts the newest signed roots of replicas on their carriers again before those forget them, as is done for databases of one's own:
   * who is looked for stays findable while the author is away, until the signed expiry.
   */
  readonly keepAlive?: boolean | undefined
  /** Called when puts of a root that is kept alive begin to fail at a carrier, and when one is taken there again. */
  readonly onPutChange?: ((database: Database | Replica, change: PutChange) => void) | undefined
  /** Called with a signed root that a peer shows as newer than ours: unverified. */
  readonly onTell?: ((database: Database | Replica, signedRoot: Uint8Array) => void) | undefined
  /** Called with proof that its author signed contradicting roots, which a peer brought: verified, and new here. */
  readonly onEvidence?: ((database: Database | Replica, evidence: Evidence) => void) | undefined
  /** Aborted before the server listens, none is started; later it changes nothing. */
  readonly signal?: AbortSignal | undefined
}

export interface Server extends AsyncDisposable {
  readonly peerId: string
  /** Multiaddrs that others can dial. */
  readonly addresses: readonly string[]
  /** `coppice:<author>/<name>?peer=...` of a served database. */
  addressOf(database: Database | Replica): string
  /** Of a served database, for replicas and for IPFS tools; undefined where nothing is served over HTTP. */
  urlOf(database: Database | Replica): string | undefined
  /** Names of the carriers on which the newest root of a served database is to be kept alive; whether puts succeed is told by `onPutChange`. */
  keptAliveAt(database: Database | Replica): Promise<readonly string[]>
  /** Peers connected now. */
  peers(): readonly string[]
  /** Ends the network node. The databases stay open: they are whoever opened them. */
  close(): Promise<void>
}

/** Where default ports begin and how many there are: below those that systems give to outgoing connections. */
const DEFAULT_PORT_MIN = 20_000
const DEFAULT_PORTS = 12_000
/** Which bytes of the key's digest say which port. */
const LIBP2P_PORT_AT = 0
const HTTP_PORT_AT = 4

/** See `serve` of index.ts, which finds the peer key. */
export async function serve(
  databases: readonly (Database | Replica)[],
  options: ServeOptions & { readonly peerKey: Uint8Array },
): Promise<Server> {
  const { clock, random, packings } = surroundings
  const { window } = options
  const http = options.http === undefined ? undefined : parseHttp(options.http)
  const over = new AbortController()
  // Nobody asks before the node is there.
  const vouch: Vouch = (peer, addresses) => node.vouch(peer, addresses)
  const providers = new ProviderSet({ clock, packings, exchange: { vouch, random } })
  const served: ServedOverHttp[] = []
  for (const database of databases) {
    const onTell = (signedRoot: Uint8Array): void => options.onTell?.(database, signedRoot)
    const onEvidence = (evidence: Evidence): void => options.onEvidence?.(database, evidence)
    const providing = providerOptions(database.state, { window, signal: over.signal, onEvidence })
    providers.add({ ...providing, onTell })
    served.push({ database, providing })
  }
  options.signal?.throwIfAborted()
  const node = await startNode(options, await carriersToServe(databases))
  let gateway: Gateway | undefined
  try {
    options.signal?.throwIfAborted()
    await node.handle(providers.handle, { frameBytesMax: REQUEST_FRAME_BYTES_MAX })
    if (http !== undefined) {
      gateway = await serveHttp(served, http, await defaultPort(options.peerKey, HTTP_PORT_AT))
    }
  } catch (error) {
    over.abort()
    await node.stop()
    throw error
  }
  const leave = joinNode(node, databases)
  const kept = databases.filter((database) => options.keepAlive === true || database instanceof Database)
  const keeping = kept.map((database) => keep(database, options, over.signal))
  const end = async (): Promise<void> => {
    leave()
    over.abort()
    await Promise.all(keeping)
  }
  return serverOf(node, end, gateway, kept)
}

async function keep(
  database: Database | Replica,
  options: Pick<ServeOptions, 'onPutChange'>,
  signal: AbortSignal,
): Promise<void> {
  const { carriers, state } = database
  const onPutChange = (change: PutChange): void => options.onPutChange?.(database, change)
  const isReplica = !(database instanceof Database)
  try {
    if (carriers !== undefined) await keepAlive(state, carriers, { isReplica, signal, onPutChange })
  } catch (error) {
    state.log('its root is kept alive no longer: %s', error)
  }
}

/** One node takes part in the networks of all carriers: of several for one kind, in what the first database has configured. */
async function carriersToServe(databases: readonly (Database | Replica)[]): Promise<CarrierSettings> {
  const all = await Promise.all(databases.map(async (database) => await database.carrierSettings()))
  return { dht: all.find(({ dht }) => dht !== undefined)?.dht, ipns: all.find(({ ipns }) => ipns !== undefined)?.ipns }
}

async function startNode(
  options: ServeOptions & { readonly peerKey: Uint8Array },
  carriers: CarrierSettings,
): Promise<NetworkNode> {
  const { peerKey, listen, announce, relay } = options
  const settings: NodeOptions = { peerKey, relay, announce: announce ?? [], ...discoveryOf(options, carriers) }
  if (listen !== undefined) return await createNode({ ...settings, listen })
  try {
    return await createNode({
      ...settings,
      listen: [`/ip4/127.0.0.1/tcp/${await defaultPort(peerKey, LIBP2P_PORT_AT)}`],
    })
  } catch (error) {
    if (!isCoppiceError(error, 'LISTEN_FAILED')) throw error
    return await createNode({ ...settings, listen: ['/ip4/127.0.0.1/tcp/0'] })
  }
}

/** What is served is said to those who look for it, and its own questions go over the same node. The function returned ends that. */
function joinNode(node: NetworkNode, databases: readonly (Database | Replica)[]): () => void {
  const ends = databases.flatMap((database) => {
    const { author, name } = database
    return [node.discovery.provide({ author, name }), networkOf(database)?.lend(node)]
  })
  return () => {
    for (const end of ends) end?.()
  }
}

/** From the public name of the key: the port says nothing of the secret. */
async function defaultPort(peerKey: Uint8Array, at: number): Promise<number> {
  const digest = sha256(new TextEncoder().encode(await peerIdOfKey(peerKey)))
  return DEFAULT_PORT_MIN + (new DataView(digest.buffer, digest.byteOffset).getUint32(at) % DEFAULT_PORTS)
}

function serverOf(
  node: NetworkNode,
  end: () => Promise<void>,
  gateway: Gateway | undefined,
  kept: readonly (Database | Replica)[],
): Server {
  const close = async (): Promise<void> => {
    await end()
    await Promise.all([gateway?.close(), node.stop()])
  }
  return {
    peerId: node.peerId,
    addresses: node.addresses(),
    addressOf: ({ author, name }) => formatAddress({ author, name, peers: node.addresses() }),
    urlOf: (database) => gateway?.urlOf(database.state),
    keptAliveAt: async (database) => {
      const carriers = kept.includes(database) ? await database.carriers?.list() : undefined
      return forgetfulCarriers(carriers ?? []).map(({ name }) => name)
    },
    peers: () => node.peers(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
