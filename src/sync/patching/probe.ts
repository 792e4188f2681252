/** The first page of a patch: which peer sends one soonest, and what it says about the rest. */
import type { Clock } from '../../clock.ts'
import type { Format, Tree, TreeRef } from '../../prolly/index.ts'
import type { Session } from '../peers/session.ts'
import { estimate, partOf, type Shape } from './cost.ts'
import type { PatchEstimate } from '../report.ts'
import { firstAnswer } from './first-answer.ts'
import type { PatchPeers } from './patch-peers.ts'
import { RowRun } from './row-run.ts'
import { countBetween, shapeOf } from './shape.ts'

export interface Probe {
  readonly run: RowRun
  readonly shape: Shape
  readonly estimate: PatchEstimate
}

/**
 * Asks one peer, and another where the first has no page or takes long. Undefined where nobody has one.
 * @throws {CoppiceError} `STORE_CORRUPT`, `BLOCK_MISSING` of the older tree
 */
export async function probePatch(
  base: Tree,
  target: TreeRef,
  peers: PatchPeers,
  options: {
    readonly clock: Clock
    readonly signal: AbortSignal
    readonly format: Format
    /** Rows above it; null: all. */
    readonly after: Uint8Array | null
    readonly bytesMax: number
  },
): Promise<Probe | undefined> {
  const { after, format } = options
  const run = await firstPage(peers, options)
  if (run === undefined) return undefined
  const shape = await shapeOf(base, run.to, format)
  const left = partOf(shape, await countBetween(base, after, null))
  const passed = run.isWhole ? left.entries : await countBetween(base, after, run.to)
  const growth = target.entries - base.ref.entries
  const { rows, bytes, valueBytes } = run
  const sample = { rows, bytes, valueBytes, passed, isLast: run.isWhole }
  return { run, shape, estimate: estimate(left, growth, sample) }
}

async function firstPage(
  peers: PatchPeers,
  { clock, signal, after, bytesMax }: Parameters<typeof probePatch>[3],
): Promise<RowRun | undefined> {
  const asked = new Set<Session>()
  const next = (owing: number): Session | undefined => {
    const { usable } = peers
    // One that was busy may be asked again when the others have been.
    const session = usable.find((each) => !asked.has(each)) ?? (owing === 0 ? usable[0] : undefined)
    if (session !== undefined) asked.add(session)
    return session
  }
  const ask = async (session: Session): Promise<RowRun | undefined> => {
    const page = await peers.ask(session, { after, until: null, bytesMax })
    if (page === undefined) return undefined
    const run = new RowRun(session, after)
    run.append(page)
    return run
  }
  return await firstAnswer(next, ask, { clock, signal })
}
