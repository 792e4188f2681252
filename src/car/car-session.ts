/**
 * An archive as a peer: one more source that nobody trusts. It announces the signed root of its head block, which comes
 * first. At the first question for data all its blocks are written to the store, hashed and no more than held: where they may
 * stand is checked by the engine, as for every held block (protocol.md, 10), and nothing is shown before the whole tree is there.
 * So blocks may come in any order, and memory is one batch. What is in the archive and not in the tree stays held, unrecorded and
 * unserved, until garbage is collected; it is bounded by the bytes that were signed.
 */
import { abortable, unlessAborted } from '../abortable.ts'
import { equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { ANSWER_BYTES_MAX } from '../limits.ts'
import {
  type Block,
  CODEC_DAG_CBOR,
  formatLink,
  isLink,
  type Link,
  linkCodec,
  linkMapKey,
  matchesLink,
} from '../link.ts'
import { decodeHeadBlock, type SignedRoot } from '../pointer/index.ts'
import { NODE_BYTES_MAX, RAW_VALUE_BYTES_MAX } from '../prolly/index.ts'
import type { Store } from '../store/interface.ts'
import {
  type Blocks,
  type Fault,
  type HelloOptions,
  peerFault,
  type Session,
  type SessionContext,
  type SessionEnd,
  type Traffic,
} from '../sync/index.ts'
import { CarFailure, CarReader, type CarSection } from './car-reader.ts'

/** Blocks in memory before they are written. */
const WRITE_BYTES_MAX: number = 2 * 1024 * 1024
/** What an archive may have beside the tree: the head block, and nodes of files, at most 1 KiB for each MiB. */
const BYTES_BESIDE_TREE_MAX: number = 1024 * 1024

/** What the session needs of the replica's store. */
export type CarStore = Pick<Store, 'getMany' | 'has' | 'write'>

export interface CarSource {
  /** For reports and errors: a file's name. */
  readonly name: string
  readonly chunks: AsyncIterable<Uint8Array>
}

export interface CarCounts {
  /** Of the archive, read so far. */
  bytes: number
  /** Blocks that were not here before. */
  written: number
  /** Blocks that were here before, or came more than once. */
  known: number
  /** Blocks that no tree can have. */
  foreign: number
}

/** An archive as a peer of the database in `store`. It is read once; who connects again finds what was read. */
export class CarDialer {
  readonly name: string
  readonly counts: CarCounts = { bytes: 0, written: 0, known: 0, foreign: 0 }
  /** What was wrong with the archive, or with reading it. */
  failure: unknown
  readonly #source: CarSource
  readonly #store: CarStore
  #opening: Promise<{ readonly reader: CarReader; readonly signed: SignedRoot }> | undefined
  #loading: Promise<void> | undefined
  /** Ends reading, also where a chunk is waited for. */
  readonly #over = new AbortController()

  constructor(source: CarSource, store: CarStore) {
    this.name = source.name
    this.#source = source
    this.#store = store
  }

  /**
   * @throws {CoppiceError} `CAR_INVALID`; `ROOT_NOT_FOUND` for another database; what the source throws; the signal's reason as
   *   soon as it aborts: what was begun goes on then, for whoever connects again, until {@link close}.
   */
  async openSession(hello: HelloOptions, { signal }: SessionContext): Promise<Session> {
    signal.throwIfAborted()
    this.#opening ??= this.#open()
    const { signed } = await unlessAborted(this.#opening, signal)
    if (!equalBytes(signed.payload.author, hello.author) || signed.payload.name !== hello.name) {
      const got = escapeText(signed.payload.name)
      throw this.#failed(peerFault(this.#named, 'unknown', `is of another database, named ${got}`))
    }
    return new CarSession(this, signed, hello, this.#store)
  }

  /** Puts the blocks into the store, at the first call. @throws what was wrong with the archive, with a fault; errors of the store. */
  load(): Promise<void> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  /** Ends reading, and gives the source back, without waiting for what it may never bring. Never rejects. */
  async close(): Promise<void> {
    this.#over.abort(closedFault(this.name))
    const opened = await this.#opening?.catch(() => undefined)
    await this.#loading?.catch(() => {})
    await opened?.reader.close()
  }

  get #named(): { readonly peer: string; readonly name: string } {
    return { peer: this.name, name: escapeText(this.name) }
  }

  async #open(): Promise<{ readonly reader: CarReader; readonly signed: SignedRoot }> {
    try {
      const reader = await CarReader.open(this.#counted())
      return { reader, signed: await readHead(reader) }
    } catch (error) {
      throw this.#failed(error)
    }
  }

  async #load(): Promise<void> {
    const { counts } = this
    const { reader, signed } = await (this.#opening ??= this.#open())
    const bytesMax = signed.payload.bytes + Math.ceil(signed.payload.bytes / 1024) + BYTES_BESIDE_TREE_MAX
    const batch = new Map<string, Block>()
    let batchBytes = 0
    let bytes = 0
    const write = async (): Promise<void> => {
      await this.#store.write({ blocks: [...batch.values()] })
      counts.written += batch.size
      batch.clear()
      batchBytes = 0
    }
    try {
      while (!this.#over.signal.aborted) {
        const section = await this.#next(reader, bytesMax - bytes)
        if (section === undefined) break
        bytes += section.cost
        const block = ownBlock(section)
        const key = block === undefined ? '' : linkMapKey(block.link)
        if (block === undefined) counts.foreign++
        else if (batch.has(key) || (await this.#store.has(block.link))) counts.known++
        else {
          batch.set(key, block)
          batchBytes += block.bytes.length
        }
        if (batchBytes >= WRITE_BYTES_MAX) await write()
      }
    } catch (error) {
      // What came before the fault is right.
      if (error === this.failure && batch.size > 0) await write()
      throw error
    }
    if (batch.size > 0) await write()
  }

  /** The next section, of at most `bytesMax` bytes, and with the bytes of its CID. @throws as {@link #failed}. */
  async #next(reader: CarReader, bytesMax: number): Promise<CarSection | undefined> {
    try {
      const section = await reader.next()
      if (section !== undefined && section.cost > bytesMax) {
        throw new CarFailure('expected no more bytes of blocks than were signed, got more')
      }
      if (section?.link !== undefined) requireMatch(section.link, section.bytes)
      return section
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** The error to tell for `error`, remembered. */
  #failed(error: unknown): unknown {
    this.failure ??= error instanceof CarFailure ? this.#invalid(error) : error
    return this.failure
  }

  #invalid({ message, cause }: CarFailure): CoppiceError {
    const details = { name: this.name, fault: 'protocol' satisfies Fault }
    return new CoppiceError('CAR_INVALID', `${escapeText(this.name)}: ${message}`, { cause, details })
  }

  async *#counted(): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of abortable(this.#source.chunks, this.#over.signal)) {
      this.counts.bytes += chunk.length
      yield chunk
    }
  }
}

/** The root is the head block, and stands first: what it says has to be known before the rest may take room. */
async function readHead(reader: CarReader): Promise<SignedRoot> {
  const [root, ...others] = reader.roots
  if (root === undefined || others.length > 0 || !isLink(root)) {
    throw new CarFailure(`expected one root, the head block of a signed root, got ${reader.roots.length}`)
  }
  const first = await reader.next()
  if (first?.link === undefined || !equalBytes(first.link, root)) {
    throw new CarFailure(`expected the root ${formatLink(root)} to come first, got another block`)
  }
  requireMatch(root, first.bytes)
  try {
    return decodeHeadBlock(first.bytes)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CarFailure(`expected its root to be a head block, got another block (${reason})`, { cause })
  }
}

class CarSession implements Session {
  readonly peer: string
  readonly name: string
  readonly announced: Uint8Array | undefined
  readonly status: Session['status']
  readonly #dialer: CarDialer
  readonly #store: CarStore
  readonly #over = new AbortController()
  #end: SessionEnd | undefined
  #openQuestions = 0
  #requests = 0
  #taken: Traffic

  constructor(dialer: CarDialer, signed: SignedRoot, hello: HelloOptions, store: CarStore) {
    this.#dialer = dialer
    this.#store = store
    this.peer = dialer.name
    this.name = dialer.name
    const isSame = hello.have !== null && equalBytes(hello.have.payload, signed.link)
    this.status = isSame ? 'same' : 'newest'
    this.announced = isSame ? undefined : signed.bytes
    this.#taken = { bytesReceived: 0, bytesSent: 0, requests: 0 }
  }

  get end(): SessionEnd | undefined {
    return this.#end
  }

  get isOpen(): boolean {
    return !this.#over.signal.aborted
  }

  get openQuestions(): number {
    return this.#openQuestions
  }

  get traffic(): Traffic {
    return { bytesReceived: this.#dialer.counts.bytes, bytesSent: 0, requests: this.#requests }
  }

  takeTraffic(): Traffic {
    const { bytesReceived, bytesSent, requests } = this.traffic
    const before = this.#taken
    this.#taken = { bytesReceived, bytesSent, requests }
    return { bytesReceived: bytesReceived - before.bytesReceived, bytesSent, requests: requests - before.requests }
  }

  async getBlocks(_root: Link, links: readonly Link[]): Promise<Blocks> {
    this.#over.signal.throwIfAborted()
    this.#openQuestions++
    this.#requests++
    try {
      await unlessAborted(this.#dialer.load(), this.#over.signal)
      return await this.#held(links)
    } catch (error) {
      // What is wrong with the archive ends the session; what is wrong with the store, the pull.
      if (this.#dialer.failure === error)
        this.fail('protocol', error instanceof Error ? error.message : String(error), error)
      throw error
    } finally {
      this.#openQuestions--
    }
  }

  /** It is what it is. */
  getRoot(): Promise<Uint8Array | undefined> {
    return Promise.resolve(undefined)
  }

  tell(): void {}

  fail(fault: Fault, reason: string, cause?: unknown): void {
    if (!this.isOpen) return
    const error = peerFault({ peer: this.peer, name: escapeText(this.name) }, fault, reason, cause)
    this.#end = { fault, error }
    this.#over.abort(error)
  }

  close(): Promise<void> {
    this.#over.abort(closedFault(this.name))
    return Promise.resolve()
  }

  /** The longest prefix that fits an answer, of what the store has now. */
  async #held(links: readonly Link[]): Promise<Blocks> {
    const found = await this.#store.getMany(links)
    const blocks: (Uint8Array | null)[] = []
    let bytes = 0
    for (const block of found) {
      bytes += block?.length ?? 0
      if (bytes > ANSWER_BYTES_MAX && blocks.length > 0) break
      blocks.push(block ?? null)
    }
    return blocks
  }
}

function closedFault(name: string): CoppiceError {
  return peerFault({ peer: name, name: escapeText(name) }, 'unreachable', 'the archive was closed')
}

/** Undefined for what no tree has. */
function ownBlock({ link, bytes }: CarSection): Block | undefined {
  if (link === undefined) return undefined
  const bytesMax = linkCodec(link) === CODEC_DAG_CBOR ? NODE_BYTES_MAX : RAW_VALUE_BYTES_MAX
  return bytes.length <= bytesMax ? { link, bytes } : undefined
}

function requireMatch(link: Link, bytes: Uint8Array): void {
  if (!matchesLink(link, bytes)) throw mismatch(link)
}

function mismatch(link: Link): CarFailure {
  return new CarFailure(`block ${formatLink(link)}: expected the bytes of its CID, got others`)
}
