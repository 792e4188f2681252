/** The command `coppice`: runs one command line and gives its exit code. Started by bin/coppice.js. */
import process from 'node:process'
import { CommanderError } from 'commander'
import { CoppiceError } from '../errors.ts'
import { adviceWhenInterrupted } from './advice.ts'
import { Cli, EXIT_TROUBLE } from './cli.ts'
import { renderError } from './errors.ts'
import { hintFor } from './hints.ts'
import { BrokenPipe } from './output.ts'
import { createProgram } from './program.ts'

/** 128 and the number of the signal, as shells have it. */
const EXIT_OF_SIGNAL = { SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const

/** Runs `args` (without node and the script); resolves with the exit code, after all output has left. */
export async function main(args: readonly string[]): Promise<number> {
  const cli = new Cli()
  // A failure outside of the command's own course, in a background task of a library: told in one line like any other.
  process.once('uncaughtException', (error) => process.exit(exitCodeOf(error, cli, args)))
  try {
    await createProgram(cli).parseAsync(args, { from: 'user' })
    await cli.out.flush()
    return cli.exitCode
  } catch (error) {
    return exitCodeOf(error, cli, args)
  } finally {
    cli.releaseInput()
  }
}

function exitCodeOf(error: unknown, cli: Cli, args: readonly string[]): number {
  if (error instanceof BrokenPipe) return EXIT_OF_SIGNAL.SIGPIPE
  if (cli.ending !== undefined) {
    const { signal } = cli.ending
    if (signal !== 'SIGPIPE') {
      const next = adviceWhenInterrupted(cli.command, args)
      cli.note(
        `coppice: interrupted; what was complete before is there, and nothing half${next === undefined ? '' : `; ${next}`}`,
      )
    }
    return EXIT_OF_SIGNAL[signal]
  }
  if (error instanceof CommanderError && error.exitCode === 0) return 0
  const told = error instanceof CommanderError ? usageOf(error, args) : error
  for (const line of renderError(told, cli.command)) cli.note(line)
  return EXIT_TROUBLE
}

/** commander's errors as ours: "error: unknown command 'x'\n(Did you mean y?)". */
function usageOf(error: CommanderError, args: readonly string[]): CoppiceError {
  if (error.code === 'commander.help') return new CoppiceError('USAGE', 'expected a command; see coppice --help')
  const text = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ')
  const hint = hintFor(error, args)
  if (hint === undefined) return new CoppiceError('USAGE', `${text}; see coppice --help`)
  return new CoppiceError('USAGE', `${text.replace(/ \(Did you mean [^)]*\)$/, '')}; ${hint}; see coppice --help`)
}
