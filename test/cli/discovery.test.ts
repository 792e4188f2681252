/** Finding peers from the command line: a DHT that a server begins, and what the replica remembers of it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fail, start, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/discovery')

test('a clone by the DHT alone, which status shows', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input: '{"id":1}\n' })
    await succeed(['publish', 'db'], { cwd })
    const server = use(start(['serve', 'db', '--dht', 'new'], { cwd }))
    const line = await server.line(/^serving coppice:k51\S+\/db\?peer=\S+$/m)
    const [address = '', peer = ''] = line.slice('serving '.length).split('?peer=')
    await succeed(['clone', address, 'copy', '--dht', peer], { cwd })
    const status = await succeedJson(['status', 'copy'], { cwd })
    assert.equal(status['peers'], [])
    const [known] = status['knownPeers'] as Record<string, unknown>[]
    assert.equal([known?.['address'], known?.['failures']], [peer, 0])
    assert.match(await succeed(['status', 'copy'], { cwd }), new RegExp(`^known peer +${peer} +of use 20`, 'm'))
    assert.match(await succeed(['pull', 'copy'], { cwd }), /^up to date at @1/)
    assert.is((await server.end('SIGTERM')).status, 0)
  }))

test('what cannot be a node of a DHT is refused', () =>
  inDirectory(async (cwd) => {
    const address = 'coppice:k51qzi5uqu5di3i5vn9l2xczr2amdorx4h8e1mo3pu4mgtiqtjjzmg70cz6qav/db'
    const node = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'
    await fail('USAGE', ['clone', address, 'copy', '--dht', 'new', '--dht', node], { cwd })
    await fail('ADDRESS_INVALID', ['clone', address, 'copy', '--dht', 'nobody'], { cwd })
    await succeed(['init', 'db'], { cwd })
    await fail('ADDRESS_INVALID', ['serve', 'db', '--dht', '/ip4/127.0.0.1/tcp/1'], { cwd })
  }))

test.run()
