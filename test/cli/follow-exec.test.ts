/**
 * `follow --exec`: every change reaches the command at least once, as data and never as a command line, whatever the
 * command does with it; and it never outlives its reader.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FollowExec } from '../../src/cli/follow-exec.ts'
import type { Database, Replica } from '../../src/db/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { coppice, jsonLines, start, succeed } from '../support/command-line.ts'
import { createDatabase, DatabaseLab, utf8 } from '../support/database-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { until } from '../support/until.ts'

const test = suite('cli/follow-exec')

/** An author, a replica, and a command that is run for what the replica completes. */
class Bench {
  readonly cwd: string
  readonly lab = new DatabaseLab()
  readonly notes: string[] = []
  readonly control = new AbortController()
  readonly db: Database
  replica: Replica
  #exec: FollowExec | undefined
  #running: Promise<void> | undefined

  private constructor(cwd: string, db: Database, replica: Replica) {
    this.cwd = cwd
    this.db = db
    this.replica = replica
  }

  static async make(cwd: string, rows = 3): Promise<Bench> {
    const db = await createDatabase()
    const bench = new Bench(cwd, db, undefined as never)
    bench.lab.serve('alice', db)
    bench.replica = await bench.lab.replica(db, ['alice'])
    await bench.publish(rows)
    return bench
  }

  async publish(rows: number, mark = ''): Promise<void> {
    const value = utf8(`${mark}${'x'.repeat(100)}`)
    await this.db.batch((tx) => tx.apply(Array.from({ length: rows }, (_, i): Edit => ({ key: keyOf(i), value }))))
    await this.db.publish()
    await this.replica.pull()
    this.#exec?.wake()
  }

  file(name: string): string {
    return join(this.cwd, name)
  }

  lines(name: string): Record<string, unknown>[] {
    return existsSync(this.file(name)) ? jsonLines(readFileSync(this.file(name), 'utf8')) : []
  }

  run(command: string): void {
    this.#exec = new FollowExec(this.replica, {
      command: `cd '${this.cwd}' || exit 9; ${command}`,
      dir: this.cwd,
      isJson: true,
      signal: this.control.signal,
      note: (line) => void this.notes.push(line),
    })
    this.#running = this.#exec.run()
  }

  async until(test: () => boolean): Promise<void> {
    await until(test, () => this.notes.join(' | '))
  }

  /** Until the command ended well with all there is; before that, {@link stop} would interrupt it. */
  async settled(): Promise<void> {
    await until(
      async () => (await this.replica.delivery()) === undefined,
      () => this.notes.join(' | '),
    )
  }

  async stop(): Promise<void> {
    this.#exec?.stop()
    await this.#running
    this.#exec = undefined
  }
}

function keyOf(i: number): Uint8Array {
  return utf8(String(i).padStart(6, '0'))
}

test('the whole state first, then the changes of each root, with what they are in the environment', () =>
  inDirectory(async (cwd) => {
    const bench = await Bench.make(cwd)
    bench.run(
      `env | grep ^COPPICE_ | sort > env-$COPPICE_SEQUENCE; cat > changes-$COPPICE_SEQUENCE; touch done-$COPPICE_SEQUENCE`,
    )
    await bench.until(() => existsSync(bench.file('done-1')))
    assert.equal(
      bench.lines('changes-1').map(({ type, rawKey }) => [type, rawKey]),
      [0, 1, 2].map((i) => ['add', Buffer.from(keyOf(i)).toString('hex')]),
    )
    await bench.db.put(keyOf(1), utf8('other'))
    await bench.db.del(keyOf(2))
    await bench.publish(0)
    await bench.until(() => existsSync(bench.file('done-2')))
    assert.equal(
      bench.lines('changes-2').map(({ type }) => type),
      ['update', 'remove'],
    )
    const { root } = await bench.replica.snapshot()
    const environment = readFileSync(bench.file('env-2'), 'utf8').trimEnd().split('\n')
    assert.equal(environment, [
      `COPPICE_DIR=${cwd}`,
      'COPPICE_FROM=1',
      'COPPICE_NAME=cities',
      `COPPICE_ROOT=${root}`,
      'COPPICE_SEQUENCE=2',
    ])
    assert.match(readFileSync(bench.file('env-1'), 'utf8'), /^COPPICE_FROM=$/m)
    await bench.stop()
    assert.equal(bench.notes, [])
  }))

test('a command that fails gets the same again, with what came since, until it ends well; told once', () =>
  inDirectory(async (cwd) => {
    const bench = await Bench.make(cwd)
    bench.run('echo "$COPPICE_FROM:$COPPICE_SEQUENCE" >> tries; test -e ok || exit 3; cat >> out')
    const tries = (): string[] => {
      return existsSync(bench.file('tries')) ? readFileSync(bench.file('tries'), 'utf8').trimEnd().split('\n') : []
    }
    await bench.until(() => tries().length >= 1)
    await bench.publish(5, 'second')
    await bench.until(() => tries().length >= 3)
    writeFileSync(bench.file('ok'), '')
    await bench.until(() => bench.lines('out').length > 0)
    await bench.publish(1, 'third')
    await bench.settled()
    await bench.stop()
    assert.is(tries()[0], ':1')
    assert.equal(tries().slice(-2), [':2', '2:3'])
    assert.is(bench.lines('out').length, 6)
    assert.is(bench.notes.length, 1)
    assert.match(bench.notes[0] ?? '', 'ended with exit code 3; it gets the whole state again')
    // Ended well, it is not handed on again, also after a restart: only what comes then.
    bench.run('echo "$COPPICE_FROM:$COPPICE_SEQUENCE" >> again; cat >> again')
    await bench.publish(1, 'fourth')
    await bench.settled()
    await bench.stop()
    assert.match(readFileSync(bench.file('again'), 'utf8'), /^3:4\n.*\n$/)
  }))

test('what a command was killed over, or coppice was, is handed on again after a restart', () =>
  inDirectory(async (cwd) => {
    const bench = await Bench.make(cwd)
    bench.run('head -n 1 > part; kill -9 $$')
    await bench.until(() => bench.notes.length > 0)
    assert.match(bench.notes[0] ?? '', 'was ended by SIGKILL')
    await bench.stop()
    bench.run('touch began; sleep 1000')
    await bench.until(() => existsSync(bench.file('began')))
    await bench.stop()
    bench.run('cat > all')
    await bench.settled()
    await bench.stop()
    assert.is(bench.lines('all').length, 3)
  }))

test('a command that reads nothing, or a part, or slowly: back-pressure and no hang', () =>
  inDirectory(async (cwd) => {
    const bench = await Bench.make(cwd, 1_500)
    // 1,500 lines are far more than a pipe holds.
    bench.run('sleep 0.3')
    await bench.settled()
    await bench.publish(1_400, 'second')
    await bench.settled()
    await bench.stop()
    await bench.publish(1_300, 'third')
    bench.run('head -n 10 > few')
    await bench.settled()
    await bench.stop()
    assert.is(bench.lines('few').length, 10)
    await bench.publish(6_000, 'fourth')
    const warnings: unknown[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    bench.run('while read -r line; do echo "$line"; done > all')
    await bench.settled()
    await bench.stop()
    process.off('warning', onWarning)
    assert.is(bench.lines('all').length, 6_000)
    assert.equal(bench.notes, [])
    assert.equal(warnings, [], 'waiting for room leaves nothing behind')
  }))

test('a command that hangs ends with its reader, and so does all that it started, even where it will not', () =>
  inDirectory(async (cwd) => {
    const bench = await Bench.make(cwd)
    bench.run(`trap '' TERM; sleep 1000 & echo $! > pid; echo $$ >> pid; wait; sleep 1000`)
    const pids = (): number[] => {
      if (!existsSync(bench.file('pid'))) return []
      return readFileSync(bench.file('pid'), 'utf8').trim().split('\n').map(Number)
    }
    await bench.until(() => pids().length === 2)
    bench.control.abort()
    await bench.stop()
    await bench.until(() => pids().every((pid) => !isAlive(pid)))
    assert.is(await bench.replica.delivery().then((delivery) => delivery?.to.payload.sequence), 1)
  }))

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // One that nobody has waited for yet has ended all the same.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('data and names are never read by the shell', () =>
  inDirectory(async (cwd, use) => {
    const evil = '$(touch pwned)`touch pwned`; touch pwned #"\''
    await succeed(['init', 'db'], { cwd })
    const row = JSON.stringify({ id: 1, text: evil })
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input: row })
    await succeed(['publish', 'db', '-m', evil], { cwd })
    const server = use(start(['serve', 'db'], { cwd }))
    const address = (await server.line(/^serving \S+$/m)).slice('serving '.length)
    const copy = 'copy $(touch pwned)'
    await succeed(['clone', address, copy], { cwd })
    const follower = use(start(['follow', copy, '--json', '--exec', 'cat > out; echo "$COPPICE_DIR"'], { cwd }))
    await follower.line(/"changed":false/)
    // The command has had the first root before there is a second: it would get both at once.
    await until(() => follower.stderr !== '')
    await succeed(['put', 'db', 'c', '{"id":2}'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await follower.line(/"sequence":2/)
    await until(() => follower.stderr.split('\n').length > 2)
    const { status, stdout, stderr } = await follower.end('SIGINT')
    assert.is(status, 0)
    assert.is(jsonLines(stdout).length, 2, 'standard output is for JSON alone')
    assert.is(stderr, `${join(cwd, copy)}\n`.repeat(2))
    const [change] = jsonLines(readFileSync(join(cwd, 'out'), 'utf8'))
    const diff = await coppice(['diff', copy, '@1', '@2', '--json'], { cwd })
    assert.equal(change, jsonLines(diff.stdout)[0])
    assert.not.ok(existsSync(join(cwd, 'pwned')))
  }))

test.run()
