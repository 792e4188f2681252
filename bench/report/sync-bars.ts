/** What the project promises of syncing, beside what was measured. */
import type { Life, LinkName, StepName, SyncResults } from '../parts/results.ts'
import { atLeast, atMost, type Bar, perSecond, ratioOf } from './bars.ts'
import { showBytes, showCount, showRatio } from './show.ts'
import { median } from './statistics.ts'
import { Steps } from './sync-tables.ts'

/** Rows that the bars are about; with fewer their figures say something else. */
const SIZE = 1_000_000
const LARGE_SIZE = 10_000_000
/** Smaller ones say how fast a process starts, and nothing of the rest. */
const COMPARED_SIZE_MIN = 100_000
const DOCUMENTS_MIN = 200_000
const CROWD_MIN = 16
const MEBIBYTE = 1024 * 1024
const MEMORY_MAX = 300 * MEBIBYTE
/** Of the sum of the peers' speeds: "near" it. */
const SWARM_PART_MIN = 0.8

/** Bars whose figures were not measured are left out. */
export function syncBars({ copies, latency, compat, swarm, crowd }: SyncResults): Bar[] {
  const lives = copies?.results ?? []
  const at = (name: StepName, size: number = SIZE): Steps => stepsOf(lives, 'coppice', name, size)
  const clone = at('clone')
  const thousand = at('thousand')
  const nothing = at('nothing')
  const large = at('clone', LARGE_SIZE)
  const far = farStep(latency?.results ?? [], 'far')
  const open = farStep(latency?.results ?? [], 'open')
  const documents = compat?.results.find((result) => result.documents >= DOCUMENTS_MIN)
  const peers = swarm?.results.find(({ size }) => size >= COMPARED_SIZE_MIN)
  const many = crowd?.results.find(({ replicas }) => replicas >= CROWD_MIN)
  return [
    atLeast('clone of 1M rows', clone.first && clone.first.rows / median(clone.seconds), 400_000, perSecond),
    besidePeer(lives, 'hyperbee', 'clone beside hyperbee in memory', 15),
    besidePeer(lives, 'hyperbee-disk', 'clone beside hyperbee on disk', 100),
    atMost(
      'wire of the clone by its blocks, incompressible',
      ratioOf(clone.first?.wireBytes, clone.first?.details?.blockBytesTotal),
      1.03,
      showPart,
    ),
    atMost(
      'wire of browser-compat-data by `zstd -3` of its NDJSON',
      ratioOf(documents?.clone.wireBytes, documents?.zstdBytes),
      2,
      showRatio,
    ),
    atMost(
      'wire of a pull of 1,000 random rows in 1M by these rows',
      ratioOf(thousand.first?.wireBytes, thousand.first?.rowBytes),
      1.5,
      showRatio,
    ),
    atMost('its round trips, the hello included', thousand.first?.details?.roundTrips, 3, showCount),
    atMost('its time', thousand.first && median(thousand.seconds) * 1000, 300, showMilliseconds),
    atMost('round trips of a pull of nothing', nothing.first?.details?.roundTrips, 1, showCount),
    atMost('messages of a pull of nothing', nothing.first?.details?.messageBytes, 1023, showBytes),
    atMost('round trips of a pull of 1,000 rows, 100 ms away', far?.step.first?.details?.roundTrips, 5, showCount),
    atMost('the same by the clock, no window in the way', open?.roundTrips, 5, showPart),
    atMost('memory of a replica that clones 10M rows', large.first?.peakReplica, MEMORY_MAX, showBytes),
    atMost('memory of its author meanwhile', large.first?.peakAuthor, MEMORY_MAX, showBytes),
    atLeast(
      'clone from peers of different speed, by the sum of their speeds',
      peers && sum(peers.bytes) / peers.seconds / sum(peers.bytesPerSecond),
      SWARM_PART_MIN,
      showPart,
    ),
    atMost(
      `copies that an author uploads to ${many?.replicas ?? 0} replicas at once`,
      ratioOf(many?.authorBytes, many?.copyBytes),
      2,
      showPart,
    ),
  ].filter((bar) => bar !== undefined)
}

function stepsOf(lives: readonly Life[], courier: string, name: StepName, size: number): Steps {
  return new Steps(
    lives.filter((life) => life.size === size),
    courier,
    name,
  )
}

/** How many times faster coppice clones, at the largest size that both did. */
function besidePeer(lives: readonly Life[], peer: string, what: string, least: number): Bar | undefined {
  const sizes = lives.filter(({ courier, steps }) => courier === peer && steps.length > 0).map(({ size }) => size)
  const size = Math.max(...sizes)
  if (size < COMPARED_SIZE_MIN) return undefined
  const [ours, theirs] = ['coppice', peer].map((courier) => stepsOf(lives, courier, 'clone', size)) as [Steps, Steps]
  if (ours.first === undefined || theirs.first === undefined) return undefined
  const ratio = median(theirs.seconds) / median(ours.seconds)
  return atLeast(`${what}, ${showCount(size)} rows`, ratio, least, showRatio)
}

/**
 * The pull of 1,000 rows over a link, at the largest size there is; and its round trips after the handshake by the clock:
 * what it takes more than a pull of nothing, which is one.
 */
function farStep(lives: readonly Life[], link: LinkName): { step: Steps; roundTrips: number } | undefined {
  const own = lives.filter((life) => life.link === link && life.courier === 'coppice')
  const size = Math.max(...own.map((life) => life.size))
  const step = stepsOf(own, 'coppice', 'thousand', size)
  const nothing = stepsOf(own, 'coppice', 'nothing', size)
  if (step.first === undefined || nothing.first === undefined) return undefined
  return { step, roundTrips: 1 + (median(step.seconds) - median(nothing.seconds)) / ROUND_TRIP_SECONDS }
}

const ROUND_TRIP_SECONDS = 0.1

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function showPart(value: number): string {
  return value.toFixed(2)
}

function showMilliseconds(value: number): string {
  return `${value.toFixed(0)} ms`
}
