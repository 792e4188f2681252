/**
 * A published state as one file: a CAR whose root is the head block, so that it carries its own proof of origin, and any IPFS tool can
 * read it. Into a replica it comes as from a peer: judged by the floor, verified block by block, shown when it is whole.
 */
import { CarDialer, type CarCounts, type CarSource, writeCar } from '../car/index.ts'
import type { Database, PullOptions, PullResult, Replica, Snapshot } from '../db/index.ts'
import { isCoppiceError } from '../errors.ts'
import type { Block } from '../link.ts'
import { headBlock, type SignedRoot } from '../pointer/index.ts'
import { SeenValues, walkTree } from '../prolly/index.ts'

export interface ExportCarOptions {
  /** What the state of this root has is left out: the archive is for whoever has that. */
  readonly since?: Snapshot | undefined
  readonly signal?: AbortSignal | undefined
}

/** Blocks of values that are remembered, so that a value of many rows is written once: 8 MiB. */
const SEEN_VALUES_MAX: number = 64 * 1024

/**
 * The head block, then the blocks of the tree in depth-first order. Memory is bounded; equal values come once as far as it reaches.
 * @throws {CoppiceError} `ROOT_NOT_FOUND` where the state is not held, or no longer; `BLOCK_MISSING`, `STORE_CORRUPT`.
 */
export async function* exportCar(
  { state }: Database | Replica,
  signed: SignedRoot,
  { since, signal }: ExportCarOptions = {},
): AsyncGenerator<Uint8Array, void> {
  const { tree } = await state.at(signed.payload.root)
  const head = headBlock(signed)
  const seen = new SeenValues(SEEN_VALUES_MAX)
  const below = walkTree(tree.nodes.blocks, tree.ref.root, { base: since?.tree, seen, signal })
  yield* writeCar(head.link, chain(head, below))
}

async function* chain(head: Block, below: AsyncIterable<Block>): AsyncGenerator<Block, void> {
  yield head
  yield* below
}

export interface ImportCarOptions extends PullOptions {
  /** Called with counts that go on changing, before the archive is opened. */
  readonly onOpen?: ((counts: Readonly<CarCounts>) => void) | undefined
}

/**
 * Brings a replica to the signed root in an archive, if that is newer, from the archive alone. Interrupted, what was verified
 * is kept, and the next pull goes on from there.
 * @throws {CoppiceError} `CAR_INVALID`; `NO_PEER_LEFT` where it is of another database, or lacks blocks that the replica does not
 *   have; and as `replica.pull`, also the signal's reason while the source is waited for; what reading it throws.
 */
export async function importCar(
  replica: Replica,
  source: CarSource,
  { onOpen, ...options }: ImportCarOptions = {},
): Promise<PullResult> {
  const dialer = new CarDialer(source, replica.state.store)
  onOpen?.(dialer.counts)
  try {
    return withArchive(await replica.pull({ ...options, from: [dialer] }), dialer)
  } catch (error) {
    if (isCoppiceError(error, 'NO_PEER_LEFT') && dialer.failure !== undefined) throw dialer.failure
    throw error
  } finally {
    await dialer.close()
  }
}

/** What came from the archive was received, though the engine found it in the store. */
function withArchive(result: PullResult, { name, counts }: CarDialer): PullResult {
  const { report } = result
  const peers = report.peers.map((peer) => (peer.name === name ? { ...peer, blocks: counts.written } : peer))
  return { ...result, report: { ...report, peers, blocksReceived: counts.written } }
}
