/** Blocks in a Map, with counters: what tree tests build into and read from. */
import type { Block, Link } from '../../src/link.ts'
import { linkMapKey } from '../../src/link.ts'
import type { MaybePromise } from '../../src/maybe-promise.ts'
import type { BlockSink } from '../../src/prolly/index.ts'
import type { BlockReader } from '../../src/store/interface.ts'

export class BlockMap implements BlockReader, BlockSink {
  readonly map: Map<string, Uint8Array> = new Map()
  reads = 0
  /** Answer later, as a network would. */
  readonly late: boolean

  constructor(late = false) {
    this.late = late
  }

  get(link: Link): MaybePromise<Uint8Array | undefined> {
    this.reads++
    const bytes = this.map.get(linkMapKey(link))
    return this.late ? Promise.resolve(bytes) : bytes
  }

  getMany(links: readonly Link[]): MaybePromise<(Uint8Array | undefined)[]> {
    const found = links.map((link) => this.get(link))
    return this.late ? Promise.all(found as Promise<Uint8Array | undefined>[]) : (found as (Uint8Array | undefined)[])
  }

  put(block: Block): MaybePromise<void> {
    this.map.set(linkMapKey(block.link), block.bytes)
    return this.late ? Promise.resolve() : undefined
  }
}
