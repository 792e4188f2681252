/** `coppice log --verify` through the real command: an author's log, a copy's with gaps, and damage. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LmdbStore } from '../../src/store/lmdb.ts'
import { coppice, jsonLines, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/log-verify')

test('log --verify: roots oldest first with what connects them, and exit 1 where something is wrong', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    for (let id = 1; id <= 4; id++) {
      await succeedJson(['put', 'db', 'c', '--key', 'id', `{"id":${id}}`], { cwd })
      await succeed(['publish', 'db'], { cwd })
    }
    const text = await succeed(['log', 'db', '--verify'], { cwd })
    assert.match(text, /^@1 {2}\S+ \S+Z {2}first, history consistent\n@2 .* linked, history consistent\n/)
    assert.match(text, /\n4 signed roots: sound\n$/)
    const json = jsonLines(await succeed(['log', 'db', '--verify', '--limit', '2', '--json'], { cwd }))
    assert.equal(
      json.map(({ sequence, position, link, history, problem }) => [sequence, position, link, history, problem]),
      [
        [3, 2, 'linked', 'consistent', null],
        [4, 3, 'linked', 'consistent', null],
      ],
    )

    const store = await LmdbStore.open(join(cwd, 'db'), 'write')
    const names = [0, 1].flatMap((index) => [`history/0/${index}`, `history/1/${index}`])
    await store.write({
      meta: new Map<string, Uint8Array | null>([
        // as in a copy that skipped the third, and has no proof of that
        ['log/2', store.getMeta('log/3') ?? null],
        ['log/3', new Uint8Array(3)],
        ...names.map((name) => [name, null] as const),
      ]),
    })
    await store.close()
    const broken = await coppice(['log', 'db', '--verify'], { cwd })
    assert.is(broken.status, 1)
    assert.match(broken.stdout, /\n@4 .* unlinked, history unknown\n/)
    assert.match(broken.stdout, /\nentry 3 {2}broken, history unknown\n {4}expected a signed root, got damage\n/)
    assert.match(broken.stdout, /\n4 signed roots: 1 problem, 1 skip not proven\n$/)
  }))

test.run()
