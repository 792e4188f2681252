/**
 * Threats 9, 10 and 11: peers that are silent, slow, endless, or gone. Time is virtual: what is checked is who is named
 * and what was moved, not how long a test took.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import type { Put } from '../../src/prolly/index.ts'
import { createMemoryDialer, openSessions, type PeerReport } from '../../src/sync/index.ts'
import { AUTHOR, CountingStore, Lab, NAME, never, publish, type Published, sameBlocks } from '../support/sync-lab.ts'
import { utf8 } from '../support/tree-sets.ts'

const test = suite('hostile/slow-peer')

function rows(count: number): Put[] {
  return Array.from({ length: count }, (_, i) => ({
    key: utf8(`key-${String(i).padStart(8, '0')}`),
    value: utf8(`v${i}`),
  }))
}

const source: Published = await publish(rows(30000))

function outcomeOf(peers: readonly PeerReport[], name = 'mallory'): string | undefined {
  return peers.find((peer) => peer.name === name)?.outcome
}

async function peersOfFailure(pull: Promise<unknown>): Promise<readonly PeerReport[]> {
  const error: unknown = await pull.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isCoppiceError(error, 'NO_PEER_LEFT')) throw error ?? new Error('expected the pull to fail')
  return error.details['peers'] as PeerReport[]
}

test('silent after the welcome: named, its work done by another', async () => {
  const lab = new Lab()
  const store = new CountingStore()
  const report = await lab.pull(source, [lab.tampering('mallory', source, never), lab.peer('alice', source)], store)
  assert.is(outcomeOf(report.peers), 'silent')
  assert.ok(sameBlocks(source, store))
})

test('what a silent peer owes is asked for elsewhere long before its patience ends', async () => {
  const lab = new Lab()
  let answers = 0
  const mallory = lab.tampering('mallory', source, (answer) => (++answers > 2 ? never() : answer))
  const began = lab.clock.now()
  const report = await lab.pull(source, [mallory, lab.peer('alice', source)], new CountingStore())
  assert.ok(lab.clock.now() - began < 4000, `${lab.clock.now() - began} ms`)
  assert.is(outcomeOf(report.peers), 'silent')
})

test('an answer that comes after another peer gave it counts as repeated, not as a lie', async () => {
  const lab = new Lab()
  let answers = 0
  const late = lab.tampering('late', source, async (answer) => {
    await lab.clock.sleep(++answers === 1 ? 1500 : 3)
    return answer
  })
  const quick = lab.tampering('quick', source, async (answer) => {
    await lab.clock.sleep(200)
    return answer
  })
  const report = await lab.pull(source, [late, quick], new CountingStore())
  for (const { outcome } of report.peers) assert.is(outcome, 'used')
  assert.is(report.blocksReceived, source.blocks.size)
})

test('silent, and nobody else: the pull ends', async () => {
  const lab = new Lab()
  const began = lab.clock.now()
  const peers = await peersOfFailure(lab.pull(source, [lab.tampering('mallory', source, never)], new CountingStore()))
  assert.is(outcomeOf(peers), 'silent')
  assert.ok(lab.clock.now() - began < 30_000)
})

test('silent from the start: does not delay the others for long', async () => {
  const lab = new Lab()
  const began = lab.clock.now()
  const mute = lab.scripted('mallory', never)
  const report = await lab.pull(source, [mute, lab.peer('alice', source)], new CountingStore())
  assert.is(outcomeOf(report.peers), 'silent')
  assert.ok(lab.clock.now() - began < 5_000)
})

test('a dialer that never connects does not delay the others for long', async () => {
  const lab = new Lab()
  const open = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  const report = await lab.pull(source, [{ name: 'mallory', open }, lab.peer('alice', source)], new CountingStore())
  assert.is(outcomeOf(report.peers), 'unreachable')
})

test('silent after half of the work', async () => {
  const lab = new Lab()
  let answers = 0
  const store = new CountingStore()
  const mallory = lab.tampering('mallory', source, (answer) => (++answers > 3 ? never() : answer))
  const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store)
  assert.is(outcomeOf(report.peers), 'silent')
  assert.ok((report.peers.find(({ name }) => name === 'mallory')?.blocks ?? 0) > 0)
  assert.ok(sameBlocks(source, store))
})

test('each answer just before the patience ends: slow', async () => {
  const lab = new Lab()
  const mallory = lab.tampering('mallory', source, async (answer) => {
    await lab.clock.sleep(9000)
    return answer
  })
  const peers = await peersOfFailure(lab.pull(source, [mallory], new CountingStore()))
  assert.ok(['slow', 'silent'].includes(outcomeOf(peers) ?? ''))
})

test('less than the minimum rate, in many small frames: a broken protocol, for single blocks', async () => {
  const lab = new Lab()
  const mallory = lab.tampering('mallory', source, async (answer, { links }) => {
    await lab.clock.sleep(800)
    // As few blocks as the protocol allows are still a prefix cut short.
    return links.length === 1 ? answer : { ...answer, blocks: answer.blocks.slice(0, 1) }
  })
  const peers = await peersOfFailure(lab.pull(source, [mallory], new CountingStore(), { base: undefined }))
  assert.is(outcomeOf(peers), 'protocol')
})

test('less than the minimum rate, in ranges cut short: slow', async () => {
  const lab = new Lab()
  const mallory = lab.tampering('mallory', source, async (answer) => {
    await lab.clock.sleep(800)
    return answer.type === 'range' ? { ...answer, blocks: answer.blocks.slice(0, 1) } : answer
  })
  const began = lab.clock.now()
  const peers = await peersOfFailure(lab.pull(source, [mallory], new CountingStore()))
  assert.is(outcomeOf(peers), 'slow')
  assert.ok(lab.clock.now() - began < 20_000, `${lab.clock.now() - began} ms`)
})

test('one small value per answer: slow', async () => {
  const large = Array.from({ length: 400 }, (_, i) => ({
    key: utf8(`key-${i + 1000}`),
    value: new Uint8Array(1100).fill(i),
  }))
  for (const [i, row] of large.entries()) new DataView(row.value.buffer).setUint32(0, i)
  const values = await publish(large)
  const lab = new Lab()
  const mallory = lab.tampering('mallory', values, async (answer, { links }) => {
    if (links[0]?.[1] !== 0x55) return answer
    await lab.clock.sleep(700)
    return { ...answer, blocks: answer.blocks.slice(0, 1) }
  })
  const peers = await peersOfFailure(lab.pull(values, [mallory], new CountingStore()))
  assert.is(outcomeOf(peers), 'slow')
})

test('a slow line at the minimum rate is no fault', async () => {
  const lab = new Lab()
  const store = new CountingStore()
  const modest = lab.tampering('modest', source, async (answer) => {
    const bytes = answer.blocks.reduce((sum, block) => sum + (block?.length ?? 0), 0)
    await lab.clock.sleep(200 + bytes / 70)
    return answer
  })
  const report = await lab.pull(source, [modest], store)
  assert.is(outcomeOf(report.peers, 'modest'), 'used')
  assert.ok(sameBlocks(source, store))
})

test('busy is not slow: the peer is asked again', async () => {
  const lab = new Lab()
  let asked = 0
  const busy = lab.tampering('busy', source, (answer, { id }) =>
    ++asked % 2 === 1 ? { type: 'refusal', id, reason: 'busy' } : answer,
  )
  const report = await lab.pull(source, [busy], new CountingStore())
  assert.is(outcomeOf(report.peers, 'busy'), 'used')
  assert.is(report.blocksReceived, source.blocks.size)
})

test('busy for ever, and quick with all that is no data: given up in the end', async () => {
  const lab = new Lab()
  const mallory = lab.scripted('mallory', async (peer) => {
    await peer.welcome(source.newest.signedRoot)
    for await (const request of peer.requests()) {
      if (request.type === 'tell') continue
      const { type, id } = request
      if (type === 'get root') await peer.send({ type: 'root', id, signedRoot: null, statements: null })
      else if (type === 'get peers') await peer.send({ type: 'peers', id, addresses: [] })
      else await peer.send({ type: 'refusal', id, reason: 'busy' })
    }
  })
  const { clock } = lab
  const { root } = source.target
  await clock.run(
    (async () => {
      const { sessions } = await openSessions([mallory], { author: AUTHOR, name: NAME, have: null }, { clock })
      const [session] = sessions
      if (session === undefined) throw new Error('expected a session')
      for (let i = 0; i < 100 && session.isOpen; i++) {
        await session.getBlocks(root, [root]).catch(() => {})
        await session.getPeers?.([]).catch(() => {})
        await session.getRoot(null, 0).catch(() => {})
        await clock.sleep(1_000)
      }
      assert.is(session.end?.fault, 'busy')
    })(),
  )
})

test('gone in the middle: the work goes to the others', async () => {
  for (const end of ['close', 'abort'] as const) {
    const lab = new Lab()
    const store = new CountingStore()
    const mallory = lab.scripted('mallory', async (peer) => {
      await peer.welcome(source.newest.signedRoot)
      let answers = 0
      for await (const request of peer.requests()) {
        if (request.type !== 'get blocks' && request.type !== 'get range') continue
        if (++answers === 4) return end === 'close' ? peer.channel.close() : peer.channel.abort(new Error('reset'))
        await peer.send(peer.honest(request, source))
      }
    })
    const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store)
    assert.is(outcomeOf(report.peers), 'unreachable')
    assert.ok(sameBlocks(source, store))
  }
})

test('refused dials are reported with their reason', async () => {
  const lab = new Lab()
  const refused = { name: 'mallory', open: () => Promise.reject(new Error('connection refused')) }
  const report = await lab.pull(source, [refused, lab.peer('alice', source)], new CountingStore())
  const mallory = report.peers.find(({ name }) => name === 'mallory')
  assert.is(mallory?.outcome, 'unreachable')
  assert.match(mallory?.reason ?? '', 'connection refused')
})

test('a root is announced and its blocks are missing: incomplete', async () => {
  for (const missing of ['all', 'some'] as const) {
    const lab = new Lab()
    const store = new CountingStore()
    const mallory = lab.tampering('mallory', source, (answer) => ({
      ...answer,
      blocks: answer.blocks.map((block, i) => (missing === 'all' || i % 7 === 3 ? null : block)),
    }))
    const report = await lab.pull(source, [mallory, lab.peer('alice', source)], store)
    assert.is(outcomeOf(report.peers), 'incomplete')
    assert.ok(sameBlocks(source, store))
  }
})

test('a peer whose own store fails says so, and is incomplete', async () => {
  const lab = new Lab()
  const broken: Published = { ...source, store: new CountingStore() }
  broken.store.getComplete = () => {
    throw new Error('bad sector')
  }
  const report = await lab.pull(source, [lab.peer('mallory', broken), lab.peer('alice', source)], new CountingStore())
  assert.is(outcomeOf(report.peers), 'incomplete')
})

test('endless data: what a peer can make us receive is bounded by what was asked for', async () => {
  const lab = new Lab()
  let sent = 0
  const flood = lab.scripted('mallory', async (peer) => {
    await peer.welcome(source.newest.signedRoot)
    for (let i = 0; i < 10_000; i++) {
      await peer.send({ type: 'blocks', id: i, blocks: [new Uint8Array(1024 * 1024)] })
      sent++
    }
  })
  const report = await lab.pull(source, [flood, lab.peer('alice', source)], new CountingStore())
  assert.ok(['liar', 'protocol'].includes(outcomeOf(report.peers) ?? ''))
  const mallory = report.peers.find(({ name }) => name === 'mallory')
  assert.ok((mallory?.bytesReceived ?? Infinity) < 8 * 1024 * 1024, `${mallory?.bytesReceived} bytes, ${sent} frames`)
})

test('no peer owes more than 2 MiB of answers at any time', async () => {
  const large = Array.from({ length: 40 }, (_, i) => ({
    key: utf8(`key-${i + 100}`),
    value: new Uint8Array(300_000).fill(i),
  }))
  const values = await publish(large)
  for (const published of [values, source]) {
    const lab = new Lab()
    let owed = 0
    let owedMax = 0
    const peer = lab.scripted('peer', async (channel) => {
      await channel.welcome(published.newest.signedRoot)
      const answers: Promise<void>[] = []
      for await (const request of channel.requests()) {
        if (request.type !== 'get blocks' && request.type !== 'get range') continue
        owed += request.bytesMax
        owedMax = Math.max(owedMax, owed)
        const answer = async (): Promise<void> => {
          await lab.clock.sleep(50)
          await channel.send(channel.honest(request, published))
          owed -= request.bytesMax
        }
        answers.push(answer())
      }
      await Promise.all(answers)
    })
    for (const base of [null, undefined]) {
      await lab.pull(published, [peer], new CountingStore(), { base })
      if (base === undefined) assert.is(owedMax, 2 * 1024 * 1024)
      assert.ok(owedMax <= 2 * 1024 * 1024)
    }
  }
})

test('a provider drops a channel that never says hello', async () => {
  const lab = new Lab()
  const dialer = createMemoryDialer('alice', lab.handlerOf(source))
  const channel = await dialer.open(new AbortController().signal)
  const error = await lab.clock.run(channel.receive().catch((thrown: unknown) => thrown))
  assert.ok(isCoppiceError(error, 'PEER_UNREACHABLE'))
})

test.run()
