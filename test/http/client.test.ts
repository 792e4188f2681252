/** The client for servers that nobody trusts: bounds on what is read, patience, connections that are used again, and what is told. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type HttpClient, openHttp } from '../../src/http/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { failureOf, thrownBy } from '../support/database-lab.ts'
import { fastClock } from '../support/mirror-lab.ts'
import { scope, type Use } from '../support/temporary-directory.ts'

const { clock } = surroundings

interface Served {
  readonly client: HttpClient
  readonly url: string
  /** Connections so far. */
  connections(): number
}

async function serve(use: Use, listener: RequestListener, time = clock): Promise<Served> {
  const server = createServer(listener)
  // A connection that is not given back is never free again.
  server.keepAliveTimeout = 0
  let connections = 0
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/dir`
  const client = openHttp(url, { clock: time })
  use({
    [Symbol.asyncDispose]: async () => {
      client.close()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  })
  return { client, url, connections: () => connections }
}

/** A server that speaks no HTTP of Node's: `onRequest` is given the connection at its first bytes. */
async function serveRaw(use: Use, onRequest: (socket: Socket) => void): Promise<HttpClient> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => onRequest(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = openHttp(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { clock })
  use({
    [Symbol.asyncDispose]: async () => {
      client.close()
      server.close()
      await once(server, 'close')
    },
  })
  return client
}

const textOf = async (client: HttpClient, path: string): Promise<string> =>
  new TextDecoder().decode(await (await client.get(path)).read(1000))

const test = suite('http/client')

test('paths are below the URL, one connection serves many requests, and every byte is counted', async () => {
  await scope(async (use) => {
    let seen: IncomingHttpHeaders = {}
    const { client, connections } = await serve(use, (request, response) => {
      seen = request.headers
      response.end(`this is ${request.url}`)
    })
    assert.is(await textOf(client, 'root'), 'this is /dir/root')
    for (let i = 0; i < 5; i++) assert.is(await textOf(client, `packs/${i}`), `this is /dir/packs/${i}`)
    const missing = await client.get('x', { headers: { range: 'bytes=0-1' } })
    await missing.discard()
    assert.is(connections(), 1)
    const { requests, bytesReceived, bytesSent } = client.traffic
    assert.is(requests, 7)
    assert.ok(bytesReceived > 7 * 50 && bytesSent > 7 * 50)
    assert.equal(Object.keys(seen).toSorted(), ['accept-encoding', 'connection', 'host', 'range', 'user-agent'])
    assert.is(seen['accept-encoding'], 'identity')
  })
})

test('what is not wanted does not hold up a connection for others', async () => {
  await scope(async (use) => {
    const { client, connections } = await serve(use, (request, response) => {
      if (request.url === '/dir/304') response.writeHead(304).end()
      else if (request.url === '/dir/long') response.end(new Uint8Array(500_000))
      else response.writeHead(404).end('not here')
    })
    for (let i = 0; i < 10; i++) await (await client.get('304')).discard()
    assert.is(connections(), 1)
    for (let i = 0; i < 10; i++) await (await client.get(i % 2 === 0 ? 'long' : 'none')).discard()
    for (let i = 0; i < 10; i++) await (await client.get('304')).discard()
    assert.ok(connections() <= 12, `${connections()} connections`)
    for (let i = 0; i < 10; i++) await failureOf((await client.get('none')).read(1))
    await (await client.get('304')).discard()
  })
})

test('a body is read up to what was asked for, whatever its head says', async () => {
  await scope(async (use) => {
    const { client } = await serve(use, (request, response) => {
      if (request.url === '/dir/honest') response.writeHead(200, { 'content-length': 5000 }).end(new Uint8Array(5000))
      else if (request.url === '/dir/coded') response.writeHead(200, { 'content-encoding': 'gzip' }).end('x')
      else {
        const timer = setInterval(() => response.write(new Uint8Array(30_000)), 1)
        response.on('close', () => clearInterval(timer))
      }
    })
    const body = async (path: string, bytesMax: number): Promise<Uint8Array> => (await client.get(path)).read(bytesMax)
    assert.is((await body('honest', 5000)).length, 5000)
    for (const path of ['honest', 'endless', 'coded']) {
      const error = await failureOf(body(path, 4999))
      assert.equal(
        [error.code, error.details['fault'], error.details['name']],
        ['PEER_PROTOCOL', 'protocol', client.name],
      )
    }
    assert.ok(client.traffic.bytesReceived < 1_000_000)
    assert.is((await body('honest', 5000)).length, 5000)
  })
})

test('servers that are silent, that dribble, and that end in the middle are told apart', async () => {
  await scope(async (use) => {
    const listener: RequestListener = (request, response) => {
      if (request.url === '/dir/silent') return
      response.writeHead(200, { 'content-length': 1_000_000 })
      if (request.url === '/dir/stalled') response.write(new Uint8Array(10))
      else if (request.url === '/dir/cut') response.write(new Uint8Array(10), () => response.destroy())
      else {
        const timer = setInterval(() => response.write('.'), 5)
        response.on('close', () => clearInterval(timer))
      }
    }
    for (const [path, fault] of [
      ['silent', 'silent'],
      ['stalled', 'silent'],
      ['dribble', 'slow'],
      ['cut', 'unreachable'],
    ]) {
      const { client } = await serve(use, listener, fastClock(20))
      const error = await failureOf(client.get(path as string).then((response) => response.read(1_000_000)))
      assert.is(error.details['fault'], fault, path)
    }
  })
})

test('a server at the least rate is waited for, and so is a reader who takes his time', async () => {
  await scope(async (use) => {
    // 80 KiB/s of this clock's seconds.
    const time = fastClock(20)
    const { client } = await serve(
      use,
      (_request, response) => {
        let left = 30
        const began = Date.now()
        const timer = setInterval(() => {
          const due = Math.min(30, Math.floor((Date.now() - began) / 50))
          for (; left > 30 - due; left--) response.write(new Uint8Array(80 * 1024))
          if (left === 0) response.end()
        }, 5)
        response.on('close', () => clearInterval(timer))
      },
      time,
    )
    const response = await client.get('slow')
    await time.sleep(30_000)
    assert.is((await response.read(10_000_000)).length, 30 * 80 * 1024)
  })
})

test('what is no HTTP is refused', async () => {
  await scope(async (use) => {
    for (const answer of ['SSH-2.0-OpenSSH_9.9\r\n', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100_000)}`]) {
      const client = await serveRaw(use, (socket) => socket.write(answer))
      const error = await failureOf(client.get('root'))
      assert.is(error.details['fault'], 'protocol')
    }
  })
})

test('a kept connection that the server has closed meanwhile is no failure, one that it closes each time is', async () => {
  await scope(async (use) => {
    let requests = 0
    const { client } = await serve(use, (request, response) => {
      requests++
      // The second request on a connection finds it closed.
      if (requests === 2) request.socket.destroy()
      else response.end('here')
    })
    assert.is(await textOf(client, 'a'), 'here')
    assert.is(await textOf(client, 'b'), 'here')
    assert.is(requests, 3)
    const closing = await serve(use, (request) => request.socket.destroy())
    assert.is((await failureOf(closing.client.get('a'))).details['fault'], 'unreachable')
  })
})

test('a signal ends a request with its own reason, at any point; closing ends all', async () => {
  await scope(async (use) => {
    const { client } = await serve(use, (request, response) => {
      if (request.url !== '/dir/head') response.write('some')
    })
    for (const path of ['head', 'body']) {
      const controller = new AbortController()
      const reason = new Error('enough')
      const read = client.get(path, { signal: controller.signal }).then((response) => response.read(100))
      setTimeout(() => controller.abort(reason), 20)
      assert.is(await thrownBy(read), reason)
    }
    const open = client.get('head')
    setTimeout(() => client.close(), 20)
    assert.is((await failureOf(open)).code, 'PEER_UNREACHABLE')
    assert.is((await failureOf(client.get('head'))).code, 'PEER_UNREACHABLE')
  })
})

test('what cannot be the URL of a peer is refused before anything is asked', async () => {
  for (const url of [
    'http://user:secret@host/',
    'http://user@host/',
    'http://host/?x=1',
    'http://host/#x',
    'ftp://host/',
    'http://',
    'host',
    `http://host/${'x'.repeat(2000)}`,
  ]) {
    assert.throws(() => openHttp(url, { clock }), /address: expected/)
  }
  const nobody = openHttp('http://127.0.0.1:1/', { clock })
  const error = await failureOf(nobody.get('root'))
  assert.equal([error.code, error.details['fault']], ['PEER_UNREACHABLE', 'unreachable'])
  assert.ok(error.message.includes('http://127.0.0.1:1/') && error.message.includes('nothing listens'))
})

test.run()
