/** Documents and raw rows in and out, through the real command. */
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Database } from '../../src/index.ts'
import { coppice, fail, jsonLines, succeed, succeedJson } from '../support/command-line.ts'
import { inDirectory } from '../support/temporary-directory.ts'

const test = suite('cli/documents')

const CSV = 'country,id,name\nNL,2759794,Amsterdam\nDE,2950159,Berlin\nNL,2747891,"=Rotterdam, ""zuid"""\n'

test('import reads every format and compression, and calls the collection as the file', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db', '--name', 'cities'], { cwd })
    writeFileSync(join(cwd, 'cities.csv'), CSV)
    const types = 'id:integer'
    const first = await succeedJson(['import', 'db', 'cities.csv', '--key', 'country,id', '--types', types], { cwd })
    assert.equal([first['collection'], first['records'], first['added']], ['cities', 3, 3])
    const scanned = await succeed(['scan', 'db'], { cwd })
    assert.equal(
      jsonLines(scanned).map(({ name }) => name),
      ['Berlin', '=Rotterdam, "zuid"', 'Amsterdam'],
    )
    // The same documents in other clothes: nothing changes.
    writeFileSync(join(cwd, 'cities.ndjson.gz'), gzipSync(scanned))
    writeFileSync(join(cwd, 'other.json.zst'), zstdCompressSync(`[${scanned.trim().replaceAll('\n', ',')}]`))
    for (const args of [['cities.ndjson.gz'], ['other.json.zst'], ['-', '--collection', 'cities', '--replace']]) {
      const again = await succeedJson(['import', 'db', ...args], { cwd, input: scanned })
      assert.equal([again['collection'], again['unchanged'], again['root']], ['cities', 3, first['root']])
    }
    const text = await succeed(['import', 'db', '--replace'], { cwd, input: `${scanned.split('\n')[0]}\n` })
    assert.match(text, /^collection cities: 1 record read: 0 added, 0 updated, 2 removed, 1 unchanged\nroot bafy/)
  }))

test('put, get, scan and del by typed keys', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    const rows = [
      '{"country":"NL","id":1}',
      '{"country":"NL","id":18446744073709551615,"n":9007199254740993,"x":1e300}',
    ]
    const put = await succeedJson(['put', 'db', 'c', ...rows, '-', '--key', 'country,id'], {
      cwd,
      input: '{"country":"BE","id":-5,"b":{"/":{"bytes":"AP8"}}}\n{"country":"FR","id":2}\n',
    })
    assert.is(put['written'], 4)
    assert.is(
      await succeed(['get', 'db', 'c', 'NL', '18446744073709551615'], { cwd }),
      '{"n":9007199254740993,"x":1e+300,"id":18446744073709551615,"country":"NL"}\n',
    )
    assert.is(
      await succeed(['get', 'db', 'c', '--', 'BE', '-5'], { cwd }),
      '{"b":{"/":{"bytes":"AP8"}},"id":-5,"country":"BE"}\n',
    )
    const absent = await coppice(['get', 'db', 'c', 'NL', '7'], { cwd })
    assert.equal(absent, { status: 1, stdout: '', stderr: 'coppice: no document c["NL",7]\n' })
    assert.match(await succeed(['get', 'db', 'NL', '1'], { cwd }), '"id":1')
    const countries = async (...args: string[]): Promise<unknown[]> =>
      jsonLines(await succeed(['scan', 'db', 'c', ...args], { cwd })).map(({ country }) => country)
    assert.equal(await countries('--prefix', 'NL'), ['NL', 'NL'])
    assert.equal(await countries('--start', 'BE', '--end', 'NL', '--reverse'), ['FR', 'BE'])
    assert.equal(await countries('--start', '["FR",2]', '--limit', '1'), ['FR'])
    assert.is((await succeedJson(['del', 'db', 'c', 'FR', '2'], { cwd }))['deleted'], 1)
    assert.is((await coppice(['del', 'db', 'c', 'FR', '2'], { cwd })).status, 1)
    assert.equal(await countries(), ['BE', 'NL', 'NL'])
  }))

test('what is exported gives the same root when it is imported', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'a'], { cwd })
    const documents = Array.from({ length: 300 }, (_, i) => ({
      id: i * 7,
      text: `=${i}\n"`,
      nested: { a: [i, null, 1.5] },
    }))
    const input = documents.map((document) => JSON.stringify(document)).join('\n')
    const { root } = await succeedJson(['import', 'a', '-', '--collection', 'docs', '--key', 'id'], { cwd, input })
    await succeed(['export', 'a', 'docs.ndjson.gz'], { cwd })
    assert.is(gunzipSync(readFileSync(join(cwd, 'docs.ndjson.gz'))).toString(), await succeed(['export', 'a'], { cwd }))
    await succeed(['init', 'b'], { cwd })
    assert.is((await succeedJson(['import', 'b', 'docs.ndjson.gz', '--key', 'id'], { cwd }))['root'], root)
    await succeed(['export', 'a', 'docs.csv', '--types', 'nested:json'], { cwd })
    await succeed(['init', 'c'], { cwd })
    const types = 'id:integer,nested:json'
    assert.is((await succeedJson(['import', 'c', 'docs.csv', '--key', 'id', '--types', types], { cwd }))['root'], root)
    // Raw: schemas and metadata too, so the whole database.
    writeFileSync(join(cwd, 'about.json'), '{"title":"t"}')
    await succeed(['publish', 'a', '--meta', 'about.json'], { cwd })
    await succeed(['export', 'a', 'all.ndjson', '--raw'], { cwd })
    await succeed(['init', 'd'], { cwd })
    const raw = await succeedJson(['import', 'd', 'all.ndjson', '--raw'], { cwd })
    assert.is(raw['root'], (await succeedJson(['status', 'a'], { cwd }))['root'])
  }))

test('raw rows: byte keys and values in hexadecimal', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    const rows =
      '{"key":"00ff","value":""}\n{"key":"01","value":"00"}\n{"key":"ff","value":"01"}\n{"key":"ffff","value":"02"}\n'
    await succeed(['put', 'db', '--raw'], { cwd, input: rows })
    assert.is(await succeed(['scan', 'db', '--raw'], { cwd }), rows)
    assert.is(
      await succeed(['scan', 'db', '--raw', '--prefix', 'ff', '--reverse', '--limit', '1'], { cwd }),
      '{"key":"ffff","value":"02"}\n',
    )
    assert.is(
      await succeed(['scan', 'db', '--raw', '--start', '00', '--end', '01'], { cwd }),
      '{"key":"00ff","value":""}\n',
    )
    const some = await coppice(['get', 'db', '--raw', '01', '02', '0xff'], { cwd })
    assert.equal(some, { status: 1, stdout: '{"key":"01","value":"00"}\n{"key":"ff","value":"01"}\n', stderr: 'coppice: no row with the key 02\n' }) // prettier-ignore
    assert.is((await succeedJson(['del', 'db', '--raw', '01', 'ff'], { cwd }))['deleted'], 2)
    await succeed(['put', 'db', '--raw', '{"value":"aa","key":"03"}'], { cwd })
    const replaced = await succeedJson(['import', 'db', '-', '--raw', '--replace'], {
      cwd,
      input: '{"key":"03","value":"aa"}\n',
    })
    assert.equal([replaced['removed'], replaced['unchanged']], [2, 1])
  }))

test('raw bytes where documents stand are refused; those of a program are told with the way out', () =>
  inDirectory(async (cwd) => {
    await succeed(['init', 'db'], { cwd })
    await succeed(['put', 'db', 'notes', '{"id":1}', '--key', 'id'], { cwd })
    const row = (await succeed(['scan', 'db', '--raw'], { cwd })).trimEnd().split('\n').at(-1) ?? ''
    const { key } = JSON.parse(row) as { key: string }
    const bad = `{"key":"${key}","value":"00"}`
    assert.match(
      await fail('DOCUMENT_INVALID', ['put', 'db', '--raw', bad], { cwd }),
      /notes\[1\]: .*nothing was written/,
    )
    await fail('DOCUMENT_INVALID', ['put', 'db', '--raw'], { cwd, input: `${bad}\n` })
    await fail('DOCUMENT_INVALID', ['import', 'db', '-', '--raw'], { cwd, input: `${bad}\n` })
    await fail('KEY_INVALID', ['put', 'db', '--raw', key, '--file', 'db/author.key'], { cwd })
    await succeed(['put', 'db', '--raw', row], { cwd })

    const db = await Database.open(join(cwd, 'db'))
    await db.put(Buffer.from(key, 'hex'), Uint8Array.of(0))
    await db.close()
    for (const args of [
      ['scan', 'db', 'notes'],
      ['export', 'db', '-'],
    ])
      assert.ok((await fail('DOCUMENT_INVALID', args, { cwd })).endsWith(`; coppice del DIR --raw ${key} removes them`))
    await succeed(['del', 'db', '--raw', key], { cwd })
    assert.is(await succeed(['scan', 'db', 'notes'], { cwd }), '')
  }))

test.run()
