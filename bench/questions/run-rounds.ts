/** Runs rounds of engines in processes of their own, interleaved: the first of each, then the second of each. */
import { ENGINES, engineNamed } from '../engines/index.ts'
import type { EngineKind } from '../engines/engine.ts'
import { Child } from '../process/child.ts'
import { withDirectory } from '../process/directory.ts'
import { readableReason } from '../report/reason.ts'
import type { Measurement, RoundLine, RoundOptions } from '../rounds/tree.ts'
import { listOption } from './options.ts'

/** A measurement, and the most anonymous memory seen during it and what led to it. */
export interface MeasuredRound extends Measurement {
  readonly peakBytes: number
}

export interface EngineRounds {
  readonly engine: EngineKind
  /** Measurements of each round that ended well. */
  readonly rounds: readonly (readonly MeasuredRound[])[]
  /** Why a round did not; no more were tried then. */
  readonly failure: string | undefined
}

const TIMEOUT_MS_MIN = 60_000
/** The slowest engine takes less than this for a row, all operations together. */
const TIMEOUT_MS_PER_ROW = 1.5

export async function runRounds(
  engines: readonly EngineKind[],
  options: Omit<RoundOptions, 'engine' | 'directory'>,
  rounds: number,
  onProgress: (text: string) => void,
): Promise<EngineRounds[]> {
  const results = engines.map((engine) => ({
    engine,
    rounds: [] as MeasuredRound[][],
    failure: undefined as string | undefined,
  }))
  for (let round = 1; round <= rounds; round++) {
    for (const result of results) {
      if (result.failure !== undefined) continue
      onProgress(`${options.shape}, ${options.size} rows, round ${round} of ${rounds}: ${result.engine.name}`)
      try {
        const engine = result.engine.name
        result.rounds.push(await withDirectory((directory) => runRound({ ...options, engine, directory })))
      } catch (error) {
        result.failure = readableReason(error)
      }
    }
  }
  return results
}

async function runRound(options: RoundOptions): Promise<MeasuredRound[]> {
  const timeoutMs = Math.max(TIMEOUT_MS_MIN, options.size * TIMEOUT_MS_PER_ROW)
  const child = new Child('tree.ts', [JSON.stringify(options)], timeoutMs)
  const measured: MeasuredRound[] = []
  for (;;) {
    const line = JSON.parse(await child.line()) as RoundLine
    if ('operation' in line) {
      measured.push({ ...line, peakBytes: child.takePeakBytes() })
      continue
    }
    if ('ready' in line) {
      child.takePeakBytes()
      continue
    }
    await child.end()
    if (line.error !== undefined) throw new Error(line.error)
    return measured
  }
}

/** The engines that a comma-separated list names, or all. @throws {UsageError} */
export function enginesNamed(list: string | undefined): EngineKind[] {
  const names = ENGINES.map(({ name }) => name)
  return listOption('--engines', list, names).map(engineNamed)
}
