/** Serving, cloning, pulling and following between real processes over TCP on loopback. */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Replica } from '../../src/db/index.ts'
import { createDatabaseDirectory } from '../../src/directory/index.ts'
import { createSigner } from '../../src/pointer/index.ts'
import { coppice, fail, jsonLines, start, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const test = suite('cli/network')

function rows(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `{"id":${from + i},"text":"${'row '.repeat(20)}"}\n`).join('')
}

async function prepare(cwd: string): Promise<void> {
  await succeed(['init', 'db'], { cwd })
  await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input: rows(0, 2000) })
  await succeed(['publish', 'db', '-m', 'first'], { cwd })
}

test('serve, clone, publish, pull, diff against what is served', () =>
  inDirectory(async (cwd, use) => {
    await prepare(cwd)
    await succeed(['init', 'second'], { cwd })
    const server = use(start(['serve', 'db', 'second'], { cwd }))
    await server.line(/^serving .*\nserving .*second\?peer=.*\n {2}nothing is published yet/m)
    const address = (await server.line(/^serving coppice:k51\S+\/db\?peer=\S+$/m)).slice('serving '.length)
    const cloned = await succeedJson(['clone', address, 'copy'], { cwd })
    const [peer] = cloned['peers'] as Record<string, unknown>[]
    assert.equal([cloned['changed'], cloned['from'], peer?.['outcome']], [true, null, 'used'])
    const author = await succeedJson(['status', 'db'], { cwd })
    const copy = await succeedJson(['status', 'copy'], { cwd })
    for (const key of ['root', 'entries', 'bytes', 'levels', 'sequence', 'author', 'name', 'address', 'freshness']) {
      assert.is(copy[key], author[key], key)
    }
    assert.is(copy['kind'], 'replica')
    assert.match(await succeed(['verify', 'copy'], { cwd }), /^@1 \S+: sound/)

    await succeed(['put', 'db', 'c', '{"id":7,"text":"other"}'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await server.line(/^announced db @2 bafy\S+$/m)
    const TMPDIR = join(cwd, 'tmp')
    mkdirSync(TMPDIR)
    const ahead = await coppice(['diff', 'copy', address, '--keys'], { cwd, env: { TMPDIR } })
    assert.equal(ahead, { status: 1, stdout: '~ c[7]\n', stderr: '' })
    assert.equal(readdirSync(TMPDIR), [], 'what was visited is not kept')
    assert.is((await coppice(['diff', 'db', address, '--stat'], { cwd })).status, 0)
    const plan = await succeedJson(['pull', 'copy', '--plan'], { cwd })
    assert.equal([plan['way'], plan['isExact'], (plan['estimate'] as { rows: number }).rows], ['patch', true, 1])
    assert.match(
      await succeed(['pull', 'copy', '--plan'], { cwd }),
      /^would pull @2 bafy\S+ \(now @1\)\n\d+ B, by the rows that changed: .*\n1 row changed, \d+ B; as blocks about .*\nfinding out took \d+ B in \d questions/,
    )
    assert.is((await succeedJson(['status', 'copy'], { cwd }))['sequence'], 1)
    const pulled = await succeedJson(['pull', 'copy'], { cwd })
    const { patch, least } = pulled as Record<string, Record<string, unknown>>
    assert.equal([patch?.['way'], patch?.['rows'], least?.['rows']], ['patch', 1, 1])
    assert.ok((pulled['bytesReceived'] as number) < 20_000, 'only what changed')
    assert.ok((cloned['blocksReceived'] as number) > 10 * (pulled['blocksReceived'] as number))
    assert.is((await succeedJson(['pull', 'copy'], { cwd }))['changed'], false)
    await succeed(['publish', 'db', '--refresh', '--expires', '1s'], { cwd })
    await succeed(['pull', 'copy'], { cwd })
    await delay(1100)
    assert.match(await succeed(['pull', 'copy'], { cwd }), /^up to date at @3 .*\nexpired at /)
    await fail('DATABASE_EXISTS', ['clone', address, 'copy'], { cwd })
    await fail('DATABASE_KIND', ['put', 'copy', 'c', '{"id":1}'], { cwd })
    assert.equal(
      jsonLines(await succeed(['log', 'copy', '--json'], { cwd })).map(({ sequence }) => sequence),
      [3, 2, 1],
    )
    assert.is((await server.end('SIGTERM')).status, 0)
    const offline = await fail('NO_PEER_LEFT', ['pull', 'copy'], { cwd })
    assert.match(
      offline,
      /: (\/ip4\/127.0.0.1\/tcp\/\d+\/p2p\/\S+): unreachable \(connection refused: nothing listens there\)/,
    )
    assert.is(
      (await succeedJson(['status', 'copy'], { cwd }))['root'],
      pulled['to'] && (pulled['to'] as { root: string }).root,
    )
  }))

test('follow goes on, survives a server that goes away, and passes on what it has', () =>
  inDirectory(async (cwd, use) => {
    await prepare(cwd)
    const server = use(start(['serve', 'db'], { cwd }))
    const address = (await server.line(/^serving \S+$/m)).slice('serving '.length)
    await succeed(['clone', address, 'copy'], { cwd })
    const follower = use(start(['follow', 'copy', '--serve'], { cwd }))
    const relay = (await follower.line(/^serving \S+$/m)).slice('serving '.length)
    await follower.line(/^up to date at @1 /m)
    await succeed(['put', 'db', 'c', '{"id":1,"text":"x"}'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await follower.line(/^pulled @2 bafy\S+ \(was @1\), \S+ \S+ received$/m)
    const multiaddr = /peer=(\S+)$/.exec(relay)?.[1] ?? ''
    assert.match((await server.end('SIGINT')).stdout, 'announced db @2')
    await succeed(['clone', relay, 'third'], { cwd })
    assert.is((await succeedJson(['status', 'third'], { cwd }))['sequence'], 2)
    // A new place of the same database, told by its multiaddr.
    const peers = (await succeedJson(['pull', 'third', '--peer', multiaddr], { cwd }))['peers'] as { name: string }[]
    assert.equal(
      peers.map(({ name }) => name),
      [multiaddr],
    )
    await until(() => follower.stderr.includes('\n'))
    const ended = await follower.end('SIGINT')
    assert.is(ended.status, 0)
    const notes = ended.stderr.trimEnd().split('\n')
    assert.match(ended.stderr, 'coppice: NO_PEER_LEFT: ')
    assert.is(notes.length, new Set(notes).size, ended.stderr)
  }))

test('announced addresses stand in what serve prints, with the peer id, and lead there', () =>
  inDirectory(async (cwd, use) => {
    await prepare(cwd)
    const named = '/dns4/data.example.org/tcp/4001'
    const forwarded = '/ip4/198.51.100.7/tcp/4002'
    const server = use(start(['serve', 'db', '--announce', named, '--announce', forwarded], { cwd }))
    const address = (await server.line(/^serving \S+$/m)).slice('serving '.length)
    const peers = new URL(address).searchParams.getAll('peer')
    const [own] = peers.filter((peer) => peer.startsWith('/ip4/127.0.0.1/'))
    const peerId = own?.split('/').at(-1) ?? ''
    assert.equal(new Set(peers), new Set([`${named}/p2p/${peerId}`, `${forwarded}/p2p/${peerId}`, own]))
    await succeed(['clone', `${address.split('?')[0] ?? ''}?peer=${own ?? ''}`, 'copy'], { cwd })
    const follower = use(start(['follow', 'copy', '--announce', named], { cwd }))
    assert.match(await follower.line(/^serving \S+$/m), `${named}/p2p/`)
    await follower.end('SIGINT')
    await server.end('SIGINT')
    for (const wrong of [
      'data.example.org',
      '/ip4/192.0.2.7/tcp/0',
      '/ip4/0.0.0.0/tcp/4001',
      `${named}/p2p/${peerId.slice(0, -1)}x`,
    ]) {
      // prettier-ignore
      await fail('ADDRESS_INVALID', ['serve', 'db', '--announce', wrong], { cwd })
    }
  }))

test('addresses and peers that are none', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    const { address } = await succeedJson(['status', 'db'], { cwd })
    await Promise.all([
      fail('ADDRESS_INVALID', ['clone', 'coppice:k51/x', 'copy'], { cwd }),
      fail('ADDRESS_INVALID', ['clone', 'http://example.com', 'copy'], { cwd }),
      fail('ADDRESS_INVALID', ['diff', 'db', 'coppice:nothing/x'], { cwd }),
      fail('ADDRESS_INVALID', ['serve', 'db', '--listen', 'localhost:1234'], { cwd }),
      fail('LISTEN_FAILED', ['serve', 'db', '--listen', '/ip4/192.0.2.1/tcp/4001'], { cwd }),
      fail('USAGE', ['serve', 'db', 'db'], { cwd }),
    ])
    assert.match(await fail('ADDRESS_INVALID', ['clone', String(address), 'x', '--peer', 'foo'], { cwd }), '--peer: expected a multiaddr such as /ip4/') // prettier-ignore
    assert.match(await fail('NO_PEER_LEFT', ['clone', String(address), 'lonely'], { cwd }), 'no peer to ask')
    const refused = `${String(address)}?peer=/ip4/127.0.0.1/tcp/1`
    assert.match(await fail('NO_PEER_LEFT', ['clone', refused, 'copy'], { cwd }), 'nothing listens there')
    await fail('NOT_A_DATABASE', ['status', 'copy'], { cwd })
  }))

test('a replica that is not complete yet', () =>
  inDirectory(async (cwd, use) => {
    const peers = ['/ip4/127.0.0.1/tcp/1']
    const author = createSigner(new Uint8Array(32).fill(7)).publicKey
    const prepare = () => Promise.resolve(Replica.initialMeta(author, 'cities', peers))
    await (await createDatabaseDirectory(join(cwd, 'copy'), { kind: 'replica', prepare })).close()
    const status = await succeedJson(['status', 'copy'], { cwd })
    assert.equal([status['root'], status['peers'], status['canPublish']], [null, peers, false])
    assert.match(await succeed(['status', 'copy'], { cwd }), 'none yet')
    await fail('ROOT_NOT_FOUND', ['scan', 'copy', 'c'], { cwd })
    const server = use(start(['serve', 'copy'], { cwd }))
    assert.match(await server.line(/^serving .*\n.*\n/m), 'the replica is not complete yet')
  }))

test.run()
