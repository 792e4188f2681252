/** `coppice verify --repair`: mends a directory from peers, and says what became of it. */
import { realpath } from 'node:fs/promises'
import type { RepairOptions, RepairReport, RepairSource, StateRepair } from '../db/index.ts'
import { readAuthority } from '../db/roots/standing.ts'
import type { FieldValue } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { openDirectory } from '../index.ts'
import type { CheckProblem } from '../prolly/index.ts'
import type { PeerReport } from '../sync/index.ts'
import { EXIT_DIFFERENT, type Cli } from './cli.ts'
import type { VerifyOptions } from './commands/verify.ts'
import { closing, type Opened } from './open.ts'
import { parsePeers, renderPeer } from './peers.ts'
import { describePull, peerJson } from './pull-report.ts'
import { renderCounted } from './render.ts'
import {
  countProblems,
  describeChecking,
  describeProblems,
  describeSize,
  reportJson,
  requireState,
  targetOf,
  tellValues,
  type VerifyTarget,
} from './verify.ts'

export async function repairDirectory(cli: Cli, dir: string, options: VerifyOptions): Promise<void> {
  const opened = await openDirectory(dir)
  await closing(opened.db, async () => {
    await requireState(opened)
    await tellValues(cli, opened, options)
    const { states, peers } = await repairFrom(cli, dir, opened, options)
    const authority = await readAuthority(opened.db.state)
    for (const state of states) {
      const target = targetOf(authority, state)
      if (countProblems(target, state.left) > 0) cli.exitCode = EXIT_DIFFERENT
      if (options.json === true) await cli.out.json(repairJson(target, state, peers))
      else for (const line of describeRepair(target, state, peers)) await cli.out.line(line)
    }
    if (options.json === true) return
    for (const peer of peers) await cli.out.line(`  ${renderPeer(peer)}`)
    if (states.some(({ left }) => left.problems.some(isBlock))) cli.note(`coppice: ${advise(opened, peers)}`)
  })
}

/** Opens the peers that are directories for as long as it takes. @throws {CoppiceError} `USAGE` for DIR itself. */
async function repairFrom(cli: Cli, dir: string, opened: Opened, { peer, all }: VerifyOptions): Promise<RepairReport> {
  const sources: (RepairSource & AsyncDisposable)[] = []
  const addresses: string[] = []
  const own = await realpath(dir)
  try {
    for (const text of peer ?? []) {
      const path = await realpath(text).catch(() => undefined)
      if (path === undefined) addresses.push(text)
      else if (path === own)
        throw new CoppiceError('USAGE', '--peer: expected another directory than DIR, got the same')
      else sources.push(sourceOf(text, (await openDirectory(text, { access: 'read' })).db))
    }
    const peers = peer === undefined ? undefined : await parsePeers(opened.db, addresses)
    return await repair(cli, opened, { peers, sources, all })
  } finally {
    for (const source of sources) await source[Symbol.asyncDispose]()
  }
}

function sourceOf(name: string, db: Opened['db']): RepairSource & AsyncDisposable {
  return { name, state: db.state, [Symbol.asyncDispose]: () => db.close() }
}

async function repair(cli: Cli, { db }: Opened, options: RepairOptions): Promise<RepairReport> {
  let describe: ((seconds: number) => string) | undefined
  const progress = cli.progress((seconds) => describe?.(seconds) ?? 'verifying')
  try {
    return await db.repair({
      ...options,
      signal: cli.signal,
      onCheck: ({ ref }, report) => void (describe = (seconds) => describeChecking(ref, report, seconds)),
      onProgress: (now) => void (describe = (seconds) => describePull(now, seconds)),
    })
  } finally {
    progress.end()
  }
}

/** Whether somebody may have it: what the author made wrong is wrong everywhere. */
const isBlock = ({ kind }: CheckProblem): boolean => kind !== 'malformed'

function* describeRepair(
  target: VerifyTarget,
  { found, left, blocksReceived }: StateRepair,
  peers: readonly PeerReport[],
): Generator<string> {
  const count = countProblems(target, left)
  const isUntried = peers.length === 0 && left.problems.some(isBlock)
  const mended =
    found === 0 || isUntried
      ? ''
      : `; ${renderCounted(found, 'problem')} found, ${renderCounted(blocksReceived, 'block')} fetched`
  const problems = `${renderCounted(count, 'problem')}${isUntried ? '' : ' beyond repair'}`
  const outcome = count > 0 ? problems : found > 0 ? 'repaired' : 'sound'
  yield `${target.label}: ${outcome}: ${describeSize(left)}${mended}`
  yield* describeProblems(target, left)
}

function repairJson(
  target: VerifyTarget,
  { found, left, blocksReceived }: StateRepair,
  peers: readonly PeerReport[],
): { [field: string]: FieldValue } {
  return { ...reportJson(target, left), found, blocksReceived, peers: peers.map(peerJson) }
}

/** What can be done about damage that none of the peers could mend. */
function advise({ kind }: Opened, peers: readonly PeerReport[]): string {
  const ask =
    peers.length === 0
      ? 'no peer was asked; name one with --peer: an address that coppice serve prints, or the directory of a replica or backup'
      : 'ask other peers that hold the state, with --peer ADDRESS or DIRECTORY'
  if (kind === 'replica') return `${ask}, or clone anew`
  return `${ask}; else restore a backup, or go back to an earlier state that is sound with coppice restore DIR @SEQUENCE`
}
