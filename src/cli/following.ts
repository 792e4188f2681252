/** Following on the command line: a line for each new root, what goes wrong told once, and a command for what is new. */
import type { ReplicaProgress } from '../db/index.ts'
import type { CoppiceError } from '../errors.ts'
import type { Replica } from '../index.ts'
import type { Cli } from './cli.ts'
import { FollowExec } from './follow-exec.ts'
import { FollowReport } from './follow-report.ts'
import { PullDisplay } from './pulling.ts'
import { describeFollowed, pullJson } from './pull-report.ts'

export interface FollowingOptions {
  readonly exec?: string
  readonly json?: true
}

/** Until the run ends. @throws {CoppiceError} as `Replica.follow`; `STORE_*` where changes cannot be read. */
export async function followReplica(cli: Cli, replica: Replica, dir: string, options: FollowingOptions): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([cli.signal, failed.signal])
  const exec = options.exec === undefined ? undefined : createExec(cli, replica, dir, options.exec, options)
  const running = exec?.run().catch((error: unknown) => {
    failed.abort()
    throw error
  })
  // Told below.
  running?.catch(() => {})
  const display = new PullDisplay(cli)
  const report = new FollowReport((line) => cli.note(line))
  try {
    const following = {
      signal,
      onFailure: (error: CoppiceError) => {
        display.end()
        report.failed(error)
      },
      onTarget: () => report.answered(),
      onProgress: (progress: ReplicaProgress) => {
        if (progress.bytes < progress.bytesTotal) display.begin()
        display.update(progress)
      },
    }
    for await (const result of replica.follow(following)) {
      display.end()
      report.succeeded()
      exec?.wake()
      if (options.json === true) await cli.out.json(pullJson(result))
      else await cli.out.line(describeFollowed(result))
    }
  } finally {
    display.end()
    exec?.stop()
    await running
  }
}

function createExec(cli: Cli, replica: Replica, dir: string, command: string, { json }: FollowingOptions): FollowExec {
  return new FollowExec(replica, {
    command,
    dir,
    isJson: json === true,
    signal: cli.signal,
    note: (line) => cli.note(line),
  })
}
