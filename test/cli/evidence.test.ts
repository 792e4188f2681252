/** Forks on the command line: in status, written as a file, and verified by whoever has nothing but that file. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { keepKnown, readKnown } from '../../src/db/roots/statements.ts'
import { Replica } from '../../src/index.ts'
import { createDatabaseDirectory } from '../../src/directory/index.ts'
import { findConflict, formatAuthor, withEvidence } from '../../src/pointer/index.ts'
import { surroundings } from '../../src/surroundings.ts'
import { Replica as ReplicaHandle } from '../../src/db/index.ts'
import { coppice, fail, succeed, succeedJson } from '../support/command-line.ts'
import { utf8 } from '../support/database-lab.ts'
import { RogueAuthor } from '../support/rogue-author.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/evidence')

/** A replica in `copy` that was told of a fork of epoch 0. */
async function told(cwd: string): Promise<{ author: string; address: string }> {
  const rogue = new RogueAuthor(surroundings.clock)
  const other = rogue.fork()
  const rows = (value: string): { key: Uint8Array; value: Uint8Array }[] => [{ key: utf8('n'), value: utf8(value) }]
  const evidence = findConflict(await rogue.publish(rows('a')), await other.publish(rows('b')))
  if (evidence === undefined) throw new Error('expected a conflict')
  const directory = await createDatabaseDirectory(join(cwd, 'copy'), {
    kind: 'replica',
    prepare: () => Promise.resolve(ReplicaHandle.initialMeta(rogue.author, 'cities', [])),
  })
  await directory.close()
  const replica = await Replica.open(join(cwd, 'copy'))
  const known = await readKnown(replica.state)
  await keepKnown(replica.state, { ...known, floor: withEvidence(known.floor, evidence) })
  await replica.close()
  const author = formatAuthor(rogue.author)
  return { author, address: `coppice:${author}/cities` }
}

test('a fork is in status, becomes a file, and the file is enough', () =>
  inDirectory(async (cwd) => {
    const { author, address } = await told(cwd)
    const on = { cwd }
    const status = await succeedJson(['status', 'copy'], on)
    assert.equal(status['forks'], [{ epoch: 0, kind: 'roots', ended: null, what: 'two different @1 in epoch 0' }])
    assert.is(status['onFork'], 'stop')
    // A peer may show a root that ends it: whoever has no root yet cannot tell, and does not stop.
    assert.is((await coppice(['status', 'copy', '--max-age', '1h'], on)).status, 1)
    assert.match(
      await succeed(['status', 'copy'], on),
      /fork +two different @1 in epoch 0: not known to have ended, before there is a root; coppice evidence DIR FILE/,
    )
    assert.not.match(await succeed(['status', 'copy'], on), 'stays at what it has')
    assert.match(
      await succeed(['evidence', 'copy', 'fork.evidence'], on),
      `the author of cities, ${author}, signed two`,
    )
    const file = readFileSync(join(cwd, 'fork.evidence'), 'utf8')
    assert.match(file, /^coppice-evidence\/1 u[\w-]+\n$/)
    assert.is(await succeed(['evidence', 'copy', '-', '--epoch', '0'], on), file)
    const none = await coppice(['evidence', 'copy', 'other', '--epoch', '1'], on)
    assert.equal([none.status, none.stderr], [1, 'coppice: no fork of cities in epoch 1 is known here\n'])

    for (const trust of [[], ['--author', author], ['--address', address]]) {
      const json = await succeedJson(['verify', 'fork.evidence', ...trust], on)
      assert.equal([json['valid'], json['author'], json['name'], json['epoch']], [true, author, 'cities', 0])
      assert.equal((json['roots'] as unknown[]).length, 2)
    }
    assert.match(await succeed(['verify', '-'], { ...on, input: file }), /one chain has one root of a sequence/)
    assert.match(await succeed(['key', 'show', 'fork.evidence'], on), 'proven')
    await fail('USAGE', ['verify', 'fork.evidence', 'cities'], on)
    await fail(
      'USAGE',
      ['verify', 'fork.evidence', '--root', 'bafyreiekwbi23jdcfgr5fgpaeobxaie52prxjqu5wp3a4mjtjjpv2izidy'],
      on,
    )
  }))

test('what proves nothing, or something about somebody else, is said to, and exits with 1', () =>
  inDirectory(async (cwd) => {
    const { author } = await told(cwd)
    await succeed(['evidence', 'copy', 'fork.evidence'], { cwd })
    const file = readFileSync(join(cwd, 'fork.evidence'), 'utf8')
    const stranger = formatAuthor(new RogueAuthor(surroundings.clock, 'stranger').author)
    const refused = async (args: readonly string[], why: RegExp): Promise<void> => {
      const { status, stdout } = await coppice(['verify', ...args], { cwd })
      assert.is(status, 1, stdout)
      assert.match(stdout, why)
    }
    await refused(['fork.evidence', '--author', stranger], /not proven: .* expected it about k51/)
    await refused(['fork.evidence', '--address', `coppice:${author}/towns`], /about towns, got it about cities/)
    const at = file.length - 40
    const changed = `${file.slice(0, at)}${file[at] === 'A' ? 'B' : 'A'}${file.slice(at + 1)}`
    for (const [name, content] of [
      ['changed', changed],
      ['cut', `${file.slice(0, -20)}\n`],
      ['twice', file + file],
    ] as const) {
      writeFileSync(join(cwd, name), content)
      await refused([name], /not proven/)
    }
    writeFileSync(join(cwd, 'newer'), file.replace('/1', '/2'))
    await fail('FORMAT_NEWER', ['verify', 'newer'], { cwd })
  }))

test.run()
