/**
 * A process of the sync benchmark: one database served by several nodes, each a peer of its own. Prints their addresses and
 * ends when its standard input does.
 *
 *     node bench/rounds/swarm-peers.ts '{"size":100000,"peers":8,"directory":"..."}'
 */
import { join } from 'node:path'
import { Database, serve } from '../../src/index.ts'
import { Entries } from '../data/entries.ts'

export interface SwarmPeersOptions {
  readonly size: number
  readonly peers: number
  /** An empty one. */
  readonly directory: string
}

const { size, peers, directory } = JSON.parse(process.argv[2] ?? '{}') as SwarmPeersOptions
const db = await Database.create(join(directory, 'author'), { name: 'bench' })
await db.batch((tx) => tx.apply(new Entries(size).all()))
await db.publish()
const servers = await Promise.all(
  Array.from({ length: peers }, () =>
    serve([db], { peerKey: crypto.getRandomValues(new Uint8Array(32)), listen: ['/ip4/127.0.0.1/tcp/0'] }),
  ),
)
console.log(JSON.stringify(servers.map((server) => server.addressOf(db))))
process.stdin.resume().once('end', () => process.exit())
