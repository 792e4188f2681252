/**
 * `follow --exec`: every change reaches the command at least once, as data and never as a command line, whatever the
 * command does with it; and it never outlives its reader.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FollowExec } from '../../src/cli/follow-exec.ts'
import type { Database, Replica } from '../../src/db/index.ts'
import type { Edit } from '../../src/prolly/index.ts'
import { coppice, jsonLines, start, succeed } from '../support/command-line.ts'
import { createDatabase, DatabaseLab, utf8 } from '../support/database-lab.ts'
import { inDirectory } from '../support/temporary-directory.ts'

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
    for (let i = 0; i < 500 && !test(); i++) await delay(20)
    assert.ok(test(), `it did not happen: ${String(test)}; ${this.notes.join(' | ')}`)
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
    await bench.until(() => bench.lines('out').length > 5)
    await bench.stop()
    assert.is(tries()[0], ':1')
    assert.equal(tries().slice(-2), [':2', '2:3'])
    assert.is(bench.lines('out').length, 6)
    assert.is(bench.notes.length, 1)
    assert.match(bench.notes[0] ?? '', 'ended with exit code 3; it gets the whole state again')
    // Ended well, it is not handed on again, also after a restart.
    bench.run('cat >> again')
    await delay(200)
    await bench.stop()
    assert.not.ok(existsSync(bench.file('again')))
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
    await bench.until(() => bench.lines('all').length === 3)
    await bench.stop()
  }))

test('a command that reads nothing, or a part, or slowly: back-pressure and no hang', () =>
  inDirectory(async (cwd) => {
    const bench = await Bench.make(cwd, 8_000)
    // 8,000 lines are far more than a pipe holds.
    bench.run('touch began; sleep 0.3; touch ended')
    await bench.until(() => existsSync(bench.file('began')))
    await bench.until(() => existsSync(bench.file('ended')))
    await bench.publish(7_000, 'second')
    await bench.stop()
    bench.run('head -n 10 > few')
    await bench.until(() => bench.lines('few').length === 10)
    await bench.publish(6_000, 'third')
    await bench.stop()
    bench.run('while read -r line; do :; done; touch read')
    await bench.until(() => existsSync(bench.file('read')))
    await bench.stop()
    assert.equal(bench.notes, [])
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
    await succeed(['put', 'db', 'c', '{"id":2}'], { cwd })
    await succeed(['publish', 'db'], { cwd })
    await follower.line(/"sequence":2/)
    for (let i = 0; i < 250 && !readFileSync(join(cwd, 'out'), 'utf8').includes('"key":[2]'); i++) await delay(20)
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
