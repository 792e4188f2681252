/** `serve --http`: a URL that replicas clone from, beside the address, and what is said of one that cannot be. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fail, jsonLines, start, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/serve-http')

async function published(dir: string): Promise<string> {
  const towns = join(dir, 'towns')
  await succeed(['init', towns])
  await succeed(['put', towns, 'towns', '{"id":1,"name":"Delft"}', '--key', 'id'])
  await succeed(['publish', towns])
  return towns
}

test('two databases, a URL for each; a replica is cloned and pulled by it', () =>
  inDirectory(async (dir) => {
    const towns = await published(dir)
    await succeed(['init', join(dir, 'other')])
    const copy = join(dir, 'copy')
    const serving = start(['serve', towns, join(dir, 'other'), '--http', '127.0.0.1:0', '--json'])
    try {
      await serving.line(/"name":"other".*\n/)
      const { address } = await succeedJson(['status', towns])
      const [first] = jsonLines(await serving.line(/.*"name":"towns".*\n/))
      const url = String(first?.['url'])
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/k51\w+\/towns\/$/)
      await succeed(['clone', String(address), copy, '--peer', url])
      await succeed(['put', towns, 'towns', '{"id":2,"name":"Gouda"}'])
      await succeed(['publish', towns])
      const pulled = await succeedJson(['pull', copy])
      assert.equal(
        (pulled['peers'] as { name: string; outcome: string }[]).map(({ name, outcome }) => [name, outcome]),
        [[url, 'used']],
      )
      assert.match(await succeed(['get', copy, 'towns', '2']), /Gouda/)
    } finally {
      assert.is((await serving.end()).status, 0)
    }
  }))

test('what cannot be listened on, and what is no place to listen', () =>
  inDirectory(async (dir) => {
    const towns = await published(dir)
    for (const http of ['8080', 'localhost', '127.0.0.1:99999', ':80', 'http://localhost:80']) {
      await fail('USAGE', ['serve', towns, '--http', http])
    }
    await fail('USAGE', ['serve', towns, '--http-name', 'data.example.org'])
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    assert.match(await fail('LISTEN_FAILED', ['serve', towns, '--http', `127.0.0.1:${port}`]), new RegExp(`${port}`))
    // Before anything is started: that could not listen either.
    await fail('USAGE', ['serve', towns, '--http', '8080', '--listen', `/ip4/127.0.0.1/tcp/${port}`])
    taken.close()
  }))

test.run()
