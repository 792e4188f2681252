/** A web server over a directory, as anybody would run one: ranges, ETags, keep-alive; and the ways in which one may misbehave. */
import { once } from 'node:events'
import type { Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'

/** Answers a request instead of the server, or leaves it to the server: false. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, path: string) => boolean | Promise<boolean>

export class FileServer implements AsyncDisposable {
  /** Requests so far: the path, and the range that was asked for. */
  readonly requests: { readonly path: string; readonly range: string | undefined }[] = []
  bytesSent = 0
  /** What it does to all requests, until it is changed. */
  behaviour: Behaviour = () => false
  readonly #server: Server
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async open(directory: string, behaviour?: Behaviour): Promise<FileServer> {
    const server = new FileServer(directory)
    if (behaviour !== undefined) server.behaviour = behaviour
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  /** Requests for packs. */
  get packRequests(): number {
    return this.requests.filter(({ path }) => path.endsWith('.pack')).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://any').pathname)).slice(1)
    this.requests.push({ path, range: request.headers.range })
    try {
      if (await this.behaviour(request, response, path)) return
      await this.sendFile(request, response, path)
    } catch {
      response.destroy()
    }
  }

  async sendFile(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const file = await open(join(this.#directory, path)).catch(() => undefined)
    const stats = await file?.stat()
    if (file === undefined || stats === undefined || !stats.isFile()) {
      await file?.close()
      response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not found</h1>')
      return
    }
    try {
      await this.#send(request, response, file, stats)
    } finally {
      await file.close()
    }
  }

  async #send(request: IncomingMessage, response: ServerResponse, file: FileHandle, stats: Stats): Promise<void> {
    const { size, mtimeMs } = stats
    const etag = `"${mtimeMs}-${size}"`
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { etag }).end()
      return
    }
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    const [start, end] = match === null ? [0, size] : [Number(match[1]), Math.min(size, Number(match[2]) + 1)]
    if (start > size || (match !== null && start === size)) {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
      return
    }
    const bytes = new Uint8Array(end - start)
    await file.read(bytes, 0, bytes.length, start)
    const headers = { etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' }
    const range = match === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }
    this.bytesSent += bytes.length
    response.writeHead(match === null ? 200 : 206, { ...headers, ...range, 'content-length': bytes.length }).end(bytes)
  }
}
