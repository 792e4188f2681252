/** What the sync benchmark measures, as it is kept in a file: one entry for each part, made by a run of its own perhaps. */
import type { PullDetails } from '../couriers/courier.ts'
import type { ChangeShape } from '../data/changes.ts'
import type { Machine } from '../report/machine.ts'

/** The first pull, or one after a change of that shape. */
export type StepName = 'clone' | ChangeShape

/** One pull. */
export interface Step {
  readonly name: StepName
  /** Changed since the pull before; of a clone, all. */
  readonly rows: number
  readonly rowBytes: number
  /** What changed, as blocks: at least that is new. Only of coppice. */
  readonly blockBytes?: number
  readonly seconds: number
  /** TCP payload, both directions, as the replica's sockets count it. */
  readonly wireBytes: number
  readonly cpuReplica: number
  readonly cpuAuthor: number
  /** Most anonymous memory seen, of the process and what it started; of coppice's author, that of finding the bounds too. */
  readonly peakReplica: number
  readonly peakAuthor: number
  readonly details?: PullDetails
}

/** What the network between author and replica was. */
export type LinkName = keyof typeof LINKS

/** Milliseconds, and a part of the segments. The first is no link at all: the loopback as it is. */
export const LINKS = {
  direct: { title: 'loopback', roundTrip: 0, lossRate: 0, isNew: false },
  near: { title: '20 ms', roundTrip: 20, lossRate: 0, isNew: true },
  far: { title: '100 ms', roundTrip: 100, lossRate: 0, isNew: true },
  lossy: { title: '20 ms, 1 % lost', roundTrip: 20, lossRate: 0.01, isNew: true },
  open: { title: '100 ms, open window', roundTrip: 100, lossRate: 0, isNew: false },
} as const

/** One courier's author and replica from their beginning to their end. */
export interface Life {
  readonly courier: string
  readonly size: number
  readonly link: LinkName
  /** Changes of 1,000 random rows that the author published before anybody cloned. */
  readonly depth: number
  readonly buildSeconds: number
  readonly steps: readonly Step[]
  /** Why it ended early. */
  readonly failure?: string
}

/** Clone of real documents, and the pull of their next release. */
export interface CompatResult {
  readonly documents: number
  readonly ndjsonBytes: number
  /** `zstd -3` of the whole, and of the documents that the next release changes or adds. */
  readonly zstdBytes: number
  readonly changedDocuments: number
  readonly changedBytes: number
  readonly changedZstdBytes: number
  readonly clone: WirePull
  readonly pull: WirePull
}

export interface WirePull {
  readonly seconds: number
  readonly wireBytes: number
  readonly roundTrips: number
  readonly entries: number
  readonly blockBytes: number
}

/** A replica and several peers that each give so much and no more. */
export interface SwarmResult {
  readonly size: number
  readonly bytesPerSecond: readonly number[]
  /** What came through each peer's link. */
  readonly bytes: readonly number[]
  readonly seconds: number
}

/** Many replicas of one author at once. */
export interface CrowdResult {
  readonly size: number
  readonly replicas: number
  readonly bytesPerSecond: number
  /** What one copy takes on the wire: that of a replica alone. */
  readonly copyBytes: number
  readonly authorBytes: number
  readonly seconds: number
}

export interface Part<Result> {
  readonly at: string
  readonly seconds: number
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  /** What was left out, and why. */
  readonly skipped: readonly string[]
  readonly results: readonly Result[]
}

export interface SyncResults {
  copies?: Part<Life>
  latency?: Part<Life>
  history?: Part<Life>
  compat?: Part<CompatResult>
  swarm?: Part<SwarmResult>
  crowd?: Part<CrowdResult>
}

export type PartName = keyof SyncResults

export const PARTS: readonly PartName[] = ['copies', 'latency', 'history', 'compat', 'swarm', 'crowd']
