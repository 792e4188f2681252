/**
 * Forks: a database of one's own that begins with a state of another. What the two have in common is remembered from the
 * start, as after a merge; where it came from stays for whoever asks.
 */
import type { CompleteRecord, Store } from '../../store/index.ts'
import { Staging } from '../../store/index.ts'
import { formatLink } from '../../link.ts'
import { formatAddress, isPeer, PEERS_MAX } from '../../pointer/index.ts'
import { copyTree } from '../../prolly/index.ts'
import type { Handle } from '../handle.ts'
import { addressOf, encodeBases } from './merge-base.ts'
import {
  ATTACHMENTS,
  AUTHOR,
  BASES,
  CHAIN,
  DELIVERED,
  encodeText,
  FLOOR,
  FORKING,
  INVALID,
  ON_FORK,
  LOG_LENGTH,
  logName,
  NAME,
  ORIGIN,
  ORIGIN_SIGNED,
  PEERS,
  PUBLISHED,
  ROOT,
  ROTATIONS,
} from '../meta.ts'
import type { Snapshot } from '../snapshot.ts'

export interface ForkProgress {
  /** Of blocks copied so far. */
  readonly bytes: number
  /** At most so many will be. */
  readonly bytesMax: number
}

export interface CopyStateOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: ForkProgress) => void) | undefined
}

/** Records written in one batch, with all blocks below them. */
const RECORDS_PER_BATCH = 1024

/**
 * Copies a state of `source` into the store of a fork that is being made, verified, and records it but for its root, which
 * is for `publish`. Stopped at any point, the next call goes on from the records that were written.
 * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT` of the source; `STORE_FULL`, `STORE_IO`.
 */
export async function copyState({ tree }: Snapshot, store: Store, options: CopyStateOptions): Promise<void> {
  const staging = new Staging(store)
  let complete: CompleteRecord[] = []
  let last: CompleteRecord | undefined
  for await (const record of copyTree(tree.nodes.blocks, tree.ref, staging, store, options)) {
    if (last !== undefined) complete.push(last)
    last = record
    if (complete.length < RECORDS_PER_BATCH) continue
    await staging.commit({ complete })
    complete = []
    options.onProgress?.({ bytes: staging.counters.bytesWritten, bytesMax: tree.ref.bytes })
  }
  await staging.commit({ complete })
}

/** The values of a new database of `author` that begins with the state `snapshot` of `source`. */
export async function forkMeta(
  source: Handle,
  snapshot: Snapshot,
  fork: { readonly author: Uint8Array; readonly name: string; readonly peers: readonly string[] },
): Promise<Map<string, Uint8Array>> {
  const { root } = snapshot.tree.ref
  const peers = fork.peers.filter(isPeer).slice(0, PEERS_MAX)
  const address = formatAddress({ author: source.author, name: source.name, peers })
  const published = await source.published()
  // Read after that, so that what is shown is no older than what was published.
  const isShown = (await source.snapshot()).root === snapshot.root
  const position = isShown ? published?.payload : undefined
  const meta = new Map([
    [AUTHOR, fork.author],
    [NAME, encodeText(fork.name)],
    [ROOT, root],
    [ORIGIN, encodeText(`${address}\n${snapshot.root}`)],
    [BASES, encodeBases([{ address: addressOf(source), root, own: undefined, position }])],
  ])
  if (published !== undefined && formatLink(published.payload.root) === snapshot.root) {
    meta.set(ORIGIN_SIGNED, published.bytes)
  }
  return meta
}

/**
 * What makes a complete replica a fork in place: what is a replica's goes. Hashes of its history stay: where the fork's own do not take their
 * places, they prove nothing.
 */
export async function adoptMeta(
  replica: Handle,
  fork: { readonly author: Uint8Array; readonly name: string; readonly peers: readonly string[] },
): Promise<Map<string, Uint8Array | null>> {
  const meta = new Map<string, Uint8Array | null>()
  for (const name of [
    PUBLISHED,
    CHAIN,
    FLOOR,
    INVALID,
    ON_FORK,
    ROTATIONS,
    ATTACHMENTS,
    PEERS,
    FORKING,
    DELIVERED,
    LOG_LENGTH,
  ]) {
    meta.set(name, null)
  }
  for (let position = await replica.state.logLength(); position-- > 0;) meta.set(logName(position), null)
  for (const [name, value] of await forkMeta(replica, await replica.snapshot(), fork)) meta.set(name, value)
  return meta
}
