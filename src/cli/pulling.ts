/** What `clone`, `pull` and `follow` do alike: opening the replica, and showing how far they are. */
import type { PullResult, ReplicaProgress } from '../db/index.ts'
import { isCoppiceError } from '../errors.ts'
import type { Replica } from '../index.ts'
import type { Cli } from './cli.ts'
import type { JsonOption } from './command.ts'
import { discoveryOptions } from './discovery.ts'
import { closing } from './open.ts'
import { renderJson } from './output.ts'
import { parsePeers } from './peers.ts'
import type { Progress } from './progress.ts'
import type { PullCommandOptions } from './pull-options.ts'
import { describePull, describePulled, progressJson, pullJson } from './pull-report.ts'

/** How far a pull is, from its beginning to {@link end}. May be used again. */
export class PullDisplay {
  readonly #cli: Cli
  #now: ReplicaProgress | undefined
  #shown: Progress | undefined

  constructor(cli: Cli) {
    this.#cli = cli
  }

  begin(): void {
    this.#shown ??= this.#cli.progress(
      (seconds) => (this.#now === undefined ? 'connecting' : describePull(this.#now, seconds)),
      () => (this.#now === undefined ? undefined : renderJson(progressJson(this.#now))),
    )
  }

  readonly update = (progress: ReplicaProgress): void => {
    this.#now = progress
  }

  end(): void {
    this.#shown?.end()
    this.#shown = undefined
    this.#now = undefined
  }
}

/** Prints what a pull did. */
export async function tellPulled(cli: Cli, verb: string, result: PullResult, options: JsonOption): Promise<void> {
  const least = result.changed ? await result.least({ signal: cli.signal }) : undefined
  if (options.json === true) await cli.out.json(pullJson(result, least))
  else for (const line of describePulled(verb, result, least)) await cli.out.line(line)
}

/**
 * Opens the replica in `dir`, which asks the peers of `options` from now on, where there are any; this time only for a plan, and where none
 * of them was of use.
 */
export async function pulling<R>(
  dir: string,
  options: PullCommandOptions & { readonly plan?: true },
  body: (replica: Replica) => Promise<R>,
): Promise<R> {
  const { Replica } = await import('../index.ts')
  const replica = await Replica.open(dir, discoveryOptions(options))
  return await closing(replica, async () => {
    if (options.onFork !== undefined) await replica.setOnFork(options.onFork)
    const peers = await parsePeers(replica, options.peer ?? [])
    if (peers.length === 0) return await body(replica)
    const before = await replica.peers()
    await replica.setPeers(peers)
    let isKept = options.plan !== true
    try {
      return await body(replica)
    } catch (error) {
      // A mistyped one must not take the place of those that work. Whoever ends a run says nothing about its peers.
      if (isCoppiceError(error)) isKept = false
      throw error
    } finally {
      if (!isKept) await replica.setPeers(before)
    }
  })
}
