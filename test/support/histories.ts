/** Histories for tests: one that keeps everything, and one of any size that is made up when it is asked for. */
import {
  appendHistory,
  EMPTY_FRONTIER,
  type Frontier,
  historyLeaf,
  historyRoot,
  type Subtree,
} from '../../src/pointer/index.ts'
import { historyNode } from '../../src/pointer/history.ts'

/** Frontiers of each size, and a reader of subtree hashes that counts what it is asked for. */
export class History {
  readonly leaves: Uint8Array[] = []
  readonly frontiers: Frontier[] = [EMPTY_FRONTIER]
  readonly #hashes = new Map<string, Uint8Array>()
  reads = 0

  constructor(leaves: readonly Uint8Array[]) {
    for (const leaf of leaves) this.append(leaf)
  }

  append(leaf: Uint8Array): void {
    const { frontier, completed } = appendHistory(this.frontier(this.leaves.length), leaf)
    for (const { level, index, hash } of completed) this.#hashes.set(`${level}/${index}`, hash)
    this.leaves.push(leaf)
    this.frontiers.push(frontier)
  }

  frontier(size: number): Frontier {
    const frontier = this.frontiers[size]
    if (frontier === undefined) throw new RangeError(`expected a frontier of ${size}`)
    return frontier
  }

  root(size: number): Uint8Array {
    return historyRoot(this.frontier(size))
  }

  read = (subtrees: readonly Subtree[]): Uint8Array[] => {
    this.reads += subtrees.length
    return subtrees.map(({ level, index }) => {
      const hash = this.#hashes.get(`${level}/${index}`)
      if (hash === undefined) throw new RangeError(`expected ${level}/${index}`)
      return hash
    })
  }
}

/** A history of 2^40 equal payloads but one. */
export class VastHistory {
  readonly #place: number
  readonly #equal: Uint8Array[] = [historyLeaf(Uint8Array.of(1))]
  readonly #own: Uint8Array[] = [historyLeaf(Uint8Array.of(2))]
  reads = 0

  /** @param place the leaf that is unlike the others. */
  constructor(place: number) {
    this.#place = place
    for (let level = 0; level < 40; level++) {
      const equal = this.#equal[level] as Uint8Array
      const own = this.#own[level] as Uint8Array
      const isLeft = Math.floor(place / 2 ** level) % 2 === 0
      this.#equal.push(historyNode(equal, equal))
      this.#own.push(isLeft ? historyNode(own, equal) : historyNode(equal, own))
    }
  }

  read = (subtrees: readonly Subtree[]): Uint8Array[] => {
    this.reads += subtrees.length
    return subtrees.map(({ level, index }) => {
      const hashes = Math.floor(this.#place / 2 ** level) === index ? this.#own : this.#equal
      return hashes[level] as Uint8Array
    })
  }
}
