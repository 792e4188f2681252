/**
 * Threats 20, 30 and 31, over HTTP: clients that flood, stall, shout, and point elsewhere. Whatever they do, what they can hold is
 * bounded, others are served meanwhile, and nothing comes out that is not published.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import { AnswerSlots } from '../../src/gateway/answer-slots.ts'
import { CONNECTIONS_PER_HOST_MAX } from '../../src/gateway/limits.ts'
import { parseRequest, RequestFailure } from '../../src/gateway/request.ts'
import { formatLink } from '../../src/link.ts'
import { buildTree, missingRecords } from '../../src/prolly/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { formatAuthor, headBlock } from '../../src/pointer/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { BlockMap } from '../support/blocks.ts'
import { publishedFilms, signedOf } from '../support/car-lab.ts'
import { utf8 } from '../support/database-lab.ts'
import { ENDLESS, putZeros } from '../support/file-lab.ts'
import { GatewayLab } from '../support/gateway-lab.ts'
import { FUZZ_SEED } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { RogueAuthor } from '../support/rogue-author.ts'

const test = suite('hostile/http-clients')

async function withGateway(
  body: (lab: GatewayLab, db: Database, root: string) => Promise<void>,
  options: Parameters<typeof GatewayLab.start>[1] = {},
): Promise<void> {
  const db = await publishedFilms()
  const root = formatLink((await signedOf(db)).payload.root)
  await GatewayLab.serving([db], (lab) => body(lab, db, root), options)
}

async function ended(socket: Socket): Promise<void> {
  if (!socket.destroyed) await once(socket.resume(), 'close')
}

test('host names of others are refused, whatever else the request says', () =>
  withGateway(
    async (lab, _db, root) => {
      const ask = async (host: string): Promise<number> =>
        (await lab.ask(`/ipfs/${root}?format=raw`, { headers: { host } })).status
      for (const host of [
        'localhost',
        `localhost:${lab.port}`,
        '127.0.0.1',
        '10.1.2.3:80',
        '[::1]:8080',
        'Data.Example.org:80',
      ]) {
        assert.is(await ask(host), 200, host)
      }
      const foreign = [
        'evil.example',
        'localhost.evil.example',
        'data.example.org.evil.example',
        '127.0.0.1.evil.example',
      ]
      for (const host of [
        ...foreign,
        '2130706433',
        '0x7f.1',
        'data.example.org@evil.example',
        'a b',
        '127.0.0.1:80:80',
      ]) {
        assert.is(await ask(host), 421, `host "${host}"`)
      }
      assert.match(await lab.exchange(`GET /ipfs/${root}?format=raw HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 400 /, 'no host')
      const empty = `GET /ipfs/${root}?format=raw HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n`
      assert.match(await lab.exchange(empty), /^HTTP\/1\.1 421 /, 'an empty host')
      const two = `GET /ipfs/${root}?format=raw HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n`
      assert.match(await lab.exchange(two), /^HTTP\/1\.1 4\d\d /, 'two hosts')
      const absolute = `GET http://evil.example/ipfs/${root}?format=raw HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
      assert.match(await lab.exchange(absolute), /^HTTP\/1\.1 400 /, 'a URL in the place of a path')
    },
    { names: ['data.example.org'] },
  ))

test('paths are matched as they are: no encoding, no dots, no second slash finds another way', () =>
  withGateway(async (lab, _db, root) => {
    const paths = [
      `/ipfs/../ipfs/${root}`,
      `/ipfs//${root}`,
      `//ipfs/${root}`,
      `/ipfs/%62${root.slice(1)}`,
      `/ipfs/${root}%00`,
      `/ipfs/${root}/..`,
      `/ipfs\\${root}`,
      `/IPFS/${root}`,
      '/../../etc/passwd',
      '/ipfs/',
      '/',
      '/k51/../root',
    ]
    for (const path of paths) {
      const { status } = await lab.ask(`${path}?format=raw`)
      assert.ok(status === 404 || status === 400, `${path}: ${status}`)
    }
  }))

test('a page for people says what this is, and not what is served', () =>
  withGateway(async (lab, db) => {
    const author = formatAuthor(db.author)
    for (const path of ['/', `/${author}/${db.name}`, `/${author}/${db.name}/`]) {
      const { status, headers, body } = await lab.ask(path)
      assert.equal([status, headers['content-type']], [200, 'text/plain; charset=utf-8'], path)
      const text = Buffer.from(body).toString()
      assert.match(text, /coppice/)
      assert.not.ok(text.includes(author) || text.includes(db.name))
    }
    for (const path of [`/${author}/`, `/${author}/other/`, `/${author}/${db.name}//`, `/${author}/${db.name}/?x`]) {
      assert.is((await lab.ask(path)).status, 404, path)
    }
  }))

test('nothing of a request comes back in the answer but names of harmless characters', () =>
  withGateway(async (lab, _db, root) => {
    const nasty = '%3Cscript%3Ealert(1)%3C/script%3E"%0d%0aSet-Cookie:%20a=b'
    const { headers, body } = await lab.ask(`/ipfs/${root}?format=raw&filename=${nasty}`)
    assert.is(headers['content-disposition'], `attachment; filename="${root}.bin"`)
    assert.is(headers['set-cookie'], undefined)
    assert.ok(body.length > 0)
    for (const path of [`/${nasty}`, `/ipfs/${nasty}`, `/ipfs/${root}?format=${nasty}`]) {
      const reply = await lab.ask(path)
      assert.not.match(Buffer.from(reply.body).toString(), /script|Set-Cookie/)
      assert.is(reply.headers['content-type'], 'text/plain; charset=utf-8')
    }
  }))

test('every answer, of whatever status, says its type, forbids guessing it, and is nothing that runs', () =>
  withGateway(async (lab, _db, root) => {
    for (const path of [
      '/',
      `/ipfs/${root}`,
      `/ipfs/${root}?format=raw`,
      `/ipfs/${root}?format=car`,
      '/ipfs/x?format=raw',
    ]) {
      const { headers } = await lab.ask(path)
      assert.is(headers['x-content-type-options'], 'nosniff')
      assert.match(headers['content-type'] ?? '', /^(text\/plain|application\/vnd\.ipld\.)/)
      assert.match(headers['content-security-policy'] ?? '', /default-src 'none'.*sandbox/)
    }
  }))

test('other methods, bodies, upgrades and expectations are refused', () =>
  withGateway(async (lab, _db, root) => {
    const path = `/ipfs/${root}?format=raw`
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
      const reply = await lab.ask(path, { method })
      assert.equal([reply.status, reply.headers['allow']], [405, 'GET, HEAD, OPTIONS'], method)
    }
    const heads = [
      'Content-Length: 1000000000',
      'Transfer-Encoding: chunked',
      'Expect: 100-continue\r\nContent-Length: 5',
      'Expect: the unexpected',
    ]
    for (const head of heads) {
      const answer = await lab.exchange(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 413 /, head)
    }
    const smuggled = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`
    assert.match(await lab.exchange(smuggled), /^HTTP\/1\.1 4\d\d /)
    const connect = 'CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'
    assert.not.match(await lab.exchange(connect), /^HTTP\/1\.1 2/)
  }))

test('headers and URLs that are too long, and bytes that are no HTTP, end the connection', () =>
  withGateway(async (lab, _db, root) => {
    const long = 'x'.repeat(20_000)
    assert.match(
      await lab.exchange(`GET /ipfs/${root} HTTP/1.1\r\nHost: localhost\r\nA: ${long}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    )
    assert.match(
      await lab.exchange(`GET /${'x'.repeat(2000)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1\.1 414 /,
    )
    assert.match(await lab.exchange('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'), /^(HTTP\/1\.1 400 |$)/)
    assert.is((await lab.ask(`/ipfs/${root}?format=raw`)).status, 200)
  }))

test('any text is a request or a refusal', () => {
  const random = new Random(FUZZ_SEED)
  const parts = [
    '/',
    'ipfs',
    'k51',
    'bafkqaaa',
    '?',
    'format=car',
    '&',
    'dag-scope=',
    'entity-bytes=',
    '-1:*',
    '..',
    '%',
    '\u0000',
    'ä',
    ';q=',
    ',',
    'application/vnd.ipld.car',
  ]
  for (let i = 0; i < 3000; i++) {
    const text = (): string => Array.from({ length: random.below(8) }, () => random.pick(parts)).join('')
    try {
      parseRequest(`/${text()}`, random.chance(0.5) ? text() : undefined)
    } catch (error) {
      assert.ok(error instanceof RequestFailure, String(error))
      assert.ok(error.status >= 400 && error.status < 500)
    }
  }
})

test('requests that never end are ended, while others are served', () =>
  withGateway(
    async (lab, _db, root) => {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => lab.connect()))
      for (const [i, socket] of sockets.entries())
        socket.write(i % 2 === 0 ? 'GET /ipfs/' : 'GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ')
      assert.is((await lab.ask(`/ipfs/${root}?format=raw`)).status, 200)
      await Promise.all(sockets.map(ended))
      assert.is((await lab.ask(`/ipfs/${root}?format=raw`)).status, 200)
    },
    { requestTimeoutMs: 1_000 },
  ))

test('connections of one host are bounded; the ones beyond are closed at once', () =>
  withGateway(async (lab) => {
    const sockets = await Promise.all(Array.from({ length: CONNECTIONS_PER_HOST_MAX + 30 }, () => lab.connect()))
    let closed = 0
    const enough = Promise.withResolvers<void>()
    for (const socket of sockets) void ended(socket).then(() => (++closed === 30 ? enough.resolve() : undefined))
    await enough.promise
    assert.is(lab.gateway.connections, CONNECTIONS_PER_HOST_MAX)
    for (const socket of sockets) socket.destroy()
  }))

test('readers that do not read are dropped, and hold no more than a piece meanwhile', () =>
  withGateway(
    async (lab, db, root) => {
      // Many values of 1 MiB, so that an archive is larger than all buffers on the way.
      for (let i = 0; i < 24; i++) await db.put(utf8(`large ${i}`), new Uint8Array(1024 * 1024).fill(i))
      await db.publish()
      const large = formatLink((await signedOf(db)).payload.root)
      const sockets = await Promise.all([lab.connect(), lab.connect()])
      for (const socket of sockets) {
        socket.pause()
        socket.write(`GET /ipfs/${large}?format=car HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      }
      while (lab.gateway.connections > 0) {
        assert.is((await lab.ask(`/ipfs/${root}?format=raw`)).status, 200, 'others are served')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      const car = await lab.car(`/ipfs/${large}?format=car`)
      assert.ok(car.cids.length > 24, 'whoever reads gets all of it')
      for (const socket of sockets) socket.destroy()
    },
    { sendStallMs: 1_000 },
  ))

test('archives of one host are bounded: the next is told to come back, blocks are served meanwhile', () =>
  withGateway(
    async (lab, db) => {
      for (let i = 0; i < 24; i++) await db.put(utf8(`large ${i}`), new Uint8Array(1024 * 1024).fill(i))
      await db.publish()
      const large = formatLink((await signedOf(db)).payload.root)
      const sockets = await Promise.all(Array.from({ length: 4 }, () => lab.connect()))
      for (const socket of sockets) {
        socket.pause()
        socket.write(`GET /ipfs/${large}?format=car HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      }
      let busy = await lab.ask(`/ipfs/${large}?format=car&dag-scope=block`)
      while (busy.status === 200) busy = await lab.ask(`/ipfs/${large}?format=car&dag-scope=block`)
      assert.equal([busy.status, busy.headers['retry-after']], [503, '1'])
      assert.is((await lab.ask(`/ipfs/${large}?format=raw`)).status, 200)
      for (const socket of sockets) socket.destroy()
      while (lab.gateway.connections > 0) await new Promise((resolve) => setTimeout(resolve, 5))
      assert.is((await lab.ask(`/ipfs/${large}?format=car&dag-scope=block`)).status, 200, 'their places are free again')
    },
    { sendStallMs: 60_000 },
  ))

test('one request at a time: who sends the next before the answer is cut off, and who waits for it is not', () =>
  withGateway(async (lab, _db, root) => {
    const one = `GET /ipfs/${root}?format=raw HTTP/1.1\r\nHost: localhost\r\n\r\n`
    const hasty = await lab.connect()
    hasty.write(one.repeat(600))
    let answers = ''
    hasty.on('data', (chunk: Buffer) => (answers += chunk.toString('latin1')))
    await new Promise((resolve) => hasty.once('close', resolve))
    assert.ok(answers.split('HTTP/1.1 200').length - 1 < 10)
    const socket = await lab.connect()
    for (let i = 0; i < 100; i++) {
      socket.write(one)
      let text = ''
      const length = (): number => Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Infinity)
      while (text.length - text.indexOf('\r\n\r\n') - 4 < length()) {
        const [chunk] = (await once(socket, 'data')) as [Buffer]
        text += chunk.toString('latin1')
      }
      assert.match(text, /^HTTP\/1\.1 200 /)
    }
    socket.destroy()
  }))

test('turns: whoever goes away while it waits leaves its place', async () => {
  const slots = new AnswerSlots({ atOnce: 1, perHost: 1, waitingMax: 1 })
  const leave = await slots.enter('a')
  const gone = new AbortController()
  const waiting = slots.enter('b', gone.signal).catch(() => 'gone')
  gone.abort(new Error('gone'))
  assert.is(await waiting, 'gone')
  const next = slots.enter('c')
  leave?.()
  assert.type(await next, 'function')
  assert.is(slots.inside, 1)
})

test('turns: few at once, fewer of each host, the others in order, and no more wait than may', async () => {
  const slots = new AnswerSlots({ atOnce: 3, perHost: 2, waitingMax: 3 })
  const leave = await Promise.all([slots.enter('a'), slots.enter('a')])
  const order: string[] = []
  const wait = (name: string): Promise<void> =>
    slots
      .enter(name[0] as string)
      .then((out) => void (out === undefined ? order.push(`${name} refused`) : order.push(name)))
  const waiting = [wait('a3'), wait('b1'), wait('b2'), wait('b3'), wait('c1')]
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(order, ['b1', 'c1 refused'])
  leave[0]?.()
  leave[0]?.()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal([order, slots.inside], [['b1', 'c1 refused', 'a3'], 3])
  leave[1]?.()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(order.at(-1), 'b2')
  assert.is(waiting.length, 5)
})

test('five blocks that stand for 4 PiB come once, and endless repetition is refused', async () => {
  const rogue = new RogueAuthor(surroundings.clock)
  const blocks = new BlockMap()
  const film = putZeros(blocks, ENDLESS)
  const tree = await buildTree([{ key: utf8('film'), value: film }], blocks)
  const signed = await rogue.sign(tree)
  const store = new MemoryStore()
  const all = [...blocks.map].map(([key, bytes]) => ({ link: Uint8Array.from(key, (c) => c.charCodeAt(0)), bytes }))
  await store.write({ blocks: all })
  const complete = []
  for await (const record of missingRecords(store, tree)) complete.push(record)
  await store.write({ complete })
  await GatewayLab.serving([], async (lab) => {
    const window = { serves: () => true, isSuperseded: () => false }
    lab.gateway.add({ author: rogue.author, name: rogue.name, store, published: () => signed, ...window })
    const head = formatLink(headBlock(signed).link)
    const { reply, cids } = await lab.car(`/ipfs/${head}?format=car`)
    assert.equal([new Set(cids).size, cids.length], [all.length + 1, all.length + 1])
    assert.not.match(reply.headers['content-type'] ?? '', /dups/, 'whether it could remember all was not known')
    for (const dups of ['y', 'n']) assert.is((await lab.ask(`/ipfs/${head}?format=car&car-dups=${dups}`)).status, 406)
    const { cids: first } = await lab.car(`/ipfs/${formatLink(film.link)}?format=car&entity-bytes=0:0`)
    assert.is(first.length, all.length - 1, 'one path through the file')
  })
})

test.run()
