/**
 * Speaks kad-dht's messages by hand, without being a node of the DHT: puts whatever it likes at one member after the other, or takes a
 * member's place and answers whatever it likes.
 */
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { concatBytes } from '../../src/bytes.ts'
import { decodeProtobuf, encodeProtobuf, type ProtobufFields } from '../../src/carriers/ipns/protobuf.ts'
import { KAD_PROTOCOL } from '../../src/net/discovery/dht.ts'
import { createLibp2pNode, type Libp2pParts } from '../../src/net/libp2p.ts'
import { type DhtNode, nextPeerKey } from './dht-lab.ts'

const PUT_VALUE = 0n
const GET_VALUE = 1n
/** Fields of a message, and of the record in it. */
const TYPE = 1
const KEY = 2
const RECORD = 3
const RECORD_KEY = 1
const RECORD_VALUE = 2
const RECORD_RECEIVED = 5

export class DhtAttacker {
  readonly #parts: Libp2pParts
  readonly #connections = new Map<DhtNode, Connection>()

  private constructor(parts: Libp2pParts) {
    this.#parts = parts
  }

  static async start(): Promise<DhtAttacker> {
    const parts = await createLibp2pNode({ peerKey: nextPeerKey(), listen: [], announce: [], connectionsMax: 64 })
    await parts.libp2p.start()
    return new DhtAttacker(parts)
  }

  async stop(): Promise<void> {
    await this.#parts.libp2p.stop()
  }

  /** Whether the member took it. */
  async put(member: DhtNode, key: Uint8Array, value: Uint8Array): Promise<boolean> {
    const stream = await this.#open(member)
    stream.send(frame(message(PUT_VALUE, key, value)))
    const answer = await read(stream)
    stream.abort(new Error('done'))
    return answer !== undefined
  }

  /** Bytes that are no message. Whether it answers them. */
  async send(member: DhtNode, bytes: Uint8Array): Promise<boolean> {
    const stream = await this.#open(member)
    stream.send(bytes)
    const closed = stream.close().catch(() => {})
    const answer = await read(stream)
    await closed
    stream.abort(new Error('done'))
    return answer !== undefined
  }

  async #open(member: DhtNode): Promise<Stream> {
    let connection = this.#connections.get(member)
    if (connection?.status !== 'open') {
      const [address] = member.libp2p.getMultiaddrs()
      if (address === undefined) throw new TypeError('expected a member that listens')
      this.#parts.guard.permit(multiaddr(address.toString()))
      connection = await this.#parts.libp2p.dial(address)
      this.#connections.set(member, connection)
    }
    return await connection.newStream(KAD_PROTOCOL)
  }
}

/** The member's answers are made by `answer` from now on; none where it gives undefined. */
export async function corrupt(
  member: DhtNode,
  answer: (key: Uint8Array, isGet: boolean) => Uint8Array | undefined,
): Promise<void> {
  await member.libp2p.unhandle(KAD_PROTOCOL)
  await member.libp2p.handle(KAD_PROTOCOL, async (stream: Stream) => {
    const asked = await read(stream)
    const bytes = asked && answer((asked.get(KEY) ?? new Uint8Array()) as Uint8Array, asked.get(TYPE) === GET_VALUE)
    if (bytes !== undefined) stream.send(bytes)
  })
}

/** An answer to a question for a value. */
export function valueAnswer(key: Uint8Array, value: Uint8Array): Uint8Array {
  return frame(message(GET_VALUE, key, value))
}

/** An answer that names other nodes, at the same address all of them. */
export function closerAnswer(key: Uint8Array, ids: readonly Uint8Array[], address: Uint8Array): Uint8Array {
  const peers = ids.map((id) => concatBytes(Uint8Array.of(CLOSER_TAG), lengthOf(peer(id, address)), peer(id, address)))
  return frame(concatBytes(message(GET_VALUE, key), ...peers))
}

/** Field 8 of a message, bytes. */
const CLOSER_TAG = 0x42

function peer(id: Uint8Array, address: Uint8Array): Uint8Array {
  return encodeProtobuf(
    new Map([
      [1, id],
      [2, address],
    ]),
  )
}

function message(type: bigint, key: Uint8Array, value?: Uint8Array): Uint8Array {
  const fields = new Map<number, bigint | Uint8Array>([
    [TYPE, type],
    [KEY, key],
  ])
  if (value !== undefined) {
    const received = new TextEncoder().encode(new Date().toISOString())
    const record = new Map([
      [RECORD_KEY, key],
      [RECORD_VALUE, value],
      [RECORD_RECEIVED, received],
    ])
    fields.set(RECORD, encodeProtobuf(record))
  }
  return encodeProtobuf(fields)
}

function frame(bytes: Uint8Array): Uint8Array {
  return concatBytes(lengthOf(bytes), bytes)
}

function lengthOf({ length }: Uint8Array): Uint8Array {
  const bytes: number[] = []
  for (let rest = length; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** The first message of a stream; undefined where it ends without one. */
async function read(stream: Stream): Promise<ProtobufFields | undefined> {
  return await new Promise((resolve) => {
    let bytes = new Uint8Array()
    const onEnd = (): void => resolve(undefined)
    stream.addEventListener('message', ({ data }) => {
      bytes = concatBytes(bytes, new Uint8Array(data.subarray())) as Uint8Array<ArrayBuffer>
      const message = unframe(bytes)
      if (message !== undefined) resolve(decodeProtobuf(message) ?? new Map())
    })
    stream.addEventListener('remoteCloseWrite', onEnd)
    stream.addEventListener('close', onEnd)
    if (stream.status !== 'open') onEnd()
  })
}

function unframe(bytes: Uint8Array): Uint8Array | undefined {
  let length = 0
  for (const [i, byte] of bytes.entries()) {
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return bytes.length >= i + 1 + length ? bytes.subarray(i + 1, i + 1 + length) : undefined
  }
  return undefined
}
