/** What a node without discovery and relaying never loads. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PROJECT } from '../support/source-files.ts'

const test = suite('net/loaded')

const OPTIONAL = /\/@libp2p\/(kad-dht|mdns|circuit-relay-v2|dcutr|autonat)\/|\/multicast-dns\//

test('a node that only dials and listens loads neither DHT, mDNS nor relays', () => {
  const script = join(PROJECT, 'test/support/loaded-modules.ts')
  const program = join(PROJECT, 'test/net/processes/plain-node.ts')
  const loaded = JSON.parse(execFileSync(process.execPath, [script, program], { encoding: 'utf8' })) as string[]
  assert.ok(loaded.some((url) => url.includes('/libp2p/')))
  assert.equal(
    loaded.filter((url) => OPTIONAL.test(url)),
    [],
  )
})

test.run()
