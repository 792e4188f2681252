/**
 * Threats 1, 8, 9, 10, 16 and 29, by gateway: whoever answers over HTTP may send other bytes, too many, in any order, none for ever,
 * or somewhere else. It costs it its place, by name; the honest one beside it finishes the clone, and nothing false is shown.
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeRootFile } from '../../src/mirror/root-file.ts'
import type { Clock } from '../../src/clock.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { CODEC_RAW, linkTo } from '../../src/link.ts'
import { createMemoryDialer, type PeerReport } from '../../src/sync/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { publishedFilms, signedOf, stateKeys } from '../support/car-lab.ts'
import { DatabaseLab, failureOf } from '../support/database-lab.ts'
import {
  announcer,
  dialerOf,
  sendCar,
  StockGateway,
  type StockBlock,
  type StockOptions,
} from '../support/stock-gateway.ts'

const test = suite('hostile/gateways')

const db = await publishedFilms()
const keys = await stateKeys(db)
test.after(() => db.close())

/** Waiting for others who might help makes up most of the time here. */
const quick: Clock = {
  now: () => surroundings.clock.now() * 4,
  sleep: (ms, signal) => surroundings.clock.sleep(ms / 4, signal),
}

/** What became of the gateway, and how it was asked. */
interface Told {
  readonly report: PeerReport
  readonly gateway: StockGateway
  /** The replica got there with its help alone. */
  readonly isComplete: boolean
}

/**
 * Clones from a gateway that does so, for a root that somebody else shows; then from the author: the state is right in the end,
 * and before that there is none, or the right one.
 */
async function cloneFrom(options: StockOptions): Promise<Told> {
  const gateway = await StockGateway.of(db, options)
  const replica = await new DatabaseLab(quick).replica(db, [])
  try {
    const from = [await announcer(db), await dialerOf(gateway.url)]
    const peers = await replica.pull({ from }).then(
      ({ report }) => report.peers,
      (error: unknown) => {
        if (!isCoppiceError(error, 'NO_PEER_LEFT')) throw error
        return error.details['peers'] as readonly PeerReport[]
      },
    )
    const isComplete = await replica.isComplete()
    if (isComplete) assert.equal(await stateKeys(replica), keys)
    await replica.pull({ from: [createMemoryDialer('author', new DatabaseLab().handlerOf(db))] })
    assert.equal(await signedOf(replica), await signedOf(db))
    assert.equal(await stateKeys(replica), keys)
    const report = peers.find(({ name }) => name === gateway.url)
    if (report === undefined) throw new Error('the gateway is not in the report')
    return { report, gateway, isComplete }
  } finally {
    await replica.close()
    await gateway.close()
  }
}

const isBlock = (format: string | null): boolean => format === 'raw' || format === 'car'

test('other bytes for a block: a liar, with its first one', async () => {
  let lies = 0
  const { report } = await cloneFrom({
    script: ({ cid, format }, response) => {
      if (format !== 'raw' || cid?.multihash.code === 0) return false
      lies++
      response.writeHead(200).end(Uint8Array.of(0x83, 0, 0x80, 0x80))
      return true
    },
  })
  assert.is(report.outcome, 'liar')
  assert.match(report.reason ?? '', /wrong bytes/)
  // Those of one question, and of what was asked to find out what it has.
  assert.ok(lies <= 64, `${lies} lies`)
})

test('other bytes in an archive', async () => {
  const { report } = await cloneFrom({
    reorder: (blocks) =>
      blocks.map(({ cid, bytes }, i) => ({ cid, bytes: i === 1 ? Uint8Array.from(bytes, (b) => b ^ 1) : bytes })),
  })
  assert.is(report.outcome, 'liar')
})

test('an archive in any order is no lie: what comes in order is used, and the rest asked for again', async () => {
  const { report } = await cloneFrom({ reorder: (blocks) => [...blocks].reverse() })
  assert.is(report.outcome, 'used')
  const doubled = await cloneFrom({ reorder: (blocks) => blocks.flatMap((block) => [block, block]) })
  assert.is(doubled.report.outcome, 'used')
})

/** Sends for ever what `chunk` makes; tells how much was taken. */
function endless(chunk: () => Uint8Array): { script: NonNullable<StockOptions['script']>; taken: () => number } {
  let taken = 0
  const pour = (response: ServerResponse): void => {
    while (!response.destroyed) {
      const bytes = chunk()
      taken += bytes.length
      if (response.write(bytes)) continue
      response.once('drain', () => pour(response))
      return
    }
  }
  return {
    taken: () => taken,
    script: ({ cid, format }, response) => {
      if (!isBlock(format) || cid?.multihash.code === 0) return false
      response.writeHead(200)
      pour(response)
      return true
    },
  }
}

test('a block without end', async () => {
  const { script, taken } = endless(() => new Uint8Array(65_536).fill(1))
  const { report } = await cloneFrom({ script })
  assert.is(report.outcome, 'protocol')
  assert.match(report.reason ?? '', /sends more than/)
  // What the sockets on the way took: far less than there is.
  assert.ok(taken() < 64 * 1024 * 1024, `${taken()} bytes`)
})

test('an archive without end: of blocks that nobody asked for, and of no blocks', async () => {
  const stranger = CID.decode(linkTo(CODEC_RAW, new TextEncoder().encode('of no tree')))
  for (const isArchive of [true, false]) {
    let most = 0
    const { report } = await cloneFrom({
      script: async ({ cid, format }, response) => {
        if (format !== 'car' || cid === undefined || cid.multihash.code === 0) return false
        response.writeHead(200)
        function* junk(): Generator<StockBlock> {
          for (let i = 0; i < 2000; i++) {
            most = Math.max(most, i)
            yield { cid: stranger, bytes: new Uint8Array(isArchive ? 100_000 : 3_000_000) }
          }
        }
        await sendCar(cid, junk(), response)
        response.end()
        return true
      },
    })
    // What was not asked for is passed over, and what no block can be is the end.
    assert.is(report.outcome, isArchive ? 'used' : 'protocol')
    assert.ok(most < 1000, `it was left long before its end, at ${most} of 2000`)
  }
})

test('an archive without end of empty blocks', async () => {
  const link = linkTo(CODEC_RAW, new Uint8Array(0))
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => Uint8Array.of(link.length, ...link)))
  let most = 0
  const { report } = await cloneFrom({
    script: async ({ cid, format }, response) => {
      if (format !== 'car' || cid === undefined || cid.multihash.code === 0) return false
      response.writeHead(200)
      await sendCar(cid, [], response)
      const closed = once(response, 'close')
      for (let i = 0; i < 1000 && !response.destroyed; i++) {
        most = Math.max(most, i)
        if (!response.write(thousand)) await Promise.race([once(response, 'drain'), closed])
      }
      response.end()
      return true
    },
  })
  assert.is(report.outcome, 'used')
  assert.ok(most < 900, `it was left long before its end, at ${most} of 1000 thousand`)
})

test('what is no archive', async () => {
  const { report } = await cloneFrom({
    script: ({ format }, response) => {
      if (format !== 'car') return false
      response.writeHead(200, { 'content-type': 'application/vnd.ipld.car' }).end('<html>an archive</html>')
      return true
    },
  })
  assert.is(report.outcome, 'protocol')
  assert.match(report.reason ?? '', /no archive/)
})

test('archives and blocks that break off: what came is used, or it is lost; the clone ends', async () => {
  const { report } = await cloneFrom({
    script: ({ cid, format }, response) => {
      if (!isBlock(format) || cid?.multihash.code === 0) return false
      response.writeHead(200, { 'content-length': '5000' })
      response.write(new Uint8Array(100), () => response.destroy())
      return true
    },
  })
  assert.ok(['unreachable', 'protocol', 'liar'].includes(report.outcome), report.outcome)
})

test('statuses that mean nothing here, and one that says later', async () => {
  const told = await cloneFrom({
    script: ({ cid, format }, response) => {
      if (!isBlock(format) || cid?.multihash.code === 0) return false
      response.writeHead(418).end('teapot')
      return true
    },
  })
  assert.is(told.report.outcome, 'protocol')
  assert.match(told.report.reason ?? '', /status 418/)
  let refusals = 0
  const busy = await cloneFrom({
    script: ({ cid, format }, response) => {
      if (!isBlock(format) || cid?.multihash.code === 0) return false
      refusals++
      response.writeHead(503, { 'retry-after': '1' }).end()
      return true
    },
  })
  assert.not.ok(['liar', 'protocol'].includes(busy.report.outcome), 'to be busy is no fault')
  assert.ok(refusals < 30, 'it is left alone for a while')
})

test('"here" for the root and "not here" for the rest', async () => {
  const root = (await db.snapshot()).root
  const { report, gateway } = await cloneFrom({
    script: ({ cid, format }, response) => {
      if (!isBlock(format) || cid?.multihash.code === 0 || String(cid) === root) return false
      response.writeHead(404).end()
      return true
    },
  })
  assert.is(report.outcome, 'incomplete')
  assert.ok(gateway.requests.length < keys.length * 3, `${gateway.requests.length} requests`)
})

test('redirects: into a loop, to files, to other protocols, to what is no URL', async () => {
  const locations = [
    '?format=raw&again',
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'javascript:alert(1)',
    '//',
    'http://[',
  ]
  const root = CID.parse((await db.snapshot()).root).bytes
  for (const location of locations) {
    const gateway = await StockGateway.of(db, {
      script: ({ path, cid }, response) => {
        if (path === '/root' || cid?.multihash.code === 0) return false
        response.writeHead(302, { location }).end()
        return true
      },
    })
    const dialer = await dialerOf(gateway.url)
    if (!('openSession' in dialer)) throw new Error('a URL is asked over requests')
    const hello = { author: db.author, name: db.name, have: null }
    const session = await dialer.openSession(hello, { clock: surroundings.clock, signal: new AbortController().signal })
    const error = await failureOf(Promise.resolve(session.getBlocks(root, [root])))
    assert.is(error.code, 'PEER_PROTOCOL', `${location}: ${error.message}`)
    assert.is(session.end?.fault, 'protocol')
    assert.ok(gateway.requests.length < 12)
    await gateway.close()
  }
})

test('a wrong signed root: not the author', async () => {
  const signed = await signedOf(db)
  // Another tree: the signature holds no more.
  const bytes = Uint8Array.from(signed.bytes)
  const at = Buffer.from(bytes).indexOf(signed.payload.root) + 20
  bytes[at] = bytes[at]! ^ 1
  const { report } = await cloneFrom({
    script: ({ path }, response) => {
      if (path !== '/root') return false
      response
        .writeHead(200)
        .end(encodeRootFile({ roots: [{ signedRoot: bytes, packs: [] }], packs: [], attachments: [] }))
      return true
    },
  })
  assert.is(report.outcome, 'liar')
})

test.run()
