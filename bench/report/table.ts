/** Tables for a terminal and for Markdown. */

export interface Table {
  readonly title: string
  readonly header: readonly string[]
  /** Columns beside the first that hold words. */
  readonly words?: readonly number[]
  readonly rows: readonly (readonly string[])[]
  /** Lines below it. */
  readonly notes?: readonly string[]
}

/** Columns aligned: words to the left, figures to the right. */
export function textOf({ title, header, words = [], rows, notes = [] }: Table): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 || words.includes(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [title, '', line(header), ...rows.map(line), ...notes.map((note) => `  ${note}`), ''].join('\n')
}

export function markdownOf({ title, header, words = [], rows, notes = [] }: Table): string {
  const line = (row: readonly string[]): string => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const rule = `| ${header.map((_, column) => (column === 0 || words.includes(column) ? '---' : '---:')).join(' | ')} |`
  const below = notes.length === 0 ? [] : ['', ...notes.map((note) => `- ${note}`)]
  const filled = rows.map((row) => header.map((_, column) => row[column] ?? ''))
  return [`**${title}**`, '', line(header), rule, ...filled.map(line), ...below, ''].join('\n')
}
