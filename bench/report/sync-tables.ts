/** What the sync benchmark measured, as tables. */
import { COURIERS } from '../couriers/index.ts'
import { CHANGE_SHAPES, type ChangeShape } from '../data/changes.ts'
import {
  type CompatResult,
  type CrowdResult,
  type Life,
  type LinkName,
  LINKS,
  type Step,
  type StepName,
  type SwarmResult,
} from '../parts/results.ts'
import { showBytes, showCount, showRatio, showSpread } from './show.ts'
import { median, spread } from './statistics.ts'
import type { Table } from './table.ts'

const NOTHING = '-'

/** Who is measured, and what its copy is worth. */
export function courierTable(couriers: readonly string[], versions: Readonly<Record<string, string>>): Table {
  return {
    title: 'couriers',
    header: ['courier', 'how it is used', 'the copy', 'flushed', 'version'],
    words: [1, 2, 3, 4],
    rows: COURIERS.filter(({ name }) => couriers.includes(name)).map(
      ({ name, about, copy, durable, packages, programs }) => [
        name,
        about,
        copy,
        durable === 'flushed' ? 'yes' : `no: ${durable}`,
        [...packages, ...programs].map((each) => versions[each]).join(', ') || 'this checkout',
      ],
    ),
  }
}

/** The same step of one courier in several rounds. */
export class Steps {
  readonly #steps: readonly Step[]

  constructor(lives: readonly Life[], courier: string, name: StepName) {
    const own = lives.filter((life) => life.courier === courier)
    this.#steps = own.flatMap(({ steps }) => steps.filter((step) => step.name === name))
  }

  get first(): Step | undefined {
    return this.#steps[0]
  }

  get seconds(): readonly number[] {
    return this.#steps.map(({ seconds }) => seconds)
  }

  /** The median of the rounds. */
  middle(figure: (step: Step) => number): number {
    return median(this.#steps.map(figure))
  }
}

/** One for each size: what a first copy takes. */
export function cloneTables(lives: readonly Life[]): Table[] {
  return sizesOf(lives).map((size) => {
    const own = lives.filter((life) => life.size === size)
    const ours = new Steps(own, 'coppice', 'clone')
    return {
      title: `clone of ${showCount(size)} rows (${showBytes(size * 80)})`,
      header: [
        'courier',
        'seconds',
        'rows/s',
        'by coppice',
        'wire',
        'wire / rows',
        'CPU author, s',
        'CPU replica, s',
        'peak author',
        'peak replica',
      ],
      rows: couriersOf(own).map((courier) => {
        const steps = new Steps(own, courier, 'clone')
        const { first } = steps
        if (first === undefined) return [courier, 'failed']
        const seconds = median(steps.seconds)
        const rounds = steps.seconds.length > 1 ? ` ${showSpread(spread(steps.seconds))}` : ''
        const wire = steps.middle(({ wireBytes }) => wireBytes)
        return [
          courier,
          `${showSeconds(seconds)}${rounds}`,
          showCount(first.rows / seconds),
          courier === 'coppice' || ours.first === undefined ? '' : showRatio(seconds / median(ours.seconds)),
          showBytes(wire),
          (wire / first.rowBytes).toFixed(2),
          steps.middle(({ cpuAuthor }) => cpuAuthor).toFixed(2),
          steps.middle(({ cpuReplica }) => cpuReplica).toFixed(2),
          showBytes(steps.middle(({ peakAuthor }) => peakAuthor)),
          showBytes(steps.middle(({ peakReplica }) => peakReplica)),
        ]
      }),
    }
  })
}

/** One for each size: what a pull after each change takes of everybody. */
export function pullTables(lives: readonly Life[]): Table[] {
  return sizesOf(lives).map((size) => {
    const own = lives.filter((life) => life.size === size)
    const couriers = couriersOf(own)
    return {
      title: `pull after a change of ${showCount(size)} rows: milliseconds, and bytes on the wire`,
      header: ['change', ...couriers],
      rows: shapesOf(own).map((shape) => [
        CHANGE_SHAPES[shape],
        ...couriers.map((courier) => {
          const steps = new Steps(own, courier, shape)
          if (steps.first === undefined) return NOTHING
          const wire = steps.middle(({ wireBytes }) => wireBytes)
          return `${showMilliseconds(median(steps.seconds))}, ${showBytes(wire)}`
        }),
      ]),
    }
  })
}

/** One for each size: coppice's pulls against the least that could be moved. */
export function boundTables(lives: readonly Life[]): Table[] {
  return sizesOf(lives).flatMap((size) => {
    const own = lives.filter((life) => life.size === size)
    const rows = shapesOf(own).flatMap((shape) => {
      const steps = new Steps(own, 'coppice', shape)
      const { first } = steps
      if (first === undefined) return []
      const { rowBytes, blockBytes = 0, details } = first
      const wire = steps.middle(({ wireBytes }) => wireBytes)
      return [
        [
          CHANGE_SHAPES[shape],
          details?.way ?? NOTHING,
          showBytes(rowBytes),
          showBytes(blockBytes),
          showBytes(wire),
          rowBytes > 0 ? (wire / rowBytes).toFixed(2) : NOTHING,
          blockBytes > 0 ? (wire / blockBytes).toFixed(2) : NOTHING,
          showBytes(details?.messageBytes ?? 0),
          String(details?.roundTrips ?? NOTHING),
          showMilliseconds(median(steps.seconds)),
          steps.middle(({ cpuAuthor }) => cpuAuthor * 1000).toFixed(0),
          steps.middle(({ cpuReplica }) => cpuReplica * 1000).toFixed(0),
        ],
      ]
    })
    if (rows.length === 0) return []
    return [
      {
        title: `coppice: a pull against the least that could be moved, ${showCount(size)} rows`,
        header: [
          'change',
          'by',
          'changed rows',
          'changed blocks',
          'wire',
          '/ rows',
          '/ blocks',
          'messages',
          'round trips',
          'ms',
          'CPU author, ms',
          'CPU replica, ms',
        ],
        words: [1],
        rows,
        notes: ['wire: TCP payload with the handshakes of noise, yamux and identify, about 2.5 KB; messages: without'],
      },
    ]
  })
}

/** One for each size: the same pulls with the author far away. */
export function latencyTables(lives: readonly Life[]): Table[] {
  return sizesOf(lives).map((size) => {
    const own = lives.filter((life) => life.size === size)
    const couriers = couriersOf(own)
    const links = (Object.keys(LINKS) as LinkName[]).filter((link) => own.some((life) => life.link === link))
    const names: StepName[] = ['clone', 'thousand', 'nothing']
    const over = (link: LinkName, courier: string, name: StepName): Steps =>
      new Steps(
        own.filter((life) => life.link === link),
        courier,
        name,
      )
    const seconds = (link: LinkName, courier: string, name: StepName): number | undefined => {
      const steps = over(link, courier, name)
      return steps.first === undefined ? undefined : median(steps.seconds)
    }
    return {
      title: `${showCount(size)} rows with the author far away: seconds`,
      header: ['pull', 'round trip', ...couriers],
      words: [1],
      rows: names.flatMap((name) => {
        const what = name === 'clone' ? name : CHANGE_SHAPES[name]
        return [
          ...links.map((link) => [
            what,
            LINKS[link].title,
            ...couriers.map((courier) => shown(seconds(link, courier, name), showSeconds)),
          ]),
          [
            what,
            'round trips',
            ...couriers.map((courier) =>
              shown(roundTrips(seconds('near', courier, name), seconds('far', courier, name)), (trips) =>
                trips.toFixed(1),
              ),
            ),
          ],
        ]
      }),
      notes: [
        'the round trips of TCP and encryption included; a window starts at 10 segments, doubles per round trip and halves at a loss; "open window" starts at 4 MiB',
        'round trips, by the clock: what 80 ms more of one cost, by 80 ms',
      ],
    }
  })
}

/** By what the same took with a shorter round trip and with a longer one. */
function roundTrips(near: number | undefined, far: number | undefined): number | undefined {
  if (near === undefined || far === undefined) return undefined
  return ((far - near) * 1000) / (LINKS.far.roundTrip - LINKS.near.roundTrip)
}

function shown(value: number | undefined, show: (value: number) => string): string {
  return value === undefined ? NOTHING : show(value)
}

export function historyTables(lives: readonly Life[]): Table[] {
  const depths = [...new Set(lives.map(({ depth }) => depth))]
  return sizesOf(lives).map((size) => ({
    title: `clone of ${showCount(size)} rows after changes of 1,000 random rows each`,
    header: [
      'changes',
      'courier',
      'seconds',
      'wire',
      'CPU author, s',
      'CPU replica, s',
      'peak replica',
      'written in, s',
    ],
    words: [1],
    rows: depths.flatMap((depth) => {
      const own = lives.filter((life) => life.depth === depth && life.size === size)
      return couriersOf(own).map((courier) => {
        const steps = new Steps(own, courier, 'clone')
        if (steps.first === undefined) return [showCount(depth), courier, 'failed']
        return [
          showCount(depth),
          courier,
          showSeconds(median(steps.seconds)),
          showBytes(steps.middle(({ wireBytes }) => wireBytes)),
          steps.middle(({ cpuAuthor }) => cpuAuthor).toFixed(2),
          steps.middle(({ cpuReplica }) => cpuReplica).toFixed(2),
          showBytes(steps.middle(({ peakReplica }) => peakReplica)),
          median(own.filter((life) => life.courier === courier).map(({ buildSeconds }) => buildSeconds)).toFixed(1),
        ]
      })
    }),
  }))
}

export function compatTable({ documents, ndjsonBytes, zstdBytes, ...result }: CompatResult): Table {
  const { clone, pull, changedDocuments, changedBytes, changedZstdBytes } = result
  return {
    title: 'browser-compat-data as documents, against zstd -3 of its NDJSON',
    header: ['', 'documents', 'NDJSON', 'zstd -3', 'blocks', 'wire', 'wire / zstd', 'round trips', 'seconds'],
    rows: [
      ['clone', documents, ndjsonBytes, zstdBytes, clone] as const,
      ['pull of the next release', changedDocuments, changedBytes, changedZstdBytes, pull] as const,
    ].map(([name, count, plain, compressed, { wireBytes, blockBytes, roundTrips, seconds }]) => [
      name,
      showCount(count),
      showBytes(plain),
      showBytes(compressed),
      name === 'clone' ? showBytes(blockBytes) : NOTHING,
      showBytes(wireBytes),
      (wireBytes / compressed).toFixed(2),
      String(roundTrips),
      showSeconds(seconds),
    ]),
    notes: ['of the pull, NDJSON and zstd are of the documents that the release changes or adds'],
  }
}

export function swarmTable({ size, bytesPerSecond, bytes, seconds }: SwarmResult): Table {
  const sum = bytesPerSecond.reduce((total, each) => total + each, 0)
  const moved = bytes.reduce((total, each) => total + each, 0)
  return {
    title: `clone of ${showCount(size)} rows from ${bytesPerSecond.length} peers of different speed`,
    header: ['peer', 'its speed', 'what it sent', 'part', 'of its speed used'],
    rows: bytesPerSecond
      .map((speed, i) => row(`peer ${i + 1}`, speed, bytes[i] ?? 0, moved, seconds))
      .concat([row('together', sum, moved, moved, seconds)]),
    notes: [`${showSeconds(seconds)} s in all`],
  }
}

function row(name: string, speed: number, bytes: number, all: number, seconds: number): string[] {
  return [name, `${showBytes(speed)}/s`, showBytes(bytes), percent(bytes / all), percent(bytes / seconds / speed)]
}

export function crowdTable({ size, replicas, bytesPerSecond, copyBytes, authorBytes, seconds }: CrowdResult): Table {
  return {
    title: `${replicas} replicas clone ${showCount(size)} rows at once from one author`,
    header: ['upload of the author', 'one copy', 'the author sent', 'copies', 'seconds', 'one after the other, s'],
    rows: [
      [
        `${showBytes(bytesPerSecond)}/s`,
        showBytes(copyBytes),
        showBytes(authorBytes),
        (authorBytes / copyBytes).toFixed(2),
        showSeconds(seconds),
        showSeconds((replicas * copyBytes) / bytesPerSecond),
      ],
    ],
  }
}

function sizesOf(lives: readonly Life[]): number[] {
  return [...new Set(lives.map(({ size }) => size))].toSorted((a, b) => a - b)
}

/** In the order of the tables. */
function couriersOf(lives: readonly Life[]): string[] {
  return COURIERS.map(({ name }) => name).filter((name) => lives.some((life) => life.courier === name))
}

function shapesOf(lives: readonly Life[]): ChangeShape[] {
  const known = Object.keys(CHANGE_SHAPES) as ChangeShape[]
  return known.filter((shape) => lives.some(({ steps }) => steps.some(({ name }) => name === shape)))
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}

function showSeconds(seconds: number): string {
  return seconds >= 10 ? seconds.toFixed(1) : seconds.toFixed(seconds >= 1 ? 2 : 3)
}

function showMilliseconds(seconds: number): string {
  return `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`
}
