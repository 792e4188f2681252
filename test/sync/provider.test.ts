/** The provider's side: hello and welcome, waiting for roots, tells, limits, turns. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import { type Channel, createChannelPair, ProviderSet, serveChannel, ChannelSession } from '../../src/sync/index.ts'
import { BYTES_PER_TURN, CHANNELS_MAX, REQUEST_WORK_BYTES } from '../../src/sync/limits.ts'
import { decodeAnswer, decodeRequest, decodeWelcome, encodeMessage, type Welcome } from '../../src/sync/wire/index.ts'
import { Turnstile } from '../../src/sync/serving/turnstile.ts'
import { AUTHOR, CountingStore, Lab, NAME, publish, rootId } from '../support/sync-lab.ts'
import { utf8 } from '../support/tree-sets.ts'

const test = suite('sync/provider')
const { signal } = new AbortController()

/** A provider whose newest root can be changed, and channels to it. */
class Bench {
  readonly lab: Lab = new Lab()
  readonly told: string[] = []
  readonly set: ProviderSet
  newest: { signedRoot: Uint8Array; id: ReturnType<typeof rootId> } | undefined
  readonly #changes: (() => void)[] = []

  constructor(channelsMax?: number) {
    this.set = new ProviderSet({ clock: this.lab.clock, ...(channelsMax === undefined ? {} : { channelsMax }) })
    this.set.add({
      author: AUTHOR,
      name: NAME,
      store: new CountingStore(),
      newest: () => this.newest,
      changed: (signal) =>
        new Promise((resolve, reject) => {
          this.#changes.push(resolve)
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        }),
      onTell: (signedRoot, peer) => this.told.push(`${peer}: ${new TextDecoder().decode(signedRoot)}`),
    })
  }

  publish(sequence: number, text: string = `root ${sequence}`): void {
    const signedRoot = utf8(text)
    this.newest = { signedRoot, id: rootId(sequence, signedRoot) }
    for (const change of this.#changes.splice(0)) change()
  }

  dial(): { channel: Channel; served: Promise<Error | undefined> } {
    const [channel, theirs] = createChannelPair({ names: ['puller', 'provider'] })
    return { channel, served: serveChannel(theirs, this.set.handle) }
  }

  async session(have: ReturnType<typeof rootId> | null = null): Promise<ChannelSession> {
    const session = new ChannelSession(this.dial().channel, 'provider', this.lab.clock)
    await session.hello({ author: AUTHOR, name: NAME, have })
    return session
  }
}

const HELLO = {
  type: 'hello',
  version: 1,
  author: AUTHOR,
  name: NAME,
  have: null,
  packings: [],
  statements: null,
} as const

test('the welcome says same, newest or empty', async () => {
  const bench = new Bench()
  assert.is((await bench.session()).status, 'empty')
  bench.publish(3)
  const session = await bench.session()
  assert.is(session.status, 'newest')
  assert.equal(session.announced, utf8('root 3'))
  const same = await bench.session(rootId(3, utf8('root 3')))
  assert.is(same.status, 'same')
  assert.is(same.announced, undefined)
  // An older or a forked root of the reader changes nothing: it gets what there is, as evidence or news.
  assert.is((await bench.session(rootId(9, utf8('root 9')))).status, 'newest')
  assert.is((await bench.session(rootId(3, utf8('fork 3')))).status, 'newest')
})

test('who keeps no history refuses questions about it, and the session goes on', async () => {
  const bench = new Bench()
  bench.publish(3)
  const session = await bench.session()
  const history = new Uint8Array(32)
  assert.is(await session.getLink({ older: 1, newer: 3, history }), 'gone')
  assert.is(await session.getPayloads([{ sequence: 3, link: rootId(3, utf8('root 3')).payload }]), 'gone')
  assert.equal(await session.getRoot(null, 0), utf8('root 3'))
  assert.ok(session.isOpen)
})

test('a hello of a later version is answered with ours', async () => {
  const { channel } = new Bench().dial()
  await channel.send(Uint8Array.from([0x87, 0x00, 0x02, 0xa0, 0xf5, 0xf6, 0x01, 0x01]))
  const welcome = decodeWelcome((await channel.receive()) ?? new Uint8Array(0))
  assert.equal(welcome, {
    type: 'welcome',
    version: 1,
    status: 'version',
    signedRoot: null,
    statements: null,
  } satisfies Welcome)
  assert.is(await channel.receive(), undefined)
})

test('a provider of a later version is named so', async () => {
  const [ours, theirs] = createChannelPair()
  await theirs.send(
    encodeMessage({ type: 'welcome', version: 2, status: 'version', signedRoot: null, statements: null }),
  )
  const session = new ChannelSession(ours, 'new', new Lab().clock)
  const error: unknown = await session
    .hello({ author: AUTHOR, name: NAME, have: null })
    .catch((thrown: unknown) => thrown)
  assert.ok(isCoppiceError(error, 'PEER_PROTOCOL'))
  assert.is(session.end?.fault, 'version')
})

test('too many channels: busy, and room again when one ends', async () => {
  assert.ok(CHANNELS_MAX > 2)
  const bench = new Bench(2)
  const first = await bench.session()
  await bench.session()
  const error: unknown = await bench.session().catch((thrown: unknown) => thrown)
  assert.ok(isCoppiceError(error, 'PEER_UNREACHABLE'))
  assert.is(bench.set.channels, 2)
  await first.close()
  await new Promise(setImmediate)
  assert.is(bench.set.channels, 1)
  await bench.session()
})

test('a channel that is idle for long gives way, one that waits for a root does not', async () => {
  const bench = new Bench(2)
  bench.publish(1)
  const { clock } = bench.lab
  const waiting = await bench.session()
  const idle = await bench.session()
  const have = rootId(1, utf8('root 1'))
  const follow = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) await waiting.getRoot(have, 25_000)
  }
  const followed = follow()
  await clock.run(clock.sleep(70_000))
  const third = await bench.session()
  assert.not(idle.isOpen)
  assert.ok(waiting.isOpen && third.isOpen)
  assert.is(bench.set.channels, 2)
  await clock.run(followed)
})

test('a peer that answers waiting requests at once does not make the puller spin', async () => {
  const { clock } = new Lab()
  let asked = 0
  const [ours, theirs] = createChannelPair()
  void serveChannel(theirs, async (channel) => {
    await channel.receive()
    await channel.send(
      encodeMessage({ type: 'welcome', version: 1, status: 'empty', signedRoot: null, statements: null }),
    )
    for (let frame = await channel.receive(); frame !== undefined; frame = await channel.receive()) {
      const request = decodeRequest(frame)
      if (request.type !== 'get root') continue
      const text = ['nothing', 'root 1', 'root 1', 'root 2', 'root 1', 'root 2'][asked++ % 6] ?? ''
      const signedRoot = text === 'nothing' ? null : utf8(text)
      await channel.send(encodeMessage({ type: 'root', id: request.id, signedRoot, statements: null }))
    }
  })
  const session = new ChannelSession(ours, 'eager', clock)
  await session.hello({ author: AUTHOR, name: NAME, have: null })
  const began = clock.now()
  const follow = async (): Promise<number> => {
    let news = 0
    while (clock.now() - began < 60_000) if ((await session.getRoot(null, 30_000)) !== undefined) news++
    return news
  }
  const news = await clock.run(follow())
  assert.ok(news > 0 && asked <= 60, `asked ${asked} times in a minute`)
})

test('a root request waits until there is news', async () => {
  const bench = new Bench()
  bench.publish(1)
  const session = await bench.session()
  const have = rootId(1, utf8('root 1'))
  const { clock } = bench.lab
  assert.is(await clock.run(session.getRoot(have, 0)), undefined)
  assert.equal(await clock.run(session.getRoot(null, 0)), utf8('root 1'))
  const began = clock.now()
  assert.is(await clock.run(session.getRoot(have, 20_000)), undefined)
  assert.ok(clock.now() - began >= 20_000)
  const waiting = session.getRoot(have, 30_000)
  await clock.run(clock.sleep(5000))
  bench.publish(2)
  assert.equal(await clock.run(waiting), utf8('root 2'))
  assert.equal(session.announced, utf8('root 2'))
  // Older than the reader's: no news. A fork of the same sequence is.
  assert.is(await clock.run(session.getRoot(rootId(7, utf8('root 7')), 1000)), undefined)
  assert.equal(await clock.run(session.getRoot(rootId(2, utf8('fork')), 0)), utf8('root 2'))
  assert.ok(session.isOpen)
})

test('a change between looking and watching is not missed', async () => {
  const bench = new Bench()
  bench.publish(1)
  const session = await bench.session()
  const { clock } = bench.lab
  const began = clock.now()
  const waiting = session.getRoot(rootId(1, utf8('root 1')), 30_000)
  bench.publish(2)
  assert.equal(await clock.run(waiting), utf8('root 2'))
  assert.ok(clock.now() - began < 1000)
})

test('one waiting root request per channel, blocks are answered meanwhile', async () => {
  const lab = new Lab()
  const source = await publish([{ key: utf8('a'), value: utf8('1') }])
  const [channel, theirs] = createChannelPair()
  const served = serveChannel(theirs, lab.handlerOf(source))
  const run = async (): Promise<void> => {
    await channel.send(encodeMessage(HELLO))
    await channel.receive()
    await channel.send(encodeMessage({ type: 'get root', id: 1, have: source.newest.id, waitMs: 30_000 }))
    await channel.send(
      encodeMessage({
        type: 'get blocks',
        id: 2,
        root: source.target.root,
        links: [source.target.root],
        bytesMax: 1000,
      }),
    )
    const answer = decodeAnswer((await channel.receive()) ?? new Uint8Array(0))
    assert.is(answer.type === 'blocks' && answer.id === 2 && answer.blocks[0] !== null, true)
    await channel.send(encodeMessage({ type: 'get root', id: 3, have: source.newest.id, waitMs: 30_000 }))
    assert.ok(isCoppiceError(await served, 'PEER_PROTOCOL'))
  }
  await lab.clock.run(run())
})

test('answers are the longest prefix that fits, and at least one block', async () => {
  const rows = [1, 2, 3, 4].map((i) => ({ key: utf8(`k${i}`), value: new Uint8Array(3000).fill(i) }))
  const source = await publish(rows)
  const links = [...source.blocks]
    .filter((key) => key.charCodeAt(1) === 0x55)
    .map((key) => Uint8Array.from(key, (c) => c.charCodeAt(0)))
  const lab = new Lab()
  const [channel, theirs] = createChannelPair()
  void serveChannel(theirs, lab.handlerOf(source))
  const ask = async (bytesMax: number): Promise<number> => {
    await channel.send(encodeMessage({ type: 'get blocks', id: 0, root: source.target.root, links, bytesMax }))
    const answer = decodeAnswer((await channel.receive()) ?? new Uint8Array(0))
    return answer.type === 'blocks' ? answer.blocks.length : -1
  }
  const run = async (): Promise<number[]> => {
    await channel.send(encodeMessage(HELLO))
    await channel.receive()
    return [await ask(1), await ask(2999), await ask(3000), await ask(5999), await ask(6000), await ask(12000)]
  }
  assert.equal(await lab.clock.run(run()), [1, 1, 1, 1, 2, 4])
})

test('tells are hints: a few are passed on, the rest is dropped', async () => {
  const bench = new Bench()
  const session = await bench.session()
  for (let i = 0; i < 50; i++) session.tell(utf8(`r${i}`))
  await bench.lab.clock.run(session.getRoot(null, 0))
  assert.equal(bench.told, ['puller: r0', 'puller: r1', 'puller: r2', 'puller: r3'])
  await bench.lab.clock.run(bench.lab.clock.sleep(21_000))
  for (let i = 50; i < 60; i++) session.tell(utf8(`r${i}`))
  await bench.lab.clock.run(session.getRoot(null, 0))
  assert.equal(bench.told.slice(4), ['puller: r50', 'puller: r51'])
})

test('a channel that breaks the protocol ends, and only that one', async () => {
  const bench = new Bench()
  bench.publish(1)
  const good = await bench.session()
  const frames = [
    utf8('hello'),
    new Uint8Array(20_000),
    encodeMessage({ type: 'tell', signedRoot: utf8('x'), statements: null }),
    encodeMessage({ type: 'root', id: 0, signedRoot: null, statements: null }),
  ]
  for (const frame of frames) {
    for (const afterHello of [false, true]) {
      if (afterHello && frame === frames[2]) continue
      const { channel, served } = bench.dial()
      if (afterHello) await channel.send(encodeMessage(HELLO))
      await channel.send(frame)
      assert.ok(isCoppiceError(await served, 'PEER_PROTOCOL'))
    }
  }
  assert.equal(await bench.lab.clock.run(good.getRoot(null, 0)), utf8('root 1'))
})

test('a database is served once, and until it is taken back', async () => {
  const bench = new Bench()
  const options = {
    author: AUTHOR,
    name: 'b',
    store: new CountingStore(),
    newest: () => undefined,
    changed: () => new Promise<void>(() => {}),
  }
  const remove = bench.set.add(options)
  assert.throws(() => bench.set.add(options), /served already/)
  remove()
  bench.set.add(options)
})

test('a turnstile lets few in at once, the rest in order, and turns away what is too much', async () => {
  const turnstile = new Turnstile(2, 3)
  const gates = Array.from({ length: 6 }, () => Promise.withResolvers<void>())
  const entered: number[] = []
  const runs = gates.map((gate, i) =>
    turnstile.run(async () => {
      entered.push(i)
      await gate.promise
      return i
    }, signal),
  )
  assert.is(await runs[5], undefined)
  assert.equal(entered, [0, 1])
  gates[1]?.resolve()
  await runs[1]
  assert.equal(entered, [0, 1, 2])
  for (const gate of gates) gate.resolve()
  assert.equal(await Promise.all(runs), [0, 1, 2, 3, 4, undefined])
  const failed: unknown = await turnstile
    .run(() => Promise.reject(new Error('x')), signal)
    .catch((error: unknown) => error)
  assert.instance(failed, Error)
  assert.is(await turnstile.run(async () => 7, signal), 7)
})

test('a flood of small questions gives others their turn', async () => {
  const bench = new Bench()
  const { clock } = bench.lab
  let turns = 0
  const sleep = clock.sleep.bind(clock)
  clock.sleep = async (ms, over) => {
    if (ms === 0) turns++
    await (ms === 0 ? undefined : sleep(ms, over))
  }
  const session = await bench.session()
  const link = rootId(1, utf8('x')).payload
  const count = 320
  const links = Array.from({ length: 256 }, () => link)
  const answers = await Promise.all(Array.from({ length: count }, () => session.getHave(link, links)))
  assert.ok(answers.every((flags) => typeof flags !== 'string' && !flags.includes(true)))
  assert.ok(turns >= (count * REQUEST_WORK_BYTES) / BYTES_PER_TURN, `${turns} turns`)
})

test('who is gone leaves the line, and nothing is done for him', async () => {
  const turnstile = new Turnstile(1, 3)
  const gate = Promise.withResolvers<number>()
  const first = turnstile.run(() => gate.promise, signal)
  const lost = Array.from({ length: 3 }, () => new AbortController())
  const never = async (): Promise<number> => assert.unreachable('its turn came') as unknown as number
  const runs = lost.map(async (over) => await turnstile.run(never, over.signal).catch((error: Error) => error.message))
  assert.is(await turnstile.run(never, signal), undefined)
  for (const over of lost) over.abort(new Error('lost'))
  assert.equal(await Promise.all(runs), ['lost', 'lost', 'lost'])
  const next = turnstile.run(async () => 2, signal)
  gate.resolve(1)
  assert.equal(await Promise.all([first, next]), [1, 2])
  const over = AbortSignal.abort(new Error('over'))
  assert.is(((await turnstile.run(never, over).catch((error: Error) => error)) as Error).message, 'over')
})

test.run()
