/** What was probably meant by a command line that is refused, where commander's own guesses, which go by letters, do not help. */
import type { CommanderError } from 'commander'

/** Habits from git, shells and other databases, and the commands that do it here. */
const COMMANDS: Readonly<Record<string, string>> = {
  add: 'put and import',
  branch: 'fork',
  cat: 'get',
  checkout: 'restore',
  commit: 'publish',
  delete: 'del',
  fetch: 'pull',
  list: 'scan',
  ls: 'scan',
  push: 'publish and serve',
  reset: 'restore',
  revert: 'restore',
  rm: 'del',
  show: 'log, get and inspect',
  tag: 'pin',
}

/** Commands that take a state as an argument, where others have `--at`. */
const STATE_ARGUMENT: Readonly<Record<string, string>> = {
  diff: 'diff DIR @1',
  inspect: 'inspect DIR @1',
  pin: 'pin DIR @1',
  restore: 'restore DIR @1',
  unpin: 'unpin DIR @1',
}

const EXCESS: Readonly<Record<string, string>> = {
  export: 'the collection is named as in coppice export DIR FILE --collection NAME',
  import: 'the collection is named as in coppice import DIR FILE --collection NAME',
}

/** Undefined where there is nothing to say. `args` as they were given. */
export function hintFor({ code, message }: CommanderError, args: readonly string[]): string | undefined {
  const command = args[0] ?? ''
  switch (code) {
    case 'commander.unknownCommand': {
      // Not always the first argument: `coppice help commit`.
      const word = /unknown command '([a-z]+)'/.exec(message)?.[1] ?? ''
      return Object.hasOwn(COMMANDS, word) ? `coppice has ${COMMANDS[word]} for that` : undefined
    }
    case 'commander.excessArguments':
      return Object.hasOwn(EXCESS, command) ? EXCESS[command] : undefined
    case 'commander.unknownOption':
      return adviseOption(command, message)
    default:
      return undefined
  }
}

function adviseOption(command: string, message: string): string | undefined {
  if (/'--at[='\s]/.test(message) && Object.hasOwn(STATE_ARGUMENT, command)) {
    return `the state is given as an argument: coppice ${STATE_ARGUMENT[command]}`
  }
  // A key such as -5 is taken for an option unless -- ends them.
  return /'-[^-]/.test(message)
    ? 'what begins with - and is no option comes after --, as in get DIR COLLECTION -- -x'
    : undefined
}
