/** Peers that pass on whatever blocks they have, verified or not: how an author's malformed tree reaches a replica. */
import type { Link } from '../../src/link.ts'
import type { Format, TreeRef } from '../../src/prolly/index.ts'
import type { PeerDialer, PullReport } from '../../src/sync/index.ts'
import { type CountingStore, type Lab, type Published, rootId, signedRootOf } from './sync-lab.ts'

export interface AnyBlocks {
  get(link: Link): Uint8Array | undefined
}

/** `ref` as a signed tree that nobody has checked. */
export function unverified(blocks: AnyBlocks, ref: TreeRef, format: Format): Published {
  const signedRoot = signedRootOf(ref, 2)
  return {
    store: blocks as unknown as CountingStore,
    target: { root: ref.root, entries: ref.entries, bytes: ref.bytes, signedRoot },
    newest: { signedRoot, id: rootId(2, signedRoot) },
    format,
    blocks: new Set(),
  }
}

export function relay(lab: Lab, name: string, published: Published): PeerDialer {
  return lab.tampering(name, published, (answer) => answer)
}

/** What became of pulling `published` from two relays: the report, or the error. */
export async function pullFromRelays(
  lab: Lab,
  published: Published,
  store: CountingStore,
): Promise<PullReport | { readonly error: unknown }> {
  const dialers = [relay(lab, 'alice', published), relay(lab, 'bob', published)]
  try {
    return await lab.pull(published, dialers, store)
  } catch (error) {
    return { error }
  }
}
