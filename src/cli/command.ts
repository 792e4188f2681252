/** What every command says of itself in the same way. */
import type { Command } from 'commander'

export interface CommandText {
  readonly name: string
  readonly summary: string
  /** More than one line needs; after the options. */
  readonly notes?: string
  /** Without the `coppice` in front. */
  readonly examples: readonly string[]
}

/** A new subcommand; its arguments and options come from the caller. */
export function addCommand(program: Command, text: CommandText): Command {
  const notes = text.notes === undefined ? '' : `\n${text.notes.trim()}\n`
  const examples = text.examples.map((example) => `  $ coppice ${example}`).join('\n')
  return program
    .command(text.name)
    .summary(text.summary)
    .description(text.summary)
    .addHelpText('after', `${notes}\nExamples:\n${examples}`)
}

/** A command that has commands of its own, which `add` gives it. Alone it prints its help. */
export function addCommandGroup(program: Command, text: CommandText, add: (group: Command) => void): void {
  const group = addCommand(program, text).helpCommand(false).usage('COMMAND ...')
  add(group)
}

export interface JsonOption {
  readonly json?: true
}

export const JSON_OPTION: readonly [flags: string, description: string] = ['--json', 'print JSON']
