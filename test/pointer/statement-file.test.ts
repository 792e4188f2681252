/** Statements as files of one line (docs/spec/record.md, 6): one form, bounded, and no file that is taken for another is quoted. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isCoppiceError } from '../../src/errors.ts'
import {
  decodeStatementEnvelopes,
  decodeStatementFile,
  encodeKeyFile,
  encodeStatementFile,
  STATEMENT_FILE_BYTES_MAX,
  statementKindOf,
  type StatementKind,
} from '../../src/pointer/index.ts'
import { assertProperty } from '../support/property.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('pointer/statement-file')

const KINDS: readonly StatementKind[] = ['grant', 'rotations', 'unsigned-root', 'signed-root', 'evidence']

test('bytes come back, whatever they are, and each has one text', async () => {
  const property = fc.property(fc.constantFrom(...KINDS), fc.uint8Array({ maxLength: 256 }), (kind, bytes) => {
    const text = encodeStatementFile(kind, bytes)
    assert.match(text, /^coppice-[a-z-]+\/1 u[A-Za-z0-9_-]*\n$/)
    assert.equal(decodeStatementFile(kind, text), bytes)
    assert.equal(decodeStatementFile(kind, text.replace('\n', '\r\n')), bytes)
    assert.is(statementKindOf(text), kind)
    for (const other of KINDS)
      if (other !== kind) throwsCode(() => decodeStatementFile(other, text), 'INPUT_SYNTAX', /one of kind/)
  })
  await assertProperty(property, 50)
})

test('envelopes come back behind what may have them, within bounds, and nothing else may stand there', async () => {
  const some = fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 })
  const kinds = fc.constantFrom<StatementKind>('grant', 'rotations', 'signed-root')
  const property = fc.property(kinds, fc.uint8Array({ maxLength: 64 }), some, (kind, bytes, envelopes) => {
    const text = encodeStatementFile(kind, bytes, envelopes)
    assert.equal([decodeStatementFile(kind, text), decodeStatementEnvelopes(text)], [bytes, envelopes])
    for (const bad of [
      `${text}\n\n`,
      `${text}x`,
      text + encodeStatementFile('grant', bytes),
      text.replace('\n', ' '),
    ]) {
      throwsCode(() => decodeStatementFile(kind, bad), 'INPUT_SYNTAX')
    }
  })
  await assertProperty(property, 50)
  const many = Array.from({ length: 65 }, () => new Uint8Array(1))
  throwsCode(() => encodeStatementFile('grant', new Uint8Array(1), many), 'USAGE')
  const line = encodeStatementFile('envelopes', new Uint8Array(1))
  const longer = encodeStatementFile('grant', new Uint8Array(1)) + line.repeat(65)
  throwsCode(() => decodeStatementFile('grant', longer), 'INPUT_SYNTAX')
  const large = encodeStatementFile('grant', new Uint8Array(1), [new Uint8Array(41 * 1024 + 1)])
  throwsCode(() => decodeStatementFile('grant', large), 'INPUT_SYNTAX')
  throwsCode(
    () => decodeStatementFile('unsigned-root', encodeStatementFile('unsigned-root', many[0] as Uint8Array) + line),
    'INPUT_SYNTAX',
  )
})

test('any other text of the same bytes is refused', () => {
  const text = encodeStatementFile('grant', Uint8Array.of(1, 2, 3, 4))
  assert.is(text, 'coppice-grant/1 uAQIDBA\n')
  const others = [
    'coppice-grant/1 uAQIDBB\n',
    'coppice-grant/1 uAQIDBA==\n',
    'coppice-grant/1 mAQIDBA\n',
    'coppice-grant/1  uAQIDBA\n',
    ' coppice-grant/1 uAQIDBA\n',
    'coppice-grant/1 uAQIDBA\n\n',
    'coppice-grant/1 uAQIDBA \n',
    'coppice-grant/01 uAQIDBA\n',
    'coppice-grant/1\n',
    'coppice-grant/1 u\n uAQIDBA\n',
    '',
  ]
  for (const other of others) {
    try {
      decodeStatementFile('grant', other)
      assert.unreachable(JSON.stringify(other))
    } catch (error) {
      assert.ok(isCoppiceError(error, 'INPUT_SYNTAX') || isCoppiceError(error, 'FORMAT_NEWER'), String(error))
    }
  }
  throwsCode(() => decodeStatementFile('grant', 'coppice-grant/2 uAQIDBA\n'), 'FORMAT_NEWER')
})

test('more bytes than the kind can have', () => {
  const bounds: readonly [StatementKind, number][] = [
    ['grant', 256],
    ['signed-root', 996],
    ['rotations', 1024 * 259 + 3],
    ['unsigned-root', 1024 * 259 + 3 + 8192],
    ['evidence', 1024 * 259 + 3 + 6152 + 16],
  ]
  for (const [kind, bytesMax] of bounds) {
    const largest = encodeStatementFile(kind, new Uint8Array(bytesMax))
    assert.is(decodeStatementFile(kind, largest).length, bytesMax)
    assert.ok(largest.length <= STATEMENT_FILE_BYTES_MAX)
    throwsCode(() => decodeStatementFile(kind, encodeStatementFile(kind, new Uint8Array(bytesMax + 3))), 'INPUT_SYNTAX')
  }
})

test('a key file that is taken for a statement is named as what it is, and not quoted', () => {
  const seed = Uint8Array.from({ length: 32 }, (_, i) => i + 1)
  try {
    decodeStatementFile('grant', encodeKeyFile('author', seed))
    assert.unreachable()
  } catch (error) {
    if (!isCoppiceError(error, 'INPUT_SYNTAX')) throw error
    assert.match(error.message, 'a key file')
    assert.not.match(`${error.message} ${JSON.stringify(error.details)}`, /[0-9a-f]{8}/)
  }
})

test.run()
