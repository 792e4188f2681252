/** Counts by size, drawn in a terminal and as SVG. Both begin at size 0 and have a bar for each step. */
import { renderCount } from './render.ts'

/** Keys are API. */
export type SizeCount = {
  readonly bytesFrom: number
  /** Not included. */
  readonly bytesBelow: number
  readonly nodes: number
}

/** Of a terminal; labels and counts stand beside it. */
const BAR_CHARS = 50
/** Eighths of a character. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']
const FULL = '█'

/** A line for each step: where it begins, a bar, the count. */
export function renderHistogram(counts: readonly SizeCount[]): string[] {
  const largest = Math.max(1, ...counts.map(({ nodes }) => nodes))
  const labels = counts.map(({ bytesFrom }) => `${renderCount(bytesFrom)} B`)
  const width = Math.max(...labels.map((label) => label.length))
  return counts.map(({ nodes }, i) => {
    // What is there is seen, however little it is.
    const eighths = nodes === 0 ? 0 : Math.max(1, Math.round((nodes / largest) * BAR_CHARS * 8))
    const bar = FULL.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '')
    return `  ${(labels[i] ?? '').padStart(width)} ${bar}${bar === '' ? '' : ' '}${renderCount(nodes)}`
  })
}

const BAR_PX = 14
const GAP_PX = 2
const PLOT_PX = 200
const MARGIN_PX = 50

/** A picture that needs nothing else; `title` is plain text of ours. */
export function renderHistogramSvg(counts: readonly SizeCount[], title: string): string {
  const largest = Math.max(1, ...counts.map(({ nodes }) => nodes))
  const width = 2 * MARGIN_PX + Math.max(10, counts.length) * (BAR_PX + GAP_PX)
  const height = 2 * MARGIN_PX + PLOT_PX
  const bottom = MARGIN_PX + PLOT_PX
  const parts = counts.flatMap(({ bytesFrom, bytesBelow, nodes }, i) => {
    const x = MARGIN_PX + i * (BAR_PX + GAP_PX)
    const tall = Math.max(1, Math.round((nodes / largest) * PLOT_PX))
    const hint = `<title>${bytesFrom} to ${bytesBelow - 1} bytes: ${nodes}</title>`
    const bar = `<rect class="bar" x="${x}" y="${bottom - tall}" width="${BAR_PX}" height="${tall}" fill="#4477aa">${hint}</rect>`
    const label = `<text x="${x}" y="${bottom + 16}">${bytesFrom / 1024} KiB</text>`
    return [...(nodes === 0 ? [] : [bar]), ...(bytesFrom % 2048 === 0 ? [label] : [])]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="${MARGIN_PX}" y="${MARGIN_PX / 2}" font-size="14">${title}</text>`,
    `<text x="4" y="${MARGIN_PX + 4}">${renderCount(largest)}</text>`,
    `<path d="M${MARGIN_PX - GAP_PX} ${MARGIN_PX}V${bottom}H${width - MARGIN_PX}" fill="none" stroke="black"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}
