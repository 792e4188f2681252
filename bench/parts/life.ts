/** One courier's life: an author's process, a replica's process, perhaps a link between them; a clone, then changes. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { courierNamed } from '../couriers/index.ts'
import type { ChangeShape } from '../data/changes.ts'
import { ENTRY_BYTES } from '../data/entries.ts'
import { Child } from '../process/child.ts'
import { withDirectory } from '../process/directory.ts'
import { readableReason } from '../report/reason.ts'
import type { AuthorCommand, AuthorOptions, AuthorReady, Published, Usage } from '../rounds/sync-author.ts'
import type { PullCommand, Pulled, ReplicaOptions } from '../rounds/sync-replica.ts'
import { LinkChild } from './link-child.ts'
import { type Life, type LinkName, LINKS, type Step } from './results.ts'

export interface LifePlan {
  readonly courier: string
  readonly size: number
  readonly link: LinkName
  readonly depth: number
  readonly shapes: readonly ChangeShape[]
}

const TIMEOUT_MS = 300_000
/** Of what the replica's sockets counted, at least so much has to have passed the link. */
const LINK_SHARE_MIN = 0.9

/** Never rejects: a courier that fails is a result. */
export async function liveOnce(plan: LifePlan): Promise<Life> {
  const { courier, size, link, depth } = plan
  const life = { courier, size, link, depth, buildSeconds: 0, steps: [] as Step[] }
  try {
    await withDirectory(async (directory) => {
      for (const side of ['author', 'replica']) mkdirSync(join(directory, side))
      const pair = await Pair.start(plan, directory)
      try {
        life.buildSeconds = pair.buildSeconds
        await liveThrough(plan, pair, life.steps)
        await pair.end()
      } finally {
        pair.kill()
      }
    })
    return life
  } catch (error) {
    return { ...life, failure: readableReason(error) }
  }
}

async function liveThrough({ size, depth, shapes }: LifePlan, pair: Pair, steps: Step[]): Promise<void> {
  let before: PullCommand = { shape: 'nothing', version: 0, appended: 0 }
  if (depth > 0) before = await pair.publish('thousand', depth, false)
  steps.push({ name: 'clone', rows: size, rowBytes: size * ENTRY_BYTES, ...(await pair.pull(before)) })
  for (const shape of shapes) {
    const published = await pair.publish(shape, 1, true)
    const { rows, rowBytes, blockBytes } = published
    const bounds = blockBytes === undefined ? {} : { blockBytes }
    steps.push({ name: shape, rows, rowBytes, ...bounds, ...(await pair.pull({ ...published, shape })) })
  }
}

class Pair {
  readonly buildSeconds: number
  readonly #author: Child
  readonly #replica: Child
  readonly #link: LinkChild | undefined

  private constructor(author: Child, replica: Child, link: LinkChild | undefined, buildSeconds: number) {
    this.#author = author
    this.#replica = replica
    this.#link = link
    this.buildSeconds = buildSeconds
  }

  static async start({ courier, size, link }: LifePlan, directory: string): Promise<Pair> {
    const startsOthers = courierNamed(courier).programs.length > 0
    const start = (script: string, options: AuthorOptions | ReplicaOptions): Child =>
      new Child(script, [JSON.stringify(options)], TIMEOUT_MS, startsOthers)
    const author = start('sync-author.ts', { courier, size, directory: join(directory, 'author') })
    const { address, port, seconds } = JSON.parse(await author.line()) as AuthorReady
    const between =
      link === 'direct' ? undefined : await LinkChild.start([{ ...LINKS[link], target: port }], TIMEOUT_MS)
    const through = between === undefined ? address : replacePort(address, port, between.ports[0] as number)
    const replica = start('sync-replica.ts', {
      courier,
      size,
      directory: join(directory, 'replica'),
      address: through,
      isFar: LINKS[link].roundTrip > 0,
    })
    return new Pair(author, replica, between, seconds)
  }

  async publish(shape: ChangeShape, times: number, hasBounds: boolean): Promise<Published & PullCommand> {
    const published = await this.#ask<Published>({ do: 'publish', shape, times, hasBounds })
    return { ...published, shape }
  }

  async pull({ shape, version, appended }: PullCommand): Promise<Omit<Step, 'name' | 'rows' | 'rowBytes'>> {
    const { cpuSeconds: before } = await this.#ask<Usage>({ do: 'usage' })
    const carriedBefore = await this.#link?.total()
    for (const side of [this.#author, this.#replica]) side.takePeakBytes()
    this.#replica.tell(JSON.stringify({ shape, version, appended } satisfies PullCommand))
    const pulled = JSON.parse(await this.#replica.line()) as Pulled
    const [peakReplica, peakAuthor] = [this.#replica.takePeakBytes(), this.#author.takePeakBytes()]
    const { cpuSeconds: after } = await this.#ask<Usage>({ do: 'usage' })
    const { seconds, cpuSeconds, bytesReceived, bytesSent, details } = pulled
    const wireBytes = bytesReceived + bytesSent
    if (carriedBefore !== undefined) this.#requireCarried((await this.#link?.total()) ?? 0, carriedBefore, wireBytes)
    const told = details === undefined ? {} : { details }
    return { seconds, wireBytes, cpuReplica: cpuSeconds, cpuAuthor: after - before, peakReplica, peakAuthor, ...told }
  }

  async end(): Promise<void> {
    await this.#replica.end()
    await this.#author.end()
    await this.#link?.end()
  }

  /** Where it did not come to its end. */
  kill(): void {
    for (const side of [this.#replica, this.#author]) side.kill()
    this.#link?.kill()
  }

  async #ask<Answer>(command: AuthorCommand): Promise<Answer> {
    this.#author.tell(JSON.stringify(command))
    return JSON.parse(await this.#author.line()) as Answer
  }

  /** Peers may find another way to each other than the one they were told. */
  #requireCarried(after: number, before: number, wireBytes: number): void {
    if (after - before >= wireBytes * LINK_SHARE_MIN) return
    throw new Error(`link: expected about ${wireBytes} bytes to pass it, got ${after - before}`)
  }
}

function replacePort(address: string, port: number, by: number): string {
  return address.replace(new RegExp(`\\b${port}\\b`), String(by))
}
