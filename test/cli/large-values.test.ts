/** Values of any length through the real command: a file in, a file or a range of it out, and never spilled over a terminal. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { coppice, fail, jsonLines, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'
import { fileBytes } from '../support/unixfs-reference.ts'

const test = suite('cli/large-values')

const MIB = 1024 * 1024
const MOVIE = Buffer.concat([...fileBytes('counting', 3 * MIB + 5)])
/** Of the importer: see test/vectors. */
const CID = /^bafybei[a-z2-7]{52}$/

test('put --file and get --bytes: any length, from files and pipes, ranges too', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    writeFileSync(join(cwd, 'movie'), MOVIE)
    const put = await succeedJson(['put', 'db', '--raw', '6b31', '--file', 'movie'], { cwd })
    assert.equal([put['written'], put['bytes']], [1, MOVIE.length])
    const piped = await succeedJson(['put', 'db', '--raw', '6b32', '--file', '-'], { cwd, input: MOVIE })
    assert.is(piped['bytes'], MOVIE.length)
    assert.match(
      await succeed(['put', 'db', '--raw', '6b33', '--file', '-'], { cwd, input: 'short' }),
      /^1 row of 5 bytes written, root bafy/,
    )
    const bytes = (...args: string[]): Promise<string> => succeed(['get', 'db', '--raw', ...args, '--bytes'], { cwd })
    assert.is(await bytes('6b33'), 'short')
    assert.is(await bytes('6b33', '--range', '1-2'), 'ho')
    assert.is(await bytes('6b33', '--range', '3-'), 'rt')
    assert.is(await bytes('6b33', '--range', '3-100'), 'rt')
    assert.is(await bytes('6b33', '--range', '5-'), '')
    // All bytes are below 128 where the position modulo 251 is.
    assert.equal(Buffer.from(await bytes('6b31', '--range', '251-370')), MOVIE.subarray(251, 371))
    const at = 251 * Math.ceil(MIB / 251)
    assert.equal(Buffer.from(await bytes('6b32', '--range', `${at}-${at + 9}`)), MOVIE.subarray(at, at + 10))
    const absent = await coppice(['get', 'db', '--raw', '00', '--bytes'], { cwd })
    assert.equal(absent, { status: 1, stdout: '', stderr: 'coppice: no row with the key 00\n' })
  }))

test('scan, get and diff show a long value by its CID and size; export and import carry it', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    writeFileSync(join(cwd, 'movie'), MOVIE)
    await succeed(['put', 'db', '--raw', '6b', '--file', 'movie'], { cwd })
    for (const args of [
      ['scan', 'db', '--raw'],
      ['get', 'db', '--raw', '6b'],
    ]) {
      const [row] = jsonLines(await succeed(args, { cwd }))
      assert.equal([row?.['key'], row?.['size'], row?.['value']], ['6b', MOVIE.length, undefined])
      assert.match(String(row?.['cid']), CID)
    }
    const text = await coppice(['diff', 'db'], { cwd })
    assert.match(text.stdout, new RegExp(`\\n\\+bafybei[a-z2-7]{52} \\(${MOVIE.length} bytes\\)\\n`))
    const [change] = jsonLines((await coppice(['diff', 'db', '--json'], { cwd })).stdout)
    const to = change?.['to'] as { cid: string; size: number }
    assert.match(to.cid, CID)
    assert.is(to.size, MOVIE.length)
    await succeed(['export', 'db', 'all.ndjson.gz', '--raw'], { cwd })
    await succeed(['init', 'again'], { cwd })
    const imported = await succeedJson(['import', 'again', 'all.ndjson.gz', '--raw'], { cwd })
    assert.is(imported['root'], (await succeedJson(['status', 'db'], { cwd }))['root'])
    assert.match(await succeed(['verify', 'again'], { cwd }), /sound|ok|no problem/i)
    assert.ok(readFileSync(join(cwd, 'all.ndjson.gz')).length > 0)
  }))

test('what cannot be asked for', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['put', 'db', '--raw', '{"key":"6b","value":"00"}'], { cwd })
    await fail('USAGE', ['put', 'db', '6b', '--file', 'x'], { cwd })
    await fail('USAGE', ['put', 'db', '--raw', '--file', 'x'], { cwd })
    await fail('USAGE', ['put', 'db', '--raw', '6b', '6c', '--file', 'x'], { cwd })
    await fail('USAGE', ['put', 'db', '--raw', 'xyz', '--file', 'x'], { cwd })
    await fail('INPUT_NOT_FOUND', ['put', 'db', '--raw', '6b', '--file', 'absent'], { cwd })
    await fail('USAGE', ['get', 'db', 'c', '1', '--bytes'], { cwd })
    await fail('USAGE', ['get', 'db', '--raw', '6b', '6c', '--bytes'], { cwd })
    await fail('USAGE', ['get', 'db', '--raw', '6b', '--range', '0-1'], { cwd })
    for (const range of ['1', '-1', '5-2', 'a-b', '0-1,3-4']) {
      await fail('USAGE', ['get', 'db', '--raw', '6b', '--bytes', `--range=${range}`], { cwd })
    }
    assert.is(await succeed(['get', 'db', '--raw', '6b', '--bytes'], { cwd }), '\0', 'nothing was written')
  }))

test.run()
