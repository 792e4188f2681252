/** Names of databases: what distinguishes the databases of one author (record.md, 1). */

export const NAME_BYTES_MAX = 48
/** For messages. */
export const NAME_RULE = "1..48 of a-z 0-9 . _ -, beginning and ending with a letter or digit, without '..'"

const PATTERN = /^[a-z0-9]([a-z0-9._-]{0,46}[a-z0-9])?$/

export function isDatabaseName(name: string): boolean {
  return PATTERN.test(name) && !name.includes('..')
}
