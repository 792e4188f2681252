/** The rounds of one engine on one shape of data, made one row. */
import type { EngineRounds } from '../questions/run-rounds.ts'
import type { Operation } from '../rounds/tree.ts'
import { median } from './statistics.ts'

export interface OperationSummary {
  /** Rows (or puts) per second: the median of the rounds, and each. */
  readonly rate: number
  readonly rates: readonly number[]
  readonly count: number
  readonly blocksRead?: number
  readonly bytesRead?: number
  readonly blocksWritten?: number
  readonly bytesWritten?: number
  readonly diskBytes?: number
  readonly levels?: number
  /** The most of all rounds. */
  readonly peakBytes: number
}

export interface EngineSummary {
  readonly engine: string
  readonly place: 'memory' | 'disk'
  readonly merkle: boolean
  readonly operations: Partial<Record<Operation, OperationSummary>>
  readonly failure?: string
}

const COUNTS = ['blocksRead', 'bytesRead', 'blocksWritten', 'bytesWritten', 'diskBytes', 'levels'] as const

export function summarize({ engine, rounds, failure }: EngineRounds): EngineSummary {
  const { name, place, merkle } = engine
  const row = { engine: name, place, merkle }
  if (failure !== undefined) return { ...row, operations: {}, failure }
  const operations = (rounds[0] ?? []).map(({ operation }) => {
    const measured = rounds.flatMap((round) => round.filter((measurement) => measurement.operation === operation))
    const rates = measured.map(({ count, seconds }) => count / seconds)
    const counts = COUNTS.flatMap((name) => {
      const values = measured.flatMap((measurement) => measurement[name] ?? [])
      return values.length === 0 ? [] : [[name, median(values)] as const]
    })
    const summary: OperationSummary = {
      rate: median(rates),
      rates,
      count: median(measured.map(({ count }) => count)),
      ...(Object.fromEntries(counts) as Partial<Record<(typeof COUNTS)[number], number>>),
      peakBytes: Math.max(...measured.map(({ peakBytes }) => peakBytes)),
    }
    return [operation, summary] as const
  })
  return { ...row, operations: Object.fromEntries(operations) }
}
