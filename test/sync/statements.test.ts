/** What travels beside signed roots (docs/spec/protocol.md, 8): statements in hello, welcome, root and tell; attachments when asked for. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENTS_BYTES_MAX as CARRIED_BYTES_MAX } from '../../src/carriers/attachments.ts'
import { ChannelSession, createChannelPair, ProviderSet, serveChannel } from '../../src/sync/index.ts'
import { ATTACHMENTS_BYTES_MAX, STATEMENTS_BYTES_MAX, TELLS_BURST } from '../../src/sync/limits.ts'
import { encodeMessage } from '../../src/sync/wire/index.ts'
import { passing } from '../support/passing-channel.ts'
import { AUTHOR, CountingStore, Lab, NAME, rootId } from '../support/sync-lab.ts'
import { utf8 } from '../support/tree-sets.ts'

const test = suite('sync/statements')

class Bench {
  readonly lab: Lab = new Lab()
  readonly heard: string[] = []
  readonly #set: ProviderSet
  #statements: Uint8Array | undefined
  attachments: Uint8Array | undefined
  readonly #changes: (() => void)[] = []

  constructor() {
    this.#set = new ProviderSet({ clock: this.lab.clock })
    this.#set.add({
      author: AUTHOR,
      name: NAME,
      store: new CountingStore(),
      newest: () => ({ signedRoot: utf8('root 3'), id: rootId(3, utf8('root 3')) }),
      changed: (signal) =>
        new Promise((resolve, reject) => {
          this.#changes.push(resolve)
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        }),
      statements: () => this.#statements,
      attachments: () => this.attachments,
      onStatements: (bytes, peer) => void this.heard.push(`${peer}: ${new TextDecoder().decode(bytes)}`),
    })
  }

  say(statements: Uint8Array): void {
    this.#statements = statements
    for (const change of this.#changes.splice(0)) change()
  }

  async session(statements?: Uint8Array, host?: string): Promise<ChannelSession> {
    const [channel, theirs] = createChannelPair({ names: ['puller', 'provider'] })
    void serveChannel(host === undefined ? theirs : passing(theirs, { host }), this.#set.handle)
    const session = new ChannelSession(channel, 'provider', this.lab.clock)
    await session.hello({ author: AUTHOR, name: NAME, have: rootId(3, utf8('root 3')), statements })
    return session
  }
}

test('statements are those of a machine, where it is known: peer ids cost nothing', async () => {
  const bench = new Bench()
  const session = await bench.session(utf8('first'), '10.0.0.1')
  session.tell(null, utf8('second'))
  await bench.lab.clock.run(session.getRoot(null, 0))
  assert.equal(bench.heard, ['10.0.0.1: first', '10.0.0.1: second'])
})

test('a hello is heard, and the welcome says what it did not say', async () => {
  const bench = new Bench()
  assert.is((await bench.session()).statements, undefined)
  bench.say(utf8('ours'))
  assert.equal((await bench.session()).statements, utf8('ours'))
  assert.equal((await bench.session(utf8('theirs'))).statements, utf8('ours'))
  assert.is((await bench.session(utf8('ours'))).statements, undefined)
  assert.equal(bench.heard, ['puller: theirs', 'puller: ours'])
})

test('who waits for a root hears of other statements at once, and of each once', async () => {
  const bench = new Bench()
  const session = await bench.session()
  const waiting = session.getRoot(rootId(3, utf8('root 3')), 20_000)
  // Answered behind it: by then it waits.
  await bench.lab.clock.run(session.getAttachments())
  const since = bench.lab.clock.now()
  bench.say(utf8('a fork'))
  assert.is(await bench.lab.clock.run(waiting), undefined)
  assert.equal(session.statements, utf8('a fork'))
  assert.ok(bench.lab.clock.now() - since < 2_000)
  // The same again is no news: the answer is held back.
  const again = session.getRoot(rootId(3, utf8('root 3')), 20_000)
  await bench.lab.clock.run(session.getAttachments())
  const from = bench.lab.clock.now()
  bench.say(utf8('a fork'))
  assert.is(await bench.lab.clock.run(again), undefined)
  assert.ok(bench.lab.clock.now() - from >= 20_000)
  bench.say(utf8('another'))
  assert.is(await bench.lab.clock.run(session.getRoot(rootId(3, utf8('root 3')), 0)), undefined)
  assert.equal(session.statements, utf8('another'))
  await session.close()
})

test('what a puller tells comes back to nobody, and more than a few are not heard', async () => {
  const bench = new Bench()
  const session = await bench.session()
  for (let i = 0; i < 100; i++) session.tell(null, utf8(`news ${i}`))
  await bench.lab.clock.run(session.getRoot(null, 0))
  assert.is(bench.heard.length, TELLS_BURST)
  session.tell(null, utf8('told'))
  bench.say(utf8(`news ${TELLS_BURST - 1}`))
  assert.is(await bench.lab.clock.run(session.getRoot(rootId(3, utf8('root 3')), 0)), undefined)
  assert.is(session.statements, undefined)
  assert.throws(() => session.tell(null, new Uint8Array(STATEMENTS_BYTES_MAX + 1)), RangeError)
  await session.close()
})

test('attachments are given when they are asked for, as large as they may be', async () => {
  const bench = new Bench()
  const session = await bench.session()
  assert.is(await bench.lab.clock.run(session.getAttachments()), null)
  bench.attachments = new Uint8Array(ATTACHMENTS_BYTES_MAX).fill(7)
  assert.equal(await bench.lab.clock.run(session.getAttachments()), bench.attachments)
  assert.is(ATTACHMENTS_BYTES_MAX, CARRIED_BYTES_MAX)
  await session.close()
})

test('where there is nothing to say, a hello, a welcome and a root are one byte longer for it', () => {
  const have = rootId(3, utf8('root 3'))
  const hello = { type: 'hello', version: 1, author: AUTHOR, name: NAME, have, packings: [] } as const
  const one = encodeMessage({ ...hello, statements: null }).length
  assert.is(encodeMessage({ ...hello, statements: Uint8Array.of(1) }).length, one + 1)
  assert.ok(one < 100)
})

test.run()
