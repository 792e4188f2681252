/**
 * hyperbee 2 on hypercore 10: a B-tree in a signed log. Replicated as its documentation does, over a TCP socket with its own
 * noise stream; the copy downloads every block, since a sparse one is no copy.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Change } from '../data/changes.ts'
import type { Entries } from '../data/entries.ts'
import { loadPeer } from '../engines/load-peer.ts'
import type { CourierAuthor, CourierReplica, CourierReport, CourierSides } from './courier.ts'

interface Core {
  readonly key: Uint8Array
  readonly length: number
  ready(): Promise<void>
  replicate(isInitiator: boolean): Duplex
  findingPeers(): () => void
  update(options: { wait: boolean }): Promise<boolean>
  download(range: { start: number; end: number }): { done(): Promise<void> }
  close(): Promise<void>
}

interface Bee {
  ready(): Promise<void>
  batch(): { put(key: Uint8Array, value: Uint8Array): Promise<void>; flush(): Promise<void> }
  get(key: Uint8Array): Promise<{ readonly value: Uint8Array } | null>
}

type Storage = 'memory' | 'disk'

/** Rows of one batch: more of them make it no faster, and it holds them all. */
const ROWS_PER_BATCH = 10_000
/** Blocks asked for at a time, at least and most: over TCP it takes 48 by itself, which moves least, and takes long far away. */
const INFLIGHT_RANGE_FAR = [512, 512]

async function openCore(storage: Storage, directory: string, key?: Uint8Array, isFar: boolean = false): Promise<Core> {
  const { default: Hypercore } = await loadPeer<{ default: new (storage: unknown, ...options: unknown[]) => Core }>(
    'hypercore',
  )
  const place = storage === 'disk' ? directory : (await loadPeer<{ default: unknown }>('random-access-memory')).default
  const core = new Hypercore(place, key, isFar ? { inflightRange: INFLIGHT_RANGE_FAR } : {})
  await core.ready()
  return core
}

async function openBee(core: Core): Promise<Bee> {
  const { default: Hyperbee } = await loadPeer<{ default: new (core: Core, options: object) => Bee }>('hyperbee')
  const bee = new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary' })
  await bee.ready()
  return bee
}

function replicate(core: Core, socket: Socket, isInitiator: boolean): Duplex {
  const stream = core.replicate(isInitiator)
  // Whoever hangs up first leaves the other with an error, which says nothing.
  for (const end of [stream, socket]) end.on('error', () => {})
  socket.pipe(stream).pipe(socket)
  return stream
}

class HyperbeeAuthor implements CourierAuthor {
  readonly address: string
  readonly port: number
  readonly #bee: Bee
  readonly #close: () => Promise<void>

  constructor(bee: Bee, core: Core, port: number, close: () => Promise<void>) {
    this.#bee = bee
    this.port = port
    this.address = `${port}/${Buffer.from(core.key).toString('hex')}`
    this.#close = close
  }

  async publish(changes: Iterable<Pick<Change, 'key' | 'value'>>): Promise<void> {
    let batch = this.#bee.batch()
    let rows = 0
    for (const { key, value } of changes) {
      await batch.put(key, value)
      if (++rows % ROWS_PER_BATCH > 0) continue
      await batch.flush()
      batch = this.#bee.batch()
    }
    await batch.flush()
  }

  close(): Promise<void> {
    return this.#close()
  }
}

class HyperbeeReplica implements CourierReplica {
  readonly #storage: Storage
  readonly #directory: string
  readonly #isFar: boolean
  #core: Core | undefined
  #bee: Bee | undefined

  constructor(storage: Storage, directory: string, isFar: boolean) {
    this.#storage = storage
    this.#directory = directory
    this.#isFar = isFar
  }

  async pull(address: string): Promise<CourierReport> {
    const [port = '', key = ''] = address.split('/')
    this.#core ??= await openCore(this.#storage, this.#directory, Buffer.from(key, 'hex'), this.#isFar)
    const core = this.#core
    const known = core.length
    const socket = connect(Number(port), '127.0.0.1').setNoDelay(true)
    const found = core.findingPeers()
    await once(socket, 'connect')
    const stream = replicate(core, socket, true)
    void once(stream, 'open').then(found, found)
    await core.update({ wait: true })
    await core.download({ start: known, end: core.length }).done()
    this.#bee ??= await openBee(core)
    const report = { bytesReceived: socket.bytesRead, bytesSent: socket.bytesWritten }
    socket.destroy()
    stream.destroy()
    return report
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#bee?.get(key))?.value
  }

  async close(): Promise<void> {
    await this.#core?.close()
  }
}

async function author(storage: Storage, directory: string, entries: Entries): Promise<CourierAuthor> {
  const core = await openCore(storage, join(directory, 'author'))
  const server = createServer((socket) => void replicate(core, socket.setNoDelay(true), false))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const made = new HyperbeeAuthor(await openBee(core), core, port, async () => {
    server.close()
    await core.close()
  })
  await made.publish(entries.all() as Iterable<{ key: Uint8Array; value: Uint8Array }>)
  return made
}

function sidesIn(storage: Storage): CourierSides {
  return {
    author: (directory, entries) => author(storage, directory, entries),
    replica: async (directory, isFar) => new HyperbeeReplica(storage, join(directory, 'replica'), isFar),
  }
}

export const memorySides: CourierSides = sidesIn('memory')
export const diskSides: CourierSides = sidesIn('disk')
