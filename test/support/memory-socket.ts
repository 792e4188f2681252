/** A socket without a network: whoever is sent to answers in the next turn, from where it was sent to. Who that was is kept. */
import { decodeBencode, isDictionary } from '../../src/carriers/bep44/bencode.ts'
import type { DhtAddress } from '../../src/carriers/bep44/messages.ts'
import type { DatagramSocket } from '../../src/carriers/bep44/questions.ts'
import type { Asked } from './dht-member.ts'

export class MemorySocket implements DatagramSocket {
  readonly sentTo: DhtAddress[] = []
  readonly #respond: (asked: Omit<Asked, 'from'>, to: DhtAddress) => Uint8Array | undefined
  #handler: (bytes: Uint8Array, from: DhtAddress) => void = () => {}

  constructor(respond: (asked: Omit<Asked, 'from'>, to: DhtAddress) => Uint8Array | undefined) {
    this.#respond = respond
  }

  send(bytes: Uint8Array, to: DhtAddress): void {
    this.sentTo.push(to)
    const message = decodeBencode(bytes)
    const fields = isDictionary(message) ? message.get('a') : undefined
    if (!isDictionary(message) || !isDictionary(fields)) throw new Error('what is sent is a question')
    const kind = new TextDecoder().decode(message.get('q') as Uint8Array)
    const asked = { kind, transaction: message.get('t') as Uint8Array, arguments: fields }
    const answer = this.#respond(asked, to)
    if (answer !== undefined) queueMicrotask(() => this.#handler(answer, to))
  }

  receive(handler: (bytes: Uint8Array, from: DhtAddress) => void): void {
    this.#handler = handler
  }

  async close(): Promise<void> {}
}
