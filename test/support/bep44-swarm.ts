/** A swarm of npm's bittorrent-dht in a process of its own, clients of ours for it, and a clock for whom deadlines are soon over. */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { bep44Carrier } from '../../src/carriers/bep44/bep44-carrier.ts'
import type { Bep44ClientOptions } from '../../src/carriers/bep44/client.ts'
import type { DhtAddress } from '../../src/carriers/bep44/messages.ts'
import type { Carrier } from '../../src/carriers/carrier.ts'
import type { Clock } from '../../src/clock.ts'
import { mayAskNode, UdpSocket } from '../../src/net/udp.ts'
import type { Signer } from '../../src/pointer/index.ts'
import { surroundings } from '../../src/surroundings.ts'

export type NodesQuestion =
  | { readonly type: 'get'; readonly id: number; readonly node: number; readonly key: string; readonly salt: string }
  | {
      readonly type: 'put'
      readonly id: number
      readonly node: number
      readonly seed: string
      readonly salt: string
      readonly sequence: number
      readonly value: string
    }

export interface NodesAnswer {
  /** Of the question; 0: they are ready. */
  readonly id: number
  readonly ports?: readonly number[]
  readonly sequence?: number
  readonly value?: string
  readonly error?: string
}

const LOOPBACK = '127.0.0.1'

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export class Bep44Swarm {
  readonly addresses: readonly DhtAddress[]
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, (answer: NodesAnswer) => void>()
  #lastId = 0

  private constructor(process: ChildProcess, ports: readonly number[]) {
    this.#process = process
    this.addresses = ports.map((port) => ({ host: LOOPBACK, port }))
    process.on('message', (answer: NodesAnswer) => this.#waiting.get(answer.id)?.(answer))
  }

  static async start(count: number): Promise<Bep44Swarm> {
    const child = fork(new URL('processes/bep44-nodes.ts', import.meta.url), [String(count)])
    const [ready] = (await once(child, 'message')) as [NodesAnswer]
    return new Bep44Swarm(child, ready.ports ?? [])
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** By the code of the package, which keeps nothing of it. */
  async get(node: number, key: Uint8Array, salt: Uint8Array): Promise<NodesAnswer> {
    return await this.#ask({ type: 'get', id: ++this.#lastId, node, key: hex(key), salt: hex(salt) })
  }

  async put(
    node: number,
    seed: Uint8Array,
    salt: Uint8Array,
    sequence: number,
    value: Uint8Array,
  ): Promise<NodesAnswer> {
    const id = ++this.#lastId
    return await this.#ask({ type: 'put', id, node, seed: hex(seed), salt: hex(salt), sequence, value: hex(value) })
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.disconnect()
    await ended
  }

  async #ask(question: NodesQuestion): Promise<NodesAnswer> {
    const answer = new Promise<NodesAnswer>((resolve) => this.#waiting.set(question.id, resolve))
    this.#process.send(question)
    return await answer
  }
}

/** Time passes a hundred times as fast. */
export const hurriedClock: Clock = {
  now: () => surroundings.clock.now() * 100,
  sleep: async (ms, signal) => await surroundings.clock.sleep(ms / 100, signal),
}

/** With a socket of its own, which its user closes. */
export function clientOptions(
  bootstrap: readonly DhtAddress[],
  over: Partial<Bep44ClientOptions> = {},
): Bep44ClientOptions & { readonly socket: UdpSocket } {
  const { clock } = surroundings
  return {
    socket: new UdpSocket({ clock, isTrustedHost: (host) => bootstrap.some((node) => node.host === host) }),
    clock,
    // One id for all of them: the package adds read-only nodes to those that it names to others, and these never answer.
    randomBytes: (length) => (length === 20 ? new Uint8Array(20).fill(9) : new Uint8Array(randomBytes(length))),
    bootstrap: async () => bootstrap,
    mayAsk: mayAskNode,
    ...(over as object),
  }
}

export function openCarrier(
  bootstrap: readonly DhtAddress[],
  signer?: Signer,
  over: Partial<Bep44ClientOptions> = {},
): Carrier {
  return bep44Carrier({ ...clientOptions(bootstrap, over), signers: signer && [signer] })
}
