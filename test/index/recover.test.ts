/** An author's accidents, for real: directories that are copied, a DHT as carrier, peers over libp2p. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeCarrierSettings } from '../../src/db/index.ts'
import { Database, Replica, serve } from '../../src/index.ts'
import { failureOf, text, utf8 } from '../support/database-lab.ts'
import { DhtLab } from '../support/dht-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('index/recover')

test('a backup that is restored: publishing is refused, recovered from, and goes on; replicas follow', () =>
  inDirectory(async (directory, use) => {
    const dht = use(await startDht())
    const [path, backup] = [join(directory, 'db'), join(directory, 'backup')]
    const created = await Database.create(path, { name: 'cities' })
    await writeCarrierSettings(created.state.store, { dht: { bootstrap: dht.bootstrap } })
    await created.put(utf8('a'), utf8('1'))
    const first = await created.publish()
    assert.equal(
      first.asked.map(({ name, shows }) => [name, shows]),
      [['dht', 'nothing']],
    )
    assert.equal(
      first.carriers.map(({ outcome }) => outcome),
      ['stands'],
    )
    assert.ok((first.carriers[0]?.seen ?? 0) >= 1)
    await created.close()
    await cp(path, backup, { recursive: true })

    const db = use(await Database.open(path))
    await db.put(utf8('a'), utf8('2'))
    await db.publish()
    const server = use(await serve(db, { listen: ['/ip4/127.0.0.1/tcp/0'] }))
    const replica = use(await Replica.clone(server.addressOf(db), join(directory, 'copy')))
    await server.close()
    await db.close()
    const mirror = use(await serve(replica, { listen: ['/ip4/127.0.0.1/tcp/0'] }))

    const restored = use(await Database.open(backup))
    await restored.put(utf8('b'), utf8('1'))
    const error = await failureOf(restored.publish())
    assert.equal(
      [error.code, error.details['reason'], error.details['carrier'], error.details['sequence']],
      ['PUBLISH_REFUSED', 'newer', 'dht', 2],
    )
    const { outcome } = await restored.recover({ peers: mirror.addresses })
    assert.is(outcome, 'recovered')
    const { signedRoot, carriers } = await restored.publish()
    assert.equal([signedRoot.payload.sequence, carriers[0]?.outcome], [3, 'stands'])
    await mirror.close()

    const again = use(await serve(restored, { listen: ['/ip4/127.0.0.1/tcp/0'] }))
    await replica.setPeers(again.addresses)
    const { to, link } = await replica.pull()
    assert.equal([to.bytes, link], [signedRoot.bytes, 'linked'])
    assert.equal([text(await replica.get(utf8('a'))), text(await replica.get(utf8('b')))], ['2', '1'])
    assert.equal(await again.keptAliveAt(restored), ['dht'])
  }))

async function startDht(): Promise<DhtLab & AsyncDisposable> {
  const dht = await DhtLab.start(4)
  return Object.assign(dht, { [Symbol.asyncDispose]: () => dht.stop() })
}

test.run()
