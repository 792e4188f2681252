/** Files as the IPFS project's own importer makes them: the oracle for src/unixfs. Every option that decides bytes is explicit. */
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import type { CID } from 'multiformats/cid'

export interface ReferenceFormat {
  readonly leafBytes: number
  readonly linksMax: number
}

export const REFERENCE_PROFILE: ReferenceFormat = { leafBytes: 1024 * 1024, linksMax: 1024 }

export interface ReferenceFile {
  readonly root: CID
  /** By CID, in the order in which they were made. */
  readonly blocks: ReadonlyMap<string, Uint8Array>
}

/** The file of these bytes under the profile `unixfs-v1-2025`, or with smaller numbers. */
export async function referenceFile(
  chunks: Iterable<Uint8Array>,
  { leafBytes, linksMax }: ReferenceFormat = REFERENCE_PROFILE,
): Promise<ReferenceFile> {
  const blocks = new Map<string, Uint8Array>()
  const blockstore = {
    put: (cid: CID, bytes: Uint8Array): CID => {
      blocks.set(cid.toString(), bytes)
      return cid
    },
    get: (): AsyncGenerator<Uint8Array> => {
      throw new Error('the importer only writes')
    },
  }
  async function* content(): AsyncGenerator<Uint8Array> {
    yield* chunks
  }
  let root: CID | undefined
  const options = {
    profile: 'unixfs-v1-2025',
    cidVersion: 1,
    rawLeaves: true,
    leafType: 'file',
    reduceSingleLeafToSelf: true,
    fieldOrder: 'links-first',
    wrapWithDirectory: false,
    chunker: fixedSize({ chunkSize: leafBytes }),
    layout: balanced({ maxChildrenPerNode: linksMax }),
  } as const
  for await (const { cid } of importer([{ content: content() }], blockstore, options)) root = cid
  if (root === undefined) throw new Error('the importer gave no file')
  return { root, blocks }
}

/** `size` bytes: zeros, or the position modulo 251, so that no two leaves of 1 MiB are equal. In chunks of at most 1 MiB. */
export function* fileBytes(content: 'zeros' | 'counting', size: number): Generator<Uint8Array> {
  for (let at = 0; at < size; at += 1024 * 1024) {
    const chunk = new Uint8Array(Math.min(1024 * 1024, size - at))
    if (content === 'counting') for (let i = 0; i < chunk.length; i++) chunk[i] = (at + i) % 251
    yield chunk
  }
}
