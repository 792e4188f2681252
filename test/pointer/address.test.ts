/** Addresses (docs/spec/record.md, 4): one parser, one canonical form. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import {
  formatAddress,
  formatAuthor,
  isDatabaseName,
  parseAddress,
  parseAuthor,
  type Address,
} from '../../src/pointer/index.ts'
import { signerOf } from '../support/author-chain.ts'
import { hex } from '../support/hex.ts'
import { assertProperty } from '../support/property.ts'
import { RECORD_VECTORS } from '../support/record-vectors.ts'
import { throwsCode, throwsType } from '../support/throws.ts'

const test = suite('pointer/address')

const author = signerOf('author').publicKey
const K51 = formatAuthor(author)

function failure(text: string): { message: string; offset: unknown } {
  try {
    parseAddress(text)
  } catch (error) {
    if (isCoppiceError(error, 'ADDRESS_INVALID')) return { message: error.message, offset: error.details['offset'] }
    throw error
  }
  throw new Error(`expected ${JSON.stringify(text)} to be refused`)
}

test('the address of the vectors', () => {
  const address = { author: hex(RECORD_VECTORS.author), name: RECORD_VECTORS.name, peers: [] }
  assert.is(formatAddress(address), RECORD_VECTORS.address)
  assert.equal(parseAddress(RECORD_VECTORS.address), address)
})

test('peers are readable, escaped where they must be, in order, once each', () => {
  const peers = [
    '/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW',
    'https://[::1]:8080/a?b=c&d#e',
    '/dns4/example.org/tcp/443/tls/ws',
  ]
  const text = formatAddress({ author, name: 'cities', peers: [...peers, peers[0] as string] })
  assert.is(
    text,
    `coppice:${K51}/cities?peer=/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW&peer=https://%5B::1%5D:8080/a%3Fb%3Dc%26d%23e&peer=/dns4/example.org/tcp/443/tls/ws`,
  )
  assert.equal(parseAddress(text), { author, name: 'cities', peers })
  assert.equal(parseAddress(`coppice:${K51}/cities?peer=%2Fip4%2F127.0.0.1%2ftcp%2f1`).peers, ['/ip4/127.0.0.1/tcp/1'])
})

test('any address comes back, and formatting is idempotent', async () => {
  const letter = fc.constantFrom(...'abcxyz019')
  const inner = fc.string({ unit: fc.constantFrom(...'abc019-_.'), maxLength: 46 })
  const name = fc
    .tuple(letter, inner, letter)
    .map((parts) => parts.join(''))
    .filter((one) => !one.includes('..'))
  const segment = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
    minLength: 1,
  })
  const peer = segment.map((one) => `/dns/${one.replaceAll('/', '_')}`)
  const property = fc.property(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    name,
    fc.uniqueArray(peer, { maxLength: 5 }),
    (seed, databaseName, peers) => {
      const address: Address = { author: signerOf(String(seed)).publicKey, name: databaseName, peers }
      const text = formatAddress(address)
      assert.match(text, /^[\x21-\x7e]+$/)
      assert.equal(parseAddress(text), address)
      assert.is(formatAddress(parseAddress(text)), text)
    },
  )
  await assertProperty(property, 100)
})

test('what is refused names the part and the place', () => {
  const at = 'coppice:'.length
  const nameAt = at + K51.length + 1
  const cases: [string, RegExp, number][] = [
    ['', /^address: expected coppice:/, 0],
    ['http://example.org', /^address/, 0],
    [`COPPICE:${K51}/cities`, /^address/, 0],
    [`coppice://${K51}/cities`, /^author/, at],
    [`coppice:${K51}`, /^author: expected \/<name>/, at],
    [`coppice:${K51}?peer=/a/b`, /^author/, at],
    [`coppice:k51/cities`, /^author/, at],
    [`coppice:${K51.toUpperCase()}/cities`, /^author/, at],
    [`coppice:k0${K51.slice(1)}/cities`, /^author/, at],
    [`coppice:${'k'.repeat(65)}/cities`, /^author/, at],
    [`coppice:12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X/cities`, /^author/, at],
    [`coppice:${K51}/`, /^name: expected 1\.\.48/, nameAt],
    [`coppice:${K51}/a/b`, /^name/, nameAt],
    [`coppice:${K51}/a..b`, /^name/, nameAt],
    [`coppice:${K51}/..`, /^name/, nameAt],
    [`coppice:${K51}/Cities`, /^name/, nameAt],
    [`coppice:${K51}/cities?`, /^parameter/, nameAt + 7],
    [`coppice:${K51}/cities?key=1`, /^parameter/, nameAt + 7],
    [`coppice:${K51}/cities?peer=/a/b&`, /^parameter/, nameAt + 17],
    [`coppice:${K51}/cities?peer=`, /^peer/, nameAt + 7],
    [`coppice:${K51}/cities?peer=example.org`, /^peer/, nameAt + 7],
    [`coppice:${K51}/cities?peer=ftp://example.org`, /^peer/, nameAt + 7],
    [`coppice:${K51}/cities?peer=javascript:alert(1)`, /^peer/, nameAt + 7],
    [`coppice:${K51}/cities?peer=/ip4/1.2.3.4/tcp/1%`, /^peer/, nameAt + 7],
    [`coppice:${K51}/cities?peer=/ip4/%1b%5b31m`, /^peer/, nameAt + 7],
    [`coppice:${K51}/cities?peer=/a/b&peer=%00`, /^peer/, nameAt + 17],
    [`coppice:${K51}/cities#x`, /^name/, nameAt],
    [`coppice:${K51}/cities `, /^name/, nameAt],
    [
      `coppice:${K51}/cities?${Array.from({ length: 33 }, (_, i) => `peer=/a/${i}`).join('&')}`,
      /^peers/,
      nameAt + 7 + 342,
    ],
    [`coppice:${K51}/${'a'.repeat(9000)}`, /^address: expected at most/, 0],
  ]
  for (const [text, message, offset] of cases) {
    const found = failure(text)
    assert.match(found.message, message, text)
    assert.is(found.offset, offset, `${text}: ${found.message}`)
    assert.ok(found.message.length < 300)
  }
})

test('keys that no signature counts under name no database', () => {
  for (const key of ['00'.repeat(32), `01${'00'.repeat(31)}`, `ed${'ff'.repeat(30)}7f`, 'ff'.repeat(32)]) {
    throwsCode(() => parseAuthor(formatAuthor(hex(key))), 'ADDRESS_INVALID')
  }
})

test('total on any text', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((rest) => `coppice:${K51}/cities?peer=${rest}`),
    fc.string().map((rest) => `coppice:${K51}${rest}`),
  )
  await assertProperty(
    fc.property(text, (one) => {
      try {
        assert.is(formatAddress(parseAddress(one)).startsWith(`coppice:${K51}/`), true)
      } catch (error) {
        if (!isCoppiceError(error, 'ADDRESS_INVALID')) throw error
      }
    }),
    300,
  )
})

test('names', () => {
  for (const name of ['a', '0', 'a-b', 'a.b', 'a_b', 'x'.repeat(48), '1.0']) assert.ok(isDatabaseName(name), name)
  for (const name of ['', '.', '-', 'a.', '.a', 'a..b', 'A', 'é', 'a b', 'a\n', 'a/b', 'x'.repeat(49)]) {
    assert.not.ok(isDatabaseName(name), name)
  }
})

test('addresses that would not parse are not made', () => {
  const good = { author, name: 'cities', peers: [] }
  throwsType(() => formatAddress({ ...good, author: author.subarray(1) }), RangeError)
  throwsType(() => formatAddress({ ...good, name: '../x' }), RangeError)
  throwsType(() => formatAddress({ ...good, peers: ['x\n'] }), RangeError)
})

test.run()
