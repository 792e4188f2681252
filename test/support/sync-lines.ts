/** Lines of limited rate in virtual time: what leaves a machine shares its line, packet by packet. */
import type { Channel } from '../../src/sync/index.ts'
import type { VirtualClock } from './virtual-clock.ts'
import { passing } from './passing-channel.ts'

const PACKET_BYTES: number = 16 * 1024

/** The way out of one machine. */
export class Line {
  readonly clock: VirtualClock
  readonly #bytesPerMs: number
  readonly latencyMs: number
  /** Frames under way, each with the bytes that have not left; served in turns. */
  readonly #queue: { bytesLeft: number; readonly gone: () => void }[] = []
  #isBusy = false
  bytes = 0

  constructor(clock: VirtualClock, bytesPerSecond: number, latencyMs = 0) {
    this.clock = clock
    this.#bytesPerMs = bytesPerSecond / 1000
    this.latencyMs = latencyMs
  }

  /** Resolves when the last byte has left. */
  async send(bytes: number): Promise<void> {
    this.bytes += bytes
    await new Promise<void>((resolve) => {
      this.#queue.push({ bytesLeft: bytes, gone: resolve })
      if (!this.#isBusy) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isBusy = true
    for (let frame = this.#queue.shift(); frame !== undefined; frame = this.#queue.shift()) {
      const packet = Math.min(PACKET_BYTES, frame.bytesLeft)
      await this.clock.sleep(packet / this.#bytesPerMs)
      frame.bytesLeft -= packet
      if (frame.bytesLeft > 0) this.#queue.push(frame)
      else frame.gone()
    }
    this.#isBusy = false
  }
}

/** A channel's end whose frames leave over `line`. */
export function overLine(channel: Channel, line: Line): Channel {
  return passing(channel, {
    send: async (frame) => {
      await line.send(frame.length)
      void line.clock.sleep(line.latencyMs).then(() => channel.send(frame).catch(() => {}))
    },
  })
}
