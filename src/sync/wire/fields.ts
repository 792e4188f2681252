/** The fields of messages, read strictly: each bound is checked before anything is allocated (protocol.md, 8). */
import { compareBytes } from '../../bytes.ts'
import { isLink, CODEC_DAG_CBOR, CODEC_RAW, LINK_BYTES, type Link, linkCodec } from '../../link.ts'
import { DecodeFailure, type HeadReader, MAJOR_ARRAY, MAJOR_BYTES, MAJOR_UINT } from '../../prolly/cbor.ts'
import { ANSWER_BYTES_MAX } from '../../limits.ts'
import { SEQUENCE_MAX } from '../../pointer/index.ts'
import { FORMAT_1, KEY_BYTES_MAX } from '../../prolly/index.ts'
import { SHA256_BYTES } from '../../sha256.ts'
import {
  ATTACHMENTS_BYTES_MAX,
  NAME_CHARS_MAX,
  PACKINGS_MAX,
  SIGNED_ROOT_BYTES_MAX,
  STATEMENTS_BYTES_MAX,
} from '../limits.ts'
import { MAJOR_TEXT, NULL } from './item.ts'
import type { PatchValue, PayloadName, RootId } from './message.ts'
import type { Slabs } from './slabs.ts'

/** Names in detail are the pointer's business: here they are short and printable, so they may be shown. */
const NAME = /^[a-z0-9._-]+$/
/** The characters of a multiaddr or URL, which may be shown too. */
const ADDRESS = /^[\x21-\x7e]+$/
const ADDRESS_CHARS_MAX = 256

export function expectLength(length: number, expected: number, what: string): void {
  if (length !== expected) throw new DecodeFailure(`expected a ${what} of ${expected} items, got ${length}`)
}

export function upTo(reader: HeadReader, max: number, what: string): number {
  const n = reader.head(MAJOR_UINT, what)
  if (n > max) throw new DecodeFailure(`expected ${what} of at most ${max}, got ${n}`)
  return n
}

export function idOf(reader: HeadReader): number {
  return upTo(reader, 0xffffffff, 'an id')
}

export function bytesMaxOf(reader: HeadReader): number {
  const bytes = upTo(reader, ANSWER_BYTES_MAX, 'a budget')
  if (bytes === 0) throw new DecodeFailure('expected a budget of at least 1 byte')
  return bytes
}

export function flagOf(reader: HeadReader, what: string): boolean {
  return upTo(reader, 1, what) === 1
}

export function choiceOf<T>(reader: HeadReader, choices: readonly T[], what: string): T {
  const choice = choices[reader.head(MAJOR_UINT, what)]
  if (choice === undefined) throw new DecodeFailure(`expected ${what} below ${choices.length}`)
  return choice
}

/** A view of the frame. */
export function viewOf(reader: HeadReader, min: number, max: number, what: string): Uint8Array {
  const length = reader.head(MAJOR_BYTES, what)
  if (length < min || length > max) throw new DecodeFailure(`expected ${what} of ${min}..${max} bytes, got ${length}`)
  const start = reader.at
  reader.skip(length, what)
  return reader.bytes.subarray(start, reader.at)
}

/** A copy, so that a small one does not keep a frame alive. */
export function bytesOf(reader: HeadReader, min: number, max: number, what: string): Uint8Array {
  return new Uint8Array(viewOf(reader, min, max, what))
}

function textOf(reader: HeadReader, max: number, form: RegExp, what: string): string {
  const length = reader.head(MAJOR_TEXT, what)
  if (length < 1 || length > max) throw new DecodeFailure(`expected ${what} of 1..${max} characters, got ${length}`)
  const start = reader.at
  reader.skip(length, what)
  const text = String.fromCharCode(...reader.bytes.subarray(start, reader.at))
  if (!form.test(text)) throw new DecodeFailure(`expected ${what} of printable characters`)
  return text
}

export function nameOf(reader: HeadReader): string {
  return textOf(reader, NAME_CHARS_MAX, NAME, 'a name')
}

export function addressOf(reader: HeadReader): string {
  return textOf(reader, ADDRESS_CHARS_MAX, ADDRESS, 'an address')
}

/** Whether a null stands next, which is then taken. */
export function takeNull(reader: HeadReader): boolean {
  if (reader.bytes[reader.at] !== NULL) return false
  reader.at++
  return true
}

export function signedRootOf(reader: HeadReader): Uint8Array | null {
  return takeNull(reader) ? null : bytesOf(reader, 1, SIGNED_ROOT_BYTES_MAX, 'a signed root')
}

/** What stands in them is for whoever verifies them to read. */
export function statementsOf(reader: HeadReader): Uint8Array | null {
  return takeNull(reader) ? null : bytesOf(reader, 1, STATEMENTS_BYTES_MAX, 'statements')
}

export function attachmentsOf(reader: HeadReader): Uint8Array | null {
  return takeNull(reader) ? null : bytesOf(reader, 1, ATTACHMENTS_BYTES_MAX, 'attachments')
}

/** A view of the frame. */
export function linkOf(reader: HeadReader): Link {
  return linkOfBytes(viewOf(reader, LINK_BYTES, LINK_BYTES, 'a link'))
}

export function linkOfBytes(bytes: Uint8Array): Link {
  if (!isLink(bytes)) throw new DecodeFailure('expected a link: a CIDv1 of sha2-256')
  return bytes
}

/** The link of a node. A copy. */
export function nodeLinkOf(reader: HeadReader): Link {
  const link = new Uint8Array(linkOf(reader))
  if (linkCodec(link) !== CODEC_DAG_CBOR) throw new DecodeFailure('expected the CID of a dag-cbor block')
  return link
}

export function rootIdOf(reader: HeadReader): RootId | null {
  if (takeNull(reader)) return null
  expectLength(reader.head(MAJOR_ARRAY, 'a root'), 3, 'root')
  const payload = nodeLinkOf(reader)
  const epoch = reader.head(MAJOR_UINT, 'an epoch')
  return { payload, epoch, sequence: reader.head(MAJOR_UINT, 'a sequence') }
}

/** The number of a signed root. */
export function sequenceOf(reader: HeadReader): number {
  const sequence = upTo(reader, SEQUENCE_MAX, 'a sequence')
  if (sequence === 0) throw new DecodeFailure('expected a sequence from 1 on')
  return sequence
}

export function payloadNameOf(reader: HeadReader): PayloadName {
  expectLength(reader.head(MAJOR_ARRAY, 'a name'), 2, 'name')
  return { sequence: sequenceOf(reader), link: nodeLinkOf(reader) }
}

export function hashOf(reader: HeadReader): Uint8Array {
  return bytesOf(reader, SHA256_BYTES, SHA256_BYTES, 'a hash')
}

/** An array of min..max items. */
export function listOf<T>(reader: HeadReader, min: number, max: number, what: string, item: () => T): T[] {
  const length = reader.head(MAJOR_ARRAY, `an array of ${what}`)
  if (length < min || length > max) throw new DecodeFailure(`expected ${min}..${max} ${what}, got ${length}`)
  const items = Array.from<T>({ length })
  for (let i = 0; i < length; i++) items[i] = item()
  return items
}

/** Ascending numbers below 256, each once. */
export function packingsOf(reader: HeadReader): number[] {
  let last = -1
  return listOf(reader, 0, PACKINGS_MAX, 'packings', () => {
    const packing = upTo(reader, 0xff, 'a packing')
    if (packing <= last) throw new DecodeFailure(`expected packings in ascending order, got ${packing} after ${last}`)
    last = packing
    return packing
  })
}

export function keyBoundOf(reader: HeadReader): Uint8Array | null {
  return takeNull(reader) ? null : bytesOf(reader, 0, KEY_BYTES_MAX, 'a key')
}

/** A row's value in a patch: inline or out of line as its length says, or null. */
export function patchValueOf(reader: HeadReader, slabs: Slabs): PatchValue {
  if (takeNull(reader)) return null
  if ((reader.bytes[reader.at] ?? 0) >> 5 !== MAJOR_ARRAY) {
    return slabs.copy(viewOf(reader, 0, FORMAT_1.inlineBytesMax, 'an inline value'))
  }
  expectLength(reader.head(MAJOR_ARRAY, 'an out-of-line value'), 2, 'value')
  const link = new Uint8Array(linkOf(reader))
  const size = reader.head(MAJOR_UINT, 'a size')
  assertValueOutOfLine(link, size)
  return { link, size }
}

export function assertValueOutOfLine(link: Link, size: number): void {
  if (linkCodec(link) === CODEC_DAG_CBOR) throw new DecodeFailure('expected the CID of a value')
  if (linkCodec(link) === CODEC_RAW && size <= FORMAT_1.inlineBytesMax) {
    throw new DecodeFailure(`expected a value of ${size} bytes inline`)
  }
}

/** Keys of rows, each once. */
export function assertAscending(keys: readonly Uint8Array[]): void {
  for (let i = 1; i < keys.length; i++) {
    if (compareBytes(keys[i - 1] as Uint8Array, keys[i] as Uint8Array) < 0) continue
    throw new DecodeFailure(`expected keys in ascending order, got another at ${i}`)
  }
}
