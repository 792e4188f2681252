/**
 * One channel to one peer, seen from the puller: questions are matched with answers, whatever order they come in, and
 * the peer's manners are watched. It decides only what can be decided without knowing the tree: whether the peer keeps
 * the protocol (protocol.md, 8) and is fast enough. A peer at fault is dropped once, with its first fault as the reason.
 */
import { equalBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { ANSWER_BYTES_MAX } from '../../limits.ts'
import type { Link } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import type { Packing } from '../../packings.ts'
import type { Channel } from '../channel.ts'
import {
  BUSY_MS_MAX,
  NEWS_INTERVAL_MS,
  NO_NEWS_PAUSE_MS,
  PROTOCOL_VERSION,
  SIGNED_ROOT_BYTES_MAX,
  STATEMENTS_BYTES_MAX,
  WAIT_MS_MAX,
  WATCH_INTERVAL_MS,
} from '../limits.ts'
import {
  type Answer,
  decodeAnswer,
  decodePacked,
  decodeWelcome,
  encodeMessage,
  type Message,
  type PayloadName,
  type RootId,
  unpackAnswer,
  type Welcome,
} from '../wire/index.ts'
import { dataBytesMaxOf, judgeAnswer, type Question } from './answer-rules.ts'
import { Patience } from './patience.ts'
import { peerFault } from './peer-fault.ts'
import type { Traffic } from '../report.ts'
import type {
  Blocks,
  DataRefused,
  Fault,
  HelloOptions,
  LinkFound,
  LinkQuestion,
  PatchPage,
  PatchQuestion,
  RangeQuestion,
  Refused,
  Session,
  SessionEnd,
} from './session.ts'

interface Waiting {
  readonly question: Question
  /** When the answer is due at all: a root request may wait. */
  readonly dueAt: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

export class ChannelSession implements Session {
  readonly peer: string
  readonly name: string
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #packings: readonly Packing[]
  readonly #waiting = new Map<number, Waiting>()
  readonly #over = new AbortController()
  #nextId = 0
  #requests = 0
  #end: SessionEnd | undefined
  #announced: Uint8Array | undefined
  #statements: Uint8Array | undefined
  #status: Welcome['status'] = 'empty'
  #welcome: PromiseWithResolvers<void> | undefined
  #answersSinceWatch = 0
  readonly #patience = new Patience()
  /** Since when the peer has been busy whenever it was asked. */
  #busySince: number | undefined
  /** When it last said so. */
  #busyAt = -Infinity
  /** When a waiting root request last brought something new. */
  #newsAt = -Infinity
  #taken: Traffic = { bytesReceived: 0, bytesSent: 0, requests: 0 }

  /** Takes `channel` over. {@link hello} comes next. Answers may come in the `packings`. */
  constructor(channel: Channel, name: string, clock: Clock, packings: readonly Packing[] = []) {
    this.#channel = channel
    this.#clock = clock
    this.#packings = packings
    this.peer = channel.peer
    this.name = name
  }

  get announced(): Uint8Array | undefined {
    return this.#announced
  }

  get statements(): Uint8Array | undefined {
    return this.#statements
  }

  get status(): Welcome['status'] {
    return this.#status
  }

  get end(): SessionEnd | undefined {
    return this.#end
  }

  get isOpen(): boolean {
    return this.#end === undefined && !this.#over.signal.aborted
  }

  get openQuestions(): number {
    let count = 0
    for (const { question } of this.#waiting.values()) if (question.type !== 'get root') count++
    return count
  }

  get traffic(): Traffic {
    const { bytesReceived, bytesSent } = this.#channel
    return { bytesReceived, bytesSent, requests: this.#requests }
  }

  takeTraffic(): Traffic {
    const now = this.traffic
    const before = this.#taken
    this.#taken = now
    return {
      bytesReceived: now.bytesReceived - before.bytesReceived,
      bytesSent: now.bytesSent - before.bytesSent,
      requests: now.requests - before.requests,
    }
  }

  /**
   * Says hello and waits for the welcome.
   * @throws {CoppiceError} the error of {@link end}: the peer does not serve the database, speaks another version, is busy,
   *   silent or broken. The channel is gone then.
   */
  async hello(options: HelloOptions): Promise<void> {
    this.#welcome = Promise.withResolvers()
    void this.#receive()
    void this.#watch()
    this.#requests++
    const packings = this.#packings.map(({ id }) => id).toSorted((a, b) => a - b)
    const { author, name, have, statements = null } = options
    this.#post({ type: 'hello', version: PROTOCOL_VERSION, author, name, have, packings, statements })
    await this.#welcome.promise
  }

  async getBlocks(root: Link, links: readonly Link[]): Promise<Blocks | DataRefused> {
    const answer = await this.#ask({ type: 'get blocks', id: this.#newId(), root, links, bytesMax: ANSWER_BYTES_MAX })
    return answer.type === 'blocks' ? answer.blocks : dataRefused(answer)
  }

  async getRange(question: RangeQuestion): Promise<readonly Uint8Array[] | DataRefused> {
    const answer = await this.#ask({ type: 'get range', id: this.#newId(), ...question })
    return answer.type === 'range' ? answer.blocks : dataRefused(answer)
  }

  async getPatch(question: PatchQuestion): Promise<PatchPage | Refused> {
    const answer = await this.#ask({ type: 'get patch', id: this.#newId(), ...question })
    return answer.type === 'patch' ? answer : refused(answer)
  }

  async getHave(root: Link, links: readonly Link[]): Promise<readonly boolean[] | Refused> {
    const answer = await this.#ask({ type: 'get have', id: this.#newId(), root, links })
    return answer.type === 'have' ? answer.has : refused(answer)
  }

  async getPeers(addresses: readonly string[]): Promise<readonly string[] | Refused> {
    const answer = await this.#ask({ type: 'get peers', id: this.#newId(), addresses })
    return answer.type === 'peers' ? answer.addresses : refused(answer)
  }

  async getLink(question: LinkQuestion): Promise<LinkFound | Refused> {
    const answer = await this.#ask({ type: 'get link', id: this.#newId(), ...question })
    return answer.type === 'link' ? answer : refused(answer)
  }

  async getPayloads(names: readonly PayloadName[]): Promise<readonly (Uint8Array | null)[] | Refused> {
    const answer = await this.#ask({ type: 'get payloads', id: this.#newId(), names })
    return answer.type === 'payloads' ? answer.signedRoots : refused(answer)
  }

  async getAttachments(): Promise<Uint8Array | null | Refused> {
    const answer = await this.#ask({ type: 'get attachments', id: this.#newId() })
    return answer.type === 'attachments' ? answer.attachments : refused(answer)
  }

  async getRoot(have: RootId | null, waitMs: number): Promise<Uint8Array | undefined> {
    const wait = Math.min(Math.max(0, Math.floor(waitMs)), WAIT_MS_MAX)
    const until = this.#clock.now() + wait
    const answer = await this.#ask({ type: 'get root', id: this.#newId(), have, waitMs: wait }, wait)
    const shown = answer.type === 'root' ? (answer.signedRoot ?? undefined) : undefined
    const said = answer.type === 'root' ? (answer.statements ?? undefined) : undefined
    const saysMore = said !== undefined && (this.#statements === undefined || !equalBytes(said, this.#statements))
    if (wait === 0) {
      if (saysMore) this.#statements = said
      if (shown !== undefined) this.#show(shown)
      return shown
    }
    const isNew = shown !== undefined && (this.#announced === undefined || !equalBytes(shown, this.#announced))
    const now = this.#clock.now()
    const earliest = isNew || saysMore ? this.#newsAt + NEWS_INTERVAL_MS : Math.min(until, now + NO_NEWS_PAUSE_MS)
    if (earliest > now) await this.#clock.sleep(earliest - now, this.#over.signal)
    if (!isNew && !saysMore) return undefined
    this.#newsAt = this.#clock.now()
    if (saysMore) this.#statements = said
    if (!isNew) return undefined
    this.#show(shown)
    return shown
  }

  /** Whoever had nothing at the hello is about to get what it shows: it may have parts only. */
  #show(signedRoot: Uint8Array): void {
    this.#announced = signedRoot
    if (this.#status === 'empty') this.#status = 'partial'
  }

  tell(signedRoot: Uint8Array | null, statements: Uint8Array | null = null): void {
    assertLength('signed root', signedRoot, SIGNED_ROOT_BYTES_MAX)
    assertLength('statements', statements, STATEMENTS_BYTES_MAX)
    if (this.isOpen) this.#post({ type: 'tell', signedRoot, statements })
  }

  shareWith(others: number): void {
    this.#patience.sharers = 1 + others
  }

  fail(fault: Fault, reason: string, cause?: unknown): void {
    if (!this.isOpen) return
    const error = peerFault(this, fault, reason, cause)
    this.#end = { fault, error }
    this.#settle(error)
    this.#channel.abort(error)
  }

  async close(): Promise<void> {
    if (!this.isOpen) return
    this.#settle(new CoppiceError('PEER_UNREACHABLE', `peer ${this.name}: the session was closed`))
    await this.#channel.close()
  }

  #settle(error: Error): void {
    this.#over.abort(error)
    this.#welcome?.reject(error)
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  #newId(): number {
    const id = this.#nextId
    this.#nextId = (this.#nextId + 1) % 0x100000000
    return id
  }

  #ask(question: Question, waitMs = 0): Promise<Answer> {
    if (!this.isOpen) return Promise.reject(this.#over.signal.reason as Error)
    this.#requests++
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#waiting.set(question.id, { question, dueAt: this.#clock.now() + waitMs, resolve, reject })
    this.#post(question)
    return promise
  }

  /** Requests are small and their number is bounded, so nobody waits for the channel to take more. */
  #post(message: Message): void {
    this.#channel.send(encodeMessage(message)).catch((error: unknown) => this.#failByChannel(error))
  }

  async #receive(): Promise<void> {
    try {
      let welcomed = false
      for (;;) {
        const frame = await this.#channel.receive()
        if (!this.isOpen) return
        if (frame === undefined) return this.fail('unreachable', 'ended the channel')
        if (!welcomed) {
          this.#onWelcome(decodeWelcome(frame))
          welcomed = true
          continue
        }
        let answer = this.#answerIn(frame)
        if (answer instanceof Promise) answer = await answer
        if (!this.isOpen) return
        this.#onAnswer(answer)
      }
    } catch (error) {
      this.#failByChannel(error)
    }
  }

  /** One frame at a time is unpacked, and no more comes of it than the open questions allow. */
  #answerIn(frame: Uint8Array): MaybePromise<Answer> {
    const packed = decodePacked(frame)
    if (packed === undefined) return decodeAnswer(frame)
    let dataBytesMax = 0
    for (const { question } of this.#waiting.values()) {
      dataBytesMax = Math.max(dataBytesMax, dataBytesMaxOf(question))
    }
    return unpackAnswer(packed, this.#packings, dataBytesMax)
  }

  #onWelcome(welcome: Welcome): void {
    this.#status = welcome.status
    this.#announced = welcome.signedRoot ?? undefined
    this.#statements = welcome.statements ?? undefined
    this.#answersSinceWatch++
    if (welcome.status === 'unknown') return this.fail('unknown', 'does not serve this database')
    if (welcome.status === 'busy') return this.fail('busy', 'is busy')
    if (welcome.status === 'version') {
      return this.fail('version', `speaks version ${welcome.version} of the protocol, not ${PROTOCOL_VERSION}`)
    }
    this.#welcome?.resolve()
    this.#welcome = undefined
  }

  #onAnswer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return this.fail('protocol', `answered question ${answer.id}, which is not open`)
    const { broken, earns } = judgeAnswer(waiting.question, answer)
    if (broken !== undefined) return this.fail('protocol', broken)
    if (answer.type === 'refusal' && answer.reason === 'failed') {
      return this.fail('incomplete', 'cannot read its own store')
    }
    if (answer.type === 'refusal' && answer.reason === 'busy') {
      const now = this.#clock.now()
      // Whoever was asked nothing for so long may have had time meanwhile.
      if (this.#busySince === undefined || now - this.#busyAt > BUSY_MS_MAX) this.#busySince = now
      this.#busyAt = now
      const busyMs = now - this.#busySince
      if (busyMs >= BUSY_MS_MAX) return this.fail('busy', `has been busy for ${Math.floor(busyMs / 1000)} s`)
    } else if (answer.type !== 'root' && answer.type !== 'have' && answer.type !== 'peers') {
      // Only what is asked for as data shows that it has time for that.
      this.#busySince = undefined
    }
    this.#waiting.delete(answer.id)
    if (earns) this.#answersSinceWatch++
    waiting.resolve(answer)
  }

  #failByChannel(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    if (isCoppiceError(error, 'PEER_PROTOCOL')) this.fail('protocol', message, error)
    else if (isCoppiceError(error, 'PEER_TIMEOUT')) this.fail('silent', message, error)
    else this.fail('unreachable', message, error)
  }

  async #watch(): Promise<void> {
    const patience = this.#patience
    let before = this.#clock.now()
    let bytesBefore = this.#channel.bytesReceived
    for (;;) {
      try {
        await this.#clock.sleep(WATCH_INTERVAL_MS, this.#over.signal)
      } catch {
        return
      }
      if (!this.isOpen) return
      const now = this.#clock.now()
      const bytes = this.#channel.bytesReceived - bytesBefore
      const answers = this.#answersSinceWatch
      const fault = patience.judge({ elapsedMs: now - before, owes: this.#owes(now), bytes, answers })
      before = now
      bytesBefore += bytes
      this.#answersSinceWatch = 0
      if (fault === 'silent') return this.fail('silent', 'owes an answer and sends nothing')
      if (fault === 'slow') return this.fail('slow', `sends less than ${Math.ceil(patience.rateMin / 1024)} KiB/s`)
    }
  }

  #owes(now: number): boolean {
    if (this.#welcome !== undefined) return true
    for (const { dueAt } of this.#waiting.values()) if (dueAt <= now) return true
    return false
  }
}

function assertLength(what: string, bytes: Uint8Array | null, max: number): void {
  if (bytes === null || (bytes.length > 0 && bytes.length <= max)) return
  throw new RangeError(`${what}: expected 1..${max} bytes, got ${bytes.length}`)
}

function refused(answer: Answer): Refused {
  return answer.type === 'refusal' && answer.reason === 'gone' ? 'gone' : 'busy'
}

function dataRefused(answer: Answer): DataRefused {
  return answer.type === 'refusal' && answer.reason === 'elsewhere' ? 'elsewhere' : refused(answer)
}
