/** One direction of one connection of ./link.ts. */
import type { Socket } from 'node:net'
import { randomAt } from '../data/entries.ts'

const SEGMENT_BYTES = 1_460
const WINDOW_AT_FIRST = 10 * SEGMENT_BYTES
const WINDOW_MIN = 2 * SEGMENT_BYTES
/** What systems let a window grow to, about. */
const WINDOW_MAX = 4 * 1024 * 1024
/** Sent as one, so that millions of segments need no millions of timers. */
const BURST_BYTES_MAX = 64 * 1024
/**
 * Fewer segments under way than this, and nothing that arrives tells of a lost one: systems send a probe after two round
 * trips then.
 */
const SEGMENTS_TO_NOTICE = 4
const PROBE_ROUND_TRIPS = 2
/** As much as a socket's own buffer would hold. */
const PENDING_BYTES_MAX = 256 * 1024
/** Of random bits, beside those of ../data. */
const LOSS_PURPOSE = 77

export interface Delays {
  /** Milliseconds. */
  readonly oneWay: number
  /** Nothing is sent before: the handshake. */
  readonly opensAfter: number
  readonly lossRate: number
  readonly isNew: boolean
}

/** What passes through one link in one direction: counted, and held to a rate. */
export class Bucket {
  bytes = 0
  readonly #bytesPerMs: number
  #freeAt = 0

  constructor(bytesPerSecond: number | undefined) {
    this.#bytesPerMs = (bytesPerSecond ?? Number.POSITIVE_INFINITY) / 1000
  }

  /** When the last of so many bytes has left, that come at `now`. */
  pass(bytes: number, now: number): number {
    this.bytes += bytes
    this.#freeAt = Math.max(now, this.#freeAt) + bytes / this.#bytesPerMs
    return this.#freeAt
  }
}

interface Burst {
  readonly bytes: Buffer
  readonly arrivesAt: number
}

export class Direction {
  readonly #from: Socket
  readonly #to: Socket
  readonly #bucket: Bucket
  readonly #delays: Delays
  readonly #seed: number
  readonly #opensAt: number
  #pending: Buffer[] = []
  #pendingBytes = 0
  readonly #bursts: Burst[] = []
  #underWay = 0
  #window: number
  #threshold = Number.POSITIVE_INFINITY
  #sent = 0
  #recoveredAt = 0
  /** When the end that was sent is there; undefined before it is sent. */
  #endsAt: number | undefined

  constructor(from: Socket, to: Socket, bucket: Bucket, delays: Delays, seed: number) {
    this.#from = from
    this.#to = to
    this.#bucket = bucket
    this.#delays = delays
    this.#seed = seed
    this.#opensAt = performance.now() + delays.opensAfter
    this.#window = delays.isNew ? WINDOW_AT_FIRST : WINDOW_MAX
  }

  start(): void {
    const from = this.#from
    from.on('data', (bytes: Buffer) => this.#take(bytes))
    from.once('end', () => {
      this.#endsAt = performance.now() + this.#delays.oneWay
      this.#endWhenEmpty()
    })
    // A lost connection is lost on the other side, too, as soon as word of it could be there.
    from.once('error', () => void setTimeout(() => this.#to.resetAndDestroy(), this.#delays.oneWay))
    from.once('close', () => void setTimeout(() => this.#endsAt ?? this.#to.destroy(), this.#delays.oneWay))
    from.resume()
  }

  #take(bytes: Buffer): void {
    this.#pending.push(bytes)
    this.#pendingBytes += bytes.length
    if (this.#pendingBytes > PENDING_BYTES_MAX) this.#from.pause()
    this.#send()
  }

  /** As much as the window has room for; what had to wait for that goes together. */
  #send(): void {
    for (let room = this.#room(); room > 0 && this.#pending.length > 0; room = this.#room()) {
      const all = this.#pending.length === 1 ? (this.#pending[0] as Buffer) : Buffer.concat(this.#pending)
      const bytes = all.subarray(0, Math.min(room, BURST_BYTES_MAX))
      this.#pending = bytes.length === all.length ? [] : [all.subarray(bytes.length)]
      this.#pendingBytes -= bytes.length
      this.#sendBurst(bytes)
    }
    if (this.#from.isPaused() && this.#pendingBytes <= PENDING_BYTES_MAX) this.#from.resume()
  }

  #room(): number {
    return Math.floor(this.#window) - this.#underWay
  }

  #sendBurst(bytes: Buffer): void {
    const { oneWay } = this.#delays
    this.#underWay += bytes.length
    const leavesAt = this.#bucket.pass(bytes.length, Math.max(performance.now(), this.#opensAt))
    const delay = oneWay + (this.#isLost(bytes.length) ? this.#noticing() : 0)
    this.#bursts.push({ bytes, arrivesAt: leavesAt + delay })
    if (this.#bursts.length === 1) this.#waitForNext()
  }

  #isLost(bytes: number): boolean {
    const { lossRate } = this.#delays
    if (lossRate === 0) return false
    return randomAt(this.#sent++, LOSS_PURPOSE + this.#seed) > (1 - lossRate) ** Math.ceil(bytes / SEGMENT_BYTES)
  }

  /** How long until a lost segment is there after all. The window halves, once for all that a round trip loses. */
  #noticing(): number {
    const roundTrip = 2 * this.#delays.oneWay
    const now = performance.now()
    const isProbed = this.#underWay < SEGMENTS_TO_NOTICE * SEGMENT_BYTES
    if (now >= this.#recoveredAt) {
      this.#threshold = Math.max(WINDOW_MIN, this.#window / 2)
      this.#window = this.#threshold
      this.#recoveredAt = now + roundTrip
    }
    return isProbed ? (1 + PROBE_ROUND_TRIPS) * roundTrip : roundTrip
  }

  /** Bursts arrive in their order, those behind a lost one with it. */
  #waitForNext(): void {
    const [next] = this.#bursts
    if (next !== undefined) setTimeout(() => this.#arrive(), Math.max(0, next.arrivesAt - performance.now()))
  }

  #arrive(): void {
    const now = performance.now()
    while (this.#bursts[0] !== undefined && this.#bursts[0].arrivesAt <= now) {
      const { bytes } = this.#bursts.shift() as Burst
      // What the receiver does not take keeps its place in the window.
      this.#to.write(bytes, () => void setTimeout(() => this.#acknowledge(bytes.length), this.#delays.oneWay))
    }
    this.#waitForNext()
    this.#endWhenEmpty()
  }

  #acknowledge(bytes: number): void {
    this.#underWay -= bytes
    const growth = this.#window < this.#threshold ? bytes : (bytes * SEGMENT_BYTES) / this.#window
    this.#window = Math.min(WINDOW_MAX, this.#window + growth)
    this.#send()
    this.#endWhenEmpty()
  }

  #endWhenEmpty(): void {
    if (this.#endsAt === undefined || this.#pending.length > 0 || this.#bursts.length > 0) return
    setTimeout(() => this.#to.end(), Math.max(0, this.#endsAt - performance.now()))
  }
}
