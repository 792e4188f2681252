/**
 * A node of BitTorrent's DHT that does whatever a test makes it do: its answer to a question is made by a function of the test, which may
 * give several datagrams, none, or noise. What it was asked is counted.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import {
  ascii,
  type BencodeDictionary,
  type BencodeValue,
  decodeBencode,
  encodeBencode,
  isDictionary,
} from '../../src/carriers/bep44/bencode.ts'
import type { MutableItem } from '../../src/carriers/bep44/item.ts'
import type { DhtAddress, DhtNode } from '../../src/carriers/bep44/messages.ts'

export interface Asked {
  readonly kind: string
  readonly transaction: Uint8Array
  readonly arguments: BencodeDictionary
  readonly from: DhtAddress
}

/** The datagrams that it answers with. */
export type Answering = (asked: Asked, member: DhtMember) => readonly Uint8Array[]

export class DhtMember {
  readonly id: Uint8Array
  /** Questions by kind. */
  readonly asked: Map<string, number> = new Map()
  answering: Answering
  readonly #socket: Socket

  private constructor(id: Uint8Array, socket: Socket, answering: Answering) {
    this.id = id
    this.#socket = socket
    this.answering = answering
    socket.on('message', (bytes, { address, port }) => this.#onMessage(new Uint8Array(bytes), { host: address, port }))
  }

  static async start(answering: Answering, id: Uint8Array = new Uint8Array(20).fill(1)): Promise<DhtMember> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DhtMember(id, socket, answering)
  }

  get address(): DhtAddress {
    return { host: '127.0.0.1', port: this.#socket.address().port }
  }

  get node(): DhtNode {
    return { id: this.id, ...this.address }
  }

  /** Sends unasked. */
  send(bytes: Uint8Array, to: DhtAddress): void {
    // What is too large for any datagram stays here.
    this.#socket.send(bytes, to.port, to.host, () => {})
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(resolve))
  }

  #onMessage(bytes: Uint8Array, from: DhtAddress): void {
    const message = decodeBencode(bytes)
    const fields = isDictionary(message) ? message.get('a') : undefined
    if (!isDictionary(message) || !isDictionary(fields)) return
    const kind = new TextDecoder().decode(message.get('q') as Uint8Array)
    this.asked.set(kind, (this.asked.get(kind) ?? 0) + 1)
    const asked = { kind, transaction: message.get('t') as Uint8Array, arguments: fields, from }
    for (const datagram of this.answering(asked, this)) this.send(datagram, from)
  }
}

export type Fields = readonly (readonly [string, BencodeValue])[]

export function response(transaction: Uint8Array, fields: Fields): Uint8Array {
  return encodeBencode(
    new Map<string, BencodeValue>([
      ['t', transaction],
      ['y', ascii('r')],
      ['r', new Map(fields)],
    ]),
  )
}

export function errorAnswer(transaction: Uint8Array, code: number, text: string): Uint8Array {
  const error: readonly BencodeValue[] = [BigInt(code), ascii(text)]
  return encodeBencode(
    new Map<string, BencodeValue>([
      ['t', transaction],
      ['y', ascii('e')],
      ['e', error],
    ]),
  )
}

/** Of an answer: an item and all that it has. */
export function itemFields({ key, sequence, signature, encodedValue }: MutableItem): Fields {
  return [
    ['k', key],
    ['seq', sequence],
    ['sig', signature],
    ['v', decodeBencode(encodedValue) as BencodeValue],
  ]
}

export function compactNodes(nodes: readonly DhtNode[]): Uint8Array {
  return new Uint8Array(
    nodes.flatMap(({ id, host, port }) => [...id, ...host.split('.').map(Number), port >> 8, port & 255]),
  )
}

/** The usual answer of an honest one, with what `fields` adds or replaces. */
export function honest(asked: Asked, member: DhtMember, fields: Fields = []): Uint8Array {
  return response(asked.transaction, [
    ['id', member.id],
    ['nodes', new Uint8Array(0)],
    ...(asked.kind === 'get' ? [['token', ascii('token')] as const] : []),
    ...fields,
  ])
}
