/** Counts what TCP connections of this process carry, whoever opens them. */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

export class SocketMeter {
  readonly #open = new Set<Socket>()
  #received = 0
  #sent = 0

  /** Counts connections that are opened from now on. */
  constructor() {
    subscribe('net.client.socket', (message) => this.#add((message as { readonly socket: Socket }).socket))
  }

  /** Bytes since the last call. */
  take(): { readonly bytesReceived: number; readonly bytesSent: number } {
    for (const socket of this.#open) this.#count(socket)
    const taken = { bytesReceived: this.#received, bytesSent: this.#sent }
    this.#received = 0
    this.#sent = 0
    return taken
  }

  #add(socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => {
      this.#count(socket)
      this.#open.delete(socket)
    })
  }

  readonly #counted = new WeakMap<Socket, { read: number; written: number }>()

  #count(socket: Socket): void {
    const before = this.#counted.get(socket) ?? { read: 0, written: 0 }
    const now = { read: socket.bytesRead, written: socket.bytesWritten }
    this.#counted.set(socket, now)
    this.#received += now.read - before.read
    this.#sent += now.written - before.written
  }
}
