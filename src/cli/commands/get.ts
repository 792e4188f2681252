/** `coppice get`: one document by its primary key, or raw rows by their keys. */
import type { Command } from 'commander'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand } from '../command.ts'
import { parseKey, parseRawKey, rawRow } from '../keys.ts'
import { reading, requireArgument } from '../open.ts'
import { parseRoot, type RootName, snapshotAt } from '../roots.ts'

interface GetOptions {
  readonly raw?: true
  readonly at?: RootName
}

export function addGet(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'get',
    summary: 'print the document with a primary key as JSON; exit 1 where there is none',
    notes: `
KEY is one argument for each field of the primary key, by its type; bytes in hexadecimal digits.
With --raw there is no COLLECTION: each KEY is a byte key in hexadecimal, and each row found is printed
as {"key":"<hex>","value":"<hex>"}; exit 1 where one is missing.`,
    examples: ['get cities cities NL 2759794', 'get cities cities NL 2759794 --at @3', 'get db --raw 6b6579'],
  })
    .argument('<DIR>', 'the database')
    .argument('[COLLECTION]', 'the collection')
    .argument('[KEY...]', 'the primary key')
    .option('--at <ROOT>', 'of an earlier state: @SEQUENCE or CID', parseRoot)
    .option('--raw', 'byte keys and values in hexadecimal')
    .option('--json', 'print JSON: what it does anyway')
    .action((dir: string, collection: string | undefined, key: readonly string[], options: GetOptions) => {
      const first = requireArgument(collection, options.raw === true ? 'KEY' : 'COLLECTION')
      return options.raw === true ? getRaw(cli, dir, [first, ...key], options) : get(cli, dir, first, key, options)
    })
}

async function get(cli: Cli, dir: string, name: string, key: readonly string[], options: GetOptions): Promise<void> {
  await reading(dir, async (opened) => {
    const collection = (await snapshotAt(opened, options.at)).collection(name)
    const document = await collection.get(parseKey(await collection.schema(), key))
    if (document === undefined) cli.exitCode = EXIT_DIFFERENT
    else await cli.out.json(document)
  })
}

async function getRaw(cli: Cli, dir: string, texts: readonly string[], options: GetOptions): Promise<void> {
  const keys = texts.map((text) => parseRawKey('KEY', text))
  await reading(dir, async (opened) => {
    const snapshot = await snapshotAt(opened, options.at)
    for (const key of keys) {
      const value = await snapshot.get(key)
      if (value === undefined) cli.exitCode = EXIT_DIFFERENT
      else await cli.out.json(rawRow(key, value))
    }
  })
}
