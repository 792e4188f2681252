/** Threat 29: servers and names that lead requests into networks which nobody meant. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openHttp, type Reach, type Resolve } from '../../src/http/index.ts'
import { Target, parseHttpUrl } from '../../src/http/target.ts'
import { isPublicIp } from '../../src/ip-address.ts'
import { surroundings } from '../../src/surroundings.ts'
import { failureOf } from '../support/database-lab.ts'
import { scope, type Use } from '../support/temporary-directory.ts'

const { clock } = surroundings

/** Names that lead to this machine, or claim a public address. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'mirror.test': ['127.0.0.1'],
  'inner.test': ['127.0.0.1'],
  'mixed.test': ['198.45.67.89', '127.0.0.1'],
  'router.test': ['192.168.1.1'],
  'metadata.test': ['169.254.169.254'],
  'six.test': ['::ffff:10.0.0.1'],
}

const resolve: Resolve = (host, _options, callback) => {
  const addresses = NAMES[host]
  if (addresses === undefined) callback(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }), [])
  else
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
}

/** A server that sends whoever asks for `/to/<encoded>` there, and everybody else a greeting; it counts what arrives. */
async function redirecting(use: Use): Promise<{ readonly port: number; readonly paths: string[] }> {
  const paths: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    paths.push(path)
    const [, to] = /^\/to\/(.*)$/.exec(path) ?? []
    if (to === undefined) response.end('hello')
    else response.writeHead(302, { location: decodeURIComponent(to), 'content-length': 0 }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  use({
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  })
  return { port: (server.address() as AddressInfo).port, paths }
}

async function askFrom(base: string, location: string, reach: Reach = 'any'): Promise<string> {
  const client = openHttp(base, { clock, resolve, reach })
  try {
    const response = await client.get(`to/${encodeURIComponent(location)}`)
    return new TextDecoder().decode(await response.read(100))
  } finally {
    client.close()
  }
}

const test = suite('hostile/redirects')

test('a redirect leads to the same host, or to a place like the one that the URL of the user is literally', async () => {
  await scope(async (use) => {
    const { port, paths } = await redirecting(use)
    const named = `http://mirror.test:${port}/`
    const literal = `http://127.0.0.1:${port}/`
    assert.is(await askFrom(named, '/elsewhere'), 'hello')
    assert.is(await askFrom(named, `http://mirror.test:${port}/there`), 'hello')
    assert.is(await askFrom(literal, `http://inner.test:${port}/there`), 'hello')
    assert.is(await askFrom(`http://localhost:${port}/`.replace('localhost', '127.0.0.1'), literal), 'hello')
    assert.equal(
      paths.filter((path) => !path.startsWith('/to/')),
      ['/elsewhere', '/there', '/there', '/'],
    )
  })
})

test('a redirect does not lead into a private network, named or literal, whatever else the name leads to', async () => {
  await scope(async (use) => {
    const { port, paths } = await redirecting(use)
    const named = `http://mirror.test:${port}/`
    for (const location of [
      `http://inner.test:${port}/`,
      `http://mixed.test:${port}/`,
      `http://router.test/`,
      `http://metadata.test/latest/meta-data`,
      `http://six.test/`,
      `http://127.0.0.1:${port}/`,
      `//127.0.0.1:${port}/`,
      `http://2130706433:${port}/`,
      `http://0x7f.1:${port}/`,
      `http://[::1]:${port}/`,
      `http://[::ffff:7f00:1]:${port}/`,
      `http://localhost:${port}/`,
      `http://a.localhost:${port}/`,
      'http://169.254.169.254/latest/meta-data',
      'http://[fe80::1]/',
      'http://[fd00::1]/',
    ]) {
      const error = await failureOf(askFrom(named, location))
      assert.equal(
        [error.code, error.details['fault'], error.details['name']],
        ['PEER_PROTOCOL', 'protocol', named],
        location,
      )
      assert.match(error.message, /private network/, location)
    }
    assert.equal(
      paths.filter((path) => !path.startsWith('/to/')),
      [],
    )
  })
})

test('from a private address a redirect leads no nearer to this machine, and from loopback to no network beside it', () => {
  const targets = [
    'http://198.45.67.89/',
    'http://other.test/',
    'http://10.9.9.9/',
    'http://[fd00::2]/',
    'http://127.0.0.2/',
    'http://[::1]/',
    'http://a.localhost/',
    'http://169.254.169.254/latest/meta-data',
    'http://[::ffff:169.254.169.254]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[fe80::1]/',
    'http://0.0.0.0/',
  ]
  const open = ['http://198.45.67.89/', 'http://other.test/']
  const network = ['http://10.9.9.9/', 'http://[fd00::2]/']
  const own = ['http://127.0.0.2/', 'http://[::1]/', 'http://a.localhost/']
  for (const [base, allowed] of [
    ['http://10.1.2.3/', [...open, ...network]],
    ['http://[fd00::1]/', [...open, ...network]],
    ['http://127.0.0.1/', [...open, ...own]],
    ['http://localhost/', [...open, ...own]],
    ['http://169.254.1.1/', open],
    ['http://0.0.0.0/', open],
    ['http://198.45.67.1/', open],
    ['http://mirror.test/', open],
  ] as const) {
    const target = new Target(parseHttpUrl(base), 'any')
    const others = targets.filter((each) => new URL(each).hostname !== target.base.hostname)
    assert.equal(
      others.filter((each) => target.mayAsk(new URL(each))),
      [...allowed],
      base,
    )
    assert.ok(target.mayAsk(target.base), base)
    // A name leads where it is resolved to.
    const judge = target.judge(new URL('http://other.test/'))
    const hosts = ['198.45.67.89', '10.9.9.9', '127.0.0.2', '169.254.169.254', '0.0.0.0', 'no address']
    assert.equal(
      hosts.filter(judge),
      hosts.filter((host) => allowed.some((each) => new URL(each).hostname === host)),
      base,
    )
  }
})

test('redirects without end, to other protocols, with passwords or to nowhere are refused', async () => {
  await scope(async (use) => {
    const { port } = await redirecting(use)
    const named = `http://mirror.test:${port}/`
    let loop = '/end'
    for (let i = 0; i < 6; i++) loop = `/to/${encodeURIComponent(loop)}`
    const secret = `http://me:secret@mirror.test:${port}/`
    for (const location of [loop, 'file:///etc/passwd', 'ftp://mirror.test/', 'gopher://x/', secret, 'http://']) {
      const error = await failureOf(askFrom(named, location))
      assert.is(error.details['fault'], 'protocol', location)
      assert.not.ok(error.message.includes('secret'))
    }
    const unknown = await failureOf(askFrom(named, 'http://nowhere.test/'))
    assert.is(unknown.details['fault'], 'unreachable')
  })
})

test('https does not become http; http may become https', () => {
  const secure = new Target(parseHttpUrl('https://mirror.test/'), 'any')
  assert.type(secure.redirect(secure.base, 'http://mirror.test/'), 'string')
  assert.instance(secure.redirect(secure.base, 'https://cdn.test/x'), URL)
  const plain = new Target(parseHttpUrl('http://mirror.test/'), 'any')
  assert.instance(plain.redirect(plain.base, 'https://mirror.test/'), URL)
})

test('a URL that strangers named is asked in public places only', async () => {
  await scope(async (use) => {
    const { port, paths } = await redirecting(use)
    for (const host of ['mirror.test', 'mixed.test', 'router.test', '127.0.0.1', '[::1]', 'localhost', '10.1.2.3']) {
      const error = await failureOf(askFrom(`http://${host}:${port}/`, '/', 'public'))
      assert.match(error.message, /private network/, host)
    }
    assert.equal(paths, [])
  })
})

test('which addresses are public', () => {
  for (const address of [
    '1.1.1.1',
    '198.45.67.89',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '64:ff9b::808:808',
    '2002:101:101::1',
  ]) {
    assert.is(isPublicIp(address), true, address)
  }
  for (const address of [
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '127.255.0.1',
    '169.254.1.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:c0a8:1',
    '64:ff9b::10.0.0.1',
    '2002:a00:1::1',
    '2001:db8::1',
    '2001::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%eth0',
    'ff02::1',
    '4000::1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::1',
    'example.org',
    '',
  ]) {
    assert.is(isPublicIp(address), false, address)
  }
})

test.run()
