/** A gateway on this machine, and requests that are sent as they stand: no client in between that would tidy them up. */
import { CarReader as StockReader } from '@ipld/car'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type Database, providerOptions, type Replica, type WindowOptions } from '../../src/db/index.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/index.ts'
import { collect } from './database-lab.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Uint8Array
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface GatewayLabOptions extends Partial<GatewayOptions> {
  readonly window?: WindowOptions
}

export class GatewayLab {
  readonly gateway: Gateway
  readonly port: number

  private constructor(gateway: Gateway) {
    this.gateway = gateway
    this.port = Number(new URL(gateway.url).port)
  }

  static async start(
    databases: readonly (Database | Replica)[],
    { window, ...options }: GatewayLabOptions = {},
  ): Promise<GatewayLab> {
    const gateway = await startGateway({ host: '127.0.0.1', port: 0, ...options })
    for (const db of databases) {
      gateway.add({ ...providerOptions(db.state, { window }), published: () => db.published() })
    }
    return new GatewayLab(gateway)
  }

  /** A gateway of `databases`, all of which are closed when `body` is over. */
  static async serving(
    databases: readonly (Database | Replica)[],
    body: (lab: GatewayLab) => Promise<void>,
    options: GatewayLabOptions = {},
  ): Promise<void> {
    const lab = await GatewayLab.start(databases, options)
    try {
      await body(lab)
    } finally {
      await lab.close()
      for (const db of databases) await db.close()
    }
  }

  /** The path goes out as it is. */
  async ask(path: string, { method = 'GET', headers = {} }: AskOptions = {}): Promise<Reply> {
    const outgoing = httpRequest({ host: '127.0.0.1', port: this.port, path, method, headers, agent: false })
    outgoing.end()
    const [response] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage]
    const body = Buffer.concat(await collect(response as AsyncIterable<Buffer>))
    return { status: response.statusCode ?? 0, headers: response.headers as Reply['headers'], body }
  }

  /** CIDs of the blocks of an archive, in order; read by a reader that is not ours. */
  async car(path: string, options: AskOptions = {}): Promise<{ readonly reply: Reply; readonly cids: string[] }> {
    const reply = await this.ask(path, options)
    if (reply.status !== 200) throw new Error(`${path}: status ${reply.status}`)
    const reader = await StockReader.fromBytes(reply.body)
    return { reply, cids: (await collect(reader.cids())).map(String) }
  }

  /** A connection of one's own. */
  async connect(): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  /** Sends bytes as they are; gives all that comes back until the other side ends. */
  async exchange(bytes: string): Promise<string> {
    const socket = await this.connect()
    socket.write(bytes)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(socket, 'close')
    return Buffer.concat(chunks).toString('latin1')
  }

  close(): Promise<void> {
    return this.gateway.close()
  }
}
