import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { escapeText, excerptOf, quoteText, renderBytes, renderKey } from '../src/escape.ts'
import { text } from './support/arbitraries.ts'
import { hex } from './support/hex.ts'
import { assertProperty } from './support/property.ts'

const test = suite('escape')

/** Listed by hand, unlike the classes in the source. */
const NEVER: readonly (readonly [number, number])[] = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x61c, 0x61c],
  [0x180e, 0x180e],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x2064],
  [0x2066, 0x206f],
  [0xfeff, 0xfeff],
  [0xfff9, 0xfffb],
  [0xd800, 0xdfff],
  [0xe0001, 0xe0001],
  [0xe0020, 0xe007f],
]

test('nothing that moves, hides or reorders is left', async () => {
  for (const [from, to] of NEVER) {
    for (let code = from; code <= to; code++) {
      assert.match(escapeText(`a${String.fromCodePoint(code)}b`), /^a\\(?:[nrt]|u[0-9a-f]{4}(?:\\u[0-9a-f]{4})?)b$/)
    }
  }
  const hostile = fc.string({
    unit: fc.constantFrom(...NEVER.flat().map((code) => String.fromCodePoint(code)), 'a', '\\', '"', ']'),
  })
  await assertProperty(
    fc.property(fc.oneof(text, hostile), (each) => {
      for (const shown of [escapeText(each), quoteText(each), excerptOf(each, 3, 5), renderKey([each])]) {
        for (const character of shown) {
          const code = character.codePointAt(0) ?? 0
          assert.not.ok(NEVER.some(([from, to]) => code >= from && code <= to))
        }
      }
      assert.is(escapeText(escapeText(each)), escapeText(each))
      assert.is(JSON.parse(quoteText(each)), each)
    }),
    1000,
  )
})

test('what is harmless stays', () => {
  const harmless = 'Amsterdam, \u00e9\u00df \u4e2d\u6587 \u05e2\u05d1\u05e8 \u{1f600} \\ "x"'
  assert.is(escapeText(harmless), harmless)
})

test('titles, colours, hyperlinks', () => {
  assert.is(escapeText('\u001b]0;owned\u0007\u001b[31m\u009b2J'), '\\u001b]0;owned\\u0007\\u001b[31m\\u009b2J')
  assert.is(escapeText('a\r\n\tb'), 'a\\r\\n\\tb')
})

test('excerpts', () => {
  assert.is(excerptOf('short'), 'short')
  assert.is(excerptOf('{"key": coppice-secret-key/1 author 00', 8, 4), '(a secret key)')
  assert.is(excerptOf('0123456789', 5, 4), '...3456...')
  assert.is(excerptOf('0123456789', 0, 4), '0123...')
  assert.is(excerptOf('0123456789', 100, 4), '...6789')
})

test('keys and bytes', () => {
  assert.is(
    renderKey(['N\u001bL', 2n ** 60n, 1.5, true, hex('0aff')]),
    '["N\\u001bL",1152921504606846976,1.5,true,0x0aff]',
  )
  assert.is(renderBytes(hex('666f6f')), '"foo"')
  assert.is(renderBytes(hex('666f1b')), '0x666f1b')
  assert.is(renderBytes(hex('ff')), '0xff')
  assert.is(renderBytes(new Uint8Array(100), 2), '0x0000...')
})

test.run()
