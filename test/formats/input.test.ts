import fc from 'fast-check'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes } from '../../src/bytes.ts'
import { compress, decompress, detectCompression, type Compression } from '../../src/formats/compression.ts'
import { requireTypeOfName, typeOfName } from '../../src/formats/detect.ts'
import { readHexLines, writeHexLines } from '../../src/formats/hex-lines.ts'
import { readDocuments, readFileChunks, readRawEntries, type DocumentInput } from '../../src/formats/input.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { chunkSizes, cut } from '../support/arbitraries.ts'
import { assertProperty } from '../support/property.ts'
import { collect, collectUntilError, joined, utf8 } from '../support/records.ts'

const test = suite('formats/input')
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'zstd']

async function values(
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: DocumentInput,
): Promise<unknown[]> {
  return (await collect(readDocuments(source, options))).map(({ value }) => value)
}

test('names', () => {
  assert.equal(typeOfName('/data/A.B/Cities.NDJSON.gz'), { format: 'ndjson', compression: 'gzip' })
  assert.equal(typeOfName('x.jsonl'), { format: 'ndjson', compression: 'none' })
  assert.equal(typeOfName('x.json.zst'), { format: 'json', compression: 'zstd' })
  assert.equal(typeOfName('x.csv'), { format: 'csv', compression: 'none' })
  for (const name of ['x', 'csv', 'x.txt', 'x.gz', 'json.gz', 'x.csv.bz2', '']) {
    assert.is(typeOfName(name), undefined, name)
    try {
      requireTypeOfName(name)
      assert.unreachable()
    } catch (error) {
      assert.ok(isCoppiceError(error, 'INPUT_TYPE_UNKNOWN'))
      assert.match(error.message, '.ndjson')
    }
  }
})

test('every format, compressed or not, by name and from a pipe', async () => {
  const inputs = { ndjson: '{"a":"1"}\n{"a":"2"}\n', json: '[{"a":"1"},{"a":"2"}]', csv: 'a\n1\n2\n' } as const
  const expected = [{ a: '1' }, { a: '2' }]
  const extension = { none: '', gzip: '.gz', zstd: '.zst' } as const
  for (const [format, input] of Object.entries(inputs) as ['ndjson' | 'json' | 'csv', string][]) {
    for (const compression of COMPRESSIONS) {
      const bytes = await joined(compress([utf8(input)], compression))
      assert.is(detectCompression(bytes), compression)
      assert.equal(await values([bytes], { name: `x.${format}${extension[compression]}` }), expected)
      assert.equal(await values(cut(bytes, [1]), { format }), expected)
      if (format !== 'csv') assert.equal(await values([bytes], {}), expected)
    }
  }
  assert.equal(await values([], {}), [])
  const { error } = await collectUntilError(readDocuments([utf8('a,b\n\u001b[31m')], {}))
  assert.is(error?.code, 'INPUT_TYPE_UNKNOWN')
  assert.match(error?.message ?? '', 'a,b\\n\\u001b[31m')
  assert.is((await collectUntilError(readDocuments([], { name: 'x.txt' }))).error?.code, 'INPUT_TYPE_UNKNOWN')
})

test('compressed and back, wherever chunks are cut', async () => {
  await assertProperty(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(...COMPRESSIONS),
      chunkSizes,
      async (plain, compression, sizes) => {
        fc.pre(detectCompression(plain) === 'none')
        const packed = await joined(compress([plain], compression))
        assert.ok(equalBytes(await joined(decompress(cut(packed, sizes), compression)), plain))
      },
    ),
    100,
  )
})

test('several gzip members, several zstd frames', async () => {
  for (const pack of [gzipSync, zstdCompressSync]) {
    const packed = Buffer.concat([pack(utf8('{"a":1}\n')), pack(utf8('{"a":2}\n'))])
    for (const size of [1, 7, 1000]) assert.equal(await values(cut(packed, [size]), {}), [{ a: 1 }, { a: 2 }])
    const followed = Buffer.concat([packed, utf8('other data')])
    assert.is((await collectUntilError(decompress([followed]))).error?.code, 'INPUT_SYNTAX')
  }
})

test('zstd frames of every kind of block and header, and frames to skip', async () => {
  const skippable = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 0x28, 0xb5, 0x2f)
  const noise = new Uint8Array(300_000)
  for (let i = 0, state = 1; i < noise.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    noise[i] = state >>> 24
  }
  const plains = [new Uint8Array(0), utf8('x'), utf8('text '.repeat(100)), new Uint8Array(500_000), noise]
  const frames: Uint8Array[] = [skippable]
  for (const plain of plains) {
    frames.push(zstdCompressSync(plain), skippable)
    frames.push(zstdCompressSync(plain, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }))
    // A stream does not know its size beforehand: a window descriptor instead of a content size.
    frames.push(await joined(compress([plain], 'zstd')))
  }
  const packed = new Uint8Array(Buffer.concat(frames))
  const expected = Buffer.concat(plains.flatMap((plain) => [plain, plain, plain]))
  for (const sizes of [[], [1009], [3, 70_000]]) {
    assert.ok(equalBytes(await joined(decompress(cut(packed, sizes))), expected))
  }
})

test('corrupt, cut and mistaken archives', async () => {
  const plain = utf8('{"a":"' + 'x1y2z3'.repeat(2000) + '"}\n')
  for (const pack of [gzipSync, zstdCompressSync]) {
    const packed = new Uint8Array(pack(plain))
    for (const cutAt of [5, 20, packed.length - 1]) {
      const { error } = await collectUntilError(decompress([packed.subarray(0, cutAt)]))
      assert.is(error?.code, 'INPUT_SYNTAX', `${pack.name} cut at ${cutAt}`)
    }
  }
  const broken = new Uint8Array(gzipSync(plain))
  broken[broken.length - 6] = (broken[broken.length - 6] ?? 0) ^ 1
  assert.is((await collectUntilError(decompress([broken]))).error?.code, 'INPUT_SYNTAX')
  assert.is((await collectUntilError(readDocuments([plain], { name: 'x.ndjson.gz' }))).error?.code, 'INPUT_SYNTAX')
  assert.is((await collectUntilError(readDocuments([], { name: 'x.ndjson.zst' }))).error?.code, 'INPUT_SYNTAX')
})

test('a compression bomb takes no more memory than a line may', async () => {
  for (const pack of [gzipSync, zstdCompressSync]) {
    const bomb = new Uint8Array(pack(new Uint8Array(64 * 1024 * 1024).fill(0x20)))
    let taken = 0
    for await (const chunk of decompress([bomb])) {
      taken += chunk.length
      assert.ok(chunk.length <= 256 * 1024)
      if (taken > 1024 * 1024) break
    }
    const { error } = await collectUntilError(readDocuments([bomb], { format: 'ndjson', recordBytesMax: 1024 * 1024 }))
    assert.is(error?.code, 'INPUT_SYNTAX')
  }
})

test('hexadecimal lines', async () => {
  const entry = fc.record({ key: fc.uint8Array({ maxLength: 20 }), value: fc.uint8Array({ maxLength: 40 }) })
  await assertProperty(
    fc.asyncProperty(fc.array(entry, { maxLength: 5 }), chunkSizes, async (entries, sizes) => {
      const bytes = await joined(writeHexLines(entries))
      const back = (await collect(readHexLines(cut(bytes, sizes)))).map(({ value }) => value)
      assert.is(back.length, entries.length)
      back.forEach(({ key, value }, i) => {
        assert.ok(equalBytes(key, entries[i]?.key ?? key) && equalBytes(value, entries[i]?.value ?? value))
      })
    }),
    100,
  )
  const forms = '{ "value": "", "key": "Aa" }\r\n\n{"key":"","value":"00"}'
  const records = await collect(readRawEntries([gzipSync(forms)], { name: 'x.gz' }))
  assert.equal(
    records.map(({ value }) => [[...value.key], [...value.value]]),
    [
      [[0xaa], []],
      [[], [0]],
    ],
  )
  const bad: readonly (readonly [string, string])[] = [
    ['{"key":"0","value":""}', 'INPUT_SYNTAX 1:8'],
    ['{"key":"00","value":"0g"}', 'INPUT_SYNTAX 1:21'],
    ['{"key":"00"}', 'INPUT_SYNTAX 1:1'],
    ['{"key":"00","value":5}', 'INPUT_SYNTAX 1:1'],
    ['{"key":"00","value":"","x":1}', 'INPUT_SYNTAX 1:1'],
    ['\n{"key":"00","value":""', 'INPUT_SYNTAX 2:23'],
    [`{"key":"${'00'.repeat(1025)}","value":""}`, 'KEY_TOO_LONG 1:1'],
  ]
  for (const [line, expected] of bad) {
    const { error } = await collectUntilError(readHexLines([utf8(line)]))
    assert.is(`${error?.code} ${String(error?.details['line'])}:${String(error?.details['column'])}`, expected, line)
  }
})

test('files', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'coppice-'))
  try {
    const path = join(directory, 'x.ndjson')
    await writeFile(path, '{"a":1}\n')
    assert.equal(await values(readFileChunks(path), { name: path }), [{ a: 1 }])
    for (const missing of [join(directory, 'none.ndjson'), directory, join(path, 'x')]) {
      assert.is((await collectUntilError(readFileChunks(missing))).error?.code, 'INPUT_NOT_FOUND')
    }
    const reason = new Error('stop')
    try {
      await collect(readFileChunks(path, AbortSignal.abort(reason)))
      assert.unreachable()
    } catch (error) {
      assert.is(error, reason)
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('an error of the source comes through unchanged, and a reader that stops closes the source', async () => {
  const failing = (async function* () {
    yield utf8('a\n1\n')
    await Promise.resolve()
    throw new RangeError('disk')
  })()
  try {
    await collect(readDocuments(failing, { format: 'csv' }))
    assert.unreachable()
  } catch (error) {
    assert.instance(error, RangeError)
  }
  for (const format of ['ndjson', 'json', 'csv'] as const) {
    let closed = false
    const endless = (async function* () {
      try {
        yield utf8(format === 'json' ? '[{"a":1}' : format === 'csv' ? 'a\n' : '')
        for (;;) yield utf8(format === 'json' ? ',{"a":1}' : format === 'csv' ? '1\n' : '{"a":1}\n')
      } finally {
        closed = true
      }
    })()
    for await (const record of readDocuments(endless, { format })) if (record.value) break
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(closed, format)
  }
})

test.run()
