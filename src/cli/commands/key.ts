/** `coppice key`: keys on their own, so that an author's may stay on a machine without a network. */
import type { Command } from 'commander'
import { parseChoice, parseCount, parseDuration } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, addCommandGroup, JSON_OPTION, type JsonOption } from '../command.ts'
import type { NewCommandOptions, SignCommandOptions, TransferCommandOptions } from '../key-commands.ts'
import type { GrantCommandOptions, RotateCommandOptions } from '../key-statements.ts'
import { PASSPHRASE_NOTES } from '../passphrase.ts'

type KeyCommands = typeof import('../key-commands.ts')
type KeyStatements = typeof import('../key-statements.ts')

/** What they do is loaded when one of them runs. */
const load = (): Promise<KeyCommands> => import('../key-commands.ts')
const loadStatements = (): Promise<KeyStatements> => import('../key-statements.ts')

const KEY_ARGUMENT = ['<KEY>', 'a key file'] as const
const PASSPHRASE_OPTION = [
  '--passphrase-fd <N>',
  'read the passphrase from this descriptor',
  parseCount('--passphrase-fd'),
] as const

export function addKey(program: Command, cli: Cli): void {
  addCommandGroup(
    program,
    {
      name: 'key',
      summary: 'make keys, grant and rotate them, and sign where the key is',
      notes: `
The author key names the database for ever. It may stay on a machine without a network: there it grants a signer
key the epochs it may sign, or signs what another machine prepared. Public keys are written as in addresses, k51...`,
      examples: ['key new author.key', 'key show cities', 'key sign author.key next.unsigned next.signed'],
    },
    (group) => {
      addNewAndShow(group, cli)
      addGrant(group, cli)
      addRotate(group, cli)
      addSign(group, cli)
      addTransfer(group, cli)
    },
  )
}

function addNewAndShow(group: Command, cli: Cli): void {
  addCommand(group, {
    name: 'new',
    summary: 'make a key in a new file, for its owner only',
    notes:
      'An author key names databases, or becomes the authority by a rotation. A signer key is granted epochs; in a\n' +
      "database's directory its file is named signer.key.",
    examples: ['key new author.key', 'key new cities/signer.key --role signer'],
  })
    .argument('<KEY>', 'the key file to make; one that exists is never replaced')
    .option('--role <ROLE>', 'author (default) or signer', parseChoice('--role', ['author', 'signer']))
    .option(...JSON_OPTION)
    .action(async (file: string, options: NewCommandOptions) => (await load()).newKeyFile(cli, file, options))

  addCommand(group, {
    name: 'show',
    summary: 'show the public side of a key file, what a grant or another statement says, or the keys of a database',
    notes:
      'Of a database: who signs its next root, and whether a key in its directory does. No secret is ever shown.\n' +
      'That a grant is by who may give it only publish can tell, which knows the rotations.',
    examples: ['key show author.key', 'key show cities.grant', 'key show cities'],
  })
    .argument('<WHAT>', 'a key file, a statement, or the directory of a database')
    .option(...JSON_OPTION)
    .action(async (what: string, options: JsonOption) => (await load()).show(cli, what, options))
}

function addGrant(group: Command, cli: Cli): void {
  addCommand(group, {
    name: 'grant',
    summary: 'let a signer key sign one epoch of one database, until a time',
    notes: `
KEY is the author's, or that of the authority after a rotation. The grant goes to the machine that publishes:
coppice publish DIR --grant FILE. coppice key show DIR says there which epoch and sequence come next. Another grant to the
same signer for the same epoch prolongs it; one for a higher epoch ends what the signer before may sign, once
a root is published under it.`,
    examples: ['key grant author.key coppice:k51.../cities k51... cities.grant --epoch 1 --first 12 --expires 90d'],
  })
    .argument(...KEY_ARGUMENT)
    .argument('<ADDRESS>', 'coppice:k51.../NAME: the database')
    .argument('<SIGNER>', 'public key of the signer, k51...')
    .argument('<FILE>', 'the grant to write; - writes standard output')
    .requiredOption('--epoch <N>', 'the epoch that it may sign', parseCount('--epoch'))
    .requiredOption('--expires <TIME>', 'from now, as 12h, 30d, 8w; or never', parseExpiry)
    .option('--first <N>', 'the first sequence that it may sign (default: 1)', parseCount('--first'))
    .option('--rotations <FILE>', 'those that made KEY the authority')
    .option(...JSON_OPTION)
    .action(async (key: string, address: string, signer: string, file: string, options: GrantCommandOptions) =>
      (await loadStatements()).grant(cli, key, address, signer, file, options),
    )
}

function addRotate(group: Command, cli: Cli): void {
  addCommand(group, {
    name: 'rotate',
    summary: "hand the authority over all of an author's databases to a new key, from an epoch on",
    notes: `
The addresses stay: the author key names the databases for ever. KEY has the authority now: the author's, or the
new key of the last rotation in --rotations. FILE becomes the whole chain: coppice publish DIR --rotations FILE adopts it.
For one epoch there can be one rotation: another one is a fork that everybody can prove.`,
    examples: ['key rotate author.key k51... author.rotations --epoch 2'],
  })
    .argument(...KEY_ARGUMENT)
    .argument('<NEW>', 'public key of the new authority, k51...')
    .argument('<FILE>', 'the rotations to write; - writes standard output')
    .requiredOption(
      '--epoch <N>',
      'the first epoch of the new key; above those that are published',
      parseCount('--epoch'),
    )
    .option('--rotations <FILE>', 'the chain so far')
    .option('--database <NAME...>', 'databases to be found under the new key, beside those that KEY signed for here')
    .option(...JSON_OPTION)
    .action(async (key: string, next: string, file: string, options: RotateCommandOptions) =>
      (await loadStatements()).rotate(cli, key, next, file, options),
    )
}

function addSign(group: Command, cli: Cli): void {
  addCommand(group, {
    name: 'sign',
    summary: 'sign what publish --unsigned prepared elsewhere, after showing what changes by it',
    notes: `
It signs nothing but the root that follows the last one, and nothing that contradicts what this key signed before: that is
remembered in KEY.signed, which stays with the key. The same again gives the same. Without --yes it asks on the
terminal; exits with 1 where the answer is no. coppice key show UNSIGNED shows the same, and signs nothing.`,
    examples: ['key sign author.key next.unsigned next.signed'],
  })
    .argument(...KEY_ARGUMENT)
    .argument('<UNSIGNED>', 'what publish --unsigned wrote; - reads standard input')
    .argument('<SIGNED>', 'the signed root to write; - writes standard output')
    .option('--yes', 'sign without asking')
    .option(...JSON_OPTION)
    .action(async (key: string, unsigned: string, signed: string, options: SignCommandOptions) =>
      (await load()).sign(cli, key, unsigned, signed, options),
    )
}

function addTransfer(group: Command, cli: Cli): void {
  addCommand(group, {
    name: 'export',
    summary: 'write a key as an age file under a passphrase',
    notes: `The program age opens it, too: age -d FILE.\n${PASSPHRASE_NOTES}`,
    examples: ['key export author.key author.key.age'],
  })
    .argument(...KEY_ARGUMENT)
    .argument('<FILE>', 'the age file to make; - writes standard output')
    .option(...PASSPHRASE_OPTION)
    .option(...JSON_OPTION)
    .action(async (key: string, file: string, options: TransferCommandOptions) =>
      (await load()).exportTo(cli, key, file, options),
    )

  addCommand(group, {
    name: 'import',
    summary: 'make a key file of an age file',
    notes: PASSPHRASE_NOTES,
    examples: ['key import author.key.age author.key'],
  })
    .argument('<FILE>', 'the age file')
    .argument('<KEY>', 'the key file to make; one that exists is never replaced')
    .option(...PASSPHRASE_OPTION)
    .option(...JSON_OPTION)
    .action(async (file: string, key: string, options: TransferCommandOptions) =>
      (await load()).importFrom(cli, file, key, options),
    )
}

/** Seconds from now. */
function parseExpiry(text: string): number | 'never' {
  return text === 'never' ? text : parseDuration('--expires')(text)
}
