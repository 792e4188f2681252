/**
 * A slow network between two processes of one machine: what comes in on a port leaves, later, to another one. It is TCP's
 * behaviour as far as it decides how long a transfer takes: a connection is there after one round trip, what is sent
 * arrives half of one later, no more is under way than the congestion window, which starts at ten segments, doubles
 * per round trip, and halves where a segment is lost; what follows a lost one waits for it for another round trip. A
 * kernel's own emulation would be better still; few machines let a process have it.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Bucket, type Delays, Direction } from './direction.ts'

export interface LinkOptions {
  /** Milliseconds. */
  readonly roundTrip: number
  /** Of segments. */
  readonly lossRate: number
  /** Whether the window starts small, as a connection's that is new; else it is as large as windows get. */
  readonly isNew: boolean
  /** What all connections of the link together take in each direction; undefined: whatever comes. */
  readonly bytesPerSecond?: number | undefined
}

export class Link {
  readonly #options: LinkOptions
  readonly #target: number
  readonly #up: Bucket
  readonly #down: Bucket
  readonly #server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.#carry(socket))
  #connections = 0

  /** @param target a port of this machine */
  constructor(target: number, options: LinkOptions) {
    this.#target = target
    this.#options = options
    this.#up = new Bucket(options.bytesPerSecond)
    this.#down = new Bucket(options.bytesPerSecond)
  }

  /** The port to dial instead of the target's. */
  async listen(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  /** Bytes so far: towards the target, and from it. */
  get bytes(): { readonly up: number; readonly down: number } {
    return { up: this.#up.bytes, down: this.#down.bytes }
  }

  /** Takes no more connections, and waits until those there are have ended. */
  async close(): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }

  #carry(near: Socket): void {
    const { roundTrip, lossRate, isNew } = this.#options
    const far = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [near, far]) socket.setNoDelay(true)
    const seed = ++this.#connections
    const delays = (opensAfter: number): Delays => ({ oneWay: roundTrip / 2, opensAfter, lossRate, isNew })
    new Direction(near, far, this.#up, delays(roundTrip), 2 * seed).start()
    new Direction(far, near, this.#down, delays(roundTrip / 2), 2 * seed + 1).start()
  }
}
