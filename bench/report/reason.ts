/** The first line of why something failed, short enough for a row of a table. */
export function readableReason(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  const [line = ''] = text.split('\n')
  return line.length > 120 ? `${line.slice(0, 119)}…` : line
}
