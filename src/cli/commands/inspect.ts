/** `coppice inspect`: one block of the store, as it is: a node of the tree with its entries, or a value. */
import type { Command } from 'commander'
import { CoppiceError } from '../../errors.ts'
import type { Link } from '../../link.ts'
import { usageError } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { type Opened, reading } from '../open.ts'
import { findRoot, type RootName, tryParseRoot } from '../roots.ts'

interface InspectOptions extends JsonOption {
  readonly raw?: true
}

export function addInspect(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'inspect',
    summary: 'show one block: the entries of a node, the size and kind of a value',
    notes: `
BLOCK is the CID of a block, or @SEQUENCE for the root of that signed root; without it, the root of the
working state. A node is shown with its keys, and with what stands below or behind each of them; --raw writes the
block as it is, for other tools. The block is hashed: BLOCK_MISSING and STORE_CORRUPT tell what is wrong with it.
Of a value beyond 1 MiB a block is a part; coppice get prints the whole.`,
    examples: ['inspect cities', 'inspect cities @3 --json', 'inspect cities bafyrei... --raw | sha256sum'],
  })
    .argument('<DIR>', 'the database')
    .argument('[BLOCK]', 'a CID, or @SEQUENCE', parseBlock)
    .option('--raw', "write the block's bytes")
    .option(...JSON_OPTION)
    .action((dir: string, block: RootName | undefined, options: InspectOptions) => inspect(cli, dir, block, options))
}

/** @throws {CoppiceError} `USAGE`. */
function parseBlock(text: string): RootName {
  const name = tryParseRoot(text)
  if (name === undefined) throw usageError('block', 'a CID or @SEQUENCE', text.slice(0, 80))
  return name
}

async function inspect(cli: Cli, dir: string, block: RootName | undefined, options: InspectOptions): Promise<void> {
  if (options.raw === true && options.json === true) {
    throw new CoppiceError('USAGE', 'inspect: expected one of --raw and --json, got both')
  }
  const { blockJson, blockLines, readBlock } = await import('../inspect.ts')
  await reading(dir, async (opened) => {
    const found = await readBlock(opened.db.state.store, await findLink(opened, block))
    if (options.raw === true) await cli.out.write(found.bytes)
    else if (options.json === true) await cli.out.json(blockJson(found))
    else for (const line of blockLines(found)) await cli.out.line(line)
  })
}

async function findLink(opened: Opened, block: RootName | undefined): Promise<Link> {
  if (block === undefined) return (await opened.db.snapshot()).tree.ref.root
  return 'link' in block ? block.link : (await findRoot(opened, block)).snapshot.tree.ref.root
}
