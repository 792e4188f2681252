/** `coppice fork`: a database of one's own that begins with the state of another. */
import type { Command } from 'commander'
import type { ForkProgress } from '../../db/index.ts'
import { escapeText } from '../../escape.ts'
import type { Database } from '../../index.ts'
import type { PullProgress } from '../../sync/index.ts'
import { collect, parseName, usageError } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { closing, reading } from '../open.ts'
import { parsePeers } from '../peers.ts'
import { renderBytes, renderShare } from '../render.ts'

interface ForkOptions extends JsonOption {
  readonly name?: string
  readonly peer?: readonly string[]
}

export function addFork(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'fork',
    summary: "make a database of one's own out of another's state, under a new author key",
    notes: `
SOURCE is a directory, of which the shown state is taken without any network, or the address of a served
database, which is cloned first. The fork remembers what it began with: coppice merge NEWDIR DIR brings in
what DIR, a replica of the source, has pulled since; its author merges a replica of the fork in the same way.
An interrupted fork goes on when it is run again. Keep a copy of NEWDIR/author.key, and show it to nobody.`,
    examples: ['fork copy my-cities', 'fork "coppice:k51.../cities?peer=..." my-cities --name my-cities'],
  })
    .argument('<SOURCE>', 'a directory, or coppice:<author>/<name>?peer=...')
    .argument('<NEWDIR>', 'an absent or empty directory')
    .option('--name <NAME>', 'name of the new database (default: that of the source)', parseName)
    .option('--peer <PEER>', 'with an address: ask this peer too; may be repeated', collect)
    .option(...JSON_OPTION)
    .action((source: string, dir: string, options: ForkOptions) => fork(cli, source, dir, options))
}

async function fork(cli: Cli, source: string, dir: string, options: ForkOptions): Promise<void> {
  const { ADDRESS_SCHEME } = await import('../../pointer/index.ts')
  const isAddress = source.startsWith(ADDRESS_SCHEME)
  if (!isAddress && options.peer !== undefined) throw usageError('--peer', 'the address of a served database', source)
  const db = isAddress ? await forkAddress(cli, source, dir, options) : await forkDirectory(cli, source, dir, options)
  await closing(db, () => tell(cli, db, dir, options))
}

async function forkDirectory(cli: Cli, source: string, dir: string, { name }: ForkOptions): Promise<Database> {
  const { Database } = await import('../../index.ts')
  let now: ForkProgress | undefined
  const progress = cli.progress(() => describeCopy(now))
  const onProgress = (each: ForkProgress): void => void (now = each)
  return await reading(source, ({ db }) => Database.fork(db, dir, { name, signal: cli.signal, onProgress })).finally(
    () => progress.end(),
  )
}

function describeCopy(now: ForkProgress | undefined): string {
  if (now === undefined) return 'copying'
  return `copying: ${renderShare(now.bytes, now.bytesMax)} of ${renderBytes(now.bytesMax)}`
}

async function forkAddress(cli: Cli, source: string, dir: string, options: ForkOptions): Promise<Database> {
  const { Database } = await import('../../index.ts')
  const { parseAddress } = await import('../../pointer/index.ts')
  const { describePull } = await import('../pull-report.ts')
  const peers = await parsePeers(parseAddress(source), options.peer ?? [])
  let now: PullProgress | undefined
  const progress = cli.progress((seconds) => (now === undefined ? 'connecting' : describePull(now, seconds)))
  const onProgress = (each: PullProgress): void => void (now = each)
  return await Database.forkAddress(source, dir, { name: options.name, peers, signal: cli.signal, onProgress }).finally(
    () => progress.end(),
  )
}

async function tell(cli: Cli, db: Database, dir: string, options: ForkOptions): Promise<void> {
  const { formatAuthor } = await import('../../pointer/index.ts')
  const { describeOrigin, originJson } = await import('../origin.ts')
  const { readOrigin } = await import('../../db/index.ts')
  const origin = await readOrigin(db.state.store)
  if (options.json === true) {
    const { root } = await db.snapshot()
    const forkedFrom = origin === undefined ? null : originJson(origin)
    await cli.out.json({
      kind: 'author',
      name: db.name,
      author: formatAuthor(db.author),
      address: db.address,
      root,
      forkedFrom,
    })
    return
  }
  await cli.out.line(`new database ${db.name} in ${escapeText(dir)}`)
  await cli.out.line(`address ${db.address}`)
  if (origin !== undefined) await cli.out.line(`forked from ${describeOrigin(originJson(origin))}`)
}
