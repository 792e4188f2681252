/** Publishing with a carrier and recovering, as an author does it who restored a backup, and then works on two machines. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describeCarriers } from '../../src/cli/carriers-text.ts'
import { Database, serve } from '../../src/index.ts'
import { coppice, fail, jsonLines, succeed, succeedJson } from '../support/command-line.ts'
import { DhtLab } from '../support/dht-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/recover')

const CITIES = `{"id":1,"name":"Amsterdam"}\n{"id":2,"name":"Paris"}\n`

let dht: DhtLab
test.before(async () => {
  dht = await DhtLab.start(3)
})
test.after(async () => await dht.stop())

/** Runs `body` while the database in `dir` is served. */
async function serving(dir: string, body: (peer: string) => Promise<void>): Promise<void> {
  const db = await Database.open(dir, { access: 'read' })
  const server = await serve(db, { listen: ['/ip4/127.0.0.1/tcp/0'] })
  try {
    await body(server.addresses[0] ?? '')
  } finally {
    await server.close()
    await db.close()
  }
}

test('a restored backup, and two machines', () =>
  inDirectory(async (cwd) => {
    const publish = (dir: string, ...args: string[]): Promise<string> => succeed(['publish', dir, ...args], { cwd })
    const put = (dir: string, id: number, name: string): Promise<string> =>
      succeed(['put', dir, 'cities', JSON.stringify({ id, name })], { cwd })
    await succeed(['init', 'one', '--name', 'cities'], { cwd })
    await succeed(['import', 'one', '-', '--collection', 'cities', '--key', 'id'], { cwd, input: CITIES })
    await succeed(['carriers', 'add', 'one', 'dht', ...dht.bootstrap], { cwd })
    assert.match(await publish('one'), /^published @1 bafy\S+\n\d+ entries.*\nat dht: \d cop(?:y|ies) seen\n$/)
    assert.match(await publish('one'), /^unchanged since @1 .*: nothing to publish\nat dht: \d cop(?:y|ies) seen\n$/)
    const refreshed = await succeedJson(['publish', 'one', '--refresh', '--expires', '1d'], { cwd })
    assert.equal([refreshed['isNew'], refreshed['sequence']], [true, 2])
    const [asked] = refreshed['asked'] as Record<string, unknown>[]
    const [carrier] = refreshed['carriers'] as Record<string, unknown>[]
    assert.equal([asked?.['shows'], asked?.['sequence']], ['same', 1])
    assert.equal([carrier?.['outcome'], carrier?.['reason']], ['stands', null])

    await cp(join(cwd, 'one'), join(cwd, 'two'), { recursive: true })
    await put('one', 1, 'Mokum')
    await publish('one')
    await put('two', 1, 'Amsterdam again')
    const refused = await fail('PUBLISH_REFUSED', ['publish', 'two'], { cwd })
    assert.match(
      refused,
      /expected @2 as the newest that this key has signed, got @3 \(at dht\); coppice recover goes on from it/,
    )
    assert.match(
      await fail('NO_PEER_LEFT', ['recover', 'two'], { cwd }),
      /; whoever serves that root, a replica for instance, is a --peer$/m,
    )
    await serving(join(cwd, 'one'), async (peer) => {
      // That it has the peer.key of the one that serves is no matter: who only asks has an identity of its own.
      const conflicts = await coppice(['recover', 'two', '--peer', peer], { cwd })
      assert.equal([conflicts.status, conflicts.stdout.split('\n')[0]], [1, '@@ cities[1] @@'])
      assert.match(
        conflicts.stderr,
        /1 conflict left, nothing was changed; settle them with --fields, --ours or --theirs/,
      )
      const { stdout, status } = await coppice(['recover', 'two', '--peer', peer, '--json'], { cwd })
      assert.is(status, 1)
      assert.equal(
        jsonLines(stdout).map((line) => line['outcome'] ?? line['type']),
        ['conflict', 'conflicts'],
      )
      const recovered = await succeed(['recover', 'two', '--peer', peer, '--ours'], { cwd })
      assert.match(recovered, /^found @3 bafy\S+\n1 row changed here merged with it; coppice publish two signs that\n$/)
    })
    assert.match(await succeed(['recover', 'two'], { cwd }), /^nothing to recover: @3 is the newest/)
    assert.match(await publish('two'), /^published @4 /)

    // Without a carrier the first machine goes on by itself.
    await succeed(['carriers', 'remove', 'one', 'dht'], { cwd })
    await put('one', 3, 'Berlin')
    await publish('one')
    await succeed(['carriers', 'add', 'one', 'dht', ...dht.bootstrap], { cwd })
    assert.match(
      await fail('PUBLISH_REFUSED', ['publish', 'one'], { cwd }),
      /got another @4 \(at dht\); coppice recover --end-fork joins the two/,
    )
    await serving(join(cwd, 'two'), async (peer) => {
      assert.match(
        await fail('PUBLISH_REFUSED', ['recover', 'one', '--peer', peer], { cwd }),
        /--end-fork joins the two/,
      )
      const joined = await succeed(['recover', 'one', '--peer', peer, '--end-fork', '-m', 'joined'], { cwd })
      assert.match(
        joined,
        /^found @4 .*\n1 row changed here .*\npublished @5 bafy\S+ in epoch 1, which ends the fork\nat dht: \d cop(?:y|ies) seen\n$/,
      )
    })
    assert.match(await succeed(['scan', 'one', 'cities'], { cwd }), /Amsterdam again[^]*Berlin/)

    assert.match(await fail('USAGE', ['recover', 'one', '--base', '2'], { cwd }), /--base: expected @SEQUENCE or empty/)
  }))

test('what became of carriers is told line by line', () => {
  const base = { stored: 0, seen: 0, tries: 1, ms: 1, reason: undefined }
  const asked = { name: 'dht', shows: 'failed', sequence: undefined, copies: 0, ms: 1, reason: 'gone' } as const
  const carriers = [
    { ...base, name: 'dht', outcome: 'stands', seen: 1 },
    { ...base, name: 'bep44', outcome: 'failed', reason: 'nobody \u202e is there' },
    { ...base, name: 'ipns', outcome: 'late' },
    { ...base, name: 'ipns', outcome: 'late', reason: 'nobody is there' },
  ] as const
  assert.equal(describeCarriers({ asked: [asked], carriers }), [
    'at dht: 1 copy seen',
    String.raw`at bep44: not reached: nobody \u202e is there`,
    'at ipns: not done in time',
    'at ipns: not done in time: nobody is there',
    'no carrier answered before it was signed: another root of yours may be out there; publish again when online',
  ])
  assert.equal(describeCarriers({ asked: [asked, { ...asked, shows: 'nothing' }], carriers: [] }), [])
})

test.run()
