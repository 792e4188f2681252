/**
 * The trustless cases of ipfs/gateway-conformance (tests/trustless_gateway_raw_test.go, trustless_gateway_car_test.go,
 * path_gateway_cors_test.go), on a database instead of their fixtures: each name is theirs, what stands for their files is said
 * beside it. What does not apply is at the end, with the reason.
 */
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CODEC_DAG_CBOR, formatLink, linkTo } from '../../src/link.ts'
import { Node } from '../../src/prolly/index.ts'
import { utf8 } from '../support/database-lab.ts'
import { FILE_BYTES, gatewayFixture, MIB } from '../support/gateway-fixture.ts'
import type { AskOptions, Reply } from '../support/gateway-lab.ts'

const test = suite('gateway/conformance')

const f = await gatewayFixture()
test.after(() => f.close())

const RAW = 'application/vnd.ipld.raw'
const CAR = 'application/vnd.ipld.car'

/** Both ways of asking for an archive, with what every answer must have. */
async function carCids(path: string, query = ''): Promise<string[]> {
  const asked: readonly (readonly [string, AskOptions])[] = [
    [`${path}?format=car${query}`, {}],
    [`${path}?${query.slice(1)}`, { headers: { accept: CAR } }],
  ]
  const answers: string[][] = []
  for (const [url, options] of asked) {
    const { reply, cids } = await f.lab.car(url, options)
    assert.is(reply.headers['x-content-type-options'], 'nosniff')
    assert.is(reply.headers['accept-ranges'], 'none')
    assert.match(reply.headers['content-type'] ?? '', /^application\/vnd\.ipld\.car; version=1; order=dfs/)
    assert.match(reply.headers['content-disposition'] ?? '', /^attachment; filename=".*\.car"$/)
    assert.ok((reply.headers['etag'] ?? '').length > 2)
    answers.push(cids)
  }
  assert.equal(answers[0], answers[1])
  return answers[0] as string[]
}

function pathOf(cid: string, ...segments: (string | number)[]): string {
  return ['/ipfs', cid, ...segments].join('/')
}

// TestTrustlessRaw

async function askRaw(options: AskOptions = {}, query = ''): Promise<Reply> {
  const reply = await f.lab.ask(`${pathOf(f.raw)}${query}`, options)
  assert.is(reply.status, 200)
  assert.equal(Buffer.from(reply.body), Buffer.from(new Uint8Array(2000).fill(3)))
  return reply
}

test('GET with format=raw param returns a raw block', async () => {
  await askRaw({}, '?format=raw')
})

test('GET with application/vnd.ipld.raw header returns a raw block', async () => {
  await askRaw({ headers: { accept: RAW } })
})

test('GET with application/vnd.ipld.raw header returns expected response headers', async () => {
  const { headers } = await askRaw({ headers: { accept: RAW } })
  assert.is(headers['content-type'], RAW)
  assert.is(headers['content-length'], '2000')
  assert.match(headers['content-disposition'] ?? '', /^attachment;\s*filename=".*\.bin"$/)
  assert.is(headers['x-content-type-options'], 'nosniff')
})

test('GET with application/vnd.ipld.raw header and filename param returns expected Content-Disposition header with custom filename', async () => {
  const { headers } = await askRaw({ headers: { accept: RAW } }, '?filename=foobar.bin')
  assert.match(headers['content-disposition'] ?? '', /^attachment;\s*filename="foobar\.bin"$/)
})

test('GET with application/vnd.ipld.raw header returns expected caching headers', async () => {
  const { headers } = await askRaw({ headers: { accept: RAW } })
  assert.ok(headers['etag'])
  assert.is(headers['x-ipfs-path'], pathOf(f.raw))
  assert.is(headers['x-ipfs-roots'], f.raw)
  const directives = (headers['cache-control'] ?? '').split(/,\s*/)
  assert.ok(directives.includes('public') && directives.includes('immutable'))
  assert.ok(Number(/max-age=(\d+)/.exec(headers['cache-control'] ?? '')?.[1]) >= 29_030_400)
})

// TestTrustlessCarPathing

test('GET default CAR response of UnixFS file on a path with DAG-CBOR as root CID', async () => {
  const cids = await carCids(pathOf(f.leaf, 2, f.fileRow, 0))
  assert.equal(cids, [f.leaf, f.file, ...f.chunks])
})

test('the same through several blocks: from the head block along the tree', async () => {
  const index = f.state.indexOf(f.leaf)
  const parent = f.state
    .slice(0, index)
    .reverse()
    .find((cid) => cid === f.root)
  assert.is(parent, f.root, 'a tree of two levels')
  const root = Node.decode(f.store.get(CID.parse(f.root).bytes) as Uint8Array)
  const child = Array.from({ length: root.length }, (_, i) => formatLink(root.link(i))).indexOf(f.leaf)
  const cids = await carCids(pathOf(f.head, 0, 2, child, 2, f.rawRow, 0))
  assert.equal(cids, [f.head, f.root, f.leaf, f.raw])
})

test('GET default CAR response for non-existing file', async () => {
  for (const path of [
    pathOf(f.leaf, 2, 100_000, 0),
    pathOf(f.leaf, 'name'),
    pathOf(f.leaf, 2),
    pathOf(f.file, 'a'),
    pathOf(f.head, 1),
  ]) {
    assert.is((await f.lab.ask(`${path}?format=car`)).status, 404, path)
  }
})

// TestTrustlessCarDagScopeBlock

test('GET CAR with dag-scope=block of UnixFS file on a path', async () => {
  assert.equal(await carCids(pathOf(f.leaf, 2, f.fileRow, 0), '&dag-scope=block'), [f.leaf, f.file])
})

test('GET CAR with dag-scope=block of UnixFS directory on a path (a node stands for the directory)', async () => {
  assert.equal(await carCids(pathOf(f.head, 0), '&dag-scope=block'), [f.head, f.root])
  assert.equal(await carCids(pathOf(f.head), '&dag-scope=block'), [f.head])
})

// TestTrustlessCarDagScopeEntity

test('GET CAR with dag-scope=entity of a UnixFS file (of one raw block)', async () => {
  assert.equal(await carCids(pathOf(f.leaf, 2, f.rawRow, 0), '&dag-scope=entity'), [f.leaf, f.raw])
})

test('GET CAR with dag-scope=entity of a chunked UnixFS file', async () => {
  assert.equal(await carCids(pathOf(f.leaf, 2, f.fileRow, 0), '&dag-scope=entity'), [f.leaf, f.file, ...f.chunks])
})

test('GET CAR with dag-scope=entity of DAG-CBOR with Links', async () => {
  assert.equal(await carCids(pathOf(f.head, 0), '&dag-scope=entity'), [f.head, f.root])
  assert.equal(await carCids(pathOf(f.head), '&dag-scope=entity'), [f.head])
})

// TestTrustlessCarDagScopeAll

test('GET CAR with dag-scope=all of UnixFS directory with multiple files (a tree stands for the directory)', async () => {
  assert.equal(await carCids(pathOf(f.head), '&dag-scope=all'), [f.head, ...f.state])
  assert.equal(await carCids(pathOf(f.root), '&dag-scope=all'), [...f.state])
  assert.equal(await carCids(pathOf(f.root)), [...f.state], 'all is the default')
})

test('GET CAR with dag-scope=all of a chunked UnixFS file', async () => {
  assert.equal(await carCids(pathOf(f.leaf, 2, f.fileRow, 0), '&dag-scope=all'), [f.leaf, f.file, ...f.chunks])
})

// TestTrustlessCarEntityBytes

const missing = (i: number): void => {
  const key = Buffer.from(CID.parse(f.chunks[i] as string).bytes).toString('hex')
  f.store.damage.set(key, undefined)
}

async function entityBytes(range: string): Promise<string[]> {
  return await carCids(pathOf(f.file), `&dag-scope=entity&entity-bytes=${range}`)
}

test('GET CAR with entity-bytes succeeds even if the gateway is missing a block after the requested range', async () => {
  missing(2)
  assert.equal(await entityBytes(`0:${MIB - 1}`), [f.file, f.chunks[0]])
  f.store.damage.clear()
})

test('GET CAR with entity-bytes succeeds even if the gateway is missing a block before the requested range', async () => {
  missing(0)
  assert.equal(await entityBytes(`${4 * MIB}:*`), [f.file, f.chunks[4]])
  f.store.damage.clear()
})

const RANGES: readonly (readonly [name: string, range: string, from: number, to: number])[] = [
  ['GET CAR with entity-bytes of a full UnixFS file', '0:*', 0, 5],
  [
    'GET CAR with entity-bytes equivalent to a HTTP Range Request from the middle of a file to the end',
    `${2 * MIB}:*`,
    2,
    5,
  ],
  [
    'GET CAR with entity-bytes equivalent to a HTTP Range Request for the middle of a file',
    `${2 * MIB}:${4 * MIB - 1}`,
    2,
    4,
  ],
  [
    'GET CAR with entity-bytes equivalent to a HTTP Range Request for the middle of a file (negative ending)',
    `${2 * MIB}:-10`,
    2,
    4,
  ],
  ['GET CAR with entity-bytes equivalent to HTTP Suffix Range Request for part of a file', '-5:*', 3, 5],
  ['GET CAR with entity-bytes requesting a negative range bigger than the length of a file', `-${10 * MIB}:*`, 0, 5],
  [
    'GET CAR with entity-bytes requesting a range from the end of a file that is bigger than a file itself',
    `-${10 * MIB}:-3`,
    0,
    4,
  ],
  ['GET CAR with entity-bytes requesting only the blocks for the first byte of a file', '0:0', 0, 1],
  ['a range that ends beyond the file has what there is of it', `${3 * MIB}:${99 * MIB}`, 3, 5],
  ['a range of nothing is the top block alone', '5:4', 0, 0],
]

for (const [name, range, from, to] of RANGES) {
  test(name, async () => {
    assert.equal(await entityBytes(range), [f.file, ...f.chunks.slice(from, to)])
  })
}

test('GET CAR with entity-bytes of a UnixFS directory (what is no file is an entity of one block)', async () => {
  assert.equal(await carCids(pathOf(f.root), '&dag-scope=entity&entity-bytes=0:*'), [f.root])
  assert.equal(await carCids(pathOf(f.raw), '&entity-bytes=1:2'), [f.raw])
})

test('a range wholly outside of the file is refused, since that is known beforehand', async () => {
  assert.is((await f.lab.ask(`${pathOf(f.file)}?format=car&entity-bytes=${FILE_BYTES}:*`)).status, 400)
})

// TestTrustlessCarOrderAndDuplicates: two rows with one value stand for duplicate files

const accept = (parameters: string): AskOptions => ({ headers: { accept: `${CAR}; ${parameters}` } })

test('GET CAR with order=dfs and dups=y of UnixFS Directory With Duplicate Files', async () => {
  const { reply, cids } = await f.lab.car(pathOf(f.root), accept('version=1; order=dfs; dups=y'))
  assert.match(reply.headers['content-type'] ?? '', /order=dfs; dups=y$/)
  assert.is(cids.filter((cid) => cid === f.raw).length, 2)
  assert.equal([...new Set(cids)], [...f.state])
})

test('GET CAR with order=dfs and dups=n of UnixFS Directory With Duplicate Files', async () => {
  const { reply, cids } = await f.lab.car(pathOf(f.root), accept('version=1; order=dfs; dups=n'))
  assert.match(reply.headers['content-type'] ?? '', /order=dfs; dups=n$/)
  assert.equal(cids, [...f.state])
})

test('GET CAR smoke-test with order=unk of UnixFS Directory', async () => {
  const { reply, cids } = await f.lab.car(pathOf(f.root), accept('version=1; order=unk'))
  assert.match(reply.headers['content-type'] ?? '', /order=/)
  assert.equal(cids, [...f.state])
})

test('GET CAR with order=dfs and dups=y of identity CID', async () => {
  const { reply, cids } = await f.lab.car(pathOf('bafkqaf3imvwgy3zaneqgc3janfxgy2lomvscay3jmqfa'), accept('dups=y'))
  assert.match(reply.headers['content-type'] ?? '', /dups=y/)
  assert.equal(cids, [])
})

test('GET CAR with Accept and ?format, specific Accept header is prioritized', async () => {
  const { reply, cids } = await f.lab.car(`${pathOf(f.root)}?format=car`, accept('version=1; order=dfs; dups=y'))
  assert.match(reply.headers['content-type'] ?? '', /order=dfs; dups=y$/)
  assert.is(cids.filter((cid) => cid === f.raw).length, 2)
})

// TestCors

test('GET Responses from Gateway should include CORS headers allowing JS from other origins to read the data cross-origin.', async () => {
  assertCors(await f.lab.ask(`${pathOf(f.raw)}?format=raw`))
})

test('OPTIONS to Gateway succeeds', async () => {
  const reply = await f.lab.ask(pathOf(f.raw), { method: 'OPTIONS' })
  assert.is(reply.status, 204)
  assertCors(reply)
})

function assertCors({ headers }: Reply): void {
  const has = (name: string, ...values: readonly string[]): void => {
    const found = (headers[name] ?? '').split(/,\s*/)
    for (const value of values) assert.ok(found.includes(value), `${name}: ${value}`)
  }
  has('access-control-allow-origin', '*')
  has('access-control-allow-methods', 'GET', 'HEAD', 'OPTIONS')
  has('access-control-allow-headers', 'Content-Type', 'Range', 'User-Agent', 'X-Requested-With')
  has('access-control-expose-headers', 'Content-Range', 'Content-Length', 'X-Ipfs-Roots', 'X-Chunked-Output')
  has('access-control-expose-headers', 'X-Stream-Output', 'Ipfs-Uri')
}

// What the specification says beside those cases

test('the probe: GET and HEAD of bafkqaaa, as a block and as an archive', async () => {
  for (const method of ['GET', 'HEAD']) {
    const raw = await f.lab.ask('/ipfs/bafkqaaa?format=raw', { method })
    assert.equal([raw.status, raw.body.length, raw.headers['content-type']], [200, 0, RAW])
    assert.is((await f.lab.ask('/ipfs/bafkqaaa?format=car', { method })).status, 200)
  }
  assert.equal((await f.lab.car('/ipfs/bafkqaaa?format=car')).cids, [])
})

test('HEAD is GET without a body, and 404 where the root block is not here', async () => {
  const absent = formatLink(linkTo(CODEC_DAG_CBOR, utf8('absent')))
  for (const format of ['raw', 'car']) {
    const got = await f.lab.ask(`${pathOf(f.root)}?format=${format}`)
    const { status, headers, body } = await f.lab.ask(`${pathOf(f.root)}?format=${format}`, { method: 'HEAD' })
    assert.equal([status, body.length, headers['etag']], [200, 0, got.headers['etag']])
    for (const method of ['GET', 'HEAD']) {
      assert.is((await f.lab.ask(`${pathOf(absent)}?format=${format}`, { method })).status, 404)
    }
  }
})

test('If-None-Match: 304; Etags of different scopes differ', async () => {
  const url = `${pathOf(f.root)}?format=car`
  const { headers } = await f.lab.ask(url)
  const etag = headers['etag'] ?? ''
  for (const value of [etag, '*', `"x", ${etag.replace('W/', '')}`]) {
    const reply = await f.lab.ask(url, { headers: { 'if-none-match': value } })
    assert.equal([reply.status, reply.body.length], [304, 0])
  }
  const others = await Promise.all(
    ['&dag-scope=block', '&dag-scope=entity', '&entity-bytes=0:1', '&car-dups=y'].map(
      async (query) => (await f.lab.ask(url + query)).headers['etag'],
    ),
  )
  assert.is(new Set([etag, ...others]).size, 5)
})

test('Cache-Control: only-if-cached is 412 where the block is not here', async () => {
  const headers = { 'cache-control': 'only-if-cached' }
  const absent = formatLink(linkTo(CODEC_DAG_CBOR, utf8('absent')))
  assert.is((await f.lab.ask(`${pathOf(absent)}?format=raw`, { headers })).status, 412)
  assert.is((await f.lab.ask(`${pathOf(f.raw)}?format=raw`, { headers })).status, 200)
})

const REFUSED: readonly (readonly [what: string, path: string, accept: string | undefined, status: number])[] = [
  ['no format at all', pathOf(f.raw), undefined, 400],
  ['any format', pathOf(f.raw), '*/*', 400],
  ['a page', pathOf(f.raw), 'text/html,application/xhtml+xml', 406],
  ['a deserialized format', `${pathOf(f.raw)}?format=dag-json`, undefined, 406],
  ['an IPNS record', `${pathOf(f.raw)}?format=ipns-record`, undefined, 406],
  ['a path below a raw block', `${pathOf(f.leaf, 2)}?format=raw`, undefined, 400],
  ['no CID', '/ipfs/hello?format=raw', undefined, 400],
  ['version 2', `${pathOf(f.root)}?format=car&car-version=2`, undefined, 406],
  ['another order', pathOf(f.root), `${CAR};order=bfs`, 406],
  ['dups=maybe', `${pathOf(f.root)}?format=car&car-dups=maybe`, undefined, 406],
  ['another scope', `${pathOf(f.root)}?format=car&dag-scope=some`, undefined, 400],
  ['entity-bytes that are none', `${pathOf(f.file)}?format=car&entity-bytes=a:b`, undefined, 400],
]

for (const [what, path, accepted, status] of REFUSED) {
  test(`refused with ${status}: ${what}`, async () => {
    const headers = accepted === undefined ? {} : { accept: accepted }
    const reply = await f.lab.ask(path, { headers })
    assert.is(reply.status, status)
    assert.is(reply.headers['content-type'], 'text/plain; charset=utf-8')
    assert.is(reply.headers['cache-control'], 'no-store')
  })
}

test('a CID in any base and version names the same block', async () => {
  const cid = CID.parse(f.file)
  const { base36 } = await import('multiformats/bases/base36')
  const { base58btc } = await import('multiformats/bases/base58')
  for (const text of [cid.toString(base36), cid.toString(base58btc), cid.toV0().toString()]) {
    const reply = await f.lab.ask(`/ipfs/${text}?format=raw`)
    assert.is(reply.status, 200, text)
    assert.is(formatLink(linkTo(cid.code, reply.body)), f.file)
  }
})

/**
 * Not run, since there is nothing that they could be asked of: no tree of coppice has a UnixFS directory or a HAMT. (Paths through
 * DAG-CBOR are followed.) IPNS names are not resolved here: the signed root is what carries a pointer.
 */
const NOT_APPLICABLE = [
  'GET default CAR response with pathing through UnixFS Directory',
  'GET default CAR response of UnixFS file on a path with HAMT-sharded directory',
  'GET CAR with dag-scope=block of UnixFS file on a path with sharded directory',
  'GET CAR with dag-scope=entity of a UnixFS directory',
  'GET CAR with dag-scope=entity of a UnixFS sharded directory',
  'TestGatewayIPNSRecord: all four cases',
]
test(`what does not apply: ${NOT_APPLICABLE.length} cases`, async () => {
  const name = 'k51qzi5uqu5dh71qgwangrt6r0nd4094i88nsady6qgd1dhjcyfsaqmpp143ab'
  assert.is((await f.lab.ask(`/ipns/${name}?format=ipns-record`)).status, 404)
})

test.run()
