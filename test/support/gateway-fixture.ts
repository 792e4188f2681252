/** A database behind a gateway, with what the fixtures of ipfs/gateway-conformance have, as far as a tree can have it. */
import { hexToBytes } from '../../src/bytes.ts'
import { formatLink, type Link } from '../../src/link.ts'
import { headBlock } from '../../src/pointer/index.ts'
import { isValueRef, Node } from '../../src/prolly/index.ts'
import { heldLinks, rootPlace } from '../../src/unixfs/index.ts'
import { signedOf, stateKeys } from './car-lab.ts'
import { createDatabase, utf8, WatchedStore } from './database-lab.ts'
import { GatewayLab } from './gateway-lab.ts'

export const MIB: number = 1024 * 1024
export const FILE_BYTES: number = 4 * MIB + 2

export interface GatewayFixture {
  readonly lab: GatewayLab
  /** DAG-CBOR whose element 0 is a link. */
  readonly head: string
  /** Everything below the head, in depth-first order, each once. */
  readonly state: readonly string[]
  /** A root node with children, and a leaf of it with values out of line. */
  readonly root: string
  readonly leaf: string
  /** Of the leaf: the row with the file, and that with a value of one raw block. */
  readonly fileRow: number
  readonly rawRow: number
  /** A UnixFS file of four chunks of 1 MiB and one of 2 bytes, all different. */
  readonly file: string
  readonly chunks: readonly string[]
  readonly raw: string
  readonly store: WatchedStore
  readonly close: () => Promise<void>
}

export async function gatewayFixture(): Promise<GatewayFixture> {
  const store = new WatchedStore()
  const db = await createDatabase({ store })
  const bytes = Uint8Array.from({ length: FILE_BYTES }, (_, i) => (i >> 16) + i)
  await db.batch(async (tx) => {
    for (let i = 0; i < 1500; i++) await tx.put(utf8(String(i).padStart(7, '0')), utf8(`value ${i}`))
    await tx.put(utf8('0000700 multiblock.bin'), bytes)
    await tx.put(utf8('0000700 raw.bin'), new Uint8Array(2000).fill(3))
    await tx.put(utf8('0001200 raw copy.bin'), new Uint8Array(2000).fill(3))
  })
  await db.publish()
  const lab = await GatewayLab.start([db])
  const { root } = (await signedOf(db)).payload
  const top = Node.decode(store.get(root) as Uint8Array)
  let leafLink: Link = root
  for (let node = top; node.level > 0; node = Node.decode(store.get(leafLink) as Uint8Array)) {
    leafLink = node.link(node.lowerBound(utf8('0000700 multiblock.bin')))
  }
  const leaf = Node.decode(store.get(leafLink) as Uint8Array)
  const row = (key: string): number => leaf.lowerBound(utf8(key))
  const valueOf = (i: number): Link => {
    const value = leaf.value(i)
    if (!isValueRef(value)) throw new Error('the fixture has no value there')
    return value.link
  }
  const fileRow = row('0000700 multiblock.bin')
  const rawRow = row('0000700 raw.bin')
  const chunks = await heldLinks(store)({ link: valueOf(fileRow), place: rootPlace(FILE_BYTES) })
  return {
    lab,
    store,
    head: formatLink(headBlock(await signedOf(db)).link),
    state: (await stateKeys(db)).map((key) => formatLink(hexToBytes(key) as Uint8Array)),
    root: formatLink(root),
    leaf: formatLink(leafLink),
    fileRow,
    rawRow,
    file: formatLink(valueOf(fileRow)),
    chunks: chunks.map(formatLink),
    raw: formatLink(valueOf(rawRow)),
    close: async () => {
      await lab.close()
      await db.close()
    },
  }
}
