/** Removing old states, pins, and the shape of a tree, through the real command. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { coppice, fail, jsonLines, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/gc')

/** Published so often, one document more each time. */
async function prepare(cwd: string, releases: number): Promise<void> {
  await succeed(['init', 'db'], { cwd })
  for (let id = 1; id <= releases; id++) {
    await succeed(['put', 'db', 'c', '--key', 'id', `{"id":${id}}`], { cwd })
    await succeed(['publish', 'db'], { cwd })
  }
}

async function held(cwd: string): Promise<unknown[]> {
  const log = jsonLines(await succeed(['log', 'db', '--json'], { cwd }))
  return log.filter((entry) => entry['held'] === true).map(({ sequence }) => sequence)
}

test('gc keeps what it says, pins outlast it, and a dry run removes nothing', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd, 4)
    const { kept, statesRemoved } = await succeedJson(['gc', 'db'], { cwd })
    assert.equal([(kept as unknown[]).length, statesRemoved], [4, 0])
    assert.match(await succeed(['pin', 'db', '@2', '--note', 'cited \u202e'], { cwd }), /^pinned @2 bafy\w+\n$/)
    const [pin] = jsonLines(await succeed(['pin', 'db', '--json'], { cwd }))
    assert.is(pin?.['note'], 'cited \u202e')
    assert.is(await succeed(['pin', 'db'], { cwd }), `@2 ${String(pin?.['root'])}: cited \\u202e\n`)
    const said = await succeed(['gc', 'db', '--keep', '1', '--dry-run'], { cwd })
    assert.match(
      said,
      /^kept @4 bafy\w+ {2}shown, published, recent\nkept @2 bafy\w+ {2}pinned\nwould remove 2 blocks, /,
    )
    assert.equal(await held(cwd), [4, 3, 2, 1])
    assert.match(
      await succeed(['gc', 'db', '--keep', '1'], { cwd }),
      /\nremoved 2 blocks, \d+ B, 2 published states among them\n/,
    )
    assert.equal(await held(cwd), [4, 2])
    await fail('ROOT_NOT_FOUND', ['get', 'db', 'c', '1', '--at', '@1'], { cwd })
    await fail('ROOT_NOT_FOUND', ['pin', 'db', '@3'], { cwd })
    assert.match(await succeed(['unpin', 'db', '@2'], { cwd }), /^unpinned /)
    assert.is((await coppice(['unpin', 'db', '@2'], { cwd })).status, 1)
    await fail('USAGE', ['pin', 'db', '@4', '--note', 'two\nlines'], { cwd })
    for (const keep of ['0', 'x', '-1']) await fail('USAGE', ['gc', 'db', '--keep', keep], { cwd })
    assert.is((await succeedJson(['gc', 'db', '--keep', '1'], { cwd }))['statesRemoved'], 1)
    await succeed(['verify', 'db'], { cwd })
  }))

test('a pin is shown by all the names of its state, and its note stays until there is another', () =>
  inDirectory(async (cwd) => {
    await prepare(cwd, 1)
    await succeed(['publish', 'db', '--refresh', '-m', 'first \u202e release'], { cwd })
    await succeed(['put', 'db', 'c', '{"id":2}'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await succeed(['del', 'db', 'c', '2'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await succeed(['put', 'db', 'c', '{"id":3}'], { cwd })
    const { root, ...rest } = await succeedJson(['pin', 'db', '@1', '--note', 'one'], { cwd })
    const signed = [
      { sequence: 4, message: null },
      { sequence: 2, message: 'first \u202e release' },
      { sequence: 1, message: null },
    ]
    assert.equal(rest, { isNew: true, note: 'one', signed })
    const shown = `@4, @1 to @2 ${String(root)}  "first \\u202e release"`
    assert.is(await succeed(['pin', 'db', '@1'], { cwd }), `was pinned already: ${shown}\n`)
    assert.is(await succeed(['pin', 'db', '@1', '--note', 'one'], { cwd }), `was pinned already: ${shown}\n`)
    assert.is(await succeed(['pin', 'db'], { cwd }), `${shown}: one\n`)
    const changed = await succeed(['pin', 'db', '@4', '--note', 'two'], { cwd })
    assert.is(changed, `pinned before, the note is new: ${shown}\n`)
    assert.equal(jsonLines(await succeed(['pin', 'db', '--json'], { cwd })), [{ root, note: 'two', signed }])
    assert.match(await succeed(['gc', 'db', '--keep', '1'], { cwd }), `kept @4, @1 to @2 ${String(root)}  published, recent, pinned\n`) // prettier-ignore
    await succeed(['pin', 'db', '@1', '--note', ''], { cwd })
    assert.is(await succeed(['pin', 'db'], { cwd }), `${shown}\n`)
    const { root: working } = await succeedJson(['status', 'db'], { cwd })
    assert.is(await succeed(['pin', 'db', String(working)], { cwd }), `pinned ${String(working)}\n`)
    assert.match(await fail('USAGE', ['pin', 'db', '--note', 'x'], { cwd }), 'expected the ROOT')
  }))

test('stats draws how large the nodes are, in the terminal and as SVG', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    const input = Array.from({ length: 3000 }, (_, id) => `{"id":${id},"text":"${'x'.repeat(id % 90)}"}`).join('\n')
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input })
    const json = await succeedJson(['stats', 'db'], { cwd })
    const histogram = json['histogram'] as { bytesBelow: number; nodes: number }[]
    assert.is(
      histogram.reduce((sum, { nodes }) => sum + nodes, 0),
      json['nodes'],
    )
    assert.match(
      await succeed(['stats', 'db', '--svg', 'shape.svg'], { cwd }),
      /\nnodes by size\n +0 B .*\n +512 B [^\n]*\d+\n +1,024 B [█▏▎▍▌▋▊▉]+ \d+\n/,
    )
    const svg = readFileSync(join(cwd, 'shape.svg'), 'utf8')
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
    assert.is(svg.match(/<rect class="bar"/g)?.length, histogram.filter(({ nodes }) => nodes > 0).length)
    assert.is(await succeed(['stats', 'db', '--svg', '-'], { cwd }), svg)
    await fail('USAGE', ['stats', 'db', '--svg', '-', '--json'], { cwd })
    assert.not.ok(existsSync(join(cwd, '-')))
    assert.is((await coppice(['stats', 'db', '--svg', 'none/shape.svg'], { cwd })).status, 2)
  }))

test.run()
