/** `coppice recover`: on from a newer root of one's own, after a restored backup or on a second machine. */
import type { Command } from 'commander'
import type { RecoverOptions, RecoverReport } from '../../db/index.ts'
import { CoppiceError } from '../../errors.ts'
import { escapeText, quoteText } from '../../escape.ts'
import type { Database } from '../../index.ts'
import { formatLink } from '../../link.ts'
import { collect, parseDuration } from '../arguments.ts'
import { type Cli, EXIT_DIFFERENT } from '../cli.ts'
import { addCommand, JSON_OPTION, type JsonOption } from '../command.ts'
import { writing } from '../open.ts'
import { renderCounted } from '../render.ts'
import { isOfFields, resolverOf } from './merge.ts'

interface RecoverCommandOptions extends JsonOption {
  readonly peer?: readonly string[]
  readonly endFork?: true
  readonly base?: string
  readonly ours?: true
  readonly theirs?: true
  readonly fields?: true
  readonly message?: string
  readonly expires?: number
  readonly grant?: string
}

type Recovered = Awaited<ReturnType<Database['recover']>>

export function addRecover(program: Command, cli: Cli): void {
  addCommand(program, {
    name: 'recover',
    summary: "go on from a newer root of one's own; exit 0 done, 1 conflicts, 2 trouble",
    notes: `
For a database that was restored from a backup, or is written on two machines: the newest root that carriers and
peers show is fetched and verified, and what was changed here since both were one is merged with it. What both
changed is a conflict, told and settled as by coppice merge. Then coppice publish signs the result.
Where both machines have published, that is a fork, at which readers stop: --end-fork publishes the merged state
in a new epoch, which readers of both sides accept. It takes the key that has the authority, or a --grant of it.
Peers prove where the two were one; where none can, --base names the newest root of DIR that is in both.`,
    examples: [
      'recover cities',
      `recover cities --peer https://example.org/cities`,
      'recover cities --end-fork --fields',
    ],
  })
    .argument('<DIR>', "one's own database")
    .option('--peer <PEER>', 'ask this peer, too: a multiaddr, a URL or an address; may be repeated', collect)
    .option('--end-fork', 'where both have published, join them in a new epoch')
    .option('--base <ROOT>', 'the newest root that is in both: @SEQUENCE of DIR, or empty')
    .option('--ours', 'what both changed stays as it is in DIR')
    .option('--theirs', 'what both changed becomes as it is in the newer root')
    .option('--fields', 'merge documents that both changed field by field')
    .option('-m, --message <TEXT>', 'the release message, with --end-fork')
    .option('--expires <TIME>', 'promise a newer root within 12h, 30d, 8w, with --end-fork', parseDuration('--expires'))
    .option('--grant <FILE>', 'begin the new epoch with DIR/signer.key under this grant')
    .option(...JSON_OPTION)
    .action((dir: string, options: RecoverCommandOptions) => recover(cli, dir, options))
}

async function recover(cli: Cli, dir: string, options: RecoverCommandOptions): Promise<void> {
  const base = parseBase(options.base)
  const resolve = resolverOf(options)
  const { readEnveloped } = await import('../statement-files.ts')
  const granted = options.grant === undefined ? undefined : await readEnveloped(cli, options.grant, 'grant')
  const { conflictJson, renderConflict } = await import('../merge-text.ts')
  const { parsePeers } = await import('../peers.ts')
  await writing(dir, async (db) => {
    const peers = await parsePeers(db, options.peer ?? [])
    let areFieldsOfUse = false
    const progress = cli.progress(() => 'recovering')
    const onConflict: RecoverOptions['onConflict'] = async (conflict) => {
      progress.end()
      areFieldsOfUse ||= isOfFields(conflict)
      if (options.json === true) await cli.out.json(await conflictJson(conflict))
      else for (const line of await renderConflict(conflict)) await cli.out.line(line)
    }
    const { message, expires: expiresInSeconds, endFork } = options
    const ending = { endFork, message, expiresInSeconds, grant: granted?.bytes, envelopes: granted?.envelopes }
    const wanted = { peers, base, resolve, ...ending, onConflict, signal: cli.signal }
    const report = await db.recover(wanted).finally(() => progress.end())
    if (report.outcome === 'conflicts') cli.exitCode = EXIT_DIFFERENT
    if (options.json === true) return await cli.out.json(await recoverJson(report))
    if (report.outcome === 'conflicts') {
      const settle = `${areFieldsOfUse && options.fields !== true ? '--fields, ' : ''}--ours or --theirs`
      const left = renderCounted(report.merge?.unresolved ?? 0, 'conflict')
      return cli.note(`coppice: ${left} left, nothing was changed; settle them with ${settle}`)
    }
    for (const line of await describe(report, dir)) await cli.out.line(line)
  })
}

/** @throws {CoppiceError} `USAGE`. */
function parseBase(text: string | undefined): number | 'empty' | undefined {
  if (text === undefined || text === 'empty') return text
  const sequence = /^@([1-9]\d{0,12})$/.exec(text)?.[1]
  if (sequence !== undefined) return Number(sequence)
  throw new CoppiceError('USAGE', `--base: expected @SEQUENCE or empty, got ${quoteText(text)}`)
}

async function describe(report: Recovered, dir: string): Promise<string[]> {
  const { outcome, from, to, merge, signed } = report
  const last = from === undefined ? 'nothing was signed here' : `@${from.payload.sequence} is the newest`
  if (outcome === 'nothing') return [`nothing to recover: ${last}, as far as those say who answered`]
  const changed = await countMerged(merge)
  const found = to === undefined ? [] : [`found @${to.payload.sequence} ${formatLink(to.payload.root)}`]
  const kept =
    changed === 0 ? 'nothing else was changed here' : `${renderCounted(changed, 'row')} changed here merged with it`
  if (signed === undefined) {
    return [
      ...found,
      `${kept}; ${changed === 0 ? 'the next root follows it' : `coppice publish ${escapeText(dir)} signs that`}`,
    ]
  }
  const { describeCarriers } = await import('../carriers-text.ts')
  const { epoch, sequence, root } = signed.signedRoot.payload
  return [
    ...found,
    kept,
    `published @${sequence} ${formatLink(root)} in epoch ${epoch}, which ends the fork`,
    ...describeCarriers({ asked: [], carriers: report.carriers }),
  ]
}

/** Rows in which the merged state differs from what was found. */
async function countMerged(merge: RecoverReport['merge']): Promise<number> {
  if (merge?.to === undefined) return 0
  const { countChanges } = await import('../../db/index.ts')
  const { added, removed, updated } = await countChanges(merge.right, merge.to)
  return added + removed + updated
}

async function recoverJson(report: Recovered): Promise<Parameters<Cli['out']['json']>[0]> {
  const { outcome, from, to, merge, signed } = report
  const { carriersJson } = await import('../carriers-text.ts')
  return {
    outcome,
    from: from?.payload.sequence ?? null,
    to: to?.payload.sequence ?? null,
    root: merge?.to?.root ?? null,
    merged: outcome === 'conflicts' ? 0 : await countMerged(merge),
    conflicts: merge?.conflicts ?? 0,
    unresolved: merge?.unresolved ?? 0,
    published: signed?.signedRoot.payload.sequence ?? null,
    epoch: signed?.signedRoot.payload.epoch ?? null,
    ...carriersJson(report),
  }
}
