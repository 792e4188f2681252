/** Merges as a user makes them, with the mistakes that come first. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { coppice, fail, jsonLines, start, succeed, succeedJson } from '../support/command-line.ts'
import { CITIES, prepare, put, rootOf } from '../support/cities.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/merge')

test('fork a directory, change both, merge there and back', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    const forked = await succeedJson(['fork', 'up', 'mine', '--name', 'my-cities'], { cwd })
    const up = await succeedJson(['status', 'up'], { cwd })
    assert.equal([forked['name'], forked['root']], ['my-cities', up['root']])
    assert.equal(forked['forkedFrom'], { address: up['address'], root: up['root'], sequence: 1 })
    assert.is.not(forked['author'], up['author'])
    const status = await succeedJson(['status', 'mine'], { cwd })
    assert.equal([status['forkedFrom'], status['published'], status['canPublish']], [forked['forkedFrom'], null, true])
    assert.match(await succeed(['status', 'mine'], { cwd }), /^forked from +coppice:k51\S+\/cities @1 bafy/m)
    assert.is((await succeedJson(['status', 'up'], { cwd }))['forkedFrom'], null)

    await put(cwd, 'mine', { id: 1, name: 'Amsterdam', size: 10 }, { id: 4, name: 'Warsaw', size: 4 })
    await put(cwd, 'up', { id: 2, name: 'Paris', size: 20 })
    await succeed(['publish', 'up'], { cwd })
    const before = await rootOf(cwd, 'mine')
    const dry = await succeed(['merge', 'mine', 'up', '--dry-run'], { cwd })
    assert.match(dry, /^would merge up: 0 added, 0 removed, 1 changed there since bafy/)
    assert.is(await rootOf(cwd, 'mine'), before)
    const merged = await succeedJson(['merge', 'mine', 'up'], { cwd })
    assert.equal(
      ['merged', 'base', 'from', 'added', 'removed', 'changed', 'conflicts', 'unresolved'].map((key) => merged[key]),
      [true, up['root'], before, 0, 0, 1, 0, 0],
    )
    assert.equal(
      (await coppice(['diff', String(merged['from']), String(merged['to']), '--dir', 'mine', '--keys'], { cwd }))
        .stdout,
      '~ cities[2]\n',
    )
    assert.match(
      await succeed(['merge', 'mine', 'up'], { cwd }),
      /^nothing to merge: up has not changed since the base, bafy\S+; --base ROOT merges it from another one\n$/,
    )
    await succeed(['publish', 'mine'], { cwd })
    assert.match(
      await succeed(['merge', 'up', 'mine'], { cwd }),
      /^merged mine: 1 added, 0 removed, 1 changed\nroot bafy/,
    )
    assert.is(await rootOf(cwd, 'up'), await rootOf(cwd, 'mine'))
  }))

test('conflicts are shown as what each side did, exit 1, and are settled by side or by field', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    await succeed(['fork', 'up', 'mine'], { cwd })
    await put(cwd, 'mine', { id: 1, name: 'Amsterdam', size: 10 }, { id: 3, name: 'Berlin', size: 30 })
    await put(cwd, 'up', { id: 1, name: 'Mokum', size: 1 }, { id: 3, name: 'Berlin', size: 33 })
    await succeed(['del', 'mine', 'cities', '2'], { cwd })
    await put(cwd, 'up', { id: 2, name: 'Paris', size: 20 })
    const before = await rootOf(cwd, 'mine')
    const { status, stdout, stderr } = await coppice(['merge', 'mine', 'up'], { cwd })
    assert.is(status, 1)
    const sides = (ours: string, theirs: string): string => `<<< ours\n${ours}>>> theirs\n${theirs}`
    assert.is(
      stdout,
      `@@ cities[1] @@\n${sides('-size: 1\n+size: 10\n', '-name: "Amsterdam"\n+name: "Mokum"\n')}` +
        `@@ cities[2] @@\n${sides('-id: 2\n-name: "Paris"\n-size: 2\n', '-size: 2\n+size: 20\n')}` +
        `@@ cities[3] @@\n${sides('-size: 3\n+size: 30\n', '-size: 3\n+size: 33\n')}`,
    )
    assert.is(stderr, 'coppice: 3 conflicts left, nothing was merged; settle them with --fields, --ours or --theirs\n')
    const byField = await coppice(['merge', 'mine', 'up', '--fields', '--json'], { cwd })
    const [paris, berlin, report] = jsonLines(byField.stdout)
    assert.equal([paris?.['key'], paris?.['fields'], paris?.['ours']], [[2], [], null])
    assert.equal(
      [berlin?.['type'], berlin?.['fields'], berlin?.['base']],
      ['conflict', ['/size'], { id: 3, name: 'Berlin', size: 3 }],
    )
    assert.equal([report?.['merged'], report?.['conflicts'], report?.['unresolved']], [false, 3, 2])
    assert.is(await rootOf(cwd, 'mine'), before)
    const merged = await succeed(['merge', 'mine', 'up', '--fields', '--theirs'], { cwd })
    assert.match(merged, /^merged up: 1 added, 0 removed, 2 changed, 3 conflicts settled\n/)
    assert.is(
      await succeed(['scan', 'mine', 'cities'], { cwd }),
      '{"id":1,"name":"Mokum","size":10}\n{"id":2,"name":"Paris","size":20}\n{"id":3,"name":"Berlin","size":33}\n',
    )
  }))

test('a settled conflict is something to publish, and the other side sees no conflict any more', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    await succeed(['fork', 'up', 'mine', '--name', 'my-cities'], { cwd })
    await put(cwd, 'mine', { id: 1, name: 'Mokum', size: 1 })
    await succeed(['publish', 'mine'], { cwd })
    await succeed(['del', 'up', 'cities', '1'], { cwd })
    await succeed(['publish', 'up'], { cwd })
    const conflict = await coppice(['merge', 'up', 'mine'], { cwd })
    assert.is(
      conflict.stderr,
      'coppice: 1 conflict left, nothing was merged; settle them with --ours or --theirs\n',
      'what one side deleted has no fields',
    )
    assert.match(await succeed(['merge', 'up', 'mine', '--ours'], { cwd }), /0 changed, 1 conflict settled/)
    assert.match(
      await succeed(['status', 'up'], { cwd }),
      /^ +merged coppice:k51\S+\/my-cities bafy\S+, not published$/m,
    )
    assert.match(await succeed(['publish', 'up'], { cwd }), /^published @3 /)
    assert.equal((await succeedJson(['status', 'up'], { cwd }))['unpublishedMerges'], [])
    assert.match(await succeed(['publish', 'up'], { cwd }), /^unchanged since @3 /)

    const pulled = await fail('DATABASE_KIND', ['pull', 'mine'], { cwd })
    assert.match(pulled, /coppice clone "coppice:k51\S+\/cities" COPY, and then coppice merge FORK COPY$/)
    assert.not.match(await fail('DATABASE_KIND', ['pull', 'up'], { cwd }), /FORK/)
  }))

test('what a user gets wrong first is told with what to do', () =>
  inDirectory(async (cwd, use) => {
    await prepare(cwd)
    await succeed(['fork', 'up', 'mine'], { cwd })
    await put(cwd, 'up', { id: 9, name: 'Rome', size: 9 })
    const none = await fail('NOT_A_DATABASE', ['merge', 'mine', 'upstream'], { cwd })
    assert.match(none, /no such directory/)
    await succeed(['init', 'other'], { cwd })
    const [, ...later] = CITIES.split('\n')
    await succeed(['import', 'other', '-', '--collection', 'cities', '--key', 'id'], { cwd, input: later.join('\n') })
    const unrelated = await fail('NO_COMMON_BASE', ['merge', 'mine', 'other'], { cwd })
    assert.match(unrelated, /found none; name one with --base ROOT, or take every row there as new with --base empty$/)
    assert.match(await succeed(['merge', 'mine', 'other', '--base', 'empty'], { cwd }), /^nothing to merge/)
    await fail('USAGE', ['merge', 'mine', 'up', '--ours', '--theirs'], { cwd })
    await fail('USAGE', ['merge', 'mine', 'up', '--base', 'yesterday'], { cwd })
    await fail('ROOT_NOT_FOUND', ['merge', 'mine', 'up', '--base', '@7'], { cwd })
    assert.match(await fail('USAGE', ['merge', 'up', '@1'], { cwd }), /--base/)
    assert.match(await fail('USAGE', ['merge', 'mine', 'coppice:k51x/cities'], { cwd }), /coppice clone it first$/)
    assert.match(
      await succeed(['merge', 'mine', 'up', '--base', String(await rootOf(cwd, 'mine'))], { cwd }),
      /^merged up: 1 added/,
    )

    assert.match(await fail('DATABASE_EXISTS', ['fork', 'up', 'mine'], { cwd }), /choose another directory/)
    await fail('NOT_A_DATABASE', ['fork', 'nowhere', 'new'], { cwd })
    await fail('USAGE', ['fork', 'up', 'new', '--name', 'Not A Name'], { cwd })
    await fail('USAGE', ['fork', 'up', 'new', '--peer', '/ip4/192.0.2.7/tcp/4001'], { cwd })
    await fail('ADDRESS_INVALID', ['fork', 'coppice:k51x/cities', 'new'], { cwd })
    assert.not(existsSync(join(cwd, 'new')))

    // Somebody else writes to it: an import that waits for more input.
    const writer = use(start(['import', 'mine', '-', '--collection', 'cities'], { cwd }))
    writer.child.stdin.write('{"id":5,"name":"Oslo","size":5}\n')
    for (let tries = 0; tries < 100; tries++) {
      const { status, stderr } = await coppice(['merge', 'mine', 'up'], { cwd })
      if (status === 0) continue
      assert.match(stderr, /^coppice: STORE_LOCKED: /)
      break
    }
    assert.is((await coppice(['merge', 'mine', 'up', '--dry-run'], { cwd })).status, 0)
    writer.child.stdin.end()
    await writer.ended
  }))

test("a state of one's own past is merged with a base that is named", () =>
  inDirectory(async (cwd) => {
    await prepare(cwd)
    await put(cwd, 'up', { id: 1, name: 'Mokum', size: 1 })
    await succeed(['publish', 'up'], { cwd })
    await succeed(['del', 'up', 'cities', '1'], { cwd })
    await put(cwd, 'up', { id: 1, name: 'Amsterdam', size: 1 }, { id: 7, name: 'Rome', size: 7 })
    await succeed(['publish', 'up'], { cwd })
    // What the second release changed, once more.
    assert.match(
      await succeed(['merge', 'up', '@2', '--base', '@1'], { cwd }),
      /^merged @2: 0 added, 0 removed, 1 changed/,
    )
    assert.is(await succeed(['get', 'up', 'cities', '1'], { cwd }), '{"id":1,"name":"Mokum","size":1}\n')
  }))

test.run()
