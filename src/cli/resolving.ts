/** Resolving on the command line: a line for each carrier, then what came of it. */
import type { CarrierReport } from '../carriers/index.ts'
import type { FieldValue } from '../document-model.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import type { Resolution } from '../index.ts'
import { assertNone } from './arguments.ts'
import type { Cli } from './cli.ts'
import type { JsonOption } from './command.ts'
import { renderError } from './errors.ts'
import { exitCodeOfFailure } from './exit-codes.ts'
import { freshnessWarning } from './freshness.ts'
import { reading } from './open.ts'
import { renderCounted, renderTable } from './render.ts'
import { renderSigned } from './roots.ts'
import { signedRootJson } from './status.ts'

export interface ResolveCommandOptions extends JsonOption {
  readonly peer?: readonly string[]
  readonly dht?: readonly string[]
  readonly ipns?: readonly string[]
  readonly bep44?: readonly string[]
  readonly quorum?: number
  /** Seconds. */
  readonly deadline?: number
}

/** @throws {CoppiceError} `USAGE`, `ADDRESS_INVALID`, `STORE_*`; what carriers led to is told, and is an exit code. */
export async function resolveOnCommandLine(cli: Cli, target: string, options: ResolveCommandOptions): Promise<void> {
  try {
    const found = await resolveTarget(cli, target, options)
    if (options.json === true) return await cli.out.json(resolutionJson(found))
    for (const line of describeResolution(found)) await cli.out.line(line)
  } catch (error) {
    const reports = reportsOf(error)
    if (!(error instanceof CoppiceError) || reports === undefined) throw error
    cli.exitCode = exitCodeOfFailure(error)
    if (options.json === true) return await cli.out.json({ error: error.code, carriers: reports.map(reportJson) })
    for (const line of describeReports(reports)) await cli.out.line(line)
    for (const line of renderError(error, 'resolve')) cli.note(line)
  }
}

async function resolveTarget(cli: Cli, target: string, options: ResolveCommandOptions): Promise<Resolution> {
  const { signal } = cli
  const { quorum, deadline, peer: peers, dht, ipns, bep44 } = options
  const question = { quorum, deadlineMs: deadline === undefined ? undefined : deadline * 1000, signal }
  const { ADDRESS_SCHEME } = await import('../pointer/index.ts')
  if (target.startsWith(ADDRESS_SCHEME)) {
    const { resolve } = await import('../index.ts')
    return await resolve(target, { ...question, peers, dht, ipns, bep44 })
  }
  assertNone(options, ['peer', 'dht', 'ipns', 'bep44'], 'with a directory: coppice carriers says whom it asks')
  const { rejectBareAddress } = await import('./peers.ts')
  return await reading(target, async ({ db }) => await db.resolve(question)).catch((error: unknown) => {
    if (isCoppiceError(error, 'NOT_A_DATABASE')) rejectBareAddress(target)
    throw error
  })
}

/** Undefined where the error is of something else. */
function reportsOf(error: unknown): readonly CarrierReport[] | undefined {
  const reports = error instanceof CoppiceError ? error.details['carriers'] : undefined
  return Array.isArray(reports) ? (reports as readonly CarrierReport[]) : undefined
}

/** Keys are API. */
export function resolutionJson({ root, link, freshness, sources, carriers, told }: Resolution): {
  [field: string]: FieldValue
} {
  return {
    root: signedRootJson(root),
    link,
    freshness,
    sources,
    carriers: carriers.map(reportJson),
    told: told.map(({ name, receipt }) => ({ name, stored: receipt?.stored ?? 0, seen: receipt?.seen ?? 0 })),
  }
}

function reportJson(report: CarrierReport): { [field: string]: FieldValue } {
  const { epoch, sequence, reason } = report
  return { ...report, epoch: epoch ?? null, sequence: sequence ?? null, reason: reason ?? null }
}

/** For people; escaped. */
export function describeResolution(resolution: Resolution): string[] {
  const { root, freshness, sources, carriers, told } = resolution
  const warning = freshnessWarning(root, freshness)
  const sure = told.filter(({ receipt }) => receipt !== undefined && receipt.stored > 0).map(({ name }) => name)
  return [
    `${renderSigned(root)}, shown by ${renderCounted(sources, 'source')}`,
    ...(warning === undefined ? [] : [warning]),
    ...describeReports(carriers),
    ...(sure.length === 0 ? [] : [escapeText(`told of it: ${sure.join(', ')}`)]),
  ]
}

function describeReports(reports: readonly CarrierReport[]): string[] {
  return renderTable(
    reports.map(({ name, outcome, sequence, copies, ms, reason }) => {
      const root = sequence === undefined ? '' : ` @${sequence}`
      const members = copies > 1 ? `, ${copies} copies` : ''
      const why = reason === undefined ? '' : `: ${reason}`
      return [escapeText(name), escapeText(`${outcome}${root}${members}, ${Math.round(ms)} ms${why}`)]
    }),
  )
}
