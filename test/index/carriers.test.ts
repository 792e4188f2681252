/** Carriers as a directory configures them, by the library alone: published to a DHT and to BitTorrent's, resolved and pulled from there. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database, Replica, resolve, serve } from '../../src/index.ts'
import { Bep44Swarm } from '../support/bep44-swarm.ts'
import { failureOf, text, utf8 } from '../support/database-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const test = suite('index/carriers')

/** However busy the machine is. */
const deadlineMs = 60_000

test('a root that only a DHT knows is resolved, and pulled from a peer that shows an older one', () =>
  inDirectory(async (directory, use) => {
    const swarm = use(await startSwarm())
    // A stranger's server is the node that the DHT begins with.
    const other = use(await Database.create(join(directory, 'other'), { name: 'other' }))
    await other.publish()
    const node = use(await serve(other, { dht: [] }))
    const carriers = {
      dht: [...node.addresses],
      // The same DHT, which is one source for a quorum.
      ipns: [...node.addresses],
      bep44: swarm.addresses.slice(0, 2).map(({ host, port }) => `${host}:${port}`),
    }
    const settings = {
      dht: { bootstrap: carriers.dht },
      ipns: { bootstrap: carriers.ipns },
      bep44: { bootstrap: carriers.bep44 },
    }

    const db = use(await Database.create(join(directory, 'db'), { name: 'db' }))
    await db.put(utf8('k'), utf8('1'))
    await db.publish()
    const server = use(await serve(db))
    const replica = use(await Replica.clone(server.addressOf(db), join(directory, 'copy')))
    await server.close()

    await db.setCarrierSettings(settings)
    await db.put(utf8('k'), utf8('2'))
    const { carriers: stands } = await db.publish()
    assert.equal(
      stands.map(({ name, outcome }) => [name, outcome]),
      [
        ['dht', 'stands'],
        ['ipns', 'stands'],
        ['bep44', 'stands'],
      ],
    )
    const found = await resolve(db.address, { ...carriers, deadlineMs, quorum: 2 })
    assert.equal([found.root.payload.sequence, found.sources], [2, 2])
    assert.is((await failureOf(resolve(db.address, { ...carriers, deadlineMs, quorum: 3 }))).code, 'QUORUM_MISSED')

    await replica.setCarrierSettings(settings)
    const resolved = await replica.resolve({ deadlineMs })
    assert.equal([resolved.root.payload.sequence, resolved.link], [2, 'linked'])
    assert.is(text(await replica.get(utf8('k'))), '1')
    const again = use(
      await serve(db, { listen: [...server.addresses].map((address) => address.replace(/\/p2p\/.*/, '')) }),
    )
    assert.is((await replica.pull()).to.payload.sequence, 2)
    assert.is(text(await replica.get(utf8('k'))), '2')
    await again.close()

    // Published without them: whoever serves it puts it there.
    await db.setCarrierSettings({})
    await db.publish({ refresh: true })
    await db.setCarrierSettings(settings)
    const keeper = use(await serve(db, { listen: ['/ip4/127.0.0.1/tcp/0'] }))
    assert.equal(await keeper.keptAliveAt(db), ['dht', 'ipns', 'bep44'])
    // One at a time: a resolve tells one carrier what another has.
    const { dht, ipns, bep44 } = carriers
    for (const one of [{ dht }, { dht, ipns }, { bep44 }]) {
      await until(async () => (await resolve(db.address, { ...one, deadlineMs })).root.payload.sequence === 3)
    }
    await keeper.close()
    // Of a replica only where it is asked to.
    for (const keepAlive of [false, true]) {
      const helper = use(await serve(replica, { listen: ['/ip4/127.0.0.1/tcp/0'], keepAlive }))
      assert.equal(await helper.keptAliveAt(replica), keepAlive ? ['dht', 'ipns', 'bep44'] : [])
      await helper.close()
    }
  }))

async function startSwarm(): Promise<Bep44Swarm & AsyncDisposable> {
  const swarm = await Bep44Swarm.start(5)
  return Object.assign(swarm, { [Symbol.asyncDispose]: () => swarm.stop() })
}

test.run()
