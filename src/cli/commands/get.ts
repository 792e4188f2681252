/** `coppice get`: one document by its primary key, or raw rows by their keys. */
import type { Command } from 'commander'
import { bytesToHex } from '../../bytes.ts'
import type { KeyPart, Schema, Snapshot } from '../../db/index.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { quoteText, renderKey } from '../../escape.ts'
import { type ByteRange, parseByteRange } from '../arguments.ts'
import { EXIT_DIFFERENT, type Cli } from '../cli.ts'
import { addCommand } from '../command.ts'
import { describeKey, parseKey, parseRawKey, shownRow, tryParseKey } from '../keys.ts'
import { listNames, reading, requireArgument } from '../open.ts'
import { Pacer } from '../pacer.ts'
import { parseRoot, type RootName, snapshotAt } from '../roots.ts'

interface GetOptions {
  readonly raw?: true
  readonly bytes?: true
  readonly range?: ByteRange
  readonly at?: RootName
  readonly json?: true
}

export function addGet(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'get',
    summary: 'print the document with a primary key as JSON; exit 1 where there is none',
    notes: `
KEY is one argument for each field of the primary key, by its type; bytes in hexadecimal digits. COLLECTION
may be left out where there is only one. A KEY that begins with - comes after --.
With --raw there is no COLLECTION: each KEY is a byte key in hexadecimal, and each row found is printed
as {"key":"<hex>","value":"<hex>"}, a value beyond 1 MiB by CID and size; exit 1 where one is missing. With
--bytes the value of one byte key is written as it is, whatever its length: get DIR --raw KEY --bytes > FILE.`,
    examples: [
      'get world cities NL 2759794',
      'get world cities NL 2759794 --at @3',
      'get db --raw 6b6579',
      'get db --raw 6b6579 --bytes --range 0-1023 > first.bin',
    ],
  })
    .argument('<DIR>', 'the database')
    .argument('[COLLECTION]', 'the collection (default: the only one)')
    .argument('[KEY...]', 'the primary key')
    .option('--at <ROOT>', 'of an earlier state: @SEQUENCE or CID', parseRoot)
    .option('--raw', 'byte keys and values in hexadecimal')
    .option('--bytes', 'with --raw: write the bytes of the value, not a line of JSON')
    .option('--range <FIRST-LAST>', 'with --bytes: only these bytes, both included', parseByteRange('--range'))
    .option('--json', 'print JSON: what it does anyway')
    .action((dir: string, collection: string | undefined, key: readonly string[], options: GetOptions) => {
      const first = requireArgument(collection, options.raw === true ? 'KEY' : 'COLLECTION')
      validateOptions(options)
      const read = options.bytes === true ? getBytes : options.raw === true ? getRaw : get
      return read(cli, dir, [first, ...key], options)
    })
}

async function get(cli: Cli, dir: string, words: readonly string[], options: GetOptions): Promise<void> {
  await reading(dir, async (opened) => {
    const snapshot = await snapshotAt(opened, options.at)
    const { schema, key } = await findKey(snapshot, words)
    const document = await snapshot.collection(schema.collection).get(key)
    if (document !== undefined) return await cli.out.json(document)
    cli.exitCode = EXIT_DIFFERENT
    cli.note(`coppice: no document ${schema.collection}${renderKey(key)}`)
  })
}

/** What `COLLECTION KEY...` means, or `KEY...` alone where there is one collection only. */
async function findKey(
  snapshot: Snapshot,
  words: readonly string[],
): Promise<{ readonly schema: Schema; readonly key: KeyPart[] }> {
  const [first = '', ...rest] = words
  const named = await findSchema(snapshot, first)
  if (named !== undefined) return { schema: named, key: parseKey(named, rest) }
  const schemas = await snapshot.collections()
  const [only, ...others] = schemas
  const key = only === undefined || others.length > 0 ? undefined : tryParseKey(only, words)
  if (only !== undefined && key !== undefined) return { schema: only, key }
  const names = schemas.map(({ collection }) => collection)
  const expected =
    only === undefined
      ? 'one that exists, in a database that has some'
      : others.length > 0
        ? `one of ${listNames(names)}`
        : `${listNames(names)}, or its key alone (${describeKey(only)})`
  throw new CoppiceError(
    'COLLECTION_UNKNOWN',
    `collection ${quoteText(first)}: expected ${expected}; coppice get DIR COLLECTION KEY...`,
  )
}

/** Undefined where there is no collection of that name, or none can be. */
async function findSchema(snapshot: Snapshot, name: string): Promise<Schema | undefined> {
  try {
    return await snapshot.collection(name).schema()
  } catch (error) {
    if (isCoppiceError(error, 'COLLECTION_UNKNOWN') || isCoppiceError(error, 'KEY_INVALID')) return undefined
    throw error
  }
}

/** @throws {CoppiceError} `USAGE` for an option without the one it belongs to, or beside one it excludes. */
function validateOptions({ raw, bytes, range, json }: GetOptions): void {
  if (bytes === true && raw !== true) throw new CoppiceError('USAGE', '--bytes: expected --raw and a byte key with it')
  if (bytes === true && json === true)
    throw new CoppiceError('USAGE', 'get: expected one of --bytes and --json, got both')
  if (range !== undefined && bytes !== true) throw new CoppiceError('USAGE', '--range: expected --bytes with it')
}

/** A stream of any length; nothing is written where the key is absent. */
async function getBytes(cli: Cli, dir: string, texts: readonly string[], options: GetOptions): Promise<void> {
  const [text = '', ...others] = texts
  if (others.length > 0) throw new CoppiceError('USAGE', '--bytes: expected one KEY, got several')
  if (cli.out.isTerminal)
    throw new CoppiceError('USAGE', '--bytes: expected a file or a pipe, got a terminal; add > FILE')
  const key = parseRawKey('KEY', text)
  await reading(dir, async (opened) => {
    const snapshot = await snapshotAt(opened, options.at)
    const value = await snapshot.stream(key, { ...options.range, signal: cli.signal })
    if (value === undefined) return noteAbsent(cli, key)
    const pacer = new Pacer(cli.signal)
    for await (const piece of pacer.over(value)) await cli.out.write(piece)
  })
}

function noteAbsent(cli: Cli, key: Uint8Array): void {
  cli.exitCode = EXIT_DIFFERENT
  cli.note(`coppice: no row with the key ${bytesToHex(key)}`)
}

async function getRaw(cli: Cli, dir: string, texts: readonly string[], options: GetOptions): Promise<void> {
  const keys = texts.map((text) => parseRawKey('KEY', text))
  await reading(dir, async (opened) => {
    const snapshot = await snapshotAt(opened, options.at)
    for (const key of keys) {
      const value = await snapshot.getValue(key)
      if (value === undefined) noteAbsent(cli, key)
      else await cli.out.json(await shownRow(snapshot, { key, value }))
    }
  })
}
