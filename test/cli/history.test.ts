/** Publishing, the log, and comparing states, through the real command. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isLink } from '../../src/link.ts'
import { Tree } from '../../src/prolly/index.ts'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { coppice, fail, jsonLines, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/history')

const STATUS_KEYS =
  'kind name author address root entries bytes levels sequence published unpublished unpublishedMerges newest freshness state reasons reachedAt prepared canPublish problems forks onFork forkedFrom peers knownPeers collections metadata'

/** Two published states and one change on top; gives the three roots. */
async function prepare(cwd: string): Promise<[string, string, string]> {
  await succeed(['init', 'db'], { cwd })
  const put = async (...rows: string[]): Promise<string> =>
    String((await succeedJson(['put', 'db', 'c', '--key', 'country,id', ...rows], { cwd }))['root'])
  const first = await put('{"country":"DE","id":1,"a":{"b":{"c":1,"d":2}}}', '{"country":"NL","id":1,"n":"x"}')
  await succeed(['publish', 'db', '-m', 'first \u001b[31m'], { cwd })
  await succeed(['del', 'db', 'c', 'NL', '1'], { cwd })
  await put('{"country":"DE","id":1,"a":{"b":{"c":1,"d":3}},"e f":null}')
  writeFileSync(join(cwd, 'about.json'), '{"title":"Cities"}')
  await succeed(['publish', 'db', '--meta', 'about.json', '--expires', '30d'], { cwd })
  const { root: second } = await succeedJson(['status', 'db'], { cwd })
  const third = await put('{"country":"PL","id":2}')
  return [first, String(second), third]
}

/** Overwrites one leaf of the working state with other bytes, as a bad disk would. */
async function damageLeaf(path: string): Promise<void> {
  const store = await LmdbStore.open(path, 'write')
  const root = store.getMeta('root')
  assert.ok(root !== undefined && isLink(root))
  const { nodes } = await Tree.open(store, root)
  const leaf = (await nodes.get(root)).link(1)
  await store.write({ blocks: [{ link: leaf, bytes: new Uint8Array(2000) }] })
  await store.close()
}

test('publish, status, log, and reading earlier states', () =>
  inDirectory(async (cwd) => {
    const [first, second, third] = await prepare(cwd)
    const status = await succeedJson(['status', 'db'], { cwd })
    assert.is(Object.keys(status).join(' '), STATUS_KEYS)
    const { root, sequence, entries, levels, freshness, unpublished, metadata, collections } = status
    assert.equal([root, sequence, entries, levels], [third, 2, 4, 1])
    assert.equal([freshness, unpublished, metadata], ['fresh', true, { title: 'Cities' }])
    const key = [{ field: 'country', type: 'text' }, { field: 'id', type: 'integer' }] // prettier-ignore
    assert.equal(collections, [{ name: 'c', key, documents: 2 }])
    const log = jsonLines(await succeed(['log', 'db', '--json'], { cwd }))
    assert.equal(
      log.map(({ sequence: at, root: of, message, held }) => [at, of, message, held]),
      [
        [2, second, null, true],
        [1, first, 'first \u001b[31m', true],
      ],
    )
    const text = (await succeed(['log', 'db'], { cwd })) + (await succeed(['status', 'db'], { cwd }))
    assert.match(text, 'first \\u001b[31m')
    assert.match(text, /freshness +fresh until/)
    assert.not.match(text, '\u001b')
    assert.is(await succeed(['get', 'db', 'c', 'NL', '1', '--at', '@1'], { cwd }), '{"n":"x","id":1,"country":"NL"}\n')
    assert.is(jsonLines(await succeed(['scan', 'db', '--at', first], { cwd })).length, 2)
    const again = await succeedJson(['publish', 'db'], { cwd })
    assert.equal([again['isNew'], again['sequence']], [true, 3])
    assert.is((await succeedJson(['publish', 'db', '-m', 'x'], { cwd }))['isNew'], false)
    assert.match(
      await succeed(['publish', 'db', '-m', 'x'], { cwd }),
      /nothing was signed, and --message not used; --refresh/,
    )
    const renewed = await succeedJson(['publish', 'db', '--refresh', '--expires', '1d'], { cwd })
    assert.equal([renewed['isNew'], renewed['sequence'], renewed['root']], [true, 4, third])
    assert.is((renewed['expires'] as number) - (renewed['issued'] as number), 86_400)
    // Back to the first state, published with an empty message and no promise after one.
    const raw = await succeed(['export', 'db', '-', '--raw', '--at', '@1'], { cwd })
    const back = await succeedJson(['import', 'db', '-', '--raw', '--replace'], { cwd, input: raw })
    assert.is(back['root'], first)
    assert.match(await succeed(['publish', 'db', '-m', ''], { cwd }), /no newer root is promised from now on: @4 said/)
    const [newest] = jsonLines(await succeed(['log', 'db', '--json', '--limit', '1'], { cwd }))
    assert.equal([newest?.['message'], newest?.['root']], [null, first])
  }))

test('diff in all its forms', () =>
  inDirectory(async (cwd) => {
    const [first, second, third] = await prepare(cwd)
    const diff = async (...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await coppice(['diff', ...args], { cwd })
      assert.equal([status, stderr], [stdout === '' ? 0 : 1, ''])
      return stdout
    }
    const documents = ['@@ c["DE",1] @@', '-a.b.d: 2', '+a.b.d: 3', '+"e f": null', '@@ c["NL",1] @@', '-n: "x"', '-id: 1', '-country: "NL"'] // prettier-ignore
    const lines = ['@@ metadata @@', '+title: "Cities"', ...documents]
    const whole = await diff('db', '@1', '@2')
    assert.is(whole, [`--- db  @1 ${first}`, `+++ db  @2 ${second}`, ...lines, ''].join('\n'))
    assert.is(await diff(first, second, '--dir', 'db'), whole.replace('@1 ', '').replace('@2 ', ''))
    assert.is(await diff('db', '--keys'), '+ c["PL",2]\n')
    assert.is(await diff('db', '@2', '--keys'), '+ c["PL",2]\n')
    assert.is(await diff('db', third), '')
    assert.is(await diff('db', '@1', '@2', '--keys', '--collection', 'c'), '~ c["DE",1]\n- c["NL",1]\n')
    assert.is(await diff('db', '@1', '--keys', '--start', 'NL', '--end', 'ZZ'), '- c["NL",1]\n+ c["PL",2]\n')
    const counts = { added: 0, removed: 1, changed: 1 }
    assert.equal(JSON.parse(await diff('db', '@1', '@2', '--stat', '--json')), {
      from: first,
      to: second,
      added: 1,
      removed: 1,
      changed: 1,
      collections: { c: counts },
      other: { metadata: { added: 1, removed: 0, changed: 0 } },
    })
    assert.match(await diff('db', '@1', '@2', '--stat'), /^c +0 added, 1 removed, 1 changed\n\(metadata\).*\ntotal /)
    const json = jsonLines(await diff('db', '@1', '@2', '--json', '--collection', 'c'))
    assert.equal(json[1], {
      type: 'remove',
      space: 'document',
      collection: 'c',
      key: ['NL', 1],
      rawKey: '1501026300024e4c001501',
      from: { n: 'x', id: 1, country: 'NL' },
      to: null,
    })
    const limited = await coppice(['diff', 'db', '@1', '@2', '--keys', '--limit', '1'], { cwd })
    assert.equal([limited.status, limited.stdout], [1, '+ metadata\n'])
    assert.match(limited.stderr, 'more changes follow')
    await succeed(['init', 'other'], { cwd })
    assert.is(await diff('other'), '')
    assert.match(await diff('db', 'other', '--stat'), /total +0 added, 4 removed, 0 changed/)
    await succeed(['put', 'other', 'c', '{"id":1}', '--key', 'id'], { cwd })
    assert.is(await diff('other', '--keys'), '+ schema of c\n+ c[1]\n')
    await fail('USAGE', ['diff', '@1', '@2'], { cwd })
    assert.is(await diff('db', '@1', '--keys', '--raw', '--start', '15', '--end', '15010263000250'), '~ c["DE",1]\n- c["NL",1]\n') // prettier-ignore
    await fail('USAGE', ['diff', 'db', '@1', '--raw', '--collection', 'c'], { cwd })
    await fail('USAGE', ['scan', 'db', 'c', '--raw'], { cwd })
    await fail('USAGE', ['export', 'db', '-', '--raw', '--collection', 'c'], { cwd })
    await fail('USAGE', ['import', 'db', '-', '--raw', '--types', 'a:json'], { cwd, input: '' })
    await fail('ROOT_NOT_FOUND', ['diff', 'db', '@9'], { cwd })
  }))

test('verify and stats, sound and damaged', () =>
  inDirectory(async (cwd) => {
    const [first, , third] = await prepare(cwd)
    const input = Array.from({ length: 400 }, (_, i) => `{"id":${i},"text":"${'x'.repeat(i % 50)}"}\n`).join('')
    await succeed(['import', 'db', '-', '--collection', 'many', '--key', 'id'], { cwd, input })
    const sound = jsonLines(await succeed(['verify', 'db', '--all', '--json'], { cwd }))
    assert.equal(
      sound.map(({ sequence, signature, problemCount }) => [sequence, signature, problemCount]),
      [
        [null, null, 0],
        [2, 'valid', 0],
        [1, 'valid', 0],
      ],
    )
    assert.match(await succeed(['verify', 'db', '--at', '@1'], { cwd }), `@1 ${first}: sound: 1 node`)
    assert.match(await succeed(['verify', 'db', third], { cwd }), 'sound')
    const stats = await succeedJson(['stats', 'db'], { cwd })
    const levels = stats['levels'] as { nodes: number; entries: number }[]
    assert.equal([stats['entries'], levels.length, levels.at(-1)?.nodes, levels[0]?.entries], [405, 2, 1, 405])
    assert.match(await succeed(['stats', 'db'], { cwd }), /^entries +405\n.*\nlevels +2\nnodes +/)
    // One leaf of the many with other bytes, as a bad disk would.
    await damageLeaf(join(cwd, 'db'))
    const { status, stdout } = await coppice(['verify', 'db'], { cwd })
    assert.is(status, 1)
    assert.match(stdout, /1 problem: .*\n {2}corrupt: level 0 bafy\S+, keys from after .* to .*, rule 1: /)
    const [damaged] = jsonLines((await coppice(['verify', 'db', '--json'], { cwd })).stdout)
    assert.is((damaged?.['problems'] as { kind: string }[] | undefined)?.[0]?.kind, 'corrupt')
    await fail('STORE_CORRUPT', ['scan', 'db', 'many'], { cwd })
  }))

test.run()
