/** Clones that serve from the beginning on, two commands in one directory, and what is said while a pull goes on. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Progress, type ProgressTimes } from '../../src/cli/progress.ts'
import { describeFollowed, describePull, describePulled, progressJson, pullJson } from '../../src/cli/pull-report.ts'
import { renderDuration } from '../../src/cli/render.ts'
import type { PullResult, ReplicaProgress } from '../../src/db/index.ts'
import { createDatabase, DatabaseLab, utf8 } from '../support/database-lab.ts'
import { fail, start, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const test = suite('cli/pulling')

async function prepare(cwd: string): Promise<void> {
  const input = Array.from({ length: 500 }, (_, i) => `{"id":${i},"text":"${'row '.repeat(20)}"}\n`).join('')
  await succeed(['init', 'db'], { cwd })
  await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input })
  await succeed(['publish', 'db'], { cwd })
}

test('clone --serve: others clone from it, and it goes on following; a pull beside it is refused and told who holds the lock', () =>
  inDirectory(async (cwd, use) => {
    await prepare(cwd)
    const server = use(start(['serve', 'db'], { cwd }))
    const address = (await server.line(/^serving \S+$/m)).slice('serving '.length)
    const clone = use(start(['clone', address, 'copy', '--serve'], { cwd }))
    const relay = (await clone.line(/^serving \S+$/m)).slice('serving '.length)
    await clone.line(/not complete yet: it passes on the parts it has/)
    await clone.line(/^cloned @1 /m)
    await succeed(['put', 'db', 'c', '{"id":7,"text":"other"}'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await clone.line(/^pulled @2 /m)
    assert.is((await server.end('SIGTERM')).status, 0)
    await succeed(['clone', relay, 'third'], { cwd })
    assert.is((await succeedJson(['status', 'third'], { cwd }))['sequence'], 2)
    const { peers } = await succeedJson(['status', 'third'], { cwd })
    const typo = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
    await fail('NO_PEER_LEFT', ['pull', 'third', '--peer', typo], { cwd })
    assert.equal((await succeedJson(['status', 'third'], { cwd }))['peers'], peers, 'a mistyped peer is not kept')
    const locked = await fail('STORE_LOCKED', ['pull', 'copy'], { cwd })
    assert.match(locked, String(clone.child.pid))
    assert.match(locked, 'coppice follow')
    assert.is((await clone.end('SIGINT')).status, 0)
  }))

test('two clones into one directory: the second is refused, and the first is unharmed', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    const { address } = await succeedJson(['status', 'db'], { cwd })
    // Whoever dials it waits.
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const args = ['clone', `${String(address)}?peer=/ip4/127.0.0.1/tcp/${port}`, 'copy', '--serve']
    const first = use(start(args, { cwd }))
    await first.line(/^serving /m)
    assert.match(await fail('STORE_LOCKED', args.slice(0, 3), { cwd }), String(first.child.pid))
    assert.is((await first.end('SIGINT')).status === 0, false)
    silent.close()
  }))

const PROGRESS = {
  entries: 250_000,
  entriesTotal: 1_000_000,
  bytes: 30_000_000,
  bytesHere: 1_000_000,
  bytesTotal: 100_000_000,
  blocksReceived: 7000,
  subtreesSkipped: 0,
  roundTrips: 4,
  peers: [
    { name: '/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWGreen', blocks: 10, rows: 20_000, bytes: 2_000_000 },
    { name: 'https://mirror.example/\u001b[31mcities/', blocks: 5000, rows: 0, bytes: 5_000_000 },
    { name: 'idle', blocks: 0, rows: 0, bytes: 0 },
  ],
  targets: 2,
}

async function progress(more: Partial<ReplicaProgress> = {}): Promise<ReplicaProgress> {
  const { to } = await pulled()
  return { ...PROGRESS, target: to, bytesPerSecond: 1_234_567, secondsLeft: 57, ...more }
}

async function pulled(): Promise<PullResult> {
  const lab = new DatabaseLab()
  const db = await createDatabase()
  await db.put(utf8('a'), utf8('1'))
  await db.publish()
  lab.serve('alice', db)
  return await (await lab.replica(db, ['alice'])).pull()
}

test('the progress line: what is here, how fast, how long, and from whom; nothing that would be a guess', async () => {
  const line = describePull(await progress(), 10)
  assert.is(
    line,
    'pulling @1: 250,000 of 1,000,000 entries, 30% of 100 MB, 1.2 MB/s, 57 s left; 2 peers: 71% \\u001b[31mcities, 28% 2D3KooWGreen',
  )
  const early = describePull(await progress({ bytesPerSecond: undefined, secondsLeft: undefined, peers: [] }), 1)
  assert.is(early, 'pulling @1: 250,000 of 1,000,000 entries, 30% of 100 MB')
  const done = describePull(await progress({ secondsLeft: 0 }), 1)
  assert.not.match(done, 'left')
})

test('for programs: one line of JSON with stable keys', async () => {
  const json = progressJson(await progress({ secondsLeft: undefined }))
  assert.equal(Object.keys(json), [
    'event',
    'sequence',
    'targets',
    'entries',
    'entriesTotal',
    'bytes',
    'bytesHere',
    'bytesTotal',
    'blocksReceived',
    'bytesPerSecond',
    'secondsLeft',
    'peers',
  ])
  assert.equal([json['event'], json['bytesPerSecond'], json['secondsLeft']], ['progress', 1_234_567, null])
})

test('where there is no terminal, a line after a while and then now and again, and none after the end', async () => {
  const log = (times: ProgressTimes): { lines: string[]; written: string[]; shown: Progress } => {
    const written: string[] = []
    const stream = { isTTY: false, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream
    const lines: string[] = []
    const shown = new Progress(
      stream,
      () => 'never',
      () => lines[0],
      times,
    )
    return { lines, written, shown }
  }
  // The second has nothing to say at first: it is asked again soon, and not after all that time.
  const logs = [log({ loggedAfterMs: 20, loggedEveryMs: 20 }), log({ loggedAfterMs: 20, loggedEveryMs: 600_000 })]
  // Nothing keeps the process alive for it.
  await delay(60)
  for (const { lines, written } of logs) {
    assert.equal(written, [])
    lines.push('{}')
  }
  await until(() => logs.every(({ written }, i) => written.length >= 2 - i))
  for (const { shown } of logs) shown.end()
  assert.equal(logs[0]?.written.slice(0, 2), ['{}\n', '{}\n'])
  assert.equal(logs[1]?.written, ['{}\n'])
  const lengths = logs.map(({ written }) => written.length)
  await delay(60)
  assert.equal(
    logs.map(({ written }) => written.length),
    lengths,
  )
})

test('how long, in words', () => {
  assert.equal([0.2, 59, 99, 100, 600, 5941, 7200, 7260, 360_000].map(renderDuration), [
    '1 s',
    '59 s',
    '99 s',
    '2 min',
    '10 min',
    '1 h 40 min',
    '2 h',
    '2 h 1 min',
    '100 h',
  ])
})

test('a result says when there is a newer root, and when it is not the newest because nobody has that', async () => {
  const result = await pulled()
  const payload = { ...result.to.payload, sequence: 9 }
  const newest = { ...result.to, payload }
  for (const isFallback of [true, false]) {
    const other = { ...result, newest, isFallback }
    const text = isFallback ? '@9 is newer, and no peer has all of it' : '@9 was published meanwhile'
    assert.match(describePulled('pulled', other).join('\n'), text)
    assert.match(describeFollowed(other), text)
    assert.equal([pullJson(other)['newest'], pullJson(other)['isFallback']], [9, isFallback])
  }
  assert.not.match(describePulled('pulled', result).join('\n'), '@9')
})

test.run()
