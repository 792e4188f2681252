/** Pulling rows instead of blocks: what it costs for each shape of change, and that it ends well whatever becomes of it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { linkMapKey } from '../../src/link.ts'
import { FORMAT_1, Node, type Put } from '../../src/prolly/index.ts'
import type { Channel, ChannelDialer, PullReport } from '../../src/sync/index.ts'
import { decodeAnswer, decodeRequest, type PatchAnswer, type Refusal } from '../../src/sync/wire/index.ts'
import { assertHonestPatch, assertLiesFound } from '../support/patch-case.ts'
import { changedRowBytes, newBlocks, type PatchCase, patchCase, patchPeer, pullBy } from '../support/patch-lab.ts'
import { seeds } from '../support/property.ts'
import { Random } from '../support/random.ts'
import { Lab, never, sameBlocks } from '../support/sync-lab.ts'
import { applyEdits, DEEP, sortRows, u32be } from '../support/tree-sets.ts'

const test = suite('sync/patch')

test('any base, edits, pages and pieces: the signed tree, and no node came that rows could make', async () => {
  for (const seed of seeds(80)) await assertHonestPatch(seed)
})

test('any lies among any peers: the signed tree, and no honest peer blamed', async () => {
  for (const seed of seeds(80)) await assertLiesFound(seed)
})

const COUNT = 40_000
const random = new Random(11)
const before: readonly Put[] = sortRows(
  Array.from({ length: COUNT }, () => ({ key: random.bytes(16), value: random.bytes(64) })),
)

function fresh(rows: readonly Put[]): Put[] {
  return rows.map(({ key }) => ({ key, value: random.bytes(64) }))
}

const some = (count: number): Put[] => sortRows(random.shuffled([...before]).slice(0, count))
const appended = Array.from({ length: 400 }, (_, i) => ({
  key: Uint8Array.from([255, 255, 255, 255, 255, 255, ...u32be(i)]),
  value: random.bytes(64),
}))

interface Shape {
  readonly after: readonly Put[]
  readonly way: 'patch' | 'blocks'
  /** Most bytes received, to those of the changed rows. */
  readonly ratioMax: number
  readonly roundTrips: number
}

const SHAPES: Readonly<Record<string, Shape>> = {
  '1 row': { after: applyEdits(before, fresh(before.slice(7, 8))), way: 'patch', ratioMax: 3, roundTrips: 2 },
  '1,000 random': { after: applyEdits(before, fresh(some(1000))), way: 'patch', ratioMax: 1.1, roundTrips: 2 },
  '1 % random': { after: applyEdits(before, fresh(some(400))), way: 'patch', ratioMax: 1.1, roundTrips: 2 },
  '10 % random': { after: applyEdits(before, fresh(some(4000))), way: 'patch', ratioMax: 1.15, roundTrips: 4 },
  '1 % clustered': {
    after: applyEdits(before, fresh(before.slice(9000, 9400))),
    way: 'patch',
    ratioMax: 1.1,
    roundTrips: 2,
  },
  append: { after: [...before, ...appended], way: 'patch', ratioMax: 1.1, roundTrips: 2 },
  'removed here and there': {
    after: before.filter((_, i) => i % 50 !== 0),
    way: 'patch',
    ratioMax: 1.5,
    roundTrips: 2,
  },
  all: { after: fresh(before), way: 'blocks', ratioMax: 1.25, roundTrips: 5 },
}

for (const [name, { after, way, ratioMax, roundTrips }] of Object.entries(SHAPES)) {
  test(`${name}: bytes near those of the changed rows, in few round trips`, async () => {
    const made = await patchCase(before, after)
    const store = await made.replica()
    const lab = new Lab()
    const report = await pullBy(lab, made, [lab.peer('alice', made.to)], store)
    assert.ok(sameBlocks(made.to, store))
    const rows = changedRowBytes(before, after)
    const { patch } = report
    assert.is(patch?.way, way)
    const ratio = report.bytesReceived / rows.bytes
    assert.ok(ratio <= ratioMax, `${report.bytesReceived} bytes received for rows of ${rows.bytes}`)
    assert.ok(report.roundTrips <= roundTrips, `${report.roundTrips} round trips`)
    if (patch === undefined || way === 'blocks') return
    const blocks = newBlocks(made)
    assert.is(report.blocksReceived, 0)
    assert.is(patch.rows, rows.count)
    assert.ok(patch.blocksRebuilt <= blocks.count && patch.blocksRebuilt >= blocks.count - 8)
    assert.ok(report.peers.every(({ outcome }) => outcome === 'used'))
  })
}

test('nothing changed, or all of it is here: no question about rows', async () => {
  const made = await patchCase(before.slice(0, 3000), before.slice(0, 3000))
  const lab = new Lab()
  const report = await pullBy(lab, made, [lab.peer('alice', made.to)], await made.replica())
  assert.equal([report.roundTrips, report.requests, report.patch?.pages], [1, 1, 0])
  assert.ok(report.bytesReceived + report.bytesSent < 1024)
})

test('values out of line come as blocks, in one more round trip', async () => {
  const large = fresh(some(30)).map(({ key }) => ({ key, value: random.bytes(3000) }))
  const made = await patchCase(before, applyEdits(before, large))
  const store = await made.replica()
  const lab = new Lab()
  const report = await pullBy(lab, made, [lab.peer('alice', made.to)], store)
  assert.ok(sameBlocks(made.to, store))
  assert.equal([report.blocksReceived, report.roundTrips], [30, 3])
  assert.ok(report.bytesReceived < 30 * 3000 * 1.05)
})

const sparse: PatchCase = await patchCase(before, SHAPES['10 % random']?.after ?? [])
/** Small units, so that there is work for several lanes. */
const MANY_UNITS = { probeBytesMin: 8000, probeBytesMax: 8000, unitRowBytes: 16_000, pieceNodeBytes: 200_000 }

test('interrupted anywhere, the next pull asks only for what is left', async () => {
  const whole = await pullWhole()
  for (const pages of [2, 4, 7]) {
    const store = await sparse.replica()
    const lab = new Lab(pages)
    const abort = new AbortController()
    let left = pages
    const alice = patchPeer(lab, 'alice', sparse, (answer) => {
      if (--left === 0) abort.abort(new Error('killed'))
      return answer
    })
    const options = { sizes: MANY_UNITS, signal: abort.signal }
    const error = await pullBy(lab, sparse, [alice], store, options).catch((reason: unknown) => reason)
    assert.is((error as Error).message, 'killed')
    const rebuilt = store.written.length
    const again = await pullBy(lab, sparse, [lab.peer('bob', sparse.to)], store, { sizes: MANY_UNITS })
    assert.ok(sameBlocks(sparse.to, store))
    assert.is(new Set(store.written).size, store.written.length, 'no block twice')
    if (pages > 2) assert.ok(store.written.length > rebuilt)
    const twice = (again.patch?.rows ?? 0) - (whole.patch?.rows ?? 0)
    assert.ok(twice <= 200, `${again.patch?.rows} rows after ${pages} pages, ${whole.patch?.rows} without interruption`)
  }
})

async function pullWhole(): Promise<PullReport> {
  const lab = new Lab()
  return await pullBy(lab, sparse, [lab.peer('alice', sparse.to)], await sparse.replica(), { sizes: MANY_UNITS })
}

test('a peer that does not know the older tree: another one is asked, and blocks where there is none', async () => {
  const gone = (answer: PatchAnswer | Refusal): Refusal => ({ type: 'refusal', id: answer.id, reason: 'gone' })
  for (const others of [['bob'], []]) {
    const lab = new Lab(others.length)
    const store = await sparse.replica()
    const dialers = [patchPeer(lab, 'alice', sparse, gone), ...others.map((name) => lab.peer(name, sparse.to))]
    const report = await pullBy(lab, sparse, dialers, store)
    assert.ok(sameBlocks(sparse.to, store))
    assert.is(report.patch?.way, others.length > 0 ? 'patch' : 'blocks')
    assert.equal(report.blocksReceived === 0, others.length > 0)
    for (const { outcome } of report.peers) assert.ok(outcome === 'used' || outcome === 'unused', outcome)
  }
})

test('a busy peer is asked again, and not for ever', async () => {
  for (const [times, way] of [
    [2, 'patch'],
    [99, 'blocks'],
  ] as const) {
    const lab = new Lab()
    let left: number = times
    const alice = patchPeer(lab, 'alice', sparse, (answer) =>
      left-- > 0 ? { type: 'refusal', id: answer.id, reason: 'busy' } : answer,
    )
    const store = await sparse.replica()
    const report = await pullBy(lab, sparse, [alice], store)
    assert.ok(sameBlocks(sparse.to, store))
    assert.is(report.patch?.way, way)
  }
})

test('several peers share the rows; what a slow or lost one owes is done by the others', async () => {
  for (const fate of ['slow', 'lost', 'mute'] as const) {
    const lab = new Lab(7)
    let pages = 0
    const tired = patchPeer(lab, 'tired', sparse, async (answer) => {
      if (++pages < 2) return answer
      if (fate === 'slow') await lab.clock.sleep(8000)
      if (fate === 'lost') throw new Error('lost')
      if (fate === 'mute') await never()
      return answer
    })
    const store = await sparse.replica()
    const startedAt = lab.clock.now()
    const dialers = [tired, lab.peer('bob', sparse.to), lab.peer('carol', sparse.to)]
    const report = await pullBy(lab, sparse, dialers, store, { sizes: MANY_UNITS })
    assert.ok(sameBlocks(sparse.to, store))
    const most = fate === 'lost' ? 1000 : 6000
    assert.ok(lab.clock.now() - startedAt < most, `${fate}: took ${lab.clock.now() - startedAt} ms`)
    const rows = report.peers.map(({ rows: used }) => used)
    assert.is(
      rows.reduce((a, b) => a + b),
      4000,
      `${fate}: ${rows.join(', ')} rows`,
    )
    assert.ok(rows.filter((used) => used > 0).length >= 2, `${fate}: ${rows.join(', ')} rows`)
    assert.ok((report.patch?.rows ?? 0) < 4000 * 1.3, `${fate}: ${report.patch?.rows} rows came`)
  }
})

test('what costs more than is taken on faith is left to blocks', async () => {
  const lab = new Lab()
  const store = await sparse.replica()
  const sizes = { ...MANY_UNITS, pieceNodeBytesMax: 100_000, pieceNodeBytes: 1e9, unitRowBytes: 1e9 }
  const report = await pullBy(lab, sparse, [lab.peer('alice', sparse.to)], store, { sizes })
  assert.ok(sameBlocks(sparse.to, store))
  assert.ok((report.patch?.subtreesLeft ?? 0) > 0 && report.blocksReceived > 0)
  assert.is(report.peers[0]?.outcome, 'used')
})

test('an older tree that is damaged here ends the patch, and nobody is blamed', async () => {
  const lab = new Lab()
  const store = await sparse.replica()
  const leaf = [...store.records.values()].find(({ level }) => level === 0)
  assert.ok(leaf)
  await store.write({ blocks: [{ link: leaf.link, bytes: u32be(1) }] })
  const after = applyEdits(before, [{ key: leaf.firstKey, value: u32be(9) }])
  const made = await patchCase(before, after)
  const report = await pullBy(lab, made, [lab.peer('alice', made.to)], store)
  assert.equal([report.patch?.way, report.patch?.reason], ['blocks', 'the older tree is damaged here'])
  assert.is(report.peers[0]?.outcome, 'used')
})

test('a store that fails ends the pull with its error, and what was rebuilt stays', async () => {
  const lab = new Lab()
  const store = await sparse.replica()
  store.failsAtWrite = store.writes + 3
  const error = await pullBy(lab, sparse, [lab.peer('alice', sparse.to)], store, { sizes: MANY_UNITS }).catch(
    (reason: unknown) => reason,
  )
  assert.is((error as Error).message, 'the disk is gone')
  store.failsAtWrite = Infinity
  assert.ok(store.written.every((key) => sparse.to.blocks.has(key) || sparse.from.blocks.has(key)))
  const report = await pullBy(lab, sparse, [lab.peer('alice', sparse.to)], store, { sizes: MANY_UNITS })
  assert.ok(sameBlocks(sparse.to, store))
  assert.ok(report.blocksHeld > 0)
})

test('a replica that has next to nothing asks for blocks at once', async () => {
  const made = await patchCase(before.slice(0, 100), before)
  const lab = new Lab()
  const store = await made.replica()
  const report = await pullBy(lab, made, [lab.peer('alice', made.to)], store)
  assert.equal([report.patch?.way, report.patch?.pages], ['blocks', 0])
  assert.ok(sameBlocks(made.to, store))
})

test('a small tree asks for a small first page', async () => {
  const rows = before.slice(0, 1500)
  const made = await patchCase(rows, fresh(rows))
  const lab = new Lab()
  const report = await pullBy(lab, made, [lab.peer('alice', made.to)], await made.replica())
  assert.is(report.patch?.way, 'blocks')
  assert.ok((report.patch?.rowBytes ?? Infinity) <= made.to.target.bytes / 6, `${report.patch?.rowBytes}`)
})

test('what is here of the newer tree is not asked for, wherever it lies', async () => {
  const store = await sparse.replica()
  const { records } = sparse.to.store
  const keep = async (link: Uint8Array): Promise<void> => {
    const bytes = sparse.to.store.get(link) ?? u32be(0)
    await store.write({ blocks: [{ link, bytes }] })
    const node = Node.decode(bytes)
    for (let i = 0; node.level > 0 && i < node.length; i++) await keep(node.link(i))
  }
  const root = sparse.to.target.root
  await store.write({ blocks: [{ link: root, bytes: sparse.to.store.get(root) ?? u32be(0) }] })
  const pieces = [...records.values()]
    .filter(({ link, level }) => level === 1 && sparse.to.blocks.has(linkMapKey(link)))
    .sort((a, b) => Buffer.compare(a.firstKey, b.firstKey))
  for (const [i, { link }] of pieces.entries()) if (i % 2 === 0) await keep(link)
  const lab = new Lab()
  const sizes = { ...MANY_UNITS, unitRowBytes: 200_000 }
  const report = await pullBy(lab, sparse, [lab.peer('alice', sparse.to)], store, { sizes })
  assert.ok(sameBlocks(sparse.to, store))
  const rows = report.patch?.rows ?? 0
  assert.ok(rows > 1000 && rows < 2600, `${rows} rows of 4,000, half of which are here`)
  assert.is(report.blocksReceived, 0)
})

test('a damaged block of the newer tree is made anew', async () => {
  const store = await sparse.replica()
  await store.write({ blocks: [{ link: sparse.to.target.root, bytes: u32be(0) }] })
  const lab = new Lab()
  const report = await pullBy(lab, sparse, [lab.peer('alice', sparse.to)], store)
  assert.equal([report.patch?.way, report.blocksReceived], ['patch', 0])
  assert.ok(sameBlocks(sparse.to, store))
})

test('reads follow the change, not the tree, at once and in pieces', async () => {
  const format = { ...DEEP, inlineBytesMax: FORMAT_1.inlineBytesMax }
  const rows = before.slice(0, 2000)
  const made = await patchCase(rows, applyEdits(rows, fresh(rows.slice(900, 910))), format)
  for (const sizes of [{}, { probeBytesMin: 1, probeBytesMax: 1, pieceNodeBytes: 1, shareMax: Infinity }]) {
    const store = await made.replica()
    const get = store.get.bind(store)
    let reads = 0
    store.get = (link) => {
      reads++
      return get(link)
    }
    const lab = new Lab()
    await pullBy(lab, made, [lab.peer('alice', made.to)], store, { sizes })
    assert.ok(reads < made.to.blocks.size / 8, `${reads} reads of ${made.to.blocks.size} blocks`)
  }
})

test('whoever does not send the first page soon is not waited for', async () => {
  for (let seed = 0; seed < 6; seed++) {
    const lab = new Lab(seed)
    const mute = patchPeer(lab, 'mute', sparse, () => never())
    const store = await sparse.replica()
    const startedAt = lab.clock.now()
    const report = await pullBy(lab, sparse, [mute, lab.peer('bob', sparse.to)], store)
    assert.equal([report.patch?.way, report.blocksReceived], ['patch', 0])
    assert.ok(lab.clock.now() - startedAt < 5000, `took ${lab.clock.now() - startedAt} ms`)
  }
})

test('nobody is asked more than two questions at once, whoever owes what', async () => {
  for (let seed = 0; seed < 6; seed++) {
    const lab = new Lab(seed)
    const late = ['late', 'later'].map((name, i) =>
      patchPeer(lab, name, sparse, async (answer) => {
        await lab.clock.sleep(1500 + 2000 * i)
        return answer
      }),
    )
    const counted = late.map(countingDialer)
    const report = await pullBy(lab, sparse, [...counted, lab.peer('bob', sparse.to)], await sparse.replica(), {
      sizes: MANY_UNITS,
    })
    assert.is(report.patch?.way, 'patch')
    for (const { openMax } of counted) assert.ok(openMax > 0 && openMax <= 2, `seed ${seed}: ${openMax} questions`)
  }
})

/** Counts questions for data that wait for their answer. */
function countingDialer(dialer: ChannelDialer): ChannelDialer & { openMax: number } {
  const counted = {
    name: dialer.name,
    openMax: 0,
    open: async (signal: AbortSignal): Promise<Channel> => {
      const channel = await dialer.open(signal)
      let open = 0
      let isHello = true
      const send = channel.send.bind(channel)
      const receive = channel.receive.bind(channel)
      channel.send = async (frame) => {
        if (!isHello && decodeRequest(frame).type !== 'get root') counted.openMax = Math.max(counted.openMax, ++open)
        isHello = false
        await send(frame)
      }
      channel.receive = async () => {
        const frame = await receive()
        if (frame !== undefined && open > 0 && decodeAnswer(frame).type !== 'root') open--
        return frame
      }
      return channel
    },
  }
  return counted
}

test('a peer whose rows come to nothing is asked for few', async () => {
  const lab = new Lab()
  const store = await sparse.replica()
  const sizes = { ...MANY_UNITS, pieceNodeBytesMax: 5000, wasteBytesMax: 20_000 }
  const report = await pullBy(lab, sparse, [lab.peer('alice', sparse.to)], store, { sizes })
  assert.ok(sameBlocks(sparse.to, store))
  assert.ok((report.patch?.rowBytes ?? 0) < 80_000, `${report.patch?.rowBytes} bytes of rows`)
  assert.is(report.peers[0]?.outcome, 'used')
})

test.run()
