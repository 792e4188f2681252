/** `coppice scan`: documents of a collection, or raw rows, in the order of their keys. */
import type { Command } from 'commander'
import { parseCount, usageError } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand } from '../command.ts'
import { parseDocumentRange, parseRawRange, type RangeOptions, shownRow } from '../keys.ts'
import { chooseCollection, reading } from '../open.ts'
import { Pacer } from '../pacer.ts'
import { parseRoot, type RootName, snapshotAt } from '../roots.ts'

interface ScanOptions extends RangeOptions {
  readonly reverse?: true
  readonly limit?: number
  readonly raw?: true
  readonly at?: RootName
}

export function addScan(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'scan',
    summary: 'print documents in the order of their keys, one JSON to a line',
    notes: `
--prefix, --start and --end take the first parts of a primary key, with commas between, or a JSON array:
NL,2759794 or '["NL",2759794]'. Parts are whole: of the key (country, id), NL is a prefix of ["NL",2759794]
and N is of none. A range holds its --start and not its --end, as in coppice diff.
With --raw they are byte keys in hexadecimal, and rows are printed as {"key":"<hex>","value":"<hex>"}; values
beyond 1 MiB as {"key":"<hex>","cid":"<CID>","size":<bytes>}.`,
    examples: [
      'scan cities cities --prefix NL --limit 10',
      'scan cities cities --start NL --end PL --reverse',
      'scan db --raw',
    ],
  })
    .argument('<DIR>', 'the database')
    .argument('[COLLECTION]', 'the collection (default: the only one)')
    .option('--prefix <KEY>', 'only keys that begin with these parts')
    .option('--start <KEY>', 'from this key on')
    .option('--end <KEY>', 'up to this key, not included')
    .option('--reverse', 'from the last to the first')
    .option('--limit <N>', 'at most so many', parseCount('--limit'))
    .option('--at <ROOT>', 'of an earlier state: @SEQUENCE or CID', parseRoot)
    .option('--raw', 'byte keys and values in hexadecimal')
    .option('--json', 'print JSON: what it does anyway')
    .action((dir: string, collection: string | undefined, options: ScanOptions) => scan(cli, dir, collection, options))
}

async function scan(cli: Cli, dir: string, name: string | undefined, options: ScanOptions): Promise<void> {
  const { reverse = false, limit = Number.POSITIVE_INFINITY } = options
  if (options.raw === true && name !== undefined) throw usageError('COLLECTION', 'none with --raw', name)
  const { signal } = cli
  const pacer = new Pacer(signal)
  await reading(dir, async (opened) => {
    const snapshot = await snapshotAt(opened, options.at)
    if (options.raw === true) {
      const rows = snapshot.entries({ ...parseRawRange(options), reverse, limit, signal })
      for await (const row of pacer.over(rows)) await cli.out.json(await shownRow(snapshot, row))
      return
    }
    const collection = snapshot.collection(await chooseCollection(snapshot, name, 'COLLECTION'))
    const range = parseDocumentRange(await collection.schema(), options)
    const documents = collection.scan({ ...range, reverse, limit, signal })
    for await (const document of pacer.over(documents)) await cli.out.json(document)
  })
}
