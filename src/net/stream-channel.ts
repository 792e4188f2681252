/** A {@link Channel} over one libp2p stream: a reader and a writer of frames that fail, end and are cut off together. */

import type { Stream } from '@libp2p/interface'
import { CoppiceError } from '../errors.ts'
import type { Channel } from '../sync/channel.ts'
import { StreamReader } from './stream-reader.ts'
import { StreamWriter } from './stream-writer.ts'

export interface StreamChannelOptions {
  /** What the peer may send in one frame. */
  readonly frameBytesMax: number
  /** A peer that takes too little of what waits for it within this time is given up. */
  readonly sendStallMs: number
  /** So is one that, after our close(), neither sends nor ends its side for so long. */
  readonly lingerMs: number
  /** See {@link Channel.host}. */
  readonly host: string
  /** See {@link Channel.isLimited}. */
  readonly isLimited: boolean
}

export class StreamChannel implements Channel {
  readonly peer: string
  /** The protocol id negotiated for the stream. */
  readonly protocol: string
  readonly host: string
  readonly isLimited: boolean
  /** Resolves when the stream is gone, whatever the reason; frames that arrived before may still be unread. */
  readonly closed: Promise<void>
  readonly #stream: Stream
  readonly #reader: StreamReader
  readonly #writer: StreamWriter
  readonly #lingerMs: number
  #lingerTimer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  #receives = 0

  /** Takes `stream` over at once, before another turn of the event loop. */
  constructor(stream: Stream, peer: string, options: StreamChannelOptions) {
    this.peer = peer
    this.protocol = stream.protocol
    this.host = options.host
    this.isLimited = options.isLimited
    this.#stream = stream
    this.#lingerMs = options.lingerMs
    this.#reader = new StreamReader(stream, peer, options.frameBytesMax)
    const onStall = (error: CoppiceError): void => this.abort(error)
    this.#writer = new StreamWriter(stream, { peer, onStall, stallMs: options.sendStallMs })
    this.closed = this.#watchClose()
  }

  get bytesReceived(): number {
    return this.#reader.bytesReceived
  }

  get bytesSent(): number {
    return this.#writer.bytesSent
  }

  /** Whether close() was called and has not handed everything to the network yet, or the peer has not ended its side. */
  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  send(frame: Uint8Array): Promise<void> {
    return this.#writer.send(frame)
  }

  async receive(): Promise<Uint8Array | undefined> {
    this.#receives++
    try {
      return await this.#reader.receive()
    } catch (error) {
      if (error instanceof CoppiceError) this.abort(error)
      throw error
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  abort(reason: Error): void {
    clearTimeout(this.#lingerTimer)
    this.#reader.fail(reason)
    this.#writer.fail(reason)
    this.#stream.abort(reason)
  }

  async #close(): Promise<void> {
    await this.#writer.end()
    if (this.#stream.status === 'open') this.#linger()
  }

  /** Frees the stream of a peer that does not end its side, unless frames still come or are still being read. */
  #linger(): void {
    const activity = this.bytesReceived + this.#receives
    this.#lingerTimer = setTimeout(() => {
      if (this.bytesReceived + this.#receives !== activity) return this.#linger()
      const message = `peer ${this.peer} did not end its side within ${this.#lingerMs} ms of our close`
      this.abort(new CoppiceError('PEER_TIMEOUT', message, { details: { peer: this.peer } }))
    }, this.#lingerMs)
    this.#lingerTimer.unref()
  }

  #watchClose(): Promise<void> {
    if (this.#stream.status !== 'open') return Promise.resolve()
    return new Promise((resolve) => {
      this.#stream.addEventListener('close', () => {
        clearTimeout(this.#lingerTimer)
        resolve()
      })
    })
  }
}
