/** `coppice carriers`, `resolve` and `status --max-age`: what they print, and what their exit codes say. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { exitCodeOfFailure, exitCodeOfState } from '../../src/cli/exit-codes.ts'
import { tellPutChange } from '../../src/cli/serving.ts'
import { CoppiceError } from '../../src/errors.ts'
import { coppice, fail, start, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/carriers')

test('resolve of an address and of a directory, and how status stands before and after its peer is gone', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input: '{"id":1}\n' })
    assert.is((await coppice(['status', 'db', '--max-age', '1h'], { cwd })).status, 1)
    await succeed(['publish', 'db', '--expires', '30d'], { cwd })
    const server = use(start(['serve', 'db', '--dht', 'new'], { cwd }))
    const address = (await server.line(/^serving coppice:\S+$/m)).slice('serving '.length)
    const found = await succeedJson(['resolve', address], { cwd })
    assert.equal(
      [(found['root'] as { sequence: number }).sequence, found['freshness'], found['sources']],
      [1, 'fresh', 1],
    )
    await succeed(['clone', address, 'copy'], { cwd })
    const bare = address.slice('coppice:'.length)
    const name = bare.split('?')[0] ?? ''
    for (const args of [
      ['resolve', bare],
      ['clone', bare, 'other'],
    ]) {
      assert.match(
        await fail('ADDRESS_INVALID', args, { cwd }),
        `before the author, got none; try "coppice:${name}?..."`,
      )
    }
    const author = name.split('/')[0] ?? ''
    assert.match(await fail('ADDRESS_INVALID', ['resolve', author], { cwd }), `try "coppice:${author}/NAME"`)
    await fail('NOT_A_DATABASE', ['resolve', 'absent'], { cwd })
    const quorum = async (sources: string): Promise<string> =>
      (await coppice(['carriers', 'quorum', 'copy', sources], { cwd })).stderr
    assert.is(await quorum('1'), '')
    assert.match(await quorum('2'), /warning: 1 independent source configured, and the quorum is 2: .* unless peers/)
    assert.match(await quorum('3'), /the quorum is 3: no newer root is taken; coppice carriers add names more\n$/)
    await quorum('1')
    assert.match(
      await succeed(['resolve', 'copy'], { cwd }),
      /^@1 bafy\S+, shown by 1 source\npeer \/ip4\S+ +newest @1, \d+ ms\n/,
    )
    assert.is((await coppice(['resolve', 'copy', '--quorum', '2'], { cwd })).status, 5)
    const status = await coppice(['status', 'copy', '--max-age', '1h', '--json'], { cwd })
    assert.equal([status.status, (JSON.parse(status.stdout) as { state: string }).state], [0, 'fresh'])
    // What publishes is another process of the directory that serves: with the same identity it could not ask it.
    await succeed(['carriers', 'add', 'db', 'dht', address.split('?peer=')[1] ?? ''], { cwd })
    assert.match(await succeed(['publish', 'db', '--refresh'], { cwd }), /^at dht: 1 copy seen$/m)

    assert.is((await server.end('SIGTERM')).status, 0)
    const away = await coppice(['resolve', 'copy'], { cwd })
    assert.is(away.status, 3)
    assert.match(away.stdout, /^peer \/ip4\S+ +failed, \d+ ms: /)
    assert.match(away.stderr, /^coppice: PEER_UNREACHABLE: /)
    await fail('NO_PEER_LEFT', ['pull', 'copy'], { cwd })
    const after = await succeedJson(['status', 'copy'], { cwd })
    assert.equal([after['state'], after['freshness']], ['unreachable', 'fresh'])
    assert.match(await succeed(['status', 'copy'], { cwd }), /^unreachable +the last answer came at .*; 1 try since/m)
    assert.is((await coppice(['status', 'copy', '--max-age', '1h'], { cwd })).status, 0)
  }))

test('carriers of a directory are listed, added, removed and bounded', () =>
  inDirectory(async (cwd) => {
    const node = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'
    await succeed(['init', 'db'], { cwd })
    assert.is(await succeed(['carriers', 'db'], { cwd }), '')
    await succeed(['carriers', 'add', 'db', 'dht', node], { cwd })
    await succeed(['carriers', 'add', 'db', 'bep44', '127.0.0.1:1', '[::1]:2'], { cwd })
    const quorum = await coppice(['carriers', 'quorum', 'db', '2'], { cwd })
    assert.equal([quorum.status, quorum.stdout], [0, ''])
    assert.match(quorum.stderr, /^coppice: of your own database it counts for coppice resolve alone: .*\n$/)
    assert.is(
      await succeed(['carriers', 'db'], { cwd }),
      `dht  ${node}\nbep44  127.0.0.1:1\nbep44  [::1]:2\nquorum  2\n`,
    )
    await fail('USAGE', ['carriers', 'add', 'db', 'bep44', 'nowhere'], { cwd })
    await fail('ADDRESS_INVALID', ['carriers', 'add', 'db', 'ipns', 'nowhere'], { cwd })
    await fail('USAGE', ['carriers', 'add', 'db', 'pigeon', node], { cwd })
    await succeed(['carriers', 'remove', 'db', 'bep44'], { cwd })
    const removed = await coppice(['carriers', 'remove', 'db', 'bep44'], { cwd })
    assert.equal([removed.status, removed.stdout], [1, 'was not used: bep44\n'])
    await succeed(['carriers', 'quorum', 'db', '1'], { cwd })
    assert.equal(await succeedJson(['carriers', 'db'], { cwd }), {
      dht: [node],
      ipns: [],
      bep44: [],
      quorum: 1,
      peers: [],
    })
    const url = 'http://127.0.0.1:1/db'
    await succeed(['carriers', 'add', 'db', 'peer', url], { cwd })
    await fail('ADDRESS_INVALID', ['carriers', 'add', 'db', 'peer', 'nowhere'], { cwd })
    assert.match(await succeed(['carriers', 'db'], { cwd }), `url  ${url}\n`)
    await succeed(['carriers', 'remove', 'db', 'dht'], { cwd })
    assert.match(await succeed(['publish', 'db'], { cwd }), 'no carrier answered before it was signed')
    assert.match(await succeed(['verify', 'db'], { cwd }), /./)
    await succeed(['carriers', 'remove', 'db', 'peer'], { cwd })
    assert.is((await coppice(['carriers', 'remove', 'db', 'peer'], { cwd })).status, 1)
    await fail('USAGE', ['resolve', 'db', '--bep44', '127.0.0.1:1'], { cwd })
    await fail('USAGE', ['resolve', 'db', '--quorum', '0'], { cwd })
  }))

test('serve says where a root is to be kept alive, that it is not, and that it is again', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await succeed(['carriers', 'add', 'db', 'bep44', '127.0.0.1:1'], { cwd })
    const server = use(start(['serve', 'db'], { cwd }))
    assert.match(await server.line(/^ +.*kept alive.*$/m), /^ {2}to be kept alive at bep44$/)
    assert.match(await server.line(/^db is not .*$/m), /^db is not kept alive at bep44, and tried again: ./)
    assert.is((await server.end('SIGTERM')).status, 0)

    const lines: unknown[] = []
    const take = (line: unknown): Promise<void> => Promise.resolve(void lines.push(line))
    const cli = { out: { line: take, json: take } }
    for (const failure of ['gone \u202e', undefined]) {
      for (const options of [{}, { json: true }] as const)
        tellPutChange(cli, 'db', { carrier: 'dht', failure }, options)
    }
    assert.equal(lines, [
      String.raw`db is not kept alive at dht, and tried again: gone \u202e`,
      { event: 'notKeptAlive', name: 'db', carrier: 'dht', reason: 'gone \u202e' },
      'db is kept alive at dht again',
      { event: 'keptAlive', name: 'db', carrier: 'dht', reason: null },
    ])
  }))

test('the exit codes are those of the table in docs/guides/cli.md', () => {
  const states = ['fresh', 'unbounded', undefined, 'unreachable', 'expired', 'future'] as const
  assert.equal(
    states.map((state) => exitCodeOfState(state, false)),
    [0, 0, 1, 3, 6, 7],
  )
  assert.ok(
    states.every((state) => exitCodeOfState(state, true) === 4),
    'a fork goes before everything',
  )
  const codes = ['ROOT_NOT_FOUND', 'STORE_CORRUPT', 'PEER_UNREACHABLE', 'EQUIVOCATION', 'QUORUM_MISSED'] as const
  assert.equal(
    codes.map((code) => exitCodeOfFailure(new CoppiceError(code, 'x'))),
    [1, 2, 3, 4, 5],
  )
})

test.run()
