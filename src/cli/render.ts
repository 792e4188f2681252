/** Numbers and times as people read them, the same on every machine: no locale. */
export { renderTime } from '../time-text.ts'

/** 1,234,567 */
export function renderCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

/** "1 entry", "2,000 entries" */
export function renderCounted(count: number, one: string, many: string = `${one}s`): string {
  return `${renderCount(count)} ${count === 1 ? one : many}`
}

/** Powers of 1000: "999 B", "45.1 MB". */
export function renderBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let unit = 0
  let value = bytes
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** "12%" of a total, "100%" only at its end. */
export function renderShare(done: number, total: number): string {
  return total === 0 ? '100%' : `${Math.floor((100 * Math.min(done, total)) / total)}%`
}

/** "1,200/s"; nothing before there is anything to say. */
export function renderRate(done: number, seconds: number): string {
  return seconds <= 0 ? '' : `${renderCount(Math.round(done / seconds))}/s`
}

/** "45 s", "12 min", "2 h 5 min". */
export function renderDuration(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`
  const minutes = Math.ceil(seconds / 60)
  if (minutes < 100) return `${minutes} min`
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  return rest === 0 ? `${renderCount(hours)} h` : `${renderCount(hours)} h ${rest} min`
}

/** Lines of names and values, the values in one column. */
export function renderTable(rows: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd())
}
