/** `coppice del`: one document by its primary key, or raw rows by their keys. */
import type { Command } from 'commander'
import type { Transaction } from '../../db/index.ts'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { parseKey, parseRawKey } from '../keys.ts'
import { requireArgument, writing } from '../open.ts'
import { renderCounted } from '../render.ts'

interface DelOptions extends JsonOption {
  readonly raw?: true
}

export function addDel(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'del',
    summary: 'delete the document with a primary key; exit 1 where there was none',
    notes: `
KEY is one argument for each field of the primary key, by its type; bytes in hexadecimal digits.
With --raw there is no COLLECTION: each KEY is a byte key in hexadecimal; exit 1 where one was missing.`,
    examples: ['del cities cities NL 2759794', 'del db --raw 6b6579 6b657a'],
  })
    .argument('<DIR>', 'the database')
    .argument('[COLLECTION]', 'the collection')
    .argument('[KEY...]', 'the primary key')
    .option('--raw', 'byte keys in hexadecimal')
    .option(...JSON_OPTION)
    .action((dir: string, collection: string | undefined, key: readonly string[], options: DelOptions) =>
      del(cli, dir, requireArgument(collection, options.raw === true ? 'KEY' : 'COLLECTION'), key, options),
    )
}

async function del(cli: Cli, dir: string, first: string, rest: readonly string[], options: DelOptions): Promise<void> {
  const asked = options.raw === true ? 1 + rest.length : 1
  await writing(dir, async (db) => {
    const { result: deleted, to } = await db.batchWithReport(
      (tx) => (options.raw === true ? delRaw(tx, [first, ...rest]) : delDocument(tx, first, rest)),
      { signal: cli.signal },
    )
    if (deleted < asked) cli.exitCode = EXIT_DIFFERENT
    if (options.json === true) await cli.out.json({ deleted, root: to.root })
    else
      await cli.out.line(
        `${renderCounted(deleted, options.raw === true ? 'row' : 'document')} deleted, root ${to.root}`,
      )
  })
}

async function delDocument(tx: Transaction, name: string, key: readonly string[]): Promise<number> {
  const collection = tx.collection(name)
  return (await collection.del(parseKey(await collection.schema(), key))) ? 1 : 0
}

async function delRaw(tx: Transaction, texts: readonly string[]): Promise<number> {
  let deleted = 0
  for (const key of texts.map((text) => parseRawKey('KEY', text))) if (await tx.del(key)) deleted++
  return deleted
}
