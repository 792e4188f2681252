/** Plots of what the sync benchmark measured. */
import { COURIERS } from '../couriers/index.ts'
import type { ChangeShape } from '../data/changes.ts'
import { type Life, LINKS, type Step, type StepName, type SyncResults } from '../parts/results.ts'
import type { Machine } from './machine.ts'
import { showCount } from './show.ts'
import { median } from './statistics.ts'
import { type Panel, type Series, svgOf } from './svg.ts'

/** Changes at random places, which differ in nothing but their number. */
const RANDOM_SHAPES: readonly ChangeShape[] = ['one', 'thousand', 'percent', 'all']
const MEBIBYTE = 1024 * 1024

/** @returns undefined where nothing was measured that has a course */
export function syncPlot(results: SyncResults, { cpu, node, commit }: Machine): string | undefined {
  const { copies, latency, history } = results
  const panels: Panel[] = []
  if (copies !== undefined) {
    const size = changesSize(copies.results)
    panels.push(
      bySize('clone, seconds', copies.results, ({ seconds }) => seconds),
      bySize('clone, MiB on the wire', copies.results, ({ wireBytes }) => wireBytes / MEBIBYTE),
      byChange(`pull, ${showCount(size)} rows, KiB on the wire`, copies.results, size, (step) => step.wireBytes / 1024),
      byChange(`pull, ${showCount(size)} rows, milliseconds`, copies.results, size, (step) => step.seconds * 1000),
    )
  }
  if (latency !== undefined) {
    const size = Math.min(...latency.results.map((life) => life.size))
    const own = latency.results.filter((life) => life.size === size)
    panels.push(byLatency(`clone of ${showCount(size)} rows, seconds`, own, 'clone'))
    panels.push(byLatency('pull of 1,000 rows, seconds', own, 'thousand'))
  }
  if (history !== undefined) {
    panels.push(
      byDepth('clone after changes of 1,000 rows, seconds', history.results, ({ seconds }) => seconds),
      byDepth('the same, MiB on the wire', history.results, ({ wireBytes }) => wireBytes / MEBIBYTE),
    )
  }
  const drawn = panels.filter(({ series }) => series.length > 0)
  return drawn.length === 0 ? undefined : svgOf(`bringing copies up to date (${cpu}, Node ${node}, ${commit})`, drawn)
}

type Figure = (step: Step) => number

function bySize(title: string, lives: readonly Life[], figure: Figure): Panel {
  return panel(title, 'rows', lives, (life) => life.size, 'clone', figure)
}

function byLatency(title: string, lives: readonly Life[], name: StepName): Panel {
  const own = lives.filter(({ link }) => link === 'near' || link === 'far')
  return panel(
    title,
    'round trip, ms',
    own,
    (life) => LINKS[life.link].roundTrip,
    name,
    ({ seconds }) => seconds,
  )
}

function byDepth(title: string, lives: readonly Life[], figure: Figure): Panel {
  return panel(title, 'changes before', lives, (life) => life.depth, 'clone', figure)
}

function byChange(title: string, lives: readonly Life[], size: number, figure: Figure): Panel {
  const own = lives.filter((life) => life.size === size)
  const series = seriesOf(own, (courier) =>
    RANDOM_SHAPES.flatMap((shape) => point(own, courier, shape, ({ rows }) => rows, figure)).toSorted(
      (a, b) => a[0] - b[0],
    ),
  )
  return { title, xLabel: 'changed rows', series }
}

function panel(
  title: string,
  xLabel: string,
  lives: readonly Life[],
  place: (life: Life) => number,
  name: StepName,
  figure: Figure,
): Panel {
  const places = [...new Set(lives.map(place))].toSorted((a, b) => a - b)
  const series = seriesOf(lives, (courier) =>
    places.flatMap((x) =>
      point(
        lives.filter((life) => place(life) === x),
        courier,
        name,
        () => x,
        figure,
      ),
    ),
  )
  return { title, xLabel, series }
}

/** One for each courier that has points. */
function seriesOf(lives: readonly Life[], points: (courier: string) => Series['points']): Series[] {
  return COURIERS.map(({ name }, color) => ({
    name,
    color,
    points: lives.some((life) => life.courier === name) ? points(name) : [],
  })).filter((series) => series.points.length > 0)
}

/** The median of the rounds; nothing where there is none, or nothing to draw on a logarithmic axis. */
function point(
  lives: readonly Life[],
  courier: string,
  name: StepName,
  x: Figure,
  y: Figure,
): (readonly [number, number])[] {
  const steps = lives
    .filter((life) => life.courier === courier)
    .flatMap((life) => life.steps.filter((step) => step.name === name))
  const [first] = steps
  if (first === undefined) return []
  const at = [x(first), median(steps.map(y))] as const
  return at[0] > 0 && at[1] > 0 ? [at] : []
}

/** The largest size whose rows were all changed by somebody: most is to be seen there. */
function changesSize(lives: readonly Life[]): number {
  const complete = lives.filter(({ steps }) => steps.some(({ name }) => name === 'all'))
  return Math.max(...(complete.length > 0 ? complete : lives).map(({ size }) => size))
}
