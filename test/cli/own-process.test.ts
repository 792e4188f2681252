/**
 * A command in a process of its own, one of each kind, does what it does in the one that tests share for most commands
 * (../support/command-line.ts): the same output, the same exit code, and it ends by itself.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { coppice, type Outcome, start, succeed } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/own-process')

const ROWS = `{"id":1,"text":"one"}\n{"id":2,"text":"zwei ü"}\n`

/** In both ways, each over a fresh copy of the databases `a` and `b` at one place. */
async function assertSame(cwd: string, args: readonly string[], status: number, input = ''): Promise<void> {
  const copy = join(cwd, 'copy')
  const outcomes: Outcome[] = []
  for (const way of [{}, { ownProcess: true }] as const) {
    rmSync(copy, { recursive: true, force: true })
    for (const name of ['a', 'b']) cpSync(join(cwd, name), join(copy, name), { recursive: true })
    outcomes.push(await coppice(args, { cwd: copy, input, ...way }))
  }
  const [shared, own] = outcomes
  assert.equal(own, shared, args.join(' '))
  assert.is(own?.status, status, `${args.join(' ')}: ${own?.stderr}`)
}

test('what is read, written, compared and refused', () =>
  inDirectory(async (cwd) => {
    const own = { cwd, ownProcess: true } as const
    await succeed(['init', 'a'], own)
    await succeed(['import', 'a', '-', '--collection', 'c', '--key', 'id'], { ...own, input: ROWS })
    await succeed(['publish', 'a', '-m', 'first'], own)
    await succeed(['fork', 'a', 'b'], own)
    await succeed(['put', 'b', 'c', '{"id":3,"text":"three"}'], own)
    await assertSame(cwd, ['scan', 'a', 'c'], 0)
    await assertSame(cwd, ['get', 'a', 'c', '9'], 1)
    await assertSame(cwd, ['put', 'a', 'c', '-', '--json'], 0, '{"id":7}\n')
    await assertSame(cwd, ['log', 'a', '--json'], 0)
    await assertSame(cwd, ['diff', 'a', 'b'], 1)
    await assertSame(cwd, ['merge', 'a', 'b'], 0)
    await assertSame(cwd, ['verify', 'a', '--all'], 0)
    await assertSame(cwd, ['export', 'a', '-', '--format', 'csv'], 0)
    await assertSame(cwd, ['gc', 'a', '--dry-run', '--json'], 0)
    await assertSame(cwd, ['scan', 'absent', 'c'], 2)
    await assertSame(cwd, ['comit', 'a'], 2)
  }))

test('what goes over the network', () =>
  inDirectory(async (cwd, use) => {
    const own = { cwd, ownProcess: true } as const
    await succeed(['init', 'a'], { cwd })
    await succeed(['put', 'a', 'c', '{"id":1}', '--key', 'id'], { cwd })
    await succeed(['publish', 'a'], { cwd })
    const server = use(start(['serve', 'a'], { cwd }))
    const address = (await server.line(/^serving \S+$/m)).slice('serving '.length)
    assert.match(await succeed(['clone', address, 'copy'], own), /^cloned @1 /)
    assert.match(await succeed(['pull', 'copy'], own), /^up to date at @1 /)
    assert.is((await server.end('SIGTERM')).status, 0)
  }))

test.run()
