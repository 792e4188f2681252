/** The requests under way to one server: what they have brought, and whether it is enough (protocol.md, 11). */
import type { Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import type { CoppiceError } from '../errors.ts'
import { RATE_BYTES_PER_SECOND_MIN, WATCH_INTERVAL_MS } from '../sync/limits.ts'
import { Patience } from '../sync/peers/patience.ts'

/** A request under way. */
export interface Watched {
  /** Somebody waits for more of it: what is not being read is not owed. */
  readonly isOwed: boolean
  fail(error: Error): void
}

interface Counted {
  read: number
  written: number
}

export class Watch {
  bytesReceived = 0
  bytesSent = 0
  /** Heads of responses since the last look. */
  #answers = 0
  readonly #clock: Clock
  readonly #fault: (fault: 'silent' | 'slow', reason: string) => CoppiceError
  readonly #open = new Set<Watched>()
  readonly #sockets = new WeakMap<Socket, Counted>()
  #idle: AbortController | undefined
  #closed: Error | undefined

  constructor(clock: Clock, fault: (fault: 'silent' | 'slow', reason: string) => CoppiceError) {
    this.#clock = clock
    this.#fault = fault
  }

  add(request: Watched): void {
    if (this.#closed !== undefined) throw this.#closed
    this.#open.add(request)
    if (this.#idle !== undefined) return
    this.#idle = new AbortController()
    void this.#run(this.#idle.signal)
  }

  delete(request: Watched): void {
    this.#open.delete(request)
    if (this.#open.size > 0) return
    this.#idle?.abort()
    this.#idle = undefined
  }

  close(error: Error): void {
    if (this.#closed !== undefined) return
    this.#closed = error
    this.#failAll(error)
  }

  /** Takes note of what went over the socket since the last call. */
  count(socket: Socket): void {
    const before = this.#sockets.get(socket) ?? { read: 0, written: 0 }
    const now = { read: socket.bytesRead, written: socket.bytesWritten }
    this.bytesReceived += now.read - before.read
    this.bytesSent += now.written - before.written
    this.#sockets.set(socket, now)
  }

  noteAnswer(): void {
    this.#answers++
  }

  async #run(idle: AbortSignal): Promise<void> {
    const patience = new Patience()
    let before = this.#clock.now()
    let bytesBefore = this.bytesReceived
    for (;;) {
      try {
        await this.#clock.sleep(WATCH_INTERVAL_MS, idle)
      } catch {
        return
      }
      const now = this.#clock.now()
      const bytes = this.bytesReceived - bytesBefore
      const owes = [...this.#open].some(({ isOwed }) => isOwed)
      const fault = patience.judge({ elapsedMs: now - before, owes, bytes, answers: this.#answers })
      before = now
      bytesBefore += bytes
      this.#answers = 0
      if (fault === 'silent') this.#failAll(this.#fault(fault, 'owes an answer and sends nothing'))
      if (fault === 'slow') {
        this.#failAll(this.#fault(fault, `sends less than ${RATE_BYTES_PER_SECOND_MIN / 1024} KiB/s`))
      }
    }
  }

  #failAll(error: Error): void {
    for (const request of this.#open) request.fail(error)
  }
}
