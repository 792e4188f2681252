/** From text to meaning and back, without a process: options, keys, numbers, the lines of a diff. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adviceFor } from '../../src/cli/advice.ts'
import { parseChangeLimit, parseCount, parseDuration, parseNames } from '../../src/cli/arguments.ts'
import { classify, planDiff } from '../../src/cli/diff-operands.ts'
import { FollowReport } from '../../src/cli/follow-report.ts'
import { renderChange } from '../../src/cli/diff-text.ts'
import { parseKey, parseKeyStart, parseRawRange } from '../../src/cli/keys.ts'
import { renderJson } from '../../src/cli/output.ts'
import { renderBytes, renderCount, renderCounted, renderShare, renderTime } from '../../src/cli/render.ts'
import { parseRoot } from '../../src/cli/roots.ts'
import { meaningOfKey, type RowValue, Schema } from '../../src/db/index.ts'
import { CoppiceError, isCoppiceError, type ErrorCode } from '../../src/errors.ts'

const test = suite('cli/text')

function refuses(code: ErrorCode, action: () => unknown): void {
  assert.throws(action, (error: unknown) => isCoppiceError(error, code))
}

test('options', () => {
  assert.equal(parseChangeLimit('5%'), { share: 0.05 })
  assert.equal(parseChangeLimit('0.5%'), { share: 0.005 })
  assert.equal(parseChangeLimit('250'), { rows: 250 })
  for (const text of ['', '%', '-1', '101%', '5 %', '1e3', '5%%']) refuses('USAGE', () => parseChangeLimit(text))
  assert.equal(['90s', '2m', '12h', '30d', '8w'].map(parseDuration('x')), [90, 120, 43_200, 2_592_000, 4_838_400])
  for (const text of ['', '0d', 'd', '30', '1.5d', '-1d', '1y']) refuses('USAGE', () => parseDuration('x')(text))
  assert.is(parseCount('x')('10'), 10)
  for (const text of ['', '-1', '1.5', '1e3', '0x1', '9999999999999999']) refuses('USAGE', () => parseCount('x')(text))
  assert.equal(parseNames('x')('a, b'), ['a', 'b'])
  for (const text of ['', 'a,', ',']) refuses('USAGE', () => parseNames('x')(text))
})

test('keys by the types of their collection', () => {
  const schema = new Schema('c', [
    { field: 't', type: 'text' },
    { field: 'i', type: 'integer' },
    { field: 'n', type: 'number' },
    { field: 'f', type: 'boolean' },
    { field: 'b', type: 'bytes' },
  ])
  const parts = parseKey(schema, ['5', '-18', '1e3', 'false', '0x00ff'])
  assert.equal(parts, ['5', -18, 1000, false, Uint8Array.of(0, 255)])
  assert.is(parseKeyStart(schema, 'x,18446744073709551615')[1], 18446744073709551615n)
  assert.equal(parseKeyStart(schema, '["a,b",7]'), ['a,b', 7])
  const bad = [['a', '1.5'], ['a', '18446744073709551616'], ['a', ''], ['a', '1', 'x'], ['a', '1', '1', 'yes'], ['a', '1', '1', 'true', 'abc']] // prettier-ignore
  for (const texts of bad) refuses('KEY_INVALID', () => parseKeyStart(schema, texts.join(',')))
  refuses('KEY_INVALID', () => parseKey(schema, ['a', '1']))
  assert.throws(() => parseKey(schema, ['a']), /got 1 part$/)
  assert.throws(() => parseKeyStart(schema, 'a,18446744073709551616'), /-9223372036854775808 to 18446744073709551615/)
  // The last part of a key may hold commas.
  assert.equal(parseKeyStart(new Schema('c', [{ field: 't', type: 'text' }]), 'a,b,c'), ['a,b,c'])
})

test('ranges of raw keys', () => {
  assert.equal(parseRawRange({ prefix: '00ff' }), { start: Uint8Array.of(0, 255), end: Uint8Array.of(1) })
  assert.equal(parseRawRange({ prefix: 'ffff' }), { start: Uint8Array.of(255, 255) })
  assert.equal(parseRawRange({ prefix: '' }), { start: new Uint8Array(0) })
  assert.equal(parseRawRange({ start: '01', end: '0x02' }), { start: Uint8Array.of(1), end: Uint8Array.of(2) })
  refuses('USAGE', () => parseRawRange({ start: 'x' }))
})

test('roots and the operands of diff', () => {
  const cid = 'bafyreic4lm5bmtp5lyrxdsd3ujjirp5w7xosmlmfhdc5q4xvmnnke2vhii'
  const raw = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
  assert.equal(parseRoot('@12'), { sequence: 12 })
  for (const text of ['@0', '@', '@x', '@-1', raw, 'dir', '']) refuses('USAGE', () => parseRoot(text))
  assert.equal(['@1', cid, 'coppice:x/y', './@1', 'dir'].map((text) => classify(text).kind), ['root', 'root', 'address', 'directory', 'directory']) // prettier-ignore
  const plan = (...texts: string[]): string => {
    const { from, to, home } = planDiff(texts, undefined)
    return [`${from.kind} ${from.text}`, `${to.kind} ${to.text}`, home ?? ''].join(' | ')
  }
  assert.is(plan('a'), 'published a | directory a | a')
  assert.is(plan('a', '@1'), 'root @1 | directory a | a')
  assert.is(plan('@1', 'a'), 'root @1 | directory a | a')
  assert.is(plan('a', '@1', cid), `root @1 | root ${cid} | a`)
  assert.is(plan('a', 'b'), 'directory a | directory b | a')
  assert.is(plan('a', 'a', '@1'), 'directory a | root @1 | a')
  assert.is(plan('a', 'coppice:x/y'), 'directory a | address coppice:x/y | a')
  assert.equal(planDiff(['@1', '@2'], 'a').home, 'a')
  assert.equal(planDiff(['@1'], 'a').to, { kind: 'directory', text: 'a' })
  for (const texts of [['@1', '@2'], ['@1'], [], ['@1', 'a', 'b'], ['a', '@1', '@2', '@3'], ['coppice:x/y']]) refuses('USAGE', () => planDiff(texts, undefined)) // prettier-ignore
})

test('one change as lines', () => {
  const key = new Schema('c', [{ field: 'id', type: 'text' }]).keyFor(['\u001b'])
  const lines = (from: RowValue | undefined, to: RowValue | undefined): string[] =>
    renderChange({ type: 'update', key, meaning: meaningOfKey(key), from, to })
  assert.equal(lines({ a: 1, b: { c: [1, 2], d: 1 } }, { b: { d: 1, c: [2, 1] }, a: 1, 'e.f': '\u202e' }), [
    '@@ c["\\u001b"] @@',
    '-b.c: [1,2]',
    '+b.c: [2,1]',
    '+"e.f": "\\u202e"',
  ])
  assert.equal(lines(undefined, { a: null }).slice(1), ['+a: null'])
  assert.equal(lines(Uint8Array.of(0, 1), { a: Uint8Array.of(1) }).slice(1), ['-0x0001', '+a: {"/":{"bytes":"AQ"}}'])
  assert.equal(lines(new Uint8Array(300).fill(0x61), undefined).slice(1), [`-"${'a'.repeat(256)}"... (300 bytes)`])
  // A map of no fields against none at all.
  assert.equal(lines({ a: {} }, { a: { b: 1 } }).slice(1), ['+a.b: 1'])
  assert.equal(lines({}, { a: {} }).slice(1), ['+a: {}'])
  assert.equal(lines({ '': 1, constructor: 2 }, { ['__proto__']: 3 }).slice(1), ['-"": 1', '-constructor: 2', '+__proto__: 3']) // prettier-ignore
})

test('numbers and times', () => {
  assert.equal([0, 999, 1000, 1234567].map(renderCount), ['0', '999', '1,000', '1,234,567'])
  assert.equal([0, 999, 1000, 45_100_000, 999_949, 999_960].map(renderBytes), ['0 B', '999 B', '1.0 kB', '45.1 MB', '1.0 MB', '1.0 MB']) // prettier-ignore
  assert.equal([renderCounted(1, 'entry', 'entries'), renderCounted(2, 'row')], ['1 entry', '2 rows'])
  assert.equal([renderShare(0, 0), renderShare(999, 1000), renderShare(7, 5)], ['100%', '99%', '100%'])
  assert.equal([renderTime(0), renderTime(2 ** 52)], ['1970-01-01 00:00:00Z', '4503599627370496 s'])
})

test('JSON that is exact and harmless', () => {
  const value = { text: 'a\u001b\u009b\u202e\u2028\u200b"\\', big: 18446744073709551615n, bytes: Uint8Array.of(255) }
  const text = renderJson(value)
  assert.ok(/^[ -~]*$/.test(text))
  assert.is((JSON.parse(text) as { text: string }).text, value.text)
  assert.match(text, '"big":18446744073709551615,"bytes":{"/":{"bytes":"/w"}}')
})

test('advice where it applies', () => {
  const advice = (code: ErrorCode, command: string, details = {}): string =>
    adviceFor(new CoppiceError(code, '', { details }), command) ?? ''
  for (const code of ['KEY_INVALID', 'INPUT_SYNTAX', 'KEY_TOO_LONG', 'VALUE_TOO_LARGE', 'DOCUMENT_INVALID'] as const) {
    for (const command of ['get', 'scan', 'publish', 'init', 'diff']) assert.is(advice(code, command), '', code)
    assert.match(advice(code, 'put'), 'nothing was written')
  }
  assert.match(advice('INPUT_SYNTAX', 'import', { line: 1, column: 1 }), '--format')
  assert.not.match(advice('INPUT_SYNTAX', 'import', { line: 7, column: 1 }), '--format')
  assert.match(advice('NO_PEER_LEFT', 'pull', { peers: [] }), '--peer')
  assert.match(advice('NO_PEER_LEFT', 'clone', { peers: [{ outcome: 'incomplete' }] }), 'another peer completes it')
  assert.is(advice('NO_PEER_LEFT', 'follow', { peers: [] }), '')
  assert.match(advice('ROOT_NOT_FOUND', 'resolve', {}), 'nothing is published yet')
  assert.is(advice('ROOT_NOT_FOUND', 'get', {}), '')
  assert.match(advice('QUORUM_MISSED', 'resolve', {}), 'carriers add')
  assert.match(advice('EQUIVOCATION', 'resolve', {}), 'coppice evidence')
  assert.match(advice('STORE_LOCKED', 'pull'), 'a running coppice follow, which pulls by itself')
})

test('what goes wrong while following is told once', () => {
  const notes: string[] = []
  const report = new FollowReport((line) => void notes.push(line))
  const name = '/ip4/192.0.2.7/tcp/4001/p2p/12D3KooW'
  const failed = (reason: string, details = {}): void => {
    const peers = [{ name, outcome: 'unreachable', reason: `peer ${name} cannot be reached: ${reason}` }]
    report.failed(new CoppiceError('NO_PEER_LEFT', 'long', { details: { peers, ...details } }))
  }
  for (const reason of ['timed out', 'timed out', 'refused', 'refused']) failed(reason)
  report.answered()
  report.succeeded()
  assert.is(notes.length, 3)
  assert.match(notes[0] ?? '', new RegExp(`^coppice: NO_PEER_LEFT: .*: ${name}: unreachable \\(timed out\\); trying`))
  assert.match(notes[2] ?? '', 'connected again')
  // Peers that answer and lack blocks do so again and again.
  for (let i = 0; i < 3; i++) {
    failed('lost', { root: 'bafy' })
    report.answered()
  }
  assert.is(notes.length, 4)
})

test.run()
