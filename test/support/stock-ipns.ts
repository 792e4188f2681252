/** Nodes of the stock packages that keep IPNS records, on loopback, all of which know each other. */
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { identify } from '@libp2p/identify'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { ipnsSelector } from 'ipns/selector'
import { ipnsValidator } from 'ipns/validator'
import { createLibp2p, type Libp2p } from 'libp2p'

export type StockNode = Libp2p<{ dht: KadDHT; identify: unknown; ping: unknown }>

export async function startStockNodes(count: number): Promise<StockNode[]> {
  const nodes: StockNode[] = []
  for (let i = 0; i < count; i++) {
    const node: StockNode = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionManager: { inboundConnectionThreshold: 1000 },
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({
          clientMode: false,
          protocol: '/ipfs/kad/1.0.0',
          peerInfoMapper: passthroughMapper,
          initialQuerySelfInterval: 20,
          validators: { ipns: ipnsValidator },
          selectors: { ipns: ipnsSelector },
        }),
      },
    })
    for (const other of nodes) await node.dial(other.getMultiaddrs())
    nodes.push(node)
  }
  return nodes
}

export function addressesOfStock(nodes: readonly StockNode[]): string[] {
  return nodes.flatMap((node) => node.getMultiaddrs().map(String))
}
