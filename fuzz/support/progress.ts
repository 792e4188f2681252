/** What a worker tells the runner, in a file that survives any death of the worker. */

/** Three doubles: seed of the case that runs, cases begun, 1 when all is done. */
export const PROGRESS_BYTES = 24

export interface Progress {
  readonly seed: number
  readonly cases: number
  readonly done: boolean
}

export function encodeProgress(progress: Progress): Uint8Array {
  return new Uint8Array(Float64Array.of(progress.seed, progress.cases, progress.done ? 1 : 0).buffer)
}

/** Anything shorter than a whole record is the state before the first case. */
export function decodeProgress(bytes: Uint8Array): Progress {
  if (bytes.length < PROGRESS_BYTES) return { seed: 0, cases: 0, done: false }
  const [seed = 0, cases = 0, done = 0] = new Float64Array(bytes.slice(0, PROGRESS_BYTES).buffer)
  return { seed, cases, done: done === 1 }
}
