/** Forks as a user makes them, over a network too, and killed in the middle. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cloneReplica } from '../../src/local.ts'
import { fail, start, succeed, succeedJson } from '../support/command-line.ts'
import { prepare, put, rootOf } from '../support/cities.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/fork')

test('fork an address; a replica of the fork is merged at its origin, a replica of the origin into the fork', () =>
  inDirectory(async (cwd, use) => {
    await prepare(cwd)
    const server = use(start(['serve', 'up'], { cwd }))
    const address = (await server.line(/^serving coppice:k51\S+\/cities\?peer=\S+$/m)).slice('serving '.length)
    const forked = await succeedJson(['fork', address, 'mine'], { cwd })
    const origin = forked['forkedFrom'] as Record<string, unknown>
    assert.equal([forked['name'], origin['sequence'], origin['root']], ['cities', 1, await rootOf(cwd, 'up')])
    assert.is(origin['address'], address)
    assert.equal(await succeed(['log', 'mine'], { cwd }), '')
    const status = await succeedJson(['status', 'mine'], { cwd })
    assert.equal(
      [status['kind'], status['published'], status['peers'], status['canPublish']],
      ['author', null, [], true],
    )
    assert.match(await succeed(['verify', 'mine'], { cwd }), /sound/)
    await fail('DATABASE_EXISTS', ['fork', address, 'mine'], { cwd })
    await succeed(['clone', address, 'upstream'], { cwd })
    await fail('DATABASE_EXISTS', ['fork', address, 'upstream'], { cwd })
    await fail('DATABASE_KIND', ['merge', 'upstream', 'mine'], { cwd })

    await put(cwd, 'mine', { id: 4, name: 'Warsaw', size: 4 })
    await succeed(['publish', 'mine'], { cwd })
    await put(cwd, 'up', { id: 5, name: 'Oslo', size: 5 })
    await succeed(['publish', 'up'], { cwd })
    await succeed(['pull', 'upstream'], { cwd })
    assert.match(await succeed(['merge', 'mine', 'upstream'], { cwd }), /^merged upstream: 1 added/)
    await put(cwd, 'mine', { id: 6, name: 'Bern', size: 6 })
    await succeed(['publish', 'mine'], { cwd })
    const mine = use(start(['serve', 'mine'], { cwd }))
    const fork = (await mine.line(/^serving coppice:k51\S+\?peer=\S+$/m)).slice('serving '.length)
    await succeed(['clone', fork, 'contribution'], { cwd })
    await put(cwd, 'up', { id: 7, name: 'Rome', size: 7 })
    const merged = await succeedJson(['merge', 'up', 'contribution'], { cwd })
    assert.equal([merged['merged'], merged['added'], merged['conflicts']], [true, 2, 0])
    assert.is((await succeed(['scan', 'up', 'cities'], { cwd })).split('\n').length, 8)
  }))

test('a fork of an address that is killed when all was cloned goes on when it is run again', () =>
  inDirectory(async (cwd, use) => {
    await prepare(cwd)
    const server = use(start(['serve', 'up'], { cwd }))
    const address = (await server.line(/^serving coppice:k51\S+\/cities\?peer=\S+$/m)).slice('serving '.length)
    const path = join(cwd, 'mine')
    await (await cloneReplica(address, path, {}, true)).close()
    assert.is((await succeedJson(['status', 'mine'], { cwd }))['kind'], 'replica')
    const forked = await succeedJson(['fork', address, 'mine'], { cwd })
    assert.equal([forked['kind'], forked['root']], ['author', await rootOf(cwd, 'up')])
    await fail('DATABASE_EXISTS', ['fork', address, 'mine'], { cwd })
  }))

test('a fork that is killed is no database, and goes on when it is run again', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'up'], { cwd })
    const input = Array.from(
      { length: 40_000 },
      (_, i) => `{"id":${i},"text":"${'some text '.repeat(20)}${i}"}\n`,
    ).join('')
    await succeed(['import', 'up', '-', '--collection', 'c', '--key', 'id'], { cwd, input })
    const data = join(cwd, 'mine/data.mdb')
    const running = start(['fork', 'up', 'mine'], { cwd })
    const isOver = { now: false }
    void running.ended.then(() => (isOver.now = true))
    while (!isOver.now && (!existsSync(data) || statSync(data).size < 2_000_000)) await delay(2)
    const { status } = await running.end('SIGKILL')
    if (status !== 0) {
      assert.match(
        await fail('NOT_A_DATABASE', ['status', 'mine'], { cwd }),
        /run the same coppice init, clone or fork again/,
      )
      const again = await succeedJson(['fork', 'up', 'mine'], { cwd })
      assert.is(again['root'], await rootOf(cwd, 'up'))
    }
    assert.match(await succeed(['verify', 'mine'], { cwd }), /sound/)
  }))

test.run()
