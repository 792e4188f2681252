/** Values of options and arguments: text to meaning, or `USAGE` with what was expected. */
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import type { StreamOptions } from '../prolly/index.ts'

export type ByteRange = Pick<StreamOptions, 'start' | 'end'>
import { isDatabaseName, NAME_RULE } from '../pointer/name.ts'

export function usageError(what: string, expected: string, got: string): CoppiceError {
  return new CoppiceError('USAGE', `${what}: expected ${expected}, got ${quoteText(got)}`)
}

/** For options as `--limit N`. */
export function parseCount(option: string): (text: string) => number {
  return (text) => {
    const count = /^\d{1,15}$/.test(text) ? Number(text) : undefined
    if (count === undefined) throw usageError(option, 'a whole number', text)
    return count
  }
}

/** `a,b`: one or more names. */
export function parseNames(option: string): (text: string) => readonly string[] {
  return (text) => {
    const names = text.split(',').map((name) => name.trim())
    if (names.includes('')) throw usageError(option, 'names with commas between', text)
    return names
  }
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** `5%` of the rows that are there, or a number of rows. */
export function parseChangeLimit(text: string): { readonly rows: number } | { readonly share: number } {
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)?.[1]
  if (percent !== undefined && Number(percent) <= 100) return { share: Number(percent) / 100 }
  if (!/^\d{1,15}$/.test(text)) throw usageError('--max-changes', 'a share such as 5%, or a number of rows', text)
  return { rows: Number(text) }
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** `30d` in seconds; also s, m, h and w. */
export function parseDuration(option: string): (text: string) => number {
  return (text) => {
    const [, digits, unit = ''] = /^(\d{1,9})([smhdw])$/.exec(text) ?? []
    const seconds = Number(digits) * (UNIT_SECONDS[unit] ?? 0)
    if (digits === undefined || seconds === 0) throw usageError(option, 'a time such as 12h or 30d', text)
    return seconds
  }
}

/** `0-1023`: bytes from the first to the last, both included, as in HTTP and curl; `1024-` to the end. */
export function parseByteRange(option: string): (text: string) => ByteRange {
  return (text) => {
    const [, first, last] = /^(\d{1,15})-(\d{1,15})?$/.exec(text) ?? []
    if (first === undefined || (last !== undefined && Number(last) < Number(first))) {
      throw usageError(option, 'bytes such as 0-1023, both included, or 1024-', text)
    }
    return { start: Number(first), ...(last === undefined ? {} : { end: Number(last) + 1 }) }
  }
}

/** One of a few words. */
export function parseChoice<T extends string>(option: string, choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((each) => each === text)
    if (choice === undefined) throw usageError(option, choices.join(', '), text)
    return choice
  }
}

/** The name of a database. */
export function parseName(text: string): string {
  if (!isDatabaseName(text)) throw usageError('--name', NAME_RULE, text)
  return text
}

/** For options that name a file, a directory or a command: nothing is what an unset variable of a shell gives. */
export function parseSome(option: string, expected: string): (text: string) => string {
  return (text) => {
    if (text === '') throw usageError(option, expected, text)
    return text
  }
}

/** Options that mean nothing here, by their names in `options`. @throws {CoppiceError} `USAGE`. */
export function assertNone(options: object, names: readonly string[], when: string): void {
  const given = new Set(Object.keys(options))
  const name = names.find((each) => given.has(each))
  if (name === undefined) return
  const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new CoppiceError('USAGE', `--${option}: expected none ${when}; leave one of them out`)
}

/** Byte keys and values have no collection, key fields, types or other format. @throws {CoppiceError} `USAGE`. */
export function assertOnlyRaw(options: { readonly raw?: true }, names: readonly string[]): void {
  if (options.raw === true) assertNone(options, names, 'with --raw')
}
