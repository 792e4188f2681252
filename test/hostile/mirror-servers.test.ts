/**
 * Threats 9 and 10: servers of mirrors that never answer, dribble, send without end or other ranges, encode, redirect,
 * or are always busy. Each is named with its URL; an honest peer beside it completes the clone; what is odd and harmless is not punished.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ServerResponse } from 'node:http'
import { exportMirror } from '../../src/mirror/index.ts'
import { failureOf, outcomesOf } from '../support/database-lab.ts'
import { type Behaviour, FileServer } from '../support/file-server.ts'
import { fastClock, MirrorLab, publishedRows } from '../support/mirror-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

/** So many times as fast, for what is waited for: 10 s are half a second. */
const TIMES = 20

interface Asked {
  readonly outcome: string
  readonly requests: number
  readonly bytesReceived: number
}

const isPack = (path: string): boolean => path.endsWith('.pack')

/** Clones from an honest peer and a server of that behaviour. */
async function besideHonest(behaviour: Behaviour): Promise<Asked> {
  let asked: Asked | undefined
  await inDirectory(async (directory, use) => {
    const db = await publishedRows(12_000)
    await exportMirror(db, directory)
    const lab = new MirrorLab(fastClock(TIMES))
    const server = use(await FileServer.open(directory, behaviour))
    // Nothing comes of it before the honest peer is there: the server has its chance.
    const alone = await failureOf((await lab.replica(db, [server.url])).pull())
    assert.is(alone.code, 'NO_PEER_LEFT')
    assert.ok(alone.message.includes(server.url), alone.message)
    const { bytesReceived, outcome } = (alone.details['peers'] as { bytesReceived: number; outcome: string }[])[0] ?? {
      bytesReceived: NaN,
      outcome: '',
    }
    lab.serve('alice', db)
    const replica = await lab.replica(db, ['alice', server.url])
    const { report } = await replica.pull()
    assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
    assert.is(outcomesOf(report)['alice'], 'used')
    asked = { outcome, requests: server.requests.length, bytesReceived }
  })
  return asked as Asked
}

/** Clones from a server of that behaviour alone, which must do. */
async function alone(
  behaviour: Behaviour,
  rows = 12_000,
  times = 1,
): Promise<{ server: FileServer; packBytes: number }> {
  let result: { server: FileServer; packBytes: number } | undefined
  await inDirectory(async (directory, use) => {
    const db = await publishedRows(rows)
    const { packBytes } = await exportMirror(db, directory)
    const server = use(await FileServer.open(directory, behaviour))
    const replica = await new MirrorLab(fastClock(times)).replica(db, [server.url])
    const { report } = await replica.pull()
    assert.is((await replica.snapshot()).root, (await db.snapshot()).root)
    assert.equal(outcomesOf(report), { [server.url]: 'used' })
    result = { server, packBytes }
  })
  return result as { server: FileServer; packBytes: number }
}

function dribble(response: ServerResponse): true {
  const timer = setInterval(() => response.write('.'), 4)
  response.on('close', () => clearInterval(timer))
  return true
}

function flood(response: ServerResponse): true {
  const timer = setInterval(() => response.write(new Uint8Array(100_000)), 1)
  response.on('close', () => clearInterval(timer))
  return true
}

const test = suite('hostile/mirror-servers')

test('a server that never answers, for its root or for a pack', async () => {
  assert.is((await besideHonest(() => true)).outcome, 'silent')
  // Its root is looked at meanwhile: it does send something.
  const { outcome } = await besideHonest((_request, _response, path) => isPack(path))
  assert.ok(['silent', 'slow'].includes(outcome), outcome)
})

test('a slow loris: a byte now and then', async () => {
  const { outcome, bytesReceived } = await besideHonest((request, response, path) => {
    if (!isPack(path)) return false
    const [, start = '0', end = '0'] = /(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    const headers = { 'content-range': `bytes ${start}-${end}/*`, 'content-length': Number(end) - Number(start) + 1 }
    response.writeHead(206, headers)
    return dribble(response)
  })
  assert.is(outcome, 'slow')
  assert.ok(bytesReceived < 10_000)
})

test('bodies without end: of a root file, of a range', async () => {
  const root = await besideHonest((_request, response, path) => path === 'root' && flood(response))
  assert.is(root.outcome, 'protocol')
  const range = await besideHonest((request, response, path) => {
    if (!isPack(path)) return false
    const [, start = '0', end = '0'] = /(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/*` })
    return flood(response)
  })
  assert.equal([range.outcome, range.bytesReceived < 8_000_000], ['protocol', true])
})

test('another range than was asked for, or none at all', async () => {
  for (const header of ['bytes 0-9/*', 'bytes */*', 'items 0-9/10', '', 'longer', 'later']) {
    const { outcome } = await besideHonest((request, response, path) => {
      if (!isPack(path)) return false
      const [, start = '0', end = '0'] = /(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
      const forged = { longer: `bytes ${start}-${Number(end) + 1}/*`, later: `bytes ${Number(start) + 1}-${end}/*` }
      const range = forged[header as keyof typeof forged] ?? header
      const bytes = new Uint8Array(Number(end) - Number(start) + 1)
      response.writeHead(206, range === '' ? {} : { 'content-range': range }).end(bytes)
      return true
    })
    assert.is(outcome, 'protocol', header)
  }
})

test('a range that breaks off, or has fewer bytes than its head says', async () => {
  const cut = await besideHonest((request, response, path) => {
    if (!isPack(path)) return false
    const [, start = '0', end = '0'] = /(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/*` })
    response.end('short')
    return true
  })
  assert.is(cut.outcome, 'protocol')
})

test('an encoding that was not asked for', async () => {
  const { outcome } = await besideHonest((_request, response, path) => {
    if (!isPack(path)) return false
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('bomb')
    return true
  })
  assert.is(outcome, 'protocol')
})

test('redirects without end', async () => {
  const { outcome, requests } = await besideHonest((_request, response) => {
    response.writeHead(302, { location: '/again' }).end()
    return true
  })
  assert.is(outcome, 'protocol')
  assert.ok(requests <= 4 * 6, `${requests} requests`)
})

test('a server that is always busy is given up, one that is busy for a while is not', async () => {
  const busy: Behaviour = (_request, response, path) => {
    if (!isPack(path)) return false
    response.writeHead(503, { 'retry-after': '1' }).end('later')
    return true
  }
  assert.is((await besideHonest(busy)).outcome, 'busy')
  let answers = 0
  await alone((request, response, path) => isPack(path) && answers++ < 4 && busy(request, response, path), 3000, TIMES)
  assert.ok(answers > 4)
})

test('a server that knows no ranges sends each pack once', async () => {
  const { server, packBytes } = await alone((request) => {
    delete request.headers.range
    return false
  })
  assert.ok(server.bytesSent < packBytes + 2000, `${server.bytesSent} bytes of ${packBytes}`)
})

test('content types, names of headers and missing ETags make no difference', async () => {
  await alone((request, response) => {
    const end = response.writeHead.bind(response)
    response.writeHead = ((status: number, headers: Record<string, string>) => {
      const { etag: _etag, ...others } = headers
      return end(status, { ...others, 'content-type': 'text/html; charset=utf-8', 'x-powered-by': 'PHP/5.2' })
    }) as typeof response.writeHead
    delete request.headers['if-none-match']
    return false
  })
})

test('a page that says 200 for what is not there: the mirror does not have the tree', async () => {
  const { outcome } = await besideHonest((_request, response, path) => {
    if (!isPack(path)) return false
    response.writeHead(200, { 'content-type': 'text/html', 'content-length': 15 }).end('<h1>Hello!</h1>')
    return true
  })
  assert.is(outcome, 'outdated')
})

test.run()
