/**
 * A process of the sync benchmark: some of the many replicas that clone from one author at once. Each serves what it has
 * from the first, so that they find each other through the author. Clones all of them when a line comes on standard input,
 * prints when each was there, in seconds, and goes on serving until its standard input ends.
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
const crowd = await Promise.all(Array.from({ length: replicas }, (_, i) => join(directory, String(i))).map(settle))
console.log('ready')
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await Promise.all(crowd.map((replica) => seconds(() => complete(replica))))))
}
process.exit()

/** A replica that has nothing yet and is served: a clone that was stopped as soon as it knew what to fetch. */
async function settle(path: string): Promise<Replica> {
  const stopping = new AbortController()
  const { signal } = stopping
  try {
    await (await Replica.clone(address, path, { signal, onTarget: () => stopping.abort() })).close()
  } catch (error) {
    if (!signal.aborted) throw error
  }
  const replica = await Replica.open(path)
  await serve([replica], {
    peerKey: crypto.getRandomValues(new Uint8Array(32)),
    listen: ['/ip4/127.0.0.1/tcp/0'],
  })
  return replica
}

/** Again where nobody had time for it: what it has, it keeps. */
async function complete(replica: Replica): Promise<void> {
  for (;;) {
    try {
      await replica.pull()
      return
    } catch (error) {
      if (!isCoppiceError(error, 'NO_PEER_LEFT')) throw error
    }
  }
}
