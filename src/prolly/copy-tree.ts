/**
 * A tree from one store into another. Each block is hashed and verified on its way, as what a peer sends is; what the
 * target has recorded as complete is neither read nor written.
 */
import type { MaybePromise } from '../maybe-promise.ts'
import type { BlockReader, CompleteRecord } from '../store/interface.ts'
import { requireHeld } from '../held-block.ts'
import type { Link } from '../link.ts'
import { type CompletenessSource, missingRecords } from './completeness.ts'
import type { WriteOptions } from './edit.ts'
import type { BlockSink, TreeRef } from './tree-writer.ts'

/**
 * Puts what `target` lacks of the tree into `sink`, which leads there. Gives the records that are missing there, each after
 * those of everything below it, and after its blocks were put: whoever writes some of them goes on from there another time.
 * @throws {CoppiceError} `BLOCK_MISSING`, `STORE_CORRUPT` (of the source), `TREE_MALFORMED`, and as the sink does.
 */
export function copyTree(
  source: BlockReader,
  ref: TreeRef,
  sink: BlockSink,
  target: Pick<CompletenessSource, 'getComplete'>,
  options: WriteOptions = {},
): AsyncGenerator<CompleteRecord, void, undefined> {
  const copy = async (link: Link, found: MaybePromise<Uint8Array | undefined>): Promise<Uint8Array> => {
    const bytes = requireHeld(link, await found)
    await sink.put({ link, bytes })
    return bytes
  }
  const copying: CompletenessSource = {
    get: (link) => copy(link, source.get(link)),
    getMany: (links) => Promise.all(links.map((link) => copy(link, source.get(link)))),
    getComplete: (link) => target.getComplete(link),
  }
  return missingRecords(copying, ref, options)
}
