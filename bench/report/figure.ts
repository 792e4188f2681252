/** What a benchmark measured, and how its process hands that to whoever asked. */

export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: 'entries/s' | 's' | 'ms' | 'us' | 'MiB' | 'bytes' | 'count'
}

export const MEBIBYTE: number = 1024 * 1024

/** Seconds that `work` takes. */
export async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

/** The last line of a benchmark's standard output. */
export function printFigures(figures: readonly Figure[]): void {
  console.log(JSON.stringify(figures))
}
