/** Options that several questions take. */

/** Called wrongly. */
export class UsageError extends Error {}

/** A count of at least 1. @throws {UsageError} */
export function countOption(name: string, text: string | undefined, absent: number): number {
  if (text === undefined) return absent
  const count = Number(text.replaceAll('_', ''))
  if (Number.isInteger(count) && count >= 1) return count
  throw new UsageError(`${name}: expected a count of at least 1, got ${text}`)
}

/** Some of `known`, separated by commas; all where the option is absent. @throws {UsageError} */
export function listOption<Name extends string>(
  name: string,
  text: string | undefined,
  known: readonly Name[],
): Name[] {
  if (text === undefined) return [...known]
  return text.split(',').map((each) => {
    const found = known.find((candidate) => candidate === each)
    if (found !== undefined) return found
    throw new UsageError(`${name}: expected some of ${known.join(',')}, got ${each}`)
  })
}
