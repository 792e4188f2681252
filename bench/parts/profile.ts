/** How much of the sync benchmark is run: all of it, as much as shows whether a change made things worse, or once through. */
import { COURIERS, courierNamed } from '../couriers/index.ts'
import { CHANGE_SHAPES, type ChangeShape } from '../data/changes.ts'
import type { LifePlan } from './life.ts'
import { type LinkName, LINKS } from './results.ts'

export interface Profile {
  /** Rows, and how many rounds of the fast couriers. */
  readonly sizes: readonly (readonly [size: number, rounds: number])[]
  readonly latencySize: number
  readonly links: readonly LinkName[]
  /** Who is asked over links; undefined for all. */
  readonly farCouriers?: readonly string[]
  /** Of coppice alone: for the bars, which are about so many. */
  readonly latencySizeAlone: number | undefined
  readonly historySize: number
  readonly depths: readonly number[]
  readonly swarmSize: number
  /** Of each peer of a swarm. */
  readonly swarmBytesPerSecond: readonly number[]
  readonly crowdSize: number
  readonly crowdReplicas: number
  readonly crowdBytesPerSecond: number
  /** Of the real documents; undefined for all. */
  readonly compatDocuments: number | undefined
}

const MEBIBYTE = 1024 * 1024
/** Those that are slow. */
export const LINK_NAMES: readonly LinkName[] = (Object.keys(LINKS) as LinkName[]).filter((link) => link !== 'direct')
/** Of peers that differ as lines do, in MiB/s. */
const SPEEDS = [0.5, 0.5, 1, 1, 2, 2, 4, 4]

export const FULL: Profile = {
  sizes: [
    [10_000, 3],
    [100_000, 3],
    [1_000_000, 2],
    [10_000_000, 1],
  ],
  latencySize: 100_000,
  links: LINK_NAMES,
  latencySizeAlone: 1_000_000,
  historySize: 100_000,
  depths: [10, 100, 1_000],
  swarmSize: 1_000_000,
  swarmBytesPerSecond: SPEEDS.map((speed) => speed * MEBIBYTE),
  crowdSize: 100_000,
  crowdReplicas: 50,
  crowdBytesPerSecond: 2 * MEBIBYTE,
  compatDocuments: undefined,
}

export const QUICK: Profile = {
  sizes: [
    [10_000, 1],
    [100_000, 1],
  ],
  latencySize: 10_000,
  links: LINK_NAMES,
  latencySizeAlone: undefined,
  historySize: 10_000,
  depths: [10, 100],
  swarmSize: 100_000,
  swarmBytesPerSecond: SPEEDS.map((speed) => (speed * MEBIBYTE) / 4),
  crowdSize: 100_000,
  crowdReplicas: 16,
  crowdBytesPerSecond: MEBIBYTE,
  compatDocuments: 50_000,
}

/** Everything once, in seconds. */
export const SMOKE: Profile = {
  sizes: [[1_000, 1]],
  latencySize: 1_000,
  links: ['lossy'],
  farCouriers: ['coppice', 'zstd'],
  latencySizeAlone: undefined,
  historySize: 1_000,
  depths: [2],
  swarmSize: 5_000,
  swarmBytesPerSecond: [MEBIBYTE, MEBIBYTE],
  crowdSize: 1_000,
  crowdReplicas: 3,
  crowdBytesPerSecond: MEBIBYTE,
  compatDocuments: 1_000,
}

const ALL_SHAPES = Object.keys(CHANGE_SHAPES) as ChangeShape[]
/** Couriers that take a minute where others take a second: one round each. */
const SLOW = ['hyperbee', 'hyperbee-disk']
/** Rewriting every row of more than this is left out, and for a slow courier of more than that. */
const ALL_ROWS_MAX = 1_000_000
const SLOW_ALL_ROWS_MAX = 10_000
/** What is asked for of a slow courier with more rows. */
const SLOW_SHAPES: readonly ChangeShape[] = ['nothing', 'one', 'thousand', 'percent']

/** What to run, and what is left out of it. */
export interface Lives {
  readonly plans: readonly LifePlan[]
  readonly skipped: readonly string[]
}

/** Every courier at every size, through every change: the first round of each, then the second of each. */
export function copyLives(
  { sizes }: Pick<Profile, 'sizes'>,
  couriers: readonly string[],
  shapes: readonly ChangeShape[],
): Lives {
  const skipped: string[] = []
  const plans = sizes.flatMap(([size, rounds]) => {
    const able = couriers.filter((name) => size <= courierNamed(name).rowsMax)
    for (const name of couriers.filter((each) => !able.includes(each))) {
      skipped.push(`${name} at ${size.toLocaleString('en-US')} rows: it would take minutes`)
    }
    return Array.from({ length: rounds }, (_, round) =>
      able
        .filter((name) => round === 0 || !SLOW.includes(name))
        .map((courier) => planOf({ courier, size, shapes: shapesFor(courier, size, shapes) })),
    ).flat()
  })
  return { plans, skipped }
}

function shapesFor(courier: string, size: number, shapes: readonly ChangeShape[]): ChangeShape[] {
  if (SLOW.includes(courier) && size > SLOW_ALL_ROWS_MAX) return shapes.filter((shape) => SLOW_SHAPES.includes(shape))
  return shapes.filter((shape) => shape !== 'all' || size <= ALL_ROWS_MAX)
}

/** Clone, nothing and 1,000 rows over each link. */
export function latencyLives(profile: Profile, couriers: readonly string[], links: readonly LinkName[]): Lives {
  const shapes: ChangeShape[] = ['nothing', 'thousand']
  const { latencySize: size, latencySizeAlone: alone, farCouriers = couriers } = profile
  const able = couriers.filter((name) => name !== 'hyperbee-disk' && farCouriers.includes(name))
  const plans = links.flatMap((link) => able.map((courier) => planOf({ courier, size, link, shapes })))
  const more =
    alone === undefined || !couriers.includes('coppice')
      ? []
      : links.map((link) => planOf({ courier: 'coppice', size: alone, link, shapes }))
  return { plans: [...plans, ...more], skipped: ['hyperbee-disk: its disk is what it waits for, not the network'] }
}

/** Clone after so many changes, of what keeps a history and of what does not. */
export function historyLives(profile: Profile, couriers: readonly string[]): Lives {
  const skipped: string[] = []
  const plans = profile.depths.flatMap((depth) =>
    ['coppice', 'hyperbee', 'log-replay']
      .filter((name) => couriers.includes(name))
      .filter((name) => {
        const isTooSlow = SLOW.includes(name) && depth > 100
        if (isTooSlow) skipped.push(`${name}, ${depth} changes deep: it would take minutes`)
        return !isTooSlow
      })
      .map((courier) => planOf({ courier, size: profile.historySize, depth, shapes: [] })),
  )
  return { plans, skipped }
}

function planOf(plan: Pick<LifePlan, 'courier' | 'size' | 'shapes'> & Partial<LifePlan>): LifePlan {
  return { link: 'direct', depth: 0, ...plan }
}

export const COURIER_NAMES: readonly string[] = COURIERS.map(({ name }) => name)
export { ALL_SHAPES }
