/** The options that say what a proof is about: of `prove`, which asks, and of `verify`, which compares. */
import type { Command } from 'commander'
import { collect, parseCount } from './arguments.ts'
import type { RangeOptions } from './keys.ts'
import { parseRoot, type RootName } from './roots.ts'

export interface QuestionOptions extends RangeOptions {
  readonly key?: readonly string[]
  readonly limit?: number
  readonly reverse?: true
  readonly count?: true
  readonly rank?: true
  readonly nth?: number
  readonly since?: RootName
  readonly raw?: true
}

export function addQuestionOptions(command: Command): Command {
  return command
    .option('--key <KEY>', 'of this key; may be repeated', collect)
    .option('--prefix <KEY>', 'of keys that begin with these parts')
    .option('--start <KEY>', 'from this key on')
    .option('--end <KEY>', 'up to this key, not included')
    .option('--limit <N>', 'the first so many, and whether more follow', parseCount('--limit'))
    .option('--reverse', 'from the last to the first')
    .option('--count', 'how many there are')
    .option('--rank', 'with --raw: how many rows stand before KEY')
    .option('--nth <N>', 'with --raw: the row at this position, 0 being the first', parseCount('--nth'))
    .option('--since <ROOT>', 'the changes since this state: @SEQUENCE or CID (default --limit: 1000)', parseRoot)
    .option('--raw', 'byte keys in hexadecimal')
}

export function hasQuestion(options: QuestionOptions): boolean {
  const { key, prefix, start, end, limit, reverse, count, rank, nth, since, raw } = options
  return [key, prefix, start, end, limit, reverse, count, rank, nth, since, raw].some((each) => each !== undefined)
}
