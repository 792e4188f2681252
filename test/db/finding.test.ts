/** Peers that nobody named: found by discovery, named by other peers, remembered from before. */
import { setImmediate } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Database } from '../../src/db/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import type { Channel, ChannelHandler } from '../../src/sync/index.ts'
import { decodeRequest, type Request } from '../../src/sync/wire/index.ts'
import { createDatabase, outcomesOf, thrownBy, utf8 } from '../support/database-lab.ts'
import { address, FindingNetwork, gated, openReplica, type Peers, serving } from '../support/finding-lab.ts'
import { until } from '../support/until.ts'
import { passing } from '../support/passing-channel.ts'

const test = suite('db/finding')

const AUTHOR = address(1)
const ENOUGH = new Error('enough')

async function published(): Promise<Database> {
  const database = await createDatabase()
  for (let i = 0; i < 200; i++) await database.put(utf8(`key ${i}`), utf8(`value ${i} ${'x'.repeat(200)}`))
  await database.publish()
  return database
}

test('a replica that knows nobody clones from whom discovery finds, and asks it again later', async () => {
  const database = await published()
  const peers: Peers = new Map([[AUTHOR, serving(database)]])
  const store = new MemoryStore()
  const network = new FindingNetwork(peers, 'replica', { discovered: [address(7), AUTHOR, AUTHOR] })
  const replica = await openReplica(database, network, [], store)
  const { report, changed } = await replica.pull()
  assert.is(changed, true)
  assert.is(outcomesOf(report)[AUTHOR], 'used')
  assert.equal(network.dialled, [address(7), AUTHOR], 'each once')
  assert.equal(
    (await replica.knownPeers()).map((known) => known.address),
    [AUTHOR],
  )
  await database.put(utf8('more'), utf8('of it'))
  await database.publish()
  const plain = new FindingNetwork(peers, 'replica')
  const again = await openReplica(database, plain, [], store)
  assert.is((await again.pull()).to.payload.sequence, 2)
  assert.equal(plain.dialled, [AUTHOR])
})

test('discovery is given a moment, also where a named peer answers: it may know of something newer', async () => {
  const database = await published()
  const old = await openReplica(database, new FindingNetwork(new Map([[AUTHOR, serving(database)]]), 'old'), [AUTHOR])
  await old.pull()
  await database.put(utf8('more'), utf8('of it'))
  await database.publish()
  const peers: Peers = new Map([
    [address(2), serving(old)],
    [AUTHOR, serving(database)],
  ])
  const network = new FindingNetwork(peers, 'replica', { discovered: [AUTHOR] })
  const replica = await openReplica(database, network, [address(2)])
  assert.is((await replica.pull()).to.payload.sequence, 2)
})

test('a pull that waits for discovery ends with its signal', async () => {
  const database = await published()
  const network = new FindingNetwork(new Map(), 'replica', { discovered: [address(7)] })
  const replica = await openReplica(database, network, [])
  const over = new AbortController()
  const pull = thrownBy(replica.pull({ signal: over.signal }))
  await until(() => network.dialled.length > 0)
  over.abort(ENOUGH)
  assert.is(await pull, ENOUGH)
  assert.equal(network.dialled, [address(7)])
})

interface Watched {
  readonly handler: ChannelHandler
  /** Resolves when the first frame is with the other side. */
  readonly answered: Promise<void>
  /** How the channel ended, by whoever opened it. */
  readonly ended: Promise<string>
}

/** Requests that are `swallowed` do not get through. */
function watched(handler: ChannelHandler, swallowed?: Request['type']): Watched {
  const ended = Promise.withResolvers<string>()
  const answered = Promise.withResolvers<void>()
  const receive = async (channel: Channel): Promise<Uint8Array | undefined> => {
    for (let isHello = swallowed === undefined; ; isHello = false) {
      const frame = await channel.receive()
      if (frame === undefined) ended.resolve('closed')
      if (frame === undefined || isHello || !isRequest(frame, swallowed)) return frame
    }
  }
  return {
    ended: ended.promise,
    answered: answered.promise,
    handler: async (channel) => {
      await handler(
        passing(channel, {
          send: async (frame) => {
            await channel.send(frame)
            answered.resolve()
          },
          receive: () => receive(channel),
        }),
      )
      ended.resolve('cut')
    },
  }
}

function isRequest(frame: Uint8Array, type: Request['type'] | undefined): boolean {
  try {
    return decodeRequest(frame).type === type
  } catch {
    return false
  }
}

test('whoever gives up while discovery is waited for leaves no session behind', async () => {
  const database = await published()
  const { handler, answered, ended } = watched(serving(database))
  const network = new FindingNetwork(new Map([[AUTHOR, handler]]), 'replica', { discovered: [] })
  const replica = await openReplica(database, network, [AUTHOR])
  const over = new AbortController()
  const pull = thrownBy(replica.pull({ signal: over.signal }))
  await answered
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  over.abort(ENOUGH)
  assert.is(await pull, ENOUGH)
  assert.is(await ended, 'closed')
})

test('a peer that is asked whom it knows, and does not say, does not hold up the end of a pull', async () => {
  const database = await published()
  const { handler, ended } = watched(serving(database), 'get peers')
  const peers: Peers = new Map([
    [AUTHOR, serving(database)],
    [address(2), handler],
  ])
  const replica = await openReplica(database, new FindingNetwork(peers, 'replica'), [AUTHOR, address(2)])
  assert.is((await replica.pull()).changed, true)
  assert.is(await ended, 'closed', 'and not because it was silent')
})

test('who clones at the same time is named by the author, and does its share', async () => {
  const database = await published()
  const peers: Peers = new Map([[AUTHOR, serving(database)]])
  const first = await openReplica(database, new FindingNetwork(peers, 'first', { servedAt: [address(2)] }), [AUTHOR])
  const author = peers.get(AUTHOR)
  if (author === undefined) return assert.unreachable('the author serves')
  await first.pull()
  const served = Promise.withResolvers<void>()
  peers.set(AUTHOR, gated(author, served.promise))
  peers.set(address(2), gated(serving(first), Promise.resolve(), served.resolve))
  const network = new FindingNetwork(peers, 'second')
  const replica = await openReplica(database, network, [AUTHOR])
  const { report } = await replica.pull()
  assert.equal(network.dialled, [AUTHOR, address(2)])
  assert.is(outcomesOf(report)[address(2)], 'used', JSON.stringify(report.peers))
  assert.equal(
    (await replica.knownPeers()).map((known) => known.address),
    [address(2)],
    'whom the user named stands elsewhere',
  )
})

test('what may not be dialled is not, whoever names it', async () => {
  const database = await published()
  const peers: Peers = new Map([[AUTHOR, serving(database)]])
  const spy = new FindingNetwork(peers, 'spy', { servedAt: [address(66)] })
  await (await openReplica(database, spy, [AUTHOR])).pull()
  const network = new FindingNetwork(peers, 'replica', { judge: (each) => each !== address(66) })
  const replica = await openReplica(database, network, [AUTHOR])
  await replica.pull()
  assert.equal(network.dialled, [AUTHOR])
})

test('a follower learns of others while it waits, and of roots from them', async () => {
  const database = await published()
  const peers: Peers = new Map([[AUTHOR, serving(database)]])
  const network = new FindingNetwork(peers, 'follower')
  const follower = await openReplica(database, network, [AUTHOR])
  const over = new AbortController()
  const seen: number[] = []
  const following = (async () => {
    for await (const { to } of follower.follow({ signal: over.signal })) seen.push(to.payload.sequence)
  })()
  await until(() => seen.length > 0)
  const second = await openReplica(database, new FindingNetwork(peers, 'second', { servedAt: [address(2)] }), [AUTHOR])
  await second.pull()
  peers.set(address(2), serving(second))
  await until(() => network.dialled.includes(address(2)))
  assert.equal(network.dialled, [AUTHOR, address(2)])
  over.abort()
  await following
  assert.equal(seen, [1])
})

test.run()
