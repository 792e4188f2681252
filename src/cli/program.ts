/** The commands, put together. Each file under commands/ adds its own; what they do is loaded when one of them runs. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Cli } from './cli.ts'
import { addClone, addPull } from './commands/pull.ts'
import { addCarriers } from './commands/carriers.ts'
import { addDel } from './commands/del.ts'
import { addDiff } from './commands/diff.ts'
import { addEvidence } from './commands/evidence.ts'
import { addExport } from './commands/export.ts'
import { addFollow } from './commands/follow.ts'
import { addFork } from './commands/fork.ts'
import { addGc } from './commands/gc.ts'
import { addGet } from './commands/get.ts'
import { addImport } from './commands/import.ts'
import { addInit } from './commands/init.ts'
import { addInspect } from './commands/inspect.ts'
import { addKey } from './commands/key.ts'
import { addLog } from './commands/log.ts'
import { addPin, addUnpin } from './commands/pin.ts'
import { addProve } from './commands/prove.ts'
import { addMerge } from './commands/merge.ts'
import { addPublish } from './commands/publish.ts'
import { addPut } from './commands/put.ts'
import { addRecover } from './commands/recover.ts'
import { addResolve } from './commands/resolve.ts'
import { addRestore } from './commands/restore.ts'
import { addScan } from './commands/scan.ts'
import { addServe } from './commands/serve.ts'
import { addStats } from './commands/stats.ts'
import { addStatus } from './commands/status.ts'
import { addVerify } from './commands/verify.ts'

const OVERVIEW = `
DIR is the directory of a database; - is standard input or output. Every command that
prints results takes --json. Exit codes: 0 success, 1 "no" (get, del, diff, merge, recover, verify, evidence, unpin), 2 trouble;
resolve and status --max-age have more.

Start here:
  $ coppice init cities
  $ coppice import cities cities.csv --key country,id --types id:integer
  $ coppice publish cities -m "first release"
  $ coppice serve cities
  $ coppice clone "coppice:k51...?peer=..." copy       (elsewhere)`

export function createProgram(cli: Cli): Command {
  const program = new Command('coppice')
    .description('A verifiable database whose whole state regrows from one signed root.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .addHelpText('after', OVERVIEW)
    .showSuggestionAfterError(true)
  // Errors are told in one way, by main.
  program.exitOverride().configureOutput({ outputError: () => {} })
  for (const add of [addInit, addImport, addPut, addGet, addScan, addDel, addPublish, addServe]) add(program, cli)
  for (const add of [
    addClone,
    addPull,
    addFollow,
    addFork,
    addMerge,
    addStatus,
    addResolve,
    addCarriers,
    addLog,
    addDiff,
    addRestore,
    addRecover,
    addProve,
    addVerify,
    addEvidence,
  ])
    add(program, cli)
  for (const add of [addStats, addInspect, addExport, addGc, addPin, addUnpin, addKey]) add(program, cli)
  addHelp(program)
  program.hook('preAction', (_program, command) => void (cli.command = pathOf(command, program)))
  return program
}

/** `publish`; `key sign` of a command with commands of its own. */
function pathOf(command: Command, program: Command): string {
  const { parent } = command
  return parent === null || parent === program ? command.name() : `${parent.name()} ${command.name()}`
}

/** commander's own answers a command it does not know with the whole overview. */
function addHelp(program: Command): void {
  program
    .helpCommand(false)
    .command('help')
    .argument('[COMMAND]')
    .summary('print help of a command')
    .action(async (name: string | undefined) => {
      const command = name === undefined ? program : program.commands.find((each) => each.name() === name)
      // Parsed as a command it is refused as any other that is unknown, with what it may have meant.
      if (command === undefined) await program.parseAsync([name ?? ''], { from: 'user' })
      else command.outputHelp()
    })
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
