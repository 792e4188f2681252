/** A DHT of real nodes over loopback that all know each other, can be made to hold whatever a test wants, and have clients. */
import { type KadDHT, Record as KadRecord, type SingleKadDHT } from '@libp2p/kad-dht'
import { multiaddr } from '@multiformats/multiaddr'
import { base32 } from 'multiformats/bases/base32'
import type { ValueNetwork } from '../../src/carriers/value-network.ts'
import type { Clock } from '../../src/clock.ts'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import { createLibp2pNode, type Libp2pParts, type ValueDht } from '../../src/net/libp2p.ts'
import { sha256 } from '../../src/sha256.ts'
import { surroundings } from '../../src/surroundings.ts'
import { until } from './until.ts'

/** However busy the machine is, members that answer are waited for. */
export const PATIENT: { readonly clock: Clock; readonly lookupMs: number } = {
  clock: surroundings.clock,
  lookupMs: 60_000,
}

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
const CONNECTIONS_MAX = 256
/** A node and its connections take 0.2 s of a processor. */
const POOL = 6
let nodesMade = 0

/** A network identity of its own for every node of this process. */
export function nextPeerKey(): Uint8Array {
  return new Uint8Array(sha256(new TextEncoder().encode(`node ${nodesMade++}`)))
}

export interface DhtNode extends Libp2pParts {
  readonly dht: ValueDht
}

export class DhtLab {
  readonly members: readonly DhtNode[]
  readonly #clients: NetworkNode[] = []
  readonly #pool: Promise<NetworkNode>[] = []
  #turn = 0

  private constructor(members: readonly DhtNode[]) {
    this.members = members
  }

  static async start(count = 8): Promise<DhtLab> {
    const members: DhtNode[] = []
    for (let i = 0; i < count; i++) members.push(await startMember(addressesOf(members)))
    const areKnown = ({ dht }: DhtNode): boolean => tableOf(dht.service).size === count - 1
    await until(() => members.every(areKnown))
    return new DhtLab(members)
  }

  get bootstrap(): string[] {
    return addressesOf(this.members.slice(0, 2))
  }

  /** A node that asks and does not answer, as commands start them. */
  async client(bootstrap: readonly string[] = this.bootstrap): Promise<NetworkNode> {
    const node = await createNode({ peerKey: nextPeerKey(), dht: bootstrap })
    this.#clients.push(node)
    return node
  }

  /** As a client sees it, another one than the last few times: what one has put is nothing to the next. */
  async values(): Promise<ValueNetwork> {
    const turn = this.#turn++ % POOL
    this.#pool[turn] ??= this.client()
    return valuesOf(await this.#pool[turn])
  }

  /** Every member, or those given, holds this from now on, whatever it is. */
  hold(key: Uint8Array, value: Uint8Array, members: readonly DhtNode[] = this.members): void {
    const record = new KadRecord(key, value, new Date()).serialize()
    const name = { toString: () => `/dht/record/${base32.baseEncode(key)}` }
    for (const { memory } of members) memory.put(name as Parameters<typeof memory.put>[0], record.slice())
  }

  /** What the member keeps there. */
  held({ memory }: DhtNode, key: Uint8Array): Uint8Array | undefined {
    const record = memory.valueOfOthers(key)
    return record && new Uint8Array(KadRecord.deserialize(record).value)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map(async (node) => await node.stop()))
    await Promise.all(this.members.map(async ({ libp2p }) => await libp2p.stop()))
  }
}

function tableOf(service: KadDHT): SingleKadDHT['routingTable'] {
  return (service as SingleKadDHT).routingTable
}

export function valuesOf({ values }: NetworkNode): ValueNetwork {
  if (values === undefined) throw new TypeError('expected a node of the DHT')
  return values
}

export async function startMember(bootstrap: readonly string[]): Promise<DhtNode> {
  const parts = await createLibp2pNode({
    peerKey: nextPeerKey(),
    listen: LOOPBACK,
    announce: [],
    connectionsMax: CONNECTIONS_MAX,
    dht: { bootstrap, isServer: true },
  })
  const { libp2p, components, dht, guard } = parts
  if (dht === undefined) throw new TypeError('expected a DHT')
  await libp2p.start()
  for (const address of components.transportManager.getAddrs()) {
    components.addressManager.confirmObservedAddr(address, { type: 'transport', ttl: Infinity })
  }
  for (const address of bootstrap) {
    guard.permit(multiaddr(address))
    await libp2p.dial(multiaddr(address))
  }
  return { ...parts, dht }
}

function addressesOf(nodes: readonly DhtNode[]): string[] {
  return nodes.flatMap(({ libp2p }) => libp2p.getMultiaddrs().map(String))
}
