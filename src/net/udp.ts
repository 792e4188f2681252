/**
 * Datagrams for a client of BitTorrent's DHT (record.md, 7). Only answers come in: a datagram of whoever was not asked is dropped before
 * it is looked into, and nobody is answered, so this socket amplifies nothing. What goes out to one host is bounded, since it was
 * strangers who named most hosts, and may have named a victim. What is over a bound is lost, as datagrams are.
 */
import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import type { Clock } from '../clock.ts'
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'
import { parseIp } from '../ip-address.ts'
import { hostKey, mayName, reachOf } from './reach.ts'

export interface UdpAddress {
  /** A numeric address; of IPv6 all eight groups, none left out. */
  readonly host: string
  readonly port: number
}

export interface UdpOptions {
  readonly clock: Clock
  /** Hosts that are sent to without a bound: those that the user named. */
  readonly isTrustedHost: (host: string) => boolean
}

type Handler = (bytes: Uint8Array, from: UdpAddress) => void

interface Open {
  readonly socket: Socket
  /** Handed to it and not gone yet. */
  sending: number
}

/** A question has about 150 bytes, one that puts the largest item 1,300: more than a path of the Internet carries whole is never sent. */
const SENT_BYTES_MAX = 1400
/** An answer with an item and nodes of both kinds has 1,800. */
const RECEIVED_BYTES_MAX = 4096
/** Handed to a socket and not gone yet. */
const SENDING_MAX = 256
/** In one second to one host that strangers named: a lookup asks four of its nodes at most. */
const PER_HOST_MAX = 16
const PER_HOST_MS = 1000
/** Datagrams that an address may send for one that it was sent: the network doubles some, and a forger may be faster than the asked. */
const ANSWERS_MAX = 8
const AWAITED_MAX = 64
/** Addresses that answers are awaited of, and hosts that are counted: four lookups' worth. The oldest make room. */
const ADDRESSES_MAX = 512
const RECEIVE_BUFFER_BYTES: number = 256 * 1024
/** Of ports below nothing but the user's own nodes is asked: services that a stranger may want others to bother. */
const NAMED_PORT_MIN = 1024

/** Sockets are bound when the first datagram leaves, one for each family; they keep no process alive. */
export class UdpSocket {
  readonly #options: UdpOptions
  readonly #sockets = new Map<4 | 6, Open>()
  readonly #awaited = new Map<string, number>()
  readonly #sentTo = new Map<string, { from: number; count: number }>()
  #handler: Handler | undefined
  #isClosed = false

  constructor(options: UdpOptions) {
    this.#options = options
  }

  /** Sends, or loses it. Never throws. */
  send(bytes: Uint8Array, to: UdpAddress): void {
    if (this.#isClosed || !isAddress(to) || bytes.length > SENT_BYTES_MAX || !this.#isWithinRate(to.host)) return
    const open = this.#openOf(to.host.includes(':') ? 6 : 4)
    if (open.sending >= SENDING_MAX) return
    const name = nameOf(to)
    remember(this.#awaited, name, Math.min((this.#awaited.get(name) ?? 0) + ANSWERS_MAX, AWAITED_MAX))
    open.sending++
    open.socket.send(bytes, to.port, to.host, () => {
      open.sending--
    })
  }

  receive(handler: Handler): void {
    this.#handler = handler
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const sockets = [...this.#sockets.values()]
    this.#sockets.clear()
    await Promise.all(sockets.map(({ socket }) => new Promise<void>((resolve) => socket.close(resolve))))
  }

  #isWithinRate(host: string): boolean {
    if (this.#options.isTrustedHost(host)) return true
    const now = this.#options.clock.now()
    const machine = hostKey(host)
    const held = this.#sentTo.get(machine)
    const isOver = held === undefined || now < held.from || now >= held.from + PER_HOST_MS
    const sent = isOver ? { from: now, count: 0 } : held
    if (sent.count >= PER_HOST_MAX) return false
    sent.count++
    remember(this.#sentTo, machine, sent)
    return true
  }

  #openOf(family: 4 | 6): Open {
    const held = this.#sockets.get(family)
    if (held !== undefined) return held
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', recvBufferSize: RECEIVE_BUFFER_BYTES })
    const open = { socket, sending: 0 }
    socket.unref()
    socket.on('message', (bytes, { address, port }) => this.#onMessage(bytes, { host: fullForm(address), port }))
    // The next datagram tries again.
    socket.on('error', () => {
      if (this.#sockets.get(family) !== open) return
      this.#sockets.delete(family)
      socket.close()
    })
    this.#sockets.set(family, open)
    return open
  }

  #onMessage(bytes: Uint8Array, from: UdpAddress): void {
    const name = nameOf(from)
    const left = this.#awaited.get(name) ?? 0
    if (left === 0) return
    if (left === 1) this.#awaited.delete(name)
    else this.#awaited.set(name, left - 1)
    if (bytes.length <= RECEIVED_BYTES_MAX) this.#handler?.(new Uint8Array(bytes), from)
  }
}

/** Whether a node at `namedBy` may make us send to an address that it names (reach.ts). */
export function mayAskNode(address: UdpAddress, namedBy: UdpAddress): boolean {
  const teller = reachOf(namedBy.host)
  return address.port >= NAMED_PORT_MIN && teller !== undefined && mayName(teller, reachOf(address.host))
}

/**
 * The numeric addresses of nodes written `host:port`, of those names that resolve.
 * @throws {CoppiceError} `PEER_UNREACHABLE` where none does.
 */
export async function resolveNodes(nodes: readonly string[]): Promise<UdpAddress[]> {
  const resolved = await Promise.all(nodes.map(resolveNode))
  const found = resolved.filter((address) => address !== undefined)
  if (found.length > 0) return found
  const names = nodes.map(quoteText).join(', ')
  throw new CoppiceError('PEER_UNREACHABLE', `bep44: expected a node to begin with, got no address of ${names}`)
}

async function resolveNode(node: string): Promise<UdpAddress | undefined> {
  const end = node.lastIndexOf(':')
  const host = node.slice(0, end).replace(/^\[(.*)\]$/, '$1')
  const port = Number(node.slice(end + 1))
  if (parseIp(host) !== undefined) return { host: fullForm(host), port }
  try {
    const { address } = await lookup(host, { family: 4 })
    return { host: address, port }
  } catch {
    return undefined
  }
}

function isAddress({ host, port }: UdpAddress): boolean {
  return parseIp(host) !== undefined && Number.isInteger(port) && port >= 1 && port <= 65_535
}

/** Of an IPv6 address all groups; other text as it is. */
function fullForm(host: string): string {
  const bytes = parseIp(host)
  if (bytes?.length !== 16) return host
  return Array.from({ length: 8 }, (_, i) => (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16)).join(
    ':',
  )
}

function nameOf({ host, port }: UdpAddress): string {
  return `${host} ${port}`
}

/** Puts it last; the first makes room. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= ADDRESSES_MAX) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
