/** Numbers as tables show them: three digits that matter, and a unit. */
import { MEBIBYTE } from './figure.ts'

/** `2.41 M`, `96.1 k`, `853`. */
export function showCount(value: number): string {
  if (value >= 999_500) return `${digits(value / 1e6)} M`
  if (value >= 9_995) return `${digits(value / 1e3)} k`
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US')
  return digits(value)
}

export function showBytes(value: number): string {
  if (value >= MEBIBYTE) return `${digits(value / MEBIBYTE)} MiB`
  return value >= 10 * 1024 ? `${digits(value / 1024)} KiB` : `${showCount(value)} B`
}

/** `12.3x`. */
export function showRatio(value: number): string {
  return `${digits(value)}x`
}

export function showSpread(value: number): string {
  return `±${Math.round(value * 100)}%`
}

function digits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
