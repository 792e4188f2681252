/** `coppice publish`: one signed root of the working state. */
import type { Command } from 'commander'
import { CoppiceError } from '../../errors.ts'
import { formatLink } from '../../link.ts'
import type { Database, PublishReport } from '../../db/index.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import { parseDuration } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { readMetadataFile } from '../metadata.ts'
import { writing } from '../open.ts'
import { renderBytes, renderCounted, renderTime } from '../render.ts'
import type { Enveloped } from '../statement-files.ts'

interface PublishCommandOptions extends JsonOption {
  readonly message?: string
  readonly meta?: string
  readonly expires?: number
  readonly refresh?: true
  readonly grant?: string
  readonly rotations?: string
  readonly newEpoch?: true
  readonly unsigned?: string
  readonly signed?: string
  readonly replacePrepared?: true
}

export function addPublish(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'publish',
    summary: 'sign the working state as the next root; coppice serve announces it within a second',
    notes: `
A state that is published already is not signed again, unless --refresh asks for it: to promise freshness
anew, publish with --expires 30d --refresh before the last promise ends. A root without --expires promises
nothing, whatever the one before it did.

Where carriers are configured (coppice carriers) they are asked before: a newer root of one's own, or one that
contradicts the last, is refused, and coppice recover goes on from it. Carriers that do not answer are told and
stop nobody. Then the root is put on each, and looked for there; publish again puts the same bytes again.

Where the key is on another machine, --unsigned writes what is to be signed, coppice key sign signs it there,
and --signed publishes it as it was prepared, whatever the working state is by then.`,
    examples: [
      'publish cities -m "release 2026-01"',
      'publish cities --meta about.json --expires 30d',
      'publish cities --grant cities.grant',
      'publish cities --unsigned next.unsigned',
      'publish cities --signed next.signed',
    ],
  })
    .argument('<DIR>', 'the database')
    .option('-m, --message <TEXT>', 'the release message, at most 160 bytes')
    .option('--meta <FILE>', 'metadata document to set first, JSON; - reads standard input')
    .option('--expires <TIME>', 'promise a newer root within 12h, 30d, 8w', parseDuration('--expires'))
    .option('--refresh', 'sign a state anew that is published already')
    .option('--grant <FILE>', 'sign with DIR/signer.key under this grant, from now on')
    .option('--rotations <FILE>', 'adopt these rotations of the author first')
    .option('--new-epoch', 'begin a new epoch, signed by the authority itself: revokes the signer of the one before')
    .option('--unsigned <FILE>', 'write what is to be signed, and sign nothing')
    .option('--signed <FILE>', 'publish what was prepared by --unsigned, and signed elsewhere')
    .option('--replace-prepared', 'instead of a root that was prepared, and that nobody signed or will sign')
    .option(...JSON_OPTION)
    .action((dir: string, options: PublishCommandOptions) => publish(cli, dir, options))
}

async function publish(cli: Cli, dir: string, options: PublishCommandOptions): Promise<void> {
  if (options.signed !== undefined) return await publishSigned(cli, dir, options.signed, options)
  const { signal } = cli
  const { readEnveloped } = await import('../statement-files.ts')
  // An empty one is none.
  const message = options.message ? await checkMessage(options.message) : undefined
  const metadata = options.meta === undefined ? undefined : await readMetadataFile(cli, options.meta)
  const grant = options.grant === undefined ? undefined : await readEnveloped(cli, options.grant, 'grant')
  const rotations =
    options.rotations === undefined ? undefined : await readEnveloped(cli, options.rotations, 'rotations')
  // Told when the database is closed: whoever reads it through a pipe may complete it at once.
  const unsigned = await writing(dir, async (db) => {
    if (rotations !== undefined) await adopt(cli, db, rotations, options)
    if (options.unsigned === undefined) await checkKey(dir, db, grant?.bytes, options)
    const before = await db.published()
    if (metadata !== undefined) await db.setMetadata(metadata, { signal })
    const wanted = {
      message,
      expiresInSeconds: options.expires,
      refresh: options.refresh === true,
      grant: grant?.bytes,
      envelopes: grant?.envelopes,
      newEpoch: options.newEpoch === true,
      replacePrepared: options.replacePrepared === true,
      signal,
    }
    const prepared = options.unsigned === undefined ? undefined : await db.preparePublish(wanted)
    if (prepared !== undefined) return prepared
    const isNothing = options.unsigned !== undefined && before !== undefined
    const report = isNothing
      ? { signedRoot: before, isNew: false, asked: [], carriers: [] }
      : await showing(cli, db.publish(wanted))
    await tell(cli, report, before, options)
  })
  if (unsigned === undefined || options.unsigned === undefined) return
  const { tellPrepared } = await import('../prepared-root.ts')
  await tellPrepared(cli, unsigned, options.unsigned, options.json === true)
}

/** Carriers may take a while. */
async function showing(cli: Cli, publishing: Promise<PublishReport>): Promise<PublishReport> {
  const progress = cli.progress(() => 'publishing')
  return await publishing.finally(() => progress.end())
}

async function publishSigned(cli: Cli, dir: string, file: string, options: PublishCommandOptions): Promise<void> {
  const { json: _json, signed: _signed, ...others } = options
  const [other] = Object.keys(others)
  if (other !== undefined) {
    const name = other.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new CoppiceError('USAGE', `--${name}: expected none with --signed, which publishes what was prepared`)
  }
  const { readEnveloped } = await import('../statement-files.ts')
  const { bytes, envelopes } = await readEnveloped(cli, file, 'signed-root')
  await writing(dir, async (db) => {
    const before = await db.published()
    const completing = db.completePublish(bytes, { signal: cli.signal, envelopes })
    await tell(cli, await showing(cli, completing), before, options)
  })
}

async function checkKey(
  dir: string,
  db: Database,
  grantBytes: Uint8Array | undefined,
  { newEpoch }: PublishCommandOptions,
): Promise<void> {
  const { requireKey } = await import('../signing-keys.ts')
  const { decodeGrant } = await import('../../pointer/index.ts')
  const grant = grantBytes === undefined ? undefined : decodeGrant(grantBytes)
  await requireKey(dir, db, { grant, newEpoch: newEpoch === true })
}

async function adopt(
  cli: Cli,
  db: Database,
  { bytes, envelopes }: Enveloped,
  { json }: PublishCommandOptions,
): Promise<void> {
  const added = await db.adoptRotations(bytes, { signal: cli.signal, envelopes })
  if (added > 0 && json !== true) cli.note(`adopted ${renderCounted(added, 'rotation')}`)
}

async function tell(
  cli: Cli,
  report: PublishReport,
  before: SignedRoot | undefined,
  options: PublishCommandOptions,
): Promise<void> {
  const { signedRoot, isNew } = report
  const { epoch, sequence, root, entries, bytes, issued, expires } = signedRoot.payload
  const { carriersJson, describeCarriers } = await import('../carriers-text.ts')
  if (options.json === true) {
    const signed = { isNew, epoch, sequence, root: formatLink(root), entries, bytes, issued, expires }
    await cli.out.json({ ...signed, ...carriersJson(report) })
    return
  }
  // An epoch may begin at a sequence that the one before has, too.
  const named = `@${sequence} ${formatLink(root)}${epoch === 0 ? '' : ` in epoch ${epoch}`}`
  if (!isNew) {
    const { tellerBeside } = await import('../statement-files.ts')
    // Where standard output was to be what is signed, nothing comes out.
    await tellerBeside(cli, options.unsigned ?? '', false).line(
      `unchanged since ${named}: ${describeUnchanged(options)}`,
    )
    for (const line of describeCarriers(report)) await cli.out.line(line)
    return
  }
  await cli.out.line(`published ${named}`)
  const { expiryOf } = await import('../../pointer/index.ts')
  const end = expires === null ? null : expiryOf(signedRoot)
  const byGrant = end === expires ? '' : ', when the grant of its signer ends'
  const until = end === null ? '' : `, promised until ${renderTime(end)}${byGrant}`
  await cli.out.line(`${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)}${until}`)
  if (expires === null && before?.payload.expires) await cli.out.line(describeEndedPromise(before))
  for (const line of describeCarriers(report)) await cli.out.line(line)
}

function describeUnchanged({ message, expires, signed }: PublishCommandOptions): string {
  if (signed !== undefined) return 'it was published before'
  const unused = [...(message ? ['--message'] : []), ...(expires === undefined ? [] : ['--expires'])]
  return unused.length === 0
    ? 'nothing to publish'
    : `nothing was signed, and ${unused.join(' and ')} not used; --refresh signs the same state anew`
}

function describeEndedPromise({ payload: { sequence, expires } }: SignedRoot): string {
  return `no newer root is promised from now on: @${sequence} said until ${renderTime(expires ?? 0)}; --expires promises one`
}

async function checkMessage(message: string): Promise<string> {
  const { MESSAGE_BYTES_MAX } = await import('../../pointer/index.ts')
  const bytes = Buffer.byteLength(message)
  if (bytes <= MESSAGE_BYTES_MAX && message.isWellFormed()) return message
  throw new CoppiceError('USAGE', `--message: expected at most ${MESSAGE_BYTES_MAX} bytes of UTF-8, got ${bytes}`)
}
