/**
 * A channel that fails as real ones do, at moments drawn from a seeded source: the same seed and the same order of
 * calls fail the same way. Faults touch what comes from the peer, so wrapping the reader's end makes the peer look
 * hostile or broken.
 */

import { CoppiceError } from '../../src/errors.ts'
import type { Channel } from '../../src/sync/channel.ts'

export interface Faults {
  /** The connection is lost in place of the received frame with this index, from 0. */
  readonly lostAtFrame?: number
  /** The rest are chances, 0..1, for each received frame. */
  readonly lost?: number
  /** One bit is turned. */
  readonly corrupt?: number
  /** The end of the frame is missing; at least one byte stays. */
  readonly truncate?: number
  /** The frame comes twice. */
  readonly repeat?: number
  /** This frame and all after it never come, and there is no end: only an abort ends the wait. */
  readonly stall?: number
  /** The frame waits for 1..delayTurnsMax calls of `turn`, so that frames of several channels change their order. */
  readonly delay?: number
}

export interface FaultOptions {
  readonly faults: Faults
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Resolves at another turn of the event loop or of a simulated clock; needed for `delay`. */
  readonly turn?: () => Promise<unknown>
  readonly delayTurnsMax?: number
  /** Told of every fault, for the replay of a failing seed. */
  readonly onFault?: (fault: keyof Faults, frameIndex: number) => void
}

export function withFaults(channel: Channel, options: FaultOptions): Channel {
  return new FaultyChannel(channel, options)
}

class FaultyChannel implements Channel {
  readonly #channel: Channel
  readonly #options: FaultOptions
  readonly #stalled: PromiseWithResolvers<never> = Promise.withResolvers()
  #received = 0
  #isStalled = false
  #again: Uint8Array | undefined

  constructor(channel: Channel, options: FaultOptions) {
    this.#channel = channel
    this.#options = options
    this.#stalled.promise.catch(() => undefined)
  }

  get peer(): string {
    return this.#channel.peer
  }

  get bytesReceived(): number {
    return this.#channel.bytesReceived
  }

  get bytesSent(): number {
    return this.#channel.bytesSent
  }

  send(frame: Uint8Array): Promise<void> {
    return this.#channel.send(frame)
  }

  close(): Promise<void> {
    return this.#channel.close()
  }

  abort(reason: Error): void {
    this.#stalled.reject(reason)
    this.#channel.abort(reason)
  }

  async receive(): Promise<Uint8Array | undefined> {
    if (this.#isStalled) return this.#stalled.promise
    const frame = this.#again ?? (await this.#channel.receive())
    this.#again = undefined
    if (frame === undefined) return undefined
    const { lostAtFrame } = this.#options.faults
    if (this.#received === lostAtFrame || this.#strikes('lost')) return this.#lose()
    if (this.#strikes('stall')) {
      this.#isStalled = true
      return this.#stalled.promise
    }
    if (this.#strikes('delay')) await this.#delay()
    if (this.#strikes('repeat')) this.#again = frame.slice()
    const changed = this.#change(frame)
    this.#received++
    return changed
  }

  #strikes(fault: Exclude<keyof Faults, 'lostAtFrame'>): boolean {
    const chance = this.#options.faults[fault] ?? 0
    if (chance === 0 || this.#options.random() >= chance) return false
    this.#options.onFault?.(fault, this.#received)
    return true
  }

  #below(limit: number): number {
    return Math.floor(this.#options.random() * limit)
  }

  #lose(): never {
    const error = new CoppiceError('PEER_UNREACHABLE', `peer ${this.peer} was lost`, { details: { peer: this.peer } })
    this.abort(error)
    throw error
  }

  async #delay(): Promise<void> {
    const turns = 1 + this.#below(this.#options.delayTurnsMax ?? 8)
    for (let i = 0; i < turns; i++) await this.#options.turn?.()
  }

  #change(frame: Uint8Array): Uint8Array {
    if (this.#strikes('corrupt')) {
      const at = this.#below(frame.length)
      frame[at] = (frame[at] ?? 0) ^ (1 << this.#below(8))
    }
    return this.#strikes('truncate') ? frame.slice(0, 1 + this.#below(frame.length)) : frame
  }
}
