/** Times as people read them, the same on every machine: no locale. */

/** "2026-01-31 12:00:00Z" of seconds since 1970; the number where no calendar has it. */
export function renderTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime())
    ? `${seconds} s`
    : date
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
        .replace('T', ' ')
}
