/** The command `coppice`: runs one command line and gives its exit code. Started by bin/coppice.js. */
import process from 'node:process'
import { CommanderError } from 'commander'
import { CoppiceError } from '../errors.ts'
import { Cli, EXIT_TROUBLE } from './cli.ts'
import { renderError } from './errors.ts'
import { BrokenPipe } from './output.ts'
import { createProgram } from './program.ts'

/** 128 and the number of the signal, as shells have it. */
const EXIT_OF_SIGNAL = { SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const

/** Runs `args` (without node and the script); resolves with the exit code, after all output has left. */
export async function main(args: readonly string[]): Promise<number> {
  const cli = new Cli()
  // A failure outside of the command's own course, in a background task of a library: told in one line like any other.
  process.once('uncaughtException', (error) => process.exit(exitCodeOf(error, cli)))
  try {
    await createProgram(cli).parseAsync(args, { from: 'user' })
    await cli.out.flush()
    return cli.exitCode
  } catch (error) {
    return exitCodeOf(error, cli)
  } finally {
    cli.releaseInput()
  }
}

function exitCodeOf(error: unknown, cli: Cli): number {
  if (error instanceof BrokenPipe) return EXIT_OF_SIGNAL.SIGPIPE
  if (cli.ending !== undefined) {
    const { signal } = cli.ending
    if (signal !== 'SIGPIPE') cli.note('coppice: interrupted; what was complete before is there, and nothing half')
    return EXIT_OF_SIGNAL[signal]
  }
  if (error instanceof CommanderError && error.exitCode === 0) return 0
  const told = error instanceof CommanderError ? usageOf(error) : error
  for (const line of renderError(told, cli.command)) cli.note(line)
  return EXIT_TROUBLE
}

/** commander's errors as ours: "error: unknown command 'x'\n(Did you mean y?)". */
function usageOf({ message, code }: CommanderError): CoppiceError {
  if (code === 'commander.help') return new CoppiceError('USAGE', 'expected a command; see coppice --help')
  const text = message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ')
  // A key such as -5 is taken for an option unless -- ends them.
  const isShort = code === 'commander.unknownOption' && /'-[^-]/.test(text)
  const advice = isShort ? 'what begins with - and is no option comes after --, as in get DIR COLLECTION -- -x; ' : ''
  return new CoppiceError('USAGE', `${text}; ${advice}see coppice --help`)
}
