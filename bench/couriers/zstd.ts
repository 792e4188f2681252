/**
 * zstd of a flat file over plain TCP: `zstd -3` the first time, then `--patch-from` the copy that the replica has, for which
 * the author has to keep the version before. Neither encrypted nor verified.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fdatasyncSync, openSync, renameSync, statSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Change } from '../data/changes.ts'
import type { Entries } from '../data/entries.ts'
import type { CourierAuthor, CourierReplica, CourierReport, CourierSides } from './courier.ts'
import { FlatFile } from './flat-file.ts'

const LEVEL = '-3'
/** zstd looks for matches with the old version within a window, which takes the whole of both. */
const WINDOW_LOG_MIN = 27
const WINDOW_LOG_MAX = 31

class ZstdAuthor implements CourierAuthor {
  readonly #file: FlatFile
  readonly #before: string
  readonly port: number
  readonly #close: () => Promise<void>

  constructor(file: FlatFile, before: string, port: number, close: () => Promise<void>) {
    this.#file = file
    this.#before = before
    this.port = port
    this.#close = close
  }

  get address(): string {
    return String(this.port)
  }

  async publish(changes: Iterable<Change>): Promise<void> {
    this.#file.copyTo(this.#before)
    this.#file.put(changes)
  }

  close(): Promise<void> {
    return this.#close()
  }
}

/** Answers one byte: 0, everything; 1, what is new since the version before. */
async function answer(socket: Socket, path: string, before: string): Promise<void> {
  const [request] = (await once(socket, 'data')) as [Buffer]
  const base = request[0] === 1 ? ['--patch-from', before, windowOption(path)] : []
  const child = spawn('zstd', [LEVEL, '-q', '-c', ...base, path], { stdio: ['ignore', 'pipe', 'ignore'] })
  await pipeline(child.stdout, socket)
}

function windowOption(path: string): string {
  const log = Math.ceil(Math.log2(statSync(path).size + 1)) + 1
  return `--long=${Math.min(WINDOW_LOG_MAX, Math.max(WINDOW_LOG_MIN, log))}`
}

async function author(directory: string, entries: Entries): Promise<CourierAuthor> {
  const file = new FlatFile(join(directory, 'rows'))
  file.write(entries)
  const before = join(directory, 'rows-before')
  file.copyTo(before)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    answer(socket, file.path, before).catch(() => socket.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return new ZstdAuthor(file, before, port, async () => void server.close())
}

class ZstdReplica implements CourierReplica {
  readonly #directory: string
  readonly #file: FlatFile
  #hasCopy = false

  constructor(directory: string) {
    this.#directory = directory
    this.#file = new FlatFile(join(directory, 'copy'))
  }

  async pull(port: string): Promise<CourierReport> {
    const next = join(this.#directory, 'next')
    const base = this.#hasCopy ? ['--patch-from', this.#file.path, `--long=${WINDOW_LOG_MAX}`] : []
    const socket = connect(Number(port), '127.0.0.1').setNoDelay(true)
    socket.write(Uint8Array.of(this.#hasCopy ? 1 : 0))
    const child = spawn('zstd', ['-d', '-q', '-f', ...base, '-o', next, '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
    const closed = once(child, 'close') as Promise<[number]>
    await pipeline(socket, child.stdin)
    const [code] = await closed
    if (code !== 0) throw new Error(`zstd ended with ${code}: ${errors.trim()}`)
    flush(next)
    renameSync(next, this.#file.path)
    this.#hasCopy = true
    return { bytesReceived: socket.bytesRead, bytesSent: socket.bytesWritten }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#file.get(key)
  }

  async close(): Promise<void> {}
}

function flush(path: string): void {
  const file = openSync(path, 'r+')
  fdatasyncSync(file)
  closeSync(file)
}

export const sides: CourierSides = {
  author,
  replica: async (directory) => new ZstdReplica(directory),
}
