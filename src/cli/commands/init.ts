/** `coppice init`: a new database. */
import type { Command } from 'commander'
import { basename, resolve } from 'node:path'
import { CoppiceError } from '../../errors.ts'
import { escapeText, quoteText } from '../../escape.ts'
import { isDatabaseName, NAME_BYTES_MAX, NAME_RULE } from '../../pointer/name.ts'
import { parseName } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { readMetadataFile } from '../metadata.ts'
import { closing } from '../open.ts'

interface InitOptions extends JsonOption {
  readonly name?: string
  readonly meta?: string
  readonly author?: string
}

export function addInit(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'init',
    summary: 'make a new, empty database, with a new author key unless --author names one',
    notes:
      'The name stays for ever, with the author key in DIR/author.key: keep a copy of that file, and show it to nobody.\n' +
      `It is ${NAME_RULE};\nwithout --name it is made from the last part of DIR.\n` +
      'A metadata FILE is a JSON object: title, description, licenses, sources, homepage and whatever else.',
    examples: [
      'init cities',
      'init data/cities --name world-cities --meta about.json',
      'init cities --author k51qzi5uqu5dl2hn1...',
    ],
  })
    .argument('<DIR>', 'an absent or empty directory')
    .option('--name <NAME>', 'name of the database (default: made from the last part of DIR)', parseName)
    .option('--meta <FILE>', 'metadata document, JSON; - reads standard input')
    .option('--author <KEY>', 'public key of the author, k51..., whose key file is on another machine')
    .option(...JSON_OPTION)
    .action((dir: string, options: InitOptions) => init(cli, dir, options))
}

async function init(cli: Cli, dir: string, options: InitOptions): Promise<void> {
  const name = options.name ?? nameOf(dir)
  const metadata = options.meta === undefined ? undefined : await readMetadataFile(cli, options.meta)
  const { Database } = await import('../../index.ts')
  const { formatAuthor, parseAuthor } = await import('../../pointer/index.ts')
  const author = options.author === undefined ? undefined : parseAuthor(options.author)
  const db = await Database.create(dir, { name, author })
  await closing(db, async () => {
    if (metadata !== undefined) await db.setMetadata(metadata, { signal: cli.signal })
    const { root } = await db.snapshot()
    if (options.json === true) {
      await cli.out.json({ kind: 'author', name, author: formatAuthor(db.author), address: db.address, root })
      return
    }
    await cli.out.line(`new database ${name} in ${escapeText(dir)}`)
    await cli.out.line(`address ${db.address}`)
  })
}

/** `zurich-2026` of `Zürich (2026)`. @throws {CoppiceError} `USAGE` where nothing is left. */
function nameOf(dir: string): string {
  const base = basename(resolve(dir))
  const name = base
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+|\.{2,}/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, NAME_BYTES_MAX)
    .replace(/[^a-z0-9]+$/, '')
  if (isDatabaseName(name)) return name
  throw new CoppiceError(
    'USAGE',
    `--name: expected ${NAME_RULE}, since none can be made from the directory's ${quoteText(base)}`,
  )
}
