/** Numbers for people: the table the demo ends with, and how its lines are written. */

/** 1,234,567 */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** Powers of 1000: "45.1 MB". */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

export function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`
}

export type TableRow = readonly [what: string, ...cells: string[]]

/** Columns of one width each, the first on the left, the others on the right; a row of no cells is a line. */
export function renderTable(rows: readonly TableRow[]): string[] {
  const columns = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = '-'.repeat(widths.reduce((sum, width) => sum + width + 3, -3))
  return rows.map(([what, ...cells]) => {
    if (cells.length === 0) return what === '' ? line : what
    return [what.padEnd(widths[0] ?? 0), ...cells.map((cell, i) => cell.padStart(widths[i + 1] ?? 0))].join('   ')
  })
}
