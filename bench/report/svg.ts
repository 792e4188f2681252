/** Plots as SVG: panels side by side, both axes logarithmic, since trees grow by factors. */

export interface Series {
  readonly name: string
  /** All above 0. */
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Its own among the colours, so that it is the same in every panel; by default its place in the panel. */
  readonly color?: number
}

export interface Panel {
  readonly title: string
  readonly xLabel: string
  readonly series: readonly Series[]
}

const PANEL = { width: 444, height: 300, left: 64, right: 108, top: 36, bottom: 44 } as const
const COLUMNS = 2
const LABEL_HEIGHT = 12
/** Told apart in print and by most eyes; readable on white and on black. */
const COLORS = ['#4477aa', '#ee6677', '#228833', '#aa7700', '#aa3377', '#3399bb', '#777777']

/** @param title a line above all panels: what was measured on which machine */
export function svgOf(title: string, panels: readonly Panel[]): string {
  const width = PANEL.width * Math.min(COLUMNS, panels.length)
  const height = 28 + PANEL.height * Math.ceil(panels.length / COLUMNS)
  const drawn = panels.map((panel, i) => {
    const x = (i % COLUMNS) * PANEL.width
    const y = 28 + Math.floor(i / COLUMNS) * PANEL.height
    return `<g transform="translate(${x} ${y})">\n${panelOf(panel)}\n</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(PANEL.left, 20, title, 'font-size="13"'),
    ...drawn,
    '</svg>',
    '',
  ].join('\n')
}

function panelOf({ title, xLabel, series }: Panel): string {
  const points = series.flatMap((each) => each.points)
  const x = axis(
    points.map(([value]) => value),
    PANEL.left,
    PANEL.width - PANEL.right,
  )
  const y = axis(
    points.map(([, value]) => value),
    PANEL.height - PANEL.bottom,
    PANEL.top,
  )
  const floor = PANEL.height - PANEL.bottom
  const ceiling = PANEL.top
  const grid = [
    ...x.ticks.flatMap((value) => [
      line(x.at(value), floor, x.at(value), ceiling, 'stroke="#ddd"'),
      text(x.at(value), floor + 14, tickText(value), 'text-anchor="middle"'),
    ]),
    ...y.ticks.flatMap((value) => [
      line(PANEL.left, y.at(value), PANEL.width - PANEL.right, y.at(value), 'stroke="#ddd"'),
      text(PANEL.left - 6, y.at(value) + 4, tickText(value), 'text-anchor="end"'),
    ]),
  ]
  const labels = apart(series.map((each) => y.at(each.points.at(-1)?.[1] ?? 1)))
  const lines = series.flatMap((each, i) => {
    const color = COLORS[(each.color ?? i) % COLORS.length] ?? 'black'
    const places = each.points.map(([a, b]) => [x.at(a), y.at(b)] as const)
    return [
      `<polyline points="${places.map(([a, b]) => `${round(a)},${round(b)}`).join(' ')}" fill="none" stroke="${color}" stroke-width="1.5"/>`,
      ...places.map(([a, b]) => `<circle cx="${round(a)}" cy="${round(b)}" r="2.5" fill="${color}"/>`),
      text(x.at(each.points.at(-1)?.[0] ?? 1) + 6, (labels[i] ?? 0) + 4, each.name, `fill="${color}"`),
    ]
  })
  return [
    text(PANEL.left, 22, title, 'font-weight="bold"'),
    ...grid,
    ...lines,
    text((PANEL.left + PANEL.width - PANEL.right) / 2, PANEL.height - 10, xLabel, 'text-anchor="middle"'),
  ].join('\n')
}

/** The same heights in the same order, moved down where two would overlap. */
function apart(heights: readonly number[]): number[] {
  const placed = [...heights]
  let last = Number.NEGATIVE_INFINITY
  for (const i of heights
    .keys()
    .toArray()
    .toSorted((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0))) {
    last = Math.max(heights[i] ?? 0, last + LABEL_HEIGHT)
    placed[i] = last
  }
  return placed
}

interface Axis {
  readonly ticks: readonly number[]
  at(value: number): number
}

/** Whole powers of ten around the values, between the pixels `from` and `to`. */
function axis(values: readonly number[], from: number, to: number): Axis {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
  }
}

/** `0.01`, `100`, `10k`, `10M`. */
function tickText(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`
  return value >= 1e4 ? `${value / 1e3}k` : String(value)
}

function line(x1: number, y1: number, x2: number, y2: number, style: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" ${style}/>`
}

function text(x: number, y: number, content: string, style: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${style}>${escapeText(content)}</text>`
}

function escapeText(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
