/**
 * A process of the sync benchmark: some of the many replicas that clone from one author at once. Each serves what it has
 * from the first, as `coppice clone --serve` does, and knows nobody but the author. Clones all of them when a line comes on
 * standard input, prints when each was there, in seconds, and goes on serving until its standard input ends.
 *
 *     node bench/rounds/crowd.ts '{"address":"coppice:...","replicas":10,"directory":"..."}'
 */
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { isCoppiceError } from '../../src/errors.ts'
import { Replica, serve } from '../../src/index.ts'
import { seconds } from '../report/figure.ts'

export interface CrowdOptions {
  readonly address: string
  readonly replicas: number
  /** An empty one. */
  readonly directory: string
}

const { address, replicas, directory } = JSON.parse(process.argv[2] ?? '{}') as CrowdOptions
const paths = Array.from({ length: replicas }, (_, i) => join(directory, String(i)))
console.log('ready')
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await Promise.all(paths.map((path) => seconds(() => clone(path))))))
}
process.exit()

/** Again where nobody had time for it: what it has, it keeps. */
async function clone(path: string): Promise<void> {
  for (;;) {
    try {
      await Replica.clone(address, path, { onOpened: share })
      return
    } catch (error) {
      if (!isCoppiceError(error, 'NO_PEER_LEFT')) throw error
    }
  }
}

async function share(replica: Replica): Promise<void> {
  await serve([replica], {
    peerKey: crypto.getRandomValues(new Uint8Array(32)),
    listen: ['/ip4/127.0.0.1/tcp/0'],
  })
}
