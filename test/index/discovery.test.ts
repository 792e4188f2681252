/** Databases in directories, found over real nodes: by a DHT, by peers that name peers; and one node for following and serving. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database, Replica, serve } from '../../src/index.ts'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const test = suite('index/discovery')

type Db = Awaited<ReturnType<typeof Database.create>>

async function create(path: string, name = 'cities'): Promise<Db> {
  const database = await Database.create(path, { name })
  for (let i = 0; i < 100; i++) await database.put(Uint8Array.of(i), new Uint8Array(100).fill(i))
  await database.publish()
  return database
}

async function isProvided(asker: NetworkNode, database: Db): Promise<boolean> {
  for await (const _ of asker.discovery.find(database, AbortSignal.timeout(5_000))) return true
  return false
}

test('an address without peers is enough where both know one node of a DHT', async () => {
  await inDirectory(async (directory) => {
    const other = await create(join(directory, 'other'), 'other')
    const database = await create(join(directory, 'db'))
    // The first node of the DHT serves something else.
    const first = await serve(other, { dht: [] })
    const server = await serve(database, { dht: first.addresses })
    const asker = await createNode({ peerKey: new Uint8Array(32).fill(9), dht: first.addresses })
    await until(() => isProvided(asker, database))
    await asker.stop()
    const copy = join(directory, 'copy')
    const replica = await Replica.clone(database.address, copy, { dht: first.addresses })
    assert.is((await replica.published())?.payload.sequence, 1)
    assert.equal(await replica.peers(), [])
    assert.equal(
      (await replica.knownPeers()).map((known) => known.address),
      server.addresses,
    )
    await replica.close()
    // Whom it met it asks again, without any discovery.
    await database.put(Uint8Array.of(200), Uint8Array.of(1))
    await database.publish()
    const again = await Replica.open(copy)
    assert.is((await again.pull()).to.payload.sequence, 2)
    for (const each of [again, server, first, other, database]) await each.close()
  })
})

test('who follows and serves has one node, which others are told of', async () => {
  await inDirectory(async (directory) => {
    const database = await create(join(directory, 'db'))
    const author = await serve(database)
    const address = author.addressOf(database)
    const first = await Replica.clone(address, join(directory, 'first'))
    const second = await Replica.clone(address, join(directory, 'second'))
    // Under another identity than that of the directory, so that it is seen over which node it asks.
    const server = await serve(first, { peerKey: new Uint8Array(32).fill(5) })
    const over = new AbortController()
    const seen: number[] = []
    const follow = async (replica: typeof first, note: (sequence: number) => void): Promise<void> => {
      for await (const { to } of replica.follow({ signal: over.signal })) note(to.payload.sequence)
    }
    const following = [follow(first, (sequence) => void seen.push(sequence)), follow(second, () => {})]
    // The second is told of the first.
    await until(() => server.peers().length > 0)
    // Its questions go over the node that serves.
    await until(() => author.peers().includes(server.peerId))
    await server.close()
    await until(() => !author.peers().includes(server.peerId))
    await database.put(Uint8Array.of(200), Uint8Array.of(1))
    await database.publish()
    // It goes on without serving.
    await until(() => seen.at(-1) === 2)
    over.abort()
    await Promise.all(following)
    for (const each of [first, second, author, database]) await each.close()
  })
})

test.run()
