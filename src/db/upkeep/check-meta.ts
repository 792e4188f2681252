/**
 * Checks the small values that a database keeps beside its blocks. No hash stands over them, so damage shows where a value does not
 * decode, a signature does not hold, or two values contradict each other. None of it can be fetched from peers.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import {
  type Authority,
  decodeFloor,
  decodePublished,
  type Floor,
  type SignedRoot,
  verifyPastRoot,
} from '../../pointer/index.ts'
import { readInvalidRoot } from '../roots/invalid-root.ts'
import { readOrigin } from '../merging/fork-origin.ts'
import { readBases } from '../merging/merge-base.ts'
import {
  BASES,
  CARRIERS,
  CHAIN,
  DELIVERED,
  FLOOR,
  INVALID,
  LOG_LENGTH,
  logName,
  ON_FORK,
  ORIGIN,
  PEERS,
  PINS,
  PREPARED,
  PUBLISHED,
  readRoot,
  ROOT,
  ROTATIONS,
} from '../meta.ts'
import { readCarrierSettings } from '../carriers.ts'
import { readOnFork } from '../roots/on-fork.ts'
import { readPrepared } from '../roots/prepared.ts'
import { readPins } from './pins.ts'
import { decodeOwn } from '../roots/signed-log.ts'
import { readAuthority } from '../roots/standing.ts'
import type { DatabaseState } from '../state.ts'

export interface MetaProblem {
  /** The name of the value. */
  readonly name: string
  readonly message: string
}

export interface MetaCheckOptions {
  /** Of the log, so many of the newest entries; all without. */
  readonly logLimit?: number
  readonly signal?: AbortSignal | undefined
}

/** In no particular order; empty where all is well. Throws only what the store throws, but for damage. */
export async function checkMeta(state: DatabaseState, options: MetaCheckOptions = {}): Promise<MetaProblem[]> {
  const checker = new MetaChecker(state)
  await checker.check(options)
  return checker.problems
}

class MetaChecker {
  readonly problems: MetaProblem[] = []
  readonly #state: DatabaseState

  constructor(state: DatabaseState) {
    this.#state = state
  }

  async check({ logLimit, signal }: MetaCheckOptions): Promise<void> {
    const { store } = this.#state
    if ((await store.getMeta(ROOT)) !== undefined) await this.#try(ROOT, () => readRoot(store))
    const authority = await this.#try(ROTATIONS, () => readAuthority(this.#state))
    const published = await this.#decode(PUBLISHED, (bytes) => this.#own(bytes, authority))
    const chain = await this.#decode(CHAIN, decodePublished)
    const floor = await this.#decode(FLOOR, (bytes) => this.#floor(bytes))
    if (published !== undefined) {
      await this.#decode(INVALID, () => readInvalidRoot(this.#state, published))
      this.#require(CHAIN, chain === undefined || equalBytes(chain.signed.bytes, published.bytes), PUBLISHED)
      // A replica accepts before it shows; an author's database, which signs what follows, has no floor.
      const isReplica = (await store.getMeta(PEERS)) !== undefined && (await store.getMeta(CHAIN)) === undefined
      this.#require(FLOOR, !isReplica || reaches(floor?.accepted?.root, published), PUBLISHED)
    }
    await this.#try(CARRIERS, () => readCarrierSettings(store))
    await this.#try(ON_FORK, () => readOnFork(store))
    await this.#try(PREPARED, () => readPrepared(this.#state))
    await this.#decode(DELIVERED, (bytes) => this.#own(bytes, authority))
    await this.#try(BASES, () => readBases(store))
    await this.#try(ORIGIN, () => readOrigin(store))
    await this.#try(PINS, () => readPins(store))
    const length = await this.#try(LOG_LENGTH, () => this.#state.logLength())
    if (length === undefined) return
    for (let position = length - 1; position >= Math.max(0, length - (logLimit ?? length)); position--) {
      signal?.throwIfAborted()
      const entry = await this.#try(logName(position), async () =>
        this.#own(await this.#state.logAt(position), authority),
      )
      if (position < length - 1 || entry === undefined || published === undefined) continue
      this.#require(logName(position), equalBytes(entry.bytes, published.bytes), PUBLISHED)
    }
  }

  #floor(bytes: Uint8Array): Floor {
    const floor = decodeFloor(bytes)
    if (equalBytes(floor.author, this.#state.author) && floor.name === this.#state.name) return floor
    throw new CoppiceError('STORE_CORRUPT', 'expected the floor of this database, got one of another')
  }

  /** A signed root of this database. */
  #own(bytes: Uint8Array | undefined, authority: Authority | undefined): SignedRoot {
    const signed = decodeOwn(bytes)
    const { author, name } = signed.payload
    const problem = authority === undefined ? undefined : verifyPastRoot(signed, authority)
    const wrong = equalBytes(author, this.#state.author) && name === this.#state.name ? problem : 'database'
    if (wrong === undefined) return signed
    throw new CoppiceError('STORE_CORRUPT', `expected a signed root of the author, got a wrong ${wrong}`)
  }

  async #decode<T>(name: string, decode: (bytes: Uint8Array) => T | Promise<T>): Promise<T | undefined> {
    const bytes = await this.#state.store.getMeta(name)
    return bytes === undefined ? undefined : await this.#try(name, () => decode(bytes))
  }

  async #try<T>(name: string, read: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof CoppiceError) || error.code === 'STORE_IO') throw error
      this.problems.push({ name, message: error.message })
      return undefined
    }
  }

  #require(name: string, holds: boolean, other: string): void {
    if (!holds)
      this.problems.push({ name, message: `expected what belongs to the value '${other}', got something else` })
  }
}

/** Whether `accepted` is `shown`, or one that comes after it. */
function reaches(accepted: SignedRoot | undefined, { payload: shown }: SignedRoot): boolean {
  if (accepted === undefined) return false
  const { epoch, sequence } = accepted.payload
  return epoch > shown.epoch || (epoch === shown.epoch && sequence >= shown.sequence)
}
