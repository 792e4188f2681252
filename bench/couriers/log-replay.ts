/**
 * What this design replaces, at its best: the author's signed log, which a replica replays into LMDB to have a state that
 * can be queried. The same network as coppice's, one request, and the blocks as one stream. The log itself is not kept by
 * the replica, nor does anything prove to a third party what state it leads to.
 */
import { createPublicKey } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { equalBytes } from '../../src/bytes.ts'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import { sha256 } from '../../src/sha256.ts'
import type { Channel } from '../../src/sync/index.ts'
import type { Entries } from '../data/entries.ts'
import type { CourierAuthor, CourierReplica, CourierReport, CourierSides } from './courier.ts'
import { blocksOf, Chain, DIGEST_BYTES, HEAD_BYTES, type LogRow, LogSigner, requireHead, rowsOf } from './log.ts'
import { SocketMeter } from './socket-meter.ts'

const PROTOCOL = '/coppice/bench-log/1.0.0'
const TIMEOUT_MS = 600_000
/** Of an answer's first frame, beside the digests: those go in frames of their own where there are more. */
const DIGESTS_PER_FRAME = 32_768

interface LogBlock {
  readonly start: number
  readonly bytes: number
  readonly digest: Uint8Array
}

/** Blocks in a file, their places and digests in memory. */
class LogAuthor implements CourierAuthor {
  readonly #signer = new LogSigner()
  readonly #chain = new Chain()
  readonly #blocks: LogBlock[] = []
  readonly #node: NetworkNode
  readonly #file: FileHandle
  readonly port: number
  #end = 0

  constructor(node: NetworkNode, file: FileHandle) {
    this.#node = node
    this.#file = file
    this.port = Number(/\/tcp\/(\d+)/.exec(this.#nodeAddress)?.[1])
  }

  get address(): string {
    const key = this.#signer.publicKey.export({ format: 'der', type: 'spki' }).toString('hex')
    return `${this.#nodeAddress} ${key}`
  }

  get #nodeAddress(): string {
    return this.#node.addresses()[0] as string
  }

  async publish(rows: Iterable<LogRow>): Promise<void> {
    for (const block of blocksOf(rows)) {
      const digest = sha256(block)
      await this.#file.write(block, 0, block.length, this.#end)
      this.#blocks.push({ start: this.#end, bytes: block.length, digest })
      this.#chain.add(digest)
      this.#end += block.length
    }
    await this.#file.datasync()
  }

  async serve(channel: Channel): Promise<void> {
    const request = await channel.receive()
    if (request === undefined) return
    const from = Buffer.from(request).readUInt32BE()
    const blocks = this.#blocks.slice(from)
    await channel.send(this.#signer.head(this.#chain))
    for (let i = 0; i < blocks.length; i += DIGESTS_PER_FRAME) {
      await channel.send(Buffer.concat(blocks.slice(i, i + DIGESTS_PER_FRAME).map(({ digest }) => digest)))
    }
    for (const { start, bytes } of blocks) {
      const block = Buffer.allocUnsafe(bytes)
      await this.#file.read(block, 0, bytes, start)
      await channel.send(block)
    }
  }

  async close(): Promise<void> {
    await this.#node.stop()
    await this.#file.close()
  }
}

class LogReplica implements CourierReplica {
  readonly #db: RootDatabase<Buffer, Uint8Array>
  readonly #meter = new SocketMeter()
  #chain = new Chain()
  #node: NetworkNode | undefined

  constructor(directory: string) {
    this.#db = open<Buffer, Uint8Array>({ path: directory, noSubdir: false, encoding: 'binary', keyEncoding: 'binary' })
  }

  async prepare(): Promise<void> {
    await this.#node?.stop()
    this.#node = undefined
  }

  async pull(address: string): Promise<CourierReport> {
    this.#meter.take()
    const [peer = '', key = ''] = address.split(' ')
    this.#node ??= await createNode({ peerKey: crypto.getRandomValues(new Uint8Array(32)) })
    const channel = await this.#node.dialer(peer, { protocols: [PROTOCOL] }).open(AbortSignal.timeout(TIMEOUT_MS))
    await channel.send(lengthBytes(this.#chain.length))
    const head = await requireFrame(channel)
    const length = Buffer.from(head).readUInt32BE()
    if (head.length !== HEAD_BYTES) throw new Error(`log: expected a head of ${HEAD_BYTES} bytes, got ${head.length}`)
    const digests = await this.#receiveDigests(channel, length - this.#chain.length)
    const chain = new Chain()
    Object.assign(chain, this.#chain)
    digests.forEach((digest) => chain.add(digest))
    requireHead(head, chain, createPublicKey({ key: Buffer.from(key, 'hex'), format: 'der', type: 'spki' }))
    for (const digest of digests) await this.#replay(Buffer.from(await requireFrame(channel)), digest)
    await this.#db.flushed
    this.#chain = chain
    await channel.close()
    return this.#meter.take()
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#db.getBinary(Buffer.from(key))
  }

  async close(): Promise<void> {
    await this.#node?.stop()
    await this.#db.close()
  }

  async #receiveDigests(channel: Channel, count: number): Promise<Uint8Array[]> {
    const digests: Uint8Array[] = []
    while (digests.length < count) {
      const frame = await requireFrame(channel)
      for (let at = 0; at < frame.length; at += DIGEST_BYTES) digests.push(frame.subarray(at, at + DIGEST_BYTES))
    }
    return digests
  }

  /** Verifies a block and puts its rows. The wait is for the commit, not for the disk. */
  async #replay(block: Buffer, digest: Uint8Array): Promise<void> {
    if (!equalBytes(sha256(block), digest)) throw new Error('log: a block of another digest')
    let written: Promise<boolean> | undefined
    for (const { key, value } of rowsOf(block)) written = this.#db.put(key, value)
    await written
  }
}

function lengthBytes(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

async function requireFrame(channel: Channel): Promise<Uint8Array> {
  const frame = await channel.receive()
  if (frame === undefined) throw new Error('log: the author ended early')
  return frame
}

async function author(directory: string, entries: Entries): Promise<CourierAuthor> {
  const peerKey = crypto.getRandomValues(new Uint8Array(32))
  const node = await createNode({ peerKey, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const made = new LogAuthor(node, await openFile(join(directory, 'log'), 'w+'))
  await made.publish(entries.all() as Iterable<LogRow>)
  await node.handle((channel) => made.serve(channel), { protocol: PROTOCOL })
  return made
}

export const sides: CourierSides = {
  author,
  replica: async (directory) => {
    const path = join(directory, 'replica')
    mkdirSync(path)
    return new LogReplica(path)
  },
}
