/** A tree and the one before it, for tests of patches: the author has both, the replica the older one. */
import { linkMapKey } from '../../src/link.ts'
import { type Format, FORMAT_1, type Put } from '../../src/prolly/index.ts'
import {
  type Channel,
  type ChannelDialer,
  createMemoryDialer,
  fetchTree,
  openSessions,
  type PatchOptions,
  type PeerDialer,
  pullPatch,
  type PullReport,
  type Session,
} from '../../src/sync/index.ts'
import {
  type Answer,
  decodeAnswer,
  decodeRequest,
  encodeMessage,
  type GetPatch,
  type PatchAnswer,
  type Refusal,
} from '../../src/sync/wire/index.ts'
import { AUTHOR, CountingStore, type Lab, NAME, type Published, publish } from './sync-lab.ts'
import { passing } from './passing-channel.ts'

export interface PatchCase {
  readonly from: Published
  readonly to: Published
  /** A new replica that is complete at `from`. */
  readonly replica: () => Promise<CountingStore>
}

export async function patchCase(
  before: readonly Put[],
  after: readonly Put[],
  format: Format = FORMAT_1,
): Promise<PatchCase> {
  const store = new CountingStore()
  const from = await publish(before, { format, store })
  const blocks = [...from.blocks].map((key) => {
    const link = Uint8Array.from(key, (c) => c.charCodeAt(0))
    return { link, bytes: store.get(link) ?? new Uint8Array(0) }
  })
  const complete = [...store.records.values()]
  const to = await publish(after, { format, store, sequence: 2 })
  const replica = async (): Promise<CountingStore> => {
    const own = new CountingStore()
    await own.write({ blocks, complete })
    own.written.length = 0
    return own
  }
  return { from, to, replica }
}

export interface PatchPullOptions extends Partial<PatchOptions> {
  /** Called between the patch and the fetch. */
  readonly between?: (sessions: readonly Session[]) => void
}

/** As a replica pulls: the patch, then the fetch of what is missing. In virtual time. */
export function pullBy(
  lab: Lab,
  { from, to }: PatchCase,
  dialers: readonly PeerDialer[],
  store: CountingStore,
  options: PatchPullOptions = {},
): Promise<PullReport> {
  const { clock } = lab
  const { between, ...rest } = options
  const pull = async (): Promise<PullReport> => {
    const hello = { author: AUTHOR, name: NAME, have: from.newest.id }
    const { sessions, failed } = await openSessions(dialers, hello, { clock })
    const common = {
      clock,
      random: () => lab.random.below(1000) / 1000,
      format: to.format,
      signal: options.signal,
      holds: ({ announced }: Session) => announced !== undefined && Buffer.from(announced).equals(to.target.signedRoot),
    }
    try {
      const patch = await pullPatch(from.target.root, to.target, sessions, store, { ...common, ...rest })
      between?.(sessions)
      return await fetchTree(to.target, sessions, store, { ...common, absent: failed, patch, base: from.target.root })
    } finally {
      await Promise.all(sessions.map((session) => session.close()))
    }
  }
  return clock.run(pull())
}

/** Blocks of the newer tree that the older one does not have, and their bytes. */
export function newBlocks({ from, to }: PatchCase): { readonly count: number; readonly bytes: number } {
  let count = 0
  let bytes = 0
  for (const key of to.blocks) {
    if (from.blocks.has(key)) continue
    count++
    bytes += to.store.get(Uint8Array.from(key, (c) => c.charCodeAt(0)))?.length ?? 0
  }
  return { count, bytes }
}

/** Bytes of keys and values of the rows that differ. */
export function changedRowBytes(before: readonly Put[], after: readonly Put[]): { count: number; bytes: number } {
  const old = new Map(before.map((row) => [linkMapKey(row.key), row]))
  let count = 0
  let bytes = 0
  for (const { key, value } of after) {
    const was = old.get(linkMapKey(key))
    old.delete(linkMapKey(key))
    if (was !== undefined && Buffer.from(was.value).equals(value)) continue
    count++
    bytes += key.length + value.length
  }
  for (const { key } of old.values()) bytes += key.length
  return { count: count + old.size, bytes }
}

type Tampered = Answer | Uint8Array | null

/** A peer that would be honest, but for what `tamper` does to its answers about rows. Null drops the answer. */
export function patchPeer(
  lab: Lab,
  name: string,
  { to }: Pick<PatchCase, 'to'>,
  tamper: (answer: PatchAnswer | Refusal, request: GetPatch) => Tampered | Promise<Tampered>,
): ChannelDialer {
  const handler = lab.handlerOf(to)
  return createMemoryDialer(name, (channel) => handler(tampered(channel, tamper)), { from: 'puller' })
}

/** Around a provider's end. */
export function tampered(channel: Channel, tamper: Parameters<typeof patchPeer>[3]): Channel {
  const asked = new Map<number, GetPatch>()
  let isFirst = true
  return passing(channel, {
    send: async (frame) => {
      const answer = isFirst ? undefined : decodeAnswer(frame)
      isFirst = false
      const request = answer === undefined || answer.type === 'root' ? undefined : asked.get(answer.id)
      if (request === undefined) return await channel.send(frame)
      const changed = await tamper(answer as PatchAnswer | Refusal, request)
      if (changed !== null) await channel.send(changed instanceof Uint8Array ? changed : encodeMessage(changed))
    },
    receive: async () => {
      const frame = await channel.receive()
      const request = frame === undefined || isHello(frame) ? undefined : decodeRequest(frame)
      if (request?.type === 'get patch') asked.set(request.id, request)
      return frame
    },
  })
}

/** A hello has number 0, which stands behind the head of the array. */
function isHello(frame: Uint8Array): boolean {
  return frame[1] === 0
}
