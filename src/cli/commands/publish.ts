/** `coppice publish`: one signed root of the working state. */
import type { Command } from 'commander'
import { CoppiceError } from '../../errors.ts'
import { formatLink } from '../../link.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import { parseDuration } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { readMetadataFile } from '../metadata.ts'
import { writing } from '../open.ts'
import { renderBytes, renderCounted, renderTime } from '../render.ts'

interface PublishCommandOptions extends JsonOption {
  readonly message?: string
  readonly meta?: string
  readonly expires?: number
  readonly renew?: true
}

export function addPublish(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'publish',
    summary: 'sign the working state as the next root; coppice serve announces it within a second',
    notes: `
A state that is published already is not signed again, unless --renew asks for it: to promise freshness
anew, publish with --expires 30d --renew before the last promise ends. A root without --expires promises
nothing, whatever the one before it did.`,
    examples: ['publish cities -m "release 2026-01"', 'publish cities --meta about.json --expires 30d'],
  })
    .argument('<DIR>', 'the database')
    .option('-m, --message <TEXT>', 'the release message, at most 160 bytes')
    .option('--meta <FILE>', 'metadata document to set first, JSON; - reads standard input')
    .option('--expires <TIME>', 'promise a newer root within 12h, 30d, 8w', parseDuration('--expires'))
    .option('--renew', 'sign a state anew that is published already')
    .option(...JSON_OPTION)
    .action((dir: string, options: PublishCommandOptions) => publish(cli, dir, options))
}

async function publish(cli: Cli, dir: string, options: PublishCommandOptions): Promise<void> {
  const { signal } = cli
  const { requireAuthorKey } = await import('../author-key.ts')
  // An empty one is none.
  const message = options.message ? await checkMessage(options.message) : undefined
  const metadata = options.meta === undefined ? undefined : await readMetadataFile(cli, options.meta)
  await writing(dir, async (db) => {
    await requireAuthorKey(dir, db)
    const before = await db.published()
    if (metadata !== undefined) await db.setMetadata(metadata, { signal })
    const { signedRoot, isNew } = await db.publish({
      message,
      expiresInSeconds: options.expires,
      renew: options.renew === true,
      signal,
    })
    const { sequence, root, entries, bytes, issued, expires } = signedRoot.payload
    if (options.json === true) {
      await cli.out.json({ isNew, sequence, root: formatLink(root), entries, bytes, issued, expires })
      return
    }
    if (!isNew) {
      await cli.out.line(`unchanged since @${sequence} ${formatLink(root)}: ${describeUnchanged(options)}`)
      return
    }
    await cli.out.line(`published @${sequence} ${formatLink(root)}`)
    const until = expires === null ? '' : `, promised until ${renderTime(expires)}`
    await cli.out.line(`${renderCounted(entries, 'entry', 'entries')}, ${renderBytes(bytes)}${until}`)
    if (expires === null && before?.payload.expires) await cli.out.line(describeEndedPromise(before))
  })
}

function describeUnchanged({ message, expires }: PublishCommandOptions): string {
  const unused = [...(message ? ['--message'] : []), ...(expires === undefined ? [] : ['--expires'])]
  return unused.length === 0
    ? 'nothing to publish'
    : `nothing was signed, and ${unused.join(' and ')} not used; --renew signs the same state anew`
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
