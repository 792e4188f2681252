/**
 * Questions to nodes of the DHT over datagrams: each has a transaction, a deadline, and counts only an answer from the very
 * address it went to. What nobody asked for is dropped before it is looked into.
 */
import type { Clock } from '../../clock.ts'
import {
  type DhtAddress,
  type DhtAnswer,
  type DhtQuestion,
  decodeAnswer,
  encodeQuestion,
  TRANSACTION_BYTES,
} from './messages.ts'

/** Datagrams of one socket, which is whoever opened it. */
export interface DatagramSocket {
  /** Sends, or loses it: datagrams promise nothing. Never throws. */
  send(bytes: Uint8Array, to: DhtAddress): void
  /** Called with each datagram from now on; the bytes are the callee's. */
  receive(handler: (bytes: Uint8Array, from: DhtAddress) => void): void
  /** Idempotent; what is sent afterwards is lost. */
  close(): Promise<void>
}

export interface QuestionsOptions {
  readonly socket: DatagramSocket
  readonly clock: Clock
  readonly randomBytes: (length: number) => Uint8Array
}

/** How long a node gets: one half way round the earth answers within half a second. */
const ANSWER_TIMEOUT_MS = 1_000
/** Open at once, over all lookups. */
const OPEN_MAX = 256
/** An answer with an item, a token and nodes of both kinds; the rest is room. Larger datagrams are not looked into. */
const ANSWER_BYTES_MAX = 4096

interface Open {
  readonly to: DhtAddress
  readonly resolve: (answer: DhtAnswer) => void
}

export class DhtQuestions {
  readonly #socket: DatagramSocket
  readonly #clock: Clock
  readonly #randomBytes: (length: number) => Uint8Array
  /** Our own id, which nobody learns to know us by: a new one for each client. */
  readonly #id: Uint8Array
  readonly #open = new Map<number, Open>()

  constructor({ socket, clock, randomBytes }: QuestionsOptions) {
    this.#socket = socket
    this.#clock = clock
    this.#randomBytes = randomBytes
    this.#id = randomBytes(20)
    socket.receive((bytes, from) => this.#onDatagram(bytes, from))
  }

  /** Undefined: no answer in time. @throws the signal's reason. */
  async ask(to: DhtAddress, question: DhtQuestion, signal: AbortSignal): Promise<DhtAnswer | undefined> {
    signal.throwIfAborted()
    const transaction = this.#newTransaction()
    if (transaction === undefined) return undefined
    const answered = new AbortController()
    const answer = new Promise<DhtAnswer>((resolve) => this.#open.set(numberOf(transaction), { to, resolve }))
    const timeout = this.#clock
      .sleep(ANSWER_TIMEOUT_MS, AbortSignal.any([signal, answered.signal]))
      .then(() => undefined)
    try {
      this.#socket.send(encodeQuestion(transaction, this.#id, question), to)
      return await Promise.race([answer, timeout])
    } finally {
      this.#open.delete(numberOf(transaction))
      answered.abort()
      await timeout.catch(() => undefined)
    }
  }

  /** Not to be guessed, so that only who sees the question can answer it. Undefined where too many are open. */
  #newTransaction(): Uint8Array | undefined {
    if (this.#open.size >= OPEN_MAX) return undefined
    for (;;) {
      const transaction = this.#randomBytes(TRANSACTION_BYTES)
      if (!this.#open.has(numberOf(transaction))) return transaction
    }
  }

  #onDatagram(bytes: Uint8Array, from: DhtAddress): void {
    if (bytes.length > ANSWER_BYTES_MAX || this.#open.size === 0) return
    const answer = decodeAnswer(bytes)
    const open = answer === undefined ? undefined : this.#open.get(numberOf(answer.transaction))
    if (answer === undefined || open === undefined) return
    if (open.to.host === from.host && open.to.port === from.port) open.resolve(answer)
  }
}

function numberOf(transaction: Uint8Array): number {
  return ((transaction[0] as number) << 8) | (transaction[1] as number)
}
