/** The least of a web server over a directory: files, whole or in one range. What a real one does beside that costs a client nothing. */
import { once } from 'node:events'
import { createReadStream, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, normalize } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** @returns a server that listens on a port of this machine */
export async function serveFiles(directory: string): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((request, response) => {
    answer(directory, request, response).catch(() => response.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: (server.address() as AddressInfo).port, server }
}

async function answer(directory: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = join(directory, normalize(new URL(request.url ?? '/', 'http://any').pathname))
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isFile() !== true) {
    response.writeHead(404).end()
    return
  }
  const etag = `"${stats.mtimeMs}-${stats.size}"`
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, { etag }).end()
    return
  }
  const headers = { etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' }
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
  const start = Number(range?.[1] ?? 0)
  const end = Math.min(Number(range?.[2] ?? stats.size - 1), stats.size - 1)
  if (range !== null && start > end) {
    response.writeHead(416, { 'content-range': `bytes */${stats.size}` }).end()
    return
  }
  const about = range === null ? {} : { 'content-range': `bytes ${start}-${end}/${stats.size}` }
  response.writeHead(range === null ? 200 : 206, { ...headers, ...about, 'content-length': end - start + 1 })
  await pipeline(createReadStream(path, { start, end }), response)
}
