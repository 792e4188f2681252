/** How the command behaves as a process: what it loads, how it ends, what reaches a terminal. */
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adviceWhenInterrupted } from '../../src/cli/advice.ts'
import { coppice, fail, start, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { lockedByAnother } from '../support/writer-lock.ts'

const test = suite('cli/habits')

const PROJECT: string = join(import.meta.dirname, '../..')
/** What must not reach a terminal: C0 but for line ends, DEL, C1, bidi controls, zero-width characters. */
const HARMFUL = /(?!\n)[\p{Cc}\p{Cf}]/u

test('help and version load neither lmdb nor libp2p', async () => {
  const script = join(PROJECT, 'test/support/loaded-modules.ts')
  const output = execFileSync(process.execPath, [script, 'src/cli/main.ts'], { cwd: PROJECT, encoding: 'utf8' })
  const loaded = JSON.parse(output) as string[]
  assert.ok(loaded.some((url) => url.endsWith('src/cli/main.ts')))
  assert.equal(loaded.filter((url) => /node_modules\/(lmdb|libp2p|@libp2p|csv-)|src\/(db|net|sync|directory|transfer)\//.test(url)), []) // prettier-ignore
  const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string }
  assert.is(await succeed(['--version']), `${version}\n`)
})

test('the help of pull --plan says what it writes', async () => {
  const { stdout } = await coppice(['pull', '--help'])
  assert.match(stdout.replaceAll(/\s+/g, ' '), 'writes no data, only the floor')
})

test('every command has help with examples', async () => {
  const overview = await succeed(['--help'])
  const names = [...overview.matchAll(/^ {2}([a-z]+) (?:\[|<)/gm)].map(([, name]) => name ?? '')
  const known =
    'init import put get scan del publish serve clone pull follow fork merge status resolve log diff restore recover prove verify evidence stats inspect export gc pin unpin help'
  assert.is(names.join(' '), known)
  for (const name of ['import', 'diff']) {
    const help = await succeed([name, '--help'])
    assert.match(help, `Examples:\n  $ coppice ${name} `)
  }
})

test('hostile text never reaches a terminal as it is', () =>
  inDirectory(async (cwd) => {
    const evil = 'a\u001b]0;title\u0007\u009b31m\u202e\u200b\r\nb'
    await succeed(['init', 'db'], { cwd })
    const row = JSON.stringify({ id: evil, [evil]: { [evil]: [evil] } })
    writeFileSync(join(cwd, 'meta.json'), JSON.stringify({ title: evil, [evil]: [evil] }))
    await succeed(['put', 'db', 'c', row, '--key', 'id'], { cwd })
    await succeed(['publish', 'db', '-m', evil, '--meta', 'meta.json'], { cwd })
    await succeed(['put', 'db', 'c', JSON.stringify({ id: evil, n: [evil] })], { cwd })
    const commands = [['status', 'db'], ['log', 'db'], ['log', 'db', '--json'], ['scan', 'db'], ['diff', 'db'], ['diff', 'db', '--keys'], ['diff', 'db', '--json']] // prettier-ignore
    for (const args of commands) {
      const { stdout, stderr } = await coppice(args, { cwd })
      assert.not.match(stdout, HARMFUL, args.join(' '))
      assert.match(stdout, '\\u001b]0;title')
      assert.is(stderr, '')
    }
    // Escaped and exact at once.
    assert.equal(JSON.parse(await succeed(['get', 'db', 'c', evil], { cwd })), { n: [evil], id: evil })
    writeFileSync(join(cwd, 'bad.ndjson'), `{"id":"${'\u001b[2J\u202e'}"`)
    for (const args of [
      ['import', 'db', 'bad.ndjson', '--collection', 'c'],
      ['import', 'db', `${evil}.xlsx`, '--collection', 'c'],
      ['get', 'db', evil, 'x'],
      ['status', evil],
      [evil],
    ]) {
      const { status, stderr } = await coppice(args, { cwd })
      assert.is(status, 2)
      assert.not.match(stderr, HARMFUL)
    }
  }))

/** Of util-linux: runs a command on a terminal of its own. */
const HAS_SCRIPT = spawnSync('script', ['--version']).error === undefined
const onTerminal = HAS_SCRIPT ? test : test.skip

onTerminal('an export is exact in a pipe and harmless on a terminal', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['put', 'db', 'c', '{"id":1,"t":"\u009b31m\u202e"}', '--key', 'id'], { cwd })
    assert.is(await succeed(['export', 'db'], { cwd }), '{"t":"\u009b31m\u202e","id":1}\n')
    const command = `'${process.execPath}' '${join(PROJECT, 'bin/coppice.js')}' export db --format csv`
    const typed = spawnSync('script', ['-qec', command, '/dev/null'], { cwd, encoding: 'utf8', timeout: 20_000 })
    assert.is(typed.stdout.replaceAll('\r', ''), 'id,t\n1,\\u009b31m\\u202e\n')
  }),
)

test('a reader that goes away ends the command, without a word', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    const rows = Array.from({ length: 20_000 }, (_, i) => `{"id":${i},"text":"${'x'.repeat(90)}"}\n`).join('')
    await succeed(['import', 'db', '-', '--collection', 'c', '--key', 'id'], { cwd, input: rows })
    const scan = use(start(['scan', 'db', 'c'], { cwd }))
    await once(scan.child.stdout, 'data')
    scan.child.stdout.destroy()
    const { status, stderr } = await scan.ended
    assert.equal([status, stderr], [141, ''])
  }))

test('Ctrl-C ends an import; nothing of it is there and the next writer can write', () =>
  inDirectory(async (cwd, use) => {
    await succeed(['init', 'db'], { cwd })
    const { root } = await succeedJson(['put', 'db', 'c', '{"id":1}', '--key', 'id'], { cwd })
    const running = use(start(['import', 'db', '-', '--collection', 'c'], { cwd }))
    running.child.stdin.write('{"id":2}\n'.repeat(1))
    await lockedByAnother(join(cwd, 'db'))
    const { status, stdout, stderr } = await running.end('SIGINT')
    assert.equal([status, stdout], [130, ''])
    assert.match(stderr, /^coppice: interrupted; .*, and nothing half; coppice gc frees what was written\n$/)
    assert.is((await succeedJson(['status', 'db'], { cwd }))['root'], root)
    assert.is((await succeedJson(['put', 'db', 'c', '{"id":1}'], { cwd }))['root'], root)
  }))

test('an interrupted clone says how to go on', () =>
  inDirectory(async (cwd, use) => {
    const { address } = await succeedJson(['init', 'db'], { cwd })
    // Takes connections, and says nothing.
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const peer = `/ip4/127.0.0.1/tcp/${port}/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA`
    const connected = once(silent, 'connection') as Promise<[Socket]>
    const running = use(start(['clone', `${String(address)}?peer=${peer}`, 'copy'], { cwd }))
    try {
      const [socket] = await connected
      socket.on('error', () => {})
      const { status, stderr } = await running.end('SIGINT')
      assert.is(status, 130)
      assert.match(stderr, /^coppice: interrupted; .*; run it again to go on\n$/)
    } finally {
      silent.close()
    }
  }))

test('what is said of an interrupt fits the command', () => {
  for (const command of ['clone', 'pull', 'fork', 'gc']) assert.match(adviceWhenInterrupted(command, [command]) ?? '', 'run it again') // prettier-ignore
  assert.match(adviceWhenInterrupted('verify', ['verify', 'copy', '--repair']) ?? '', 'run it again')
  for (const command of ['put', 'import', 'merge']) assert.match(adviceWhenInterrupted(command, [command]) ?? '', 'coppice gc') // prettier-ignore
  for (const command of ['verify', 'scan', 'export', 'follow']) assert.is(adviceWhenInterrupted(command, [command]), undefined) // prettier-ignore
})

test('a stack is for those who debug', () =>
  inDirectory(async (cwd) => {
    await fail('NOT_A_DATABASE', ['status', 'absent'], { cwd })
    const { stderr } = await coppice(['status', 'absent'], { cwd, env: { DEBUG: 'coppice:*' } })
    assert.match(stderr, /^coppice: NOT_A_DATABASE: .*\n {4}at /)
  }))

test.run()
