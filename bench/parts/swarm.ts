/** Swarms: one replica with several peers of different speed, and many replicas of one author whose upload is capped. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../process/child.ts'
import { withDirectory } from '../process/directory.ts'
import type { CrowdOptions } from '../rounds/crowd.ts'
import type { Taken } from '../rounds/replica.ts'
import type { SwarmPeersOptions } from '../rounds/swarm-peers.ts'
import { LinkChild } from './link-child.ts'
import type { Profile } from './profile.ts'
import type { CrowdResult, SwarmResult } from './results.ts'

const TIMEOUT_MS = 240_000
/** Replicas of a crowd that share a process: fifty processes would measure how fast Node starts. */
const REPLICAS_PER_PROCESS = 10

export async function measureSwarm({ swarmSize: size, swarmBytesPerSecond }: Profile): Promise<SwarmResult> {
  return await withDirectory(async (directory) => {
    const { address, links, end } = await startPeers({ size, peers: swarmBytesPerSecond.length, directory }, (i) => ({
      bytesPerSecond: swarmBytesPerSecond[i],
    }))
    const replica = new Child('replica.ts', [address, join(directory, 'replica')], TIMEOUT_MS)
    const { seconds } = JSON.parse(await replica.line()) as Taken
    await replica.end()
    const bytes = (await links.carried()).map(({ down }) => down)
    await end()
    return { size, bytesPerSecond: swarmBytesPerSecond, bytes, seconds }
  })
}

export async function measureCrowd(profile: Profile): Promise<CrowdResult> {
  const { crowdSize: size, crowdReplicas: replicas, crowdBytesPerSecond: bytesPerSecond } = profile
  return await withDirectory(async (directory) => {
    const { address, links, end } = await startPeers({ size, peers: 1, directory }, () => ({ bytesPerSecond }))
    const counts = Array.from({ length: Math.ceil(replicas / REPLICAS_PER_PROCESS) }, (_, i) =>
      Math.min(REPLICAS_PER_PROCESS, replicas - i * REPLICAS_PER_PROCESS),
    )
    const crowd = (options: CrowdOptions): Child => {
      mkdirSync(options.directory)
      return new Child('crowd.ts', [JSON.stringify(options)], TIMEOUT_MS)
    }
    // What one alone takes. Its time is not measured.
    const alone = await cloneAll([crowd({ address, replicas: 1, directory: join(directory, 'alone') })], links)
    const groups = counts.map((count, i) => crowd({ address, replicas: count, directory: join(directory, String(i)) }))
    const together = await cloneAll(groups, links)
    await end()
    const [copyBytes, authorBytes] = [alone.bytes, together.bytes]
    return { size, replicas, bytesPerSecond, copyBytes, authorBytes, seconds: together.seconds }
  })
}

/** All at once, when each is ready. @returns when the last was there, and what the author had sent until then */
async function cloneAll(groups: readonly Child[], links: LinkChild): Promise<{ seconds: number; bytes: number }> {
  for (const group of groups) await group.line()
  const before = await uploaded(links)
  for (const group of groups) group.tell('clone')
  const taken = await Promise.all(groups.map(async (group) => JSON.parse(await group.line()) as number[]))
  const bytes = (await uploaded(links)) - before
  await Promise.all(groups.map((group) => group.end()))
  return { seconds: Math.max(...taken.flat()), bytes }
}

async function uploaded(links: LinkChild): Promise<number> {
  return (await links.carried()).reduce((sum, { down }) => sum + down, 0)
}

interface Peers {
  /** Of all of them, through their links. */
  readonly address: string
  readonly links: LinkChild
  end(): Promise<void>
}

async function startPeers(
  options: SwarmPeersOptions,
  link: (peer: number) => { readonly bytesPerSecond: number | undefined },
): Promise<Peers> {
  const servers = new Child('swarm-peers.ts', [JSON.stringify(options)], TIMEOUT_MS)
  const addresses = JSON.parse(await servers.line()) as string[]
  const targets = addresses.map((address) => Number(/\/tcp\/(\d+)/.exec(address)?.[1]))
  const links = await LinkChild.start(
    targets.map((target, i) => ({ target, roundTrip: 0, lossRate: 0, isNew: false, ...link(i) })),
    TIMEOUT_MS,
  )
  const [database = ''] = addresses[0]?.split('?') ?? []
  const peers = addresses.map((address, i) =>
    (address.split('?')[1] as string).replace(`/tcp/${targets[i]}`, `/tcp/${links.ports[i]}`),
  )
  return {
    address: `${database}?${peers.join('&')}`,
    links,
    end: async () => {
      await links.end()
      await servers.end()
    },
  }
}
