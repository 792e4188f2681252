/** `export --static`, and `clone` and `pull` from the URL of a web server over its files. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fail, succeed, succeedJson } from '../support/command-line.ts'
import { FileServer } from '../support/file-server.ts'
import { inDirectory } from '../support/temporary-directory.ts'

function rows(count: number, word: string): string {
  return Array.from({ length: count }, (_, i) => `{"id":${i},"text":"${word} ${i}"}\n`).join('')
}

async function importRows(cwd: string, input: string): Promise<void> {
  await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input })
  await succeed(['publish', 'db'], { cwd })
}

const test = suite('cli/mirror')

test('export, clone, update, pull, prune', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    await fail('ROOT_NOT_FOUND', ['export', 'db', '--static', 'site'], { cwd })
    await importRows(cwd, rows(3000, 'row'))
    assert.match(
      await succeed(['export', 'db', '--static', 'site'], { cwd }),
      /^site: @1 bafy\S+, 1 pack of \S+ kB; \d+ new blocks, \S+ kB written\n$/,
    )
    assert.match(await succeed(['export', 'db', '--static', 'site'], { cwd }), /^site: up to date at @1 bafy/)
    const server = use(await FileServer.open(join(cwd, 'site')))
    const { address } = await succeedJson(['status', 'db'], { cwd })
    const cloned = await succeedJson(['clone', `${String(address)}?peer=${server.url}`, 'copy'], { cwd })
    const [peer] = cloned['peers'] as Record<string, unknown>[]
    assert.equal([peer?.['name'], peer?.['outcome']], [server.url, 'used'])
    assert.is(cloned['requests'], server.requests.length)

    await importRows(cwd, rows(40, 'other'))
    const updated = await succeedJson(['export', 'db', '--static', 'site', '--compression', 'deflate'], { cwd })
    assert.equal([updated['changed'], updated['sequence'], updated['directory']], [true, 2, 'site'])
    assert.is((await succeedJson(['pull', 'copy'], { cwd }))['changed'], true)
    assert.match(await succeed(['get', 'copy', 'c', '7'], { cwd }), /other 7/)
    const url = server.url.slice(0, -1)
    await succeed(['clone', String(address), 'again', '--peer', url], { cwd })
    await importRows(cwd, rows(3000, 'new'))
    const pruned = await succeedJson(['export', 'db', '--static', 'site', '--prune'], { cwd })
    assert.is(readdirSync(join(cwd, 'site/packs')).length, pruned['packs'])
    assert.match(await succeed(['pull', 'again'], { cwd }), /used http:/)
  }))

test('what is wrong with a mirror or its URL is said in one line', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    await importRows(cwd, rows(100, 'row'))
    await fail('USAGE', ['export', 'db', 'file', '--static', 'site'], { cwd })
    assert.match(await fail('USAGE', ['export', 'db', '--static', ''], { cwd }), '--static: expected a directory')
    assert.match(await fail('USAGE', ['follow', 'db', '--exec', ''], { cwd }), '--exec: expected a command')
    assert.match(
      await fail('USAGE', ['export', 'db', '--static', 'site', '--at', '@1'], { cwd }),
      'none with --static;',
    )
    await fail('USAGE', ['export', 'db', '--static', 'site', '--raw'], { cwd })
    await fail('USAGE', ['export', 'db', 'file.ndjson', '--prune'], { cwd })
    await fail('USAGE', ['export', 'db', '--static', 'site', '--compression', 'lzma'], { cwd })
    await succeed(['export', 'db', '--static', 'site'], { cwd })
    const { address } = await succeedJson(['status', 'db'], { cwd })
    for (const url of ['http://user:secret@127.0.0.1/', 'http://127.0.0.1/?x', 'https://']) {
      await fail('ADDRESS_INVALID', ['clone', String(address), 'copy', '--peer', url], { cwd })
    }
    const server = use(await FileServer.open(join(cwd, 'site')))
    const other = await fail('NO_PEER_LEFT', ['clone', String(address), 'copy', '--peer', `${server.url}nothing`], {
      cwd,
    })
    assert.ok(other.includes(`${server.url}nothing: unknown (has no mirror there`), other)
    writeFileSync(join(cwd, 'site/packs/root'), '<!DOCTYPE html>')
    const page = await fail('NO_PEER_LEFT', ['clone', String(address), 'copy', '--peer', `${server.url}packs/`], {
      cwd,
    })
    assert.match(page, 'protocol (root: expected the root file of a mirror, got another file')
    rmSync(join(cwd, 'site/packs'), { recursive: true })
    const empty = await fail('NO_PEER_LEFT', ['clone', String(address), 'copy', '--peer', server.url], { cwd })
    assert.ok(empty.includes(`${server.url}: outdated`), empty)
    assert.match(await succeed(['export', 'db', '--static', 'site'], { cwd }), /^site: /)
    await succeed(['clone', String(address), 'copy', '--peer', server.url], { cwd })
    await fail('NO_PEER_LEFT', ['pull', 'copy', '--plan', '--peer', `${server.url}nothing`], { cwd })
    assert.equal((await succeedJson(['status', 'copy'], { cwd }))['peers'], [server.url], 'a plan changes no peers')
    await importRows(cwd, '{"id":1,"text":"other"}\n')
    await succeed(['export', 'db', '--static', 'site'], { cwd })
    assert.match(await succeed(['pull', 'copy', '--plan'], { cwd }), /^at most \d.*, by the blocks that changed/m)
  }))

test.run()
