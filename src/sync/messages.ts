/**
 * The messages of the sync protocol as bytes (protocol.md, 8). Each is one frame, a DAG-CBOR array of fixed length
 * that starts with the message's number. Decoding is total and strict: shortest heads, exact lengths, bounds before
 * anything is allocated, nothing behind the end. Whatever decodes would be encoded to the same bytes.
 */
import { CoppiceError } from '../errors.ts'
import { ANSWER_BYTES_MAX, REQUEST_LINKS_MAX } from '../limits.ts'
import { CODEC_DAG_CBOR, isLink, LINK_BYTES, type Link, linkCodec } from '../link.ts'
import {
  DecodeFailure,
  HeadReader,
  headLength,
  MAJOR_ARRAY,
  MAJOR_BYTES,
  MAJOR_UINT,
  writeHead,
} from '../prolly/cbor.ts'
import {
  NAME_CHARS_MAX,
  PROTOCOL_VERSION,
  REQUEST_FRAME_BYTES_MAX,
  SIGNED_ROOT_BYTES_MAX,
  WAIT_MS_MAX,
} from './limits.ts'

/** The newest signed root somebody knows: its payload's CID, and its place in the author's order. */
export interface RootId {
  readonly payload: Link
  readonly epoch: number
  readonly sequence: number
}

/** The first message, by the puller: which database the channel is for, and the newest root the puller has. */
export interface Hello {
  readonly type: 'hello'
  readonly version: number
  /** 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  readonly have: RootId | null
}

/** A hello of a version this decoder does not know; only its head has been read. */
export interface ForeignHello {
  readonly type: 'foreign hello'
  readonly version: number
}

/**
 * `same`: the newest here is what the hello has. `newest`: it comes with this message. `empty`: nothing has been signed
 * here yet. `unknown`: not a database of this peer. `version`: `version` is what the peer speaks. `busy`: try later.
 * The channel ends after the last three.
 */
export type WelcomeStatus = 'same' | 'newest' | 'empty' | 'unknown' | 'version' | 'busy'

export interface Welcome {
  readonly type: 'welcome'
  readonly version: number
  readonly status: WelcomeStatus
  /** With `newest` only. */
  readonly signedRoot: Uint8Array | null
}

/** Asks for the newest signed root above `have`; the answer waits up to `waitMs` for there to be one. */
export interface GetRoot {
  readonly type: 'get root'
  readonly id: number
  readonly have: RootId | null
  readonly waitMs: number
}

export interface RootAnswer {
  readonly type: 'root'
  readonly id: number
  /** null: nothing newer than what was named. */
  readonly signedRoot: Uint8Array | null
}

/** Asks for blocks: 1..256 links, and the most bytes of blocks that the answer may have, its first block excepted. */
export interface GetBlocks {
  readonly type: 'get blocks'
  readonly id: number
  readonly links: readonly Link[]
  readonly bytesMax: number
}

/** Blocks for the longest prefix of the links asked for that fits; at least one. null: not here. */
export interface BlocksAnswer {
  readonly type: 'blocks'
  readonly id: number
  readonly blocks: readonly (Uint8Array | null)[]
}

/** One way: the puller knows a newer signed root than the provider. A hint, to be verified. */
export interface Tell {
  readonly type: 'tell'
  readonly signedRoot: Uint8Array
}

/** `busy`: ask again later. `failed`: the provider cannot read its own store. */
export type RefusalReason = 'busy' | 'failed'

export interface Refusal {
  readonly type: 'refusal'
  readonly id: number
  readonly reason: RefusalReason
}

/** What a puller sends after its hello, and what a provider sends after its welcome. */
export type Request = GetRoot | GetBlocks | Tell
export type Answer = RootAnswer | BlocksAnswer | Refusal
export type Message = Hello | Welcome | Request | Answer

const HELLO = 0
const WELCOME = 1
const GET_ROOT = 2
const ROOT = 3
const GET_BLOCKS = 4
const BLOCKS = 5
const TELL = 6
const REFUSAL = 7

const STATUSES: readonly WelcomeStatus[] = ['same', 'newest', 'empty', 'unknown', 'version', 'busy']
const REASONS: readonly RefusalReason[] = ['busy', 'failed']

const MAJOR_TEXT = 3
const NULL = 0xf6
const AUTHOR_BYTES = 32
/** Names in detail are the pointer's business: here they are short and printable, so they may be shown. */
const NAME = /^[a-z0-9._-]+$/

type Item = number | string | null | Uint8Array | readonly Item[]

/** The frame of a message. @throws {RangeError} where a field is outside its bounds, which is a bug of the caller. */
export function encodeMessage(message: Message): Uint8Array {
  const item = toItem(message)
  const out = new Uint8Array(itemLength(item))
  writeItem(out, 0, item)
  return out
}

function toItem(message: Message): Item {
  switch (message.type) {
    case 'hello':
      return [HELLO, message.version, message.author, message.name, rootIdItem(message.have)]
    case 'welcome':
      return [WELCOME, message.version, STATUSES.indexOf(message.status), message.signedRoot]
    case 'get root':
      return [GET_ROOT, message.id, rootIdItem(message.have), message.waitMs]
    case 'root':
      return [ROOT, message.id, message.signedRoot]
    case 'get blocks':
      return [GET_BLOCKS, message.id, message.links, message.bytesMax]
    case 'blocks':
      return [BLOCKS, message.id, message.blocks]
    case 'tell':
      return [TELL, message.signedRoot]
    case 'refusal':
      return [REFUSAL, message.id, REASONS.indexOf(message.reason)]
  }
}

function rootIdItem(id: RootId | null): Item {
  return id === null ? null : [id.payload, id.epoch, id.sequence]
}

function itemLength(item: Item): number {
  if (item === null) return 1
  if (typeof item === 'number') {
    if (!Number.isSafeInteger(item) || item < 0) throw new RangeError(`message: number ${item}`)
    return headLength(item)
  }
  if (typeof item === 'string' || item instanceof Uint8Array) return headLength(item.length) + item.length
  let length = headLength(item.length)
  for (const part of item) length += itemLength(part)
  return length
}

function writeItem(out: Uint8Array, start: number, item: Item): number {
  if (item === null) {
    out[start] = NULL
    return start + 1
  }
  if (typeof item === 'number') return writeHead(out, start, MAJOR_UINT, item)
  if (typeof item === 'string') {
    let at = writeHead(out, start, MAJOR_TEXT, item.length)
    for (let i = 0; i < item.length; i++) {
      const unit = item.charCodeAt(i)
      if (unit > 0x7f) throw new RangeError('message: expected ASCII text')
      out[at++] = unit
    }
    return at
  }
  if (item instanceof Uint8Array) {
    const at = writeHead(out, start, MAJOR_BYTES, item.length)
    out.set(item, at)
    return at + item.length
  }
  let at = writeHead(out, start, MAJOR_ARRAY, item.length)
  for (const part of item) at = writeItem(out, at, part)
  return at
}

/** @throws {CoppiceError} `PEER_PROTOCOL` for anything but a hello. */
export function decodeHello(frame: Uint8Array): Hello | ForeignHello {
  return decode(frame, REQUEST_FRAME_BYTES_MAX, (reader) => {
    const length = reader.head(MAJOR_ARRAY, 'a message')
    if (reader.head(MAJOR_UINT, 'a message number') !== HELLO) throw new DecodeFailure('expected a hello')
    const version = reader.head(MAJOR_UINT, 'a version')
    // What follows in another version is not ours to judge; the answer says which one we speak.
    if (version > PROTOCOL_VERSION) return { type: 'foreign hello', version }
    if (version !== PROTOCOL_VERSION) throw new DecodeFailure(`expected version 1 or above, got ${version}`)
    expectLength(length, 5, 'hello')
    const author = bytesOf(reader, AUTHOR_BYTES, AUTHOR_BYTES, 'an author key')
    const name = nameOf(reader)
    return { type: 'hello', version, author, name, have: rootIdOf(reader) }
  })
}

/** What a puller may send after its hello. @throws {CoppiceError} `PEER_PROTOCOL` for anything else. */
export function decodeRequest(frame: Uint8Array): Request {
  return decode(frame, REQUEST_FRAME_BYTES_MAX, (reader): Request => {
    const length = reader.head(MAJOR_ARRAY, 'a message')
    const number = reader.head(MAJOR_UINT, 'a message number')
    if (number === GET_BLOCKS) {
      expectLength(length, 4, 'request for blocks')
      return { type: 'get blocks', id: idOf(reader), links: linksOf(reader), bytesMax: bytesMaxOf(reader) }
    }
    if (number === GET_ROOT) {
      expectLength(length, 4, 'request for a root')
      return { type: 'get root', id: idOf(reader), have: rootIdOf(reader), waitMs: upTo(reader, WAIT_MS_MAX, 'a wait') }
    }
    if (number === TELL) {
      expectLength(length, 2, 'tell')
      return { type: 'tell', signedRoot: bytesOf(reader, 1, SIGNED_ROOT_BYTES_MAX, 'a signed root') }
    }
    throw new DecodeFailure(`expected a request, got message ${number}`)
  })
}

/** What a provider sends first. @throws {CoppiceError} `PEER_PROTOCOL` for anything else. */
export function decodeWelcome(frame: Uint8Array): Welcome {
  return decode(frame, REQUEST_FRAME_BYTES_MAX, (reader) => {
    const length = reader.head(MAJOR_ARRAY, 'a message')
    if (reader.head(MAJOR_UINT, 'a message number') !== WELCOME) throw new DecodeFailure('expected a welcome')
    expectLength(length, 4, 'welcome')
    const version = reader.head(MAJOR_UINT, 'a version')
    const status = choiceOf(reader, STATUSES, 'a status')
    const signedRoot = signedRootOf(reader)
    if ((status === 'newest') !== (signedRoot !== null)) throw new DecodeFailure('expected a root with `newest` only')
    if (status !== 'version' && version !== PROTOCOL_VERSION)
      throw new DecodeFailure(`expected version 1, got ${version}`)
    return { type: 'welcome', version, status, signedRoot }
  })
}

/**
 * What a provider may send after its welcome. Blocks are copies, so that a small one does not keep a frame alive.
 * @throws {CoppiceError} `PEER_PROTOCOL` for anything else.
 */
export function decodeAnswer(frame: Uint8Array): Answer {
  return decode(frame, Infinity, (reader): Answer => {
    const length = reader.head(MAJOR_ARRAY, 'a message')
    const number = reader.head(MAJOR_UINT, 'a message number')
    if (number === BLOCKS) {
      expectLength(length, 3, 'answer of blocks')
      return { type: 'blocks', id: idOf(reader), blocks: blocksOf(reader) }
    }
    if (number === ROOT) {
      expectLength(length, 3, 'answer of a root')
      return { type: 'root', id: idOf(reader), signedRoot: signedRootOf(reader) }
    }
    if (number === REFUSAL) {
      expectLength(length, 3, 'refusal')
      return { type: 'refusal', id: idOf(reader), reason: choiceOf(reader, REASONS, 'a reason') }
    }
    throw new DecodeFailure(`expected an answer, got message ${number}`)
  })
}

function decode<T>(frame: Uint8Array, bytesMax: number, read: (reader: HeadReader) => T): T {
  try {
    if (frame.length > bytesMax) throw new DecodeFailure(`expected at most ${bytesMax} bytes, got ${frame.length}`)
    const reader = new HeadReader(frame)
    const message = read(reader)
    const foreign = (message as { readonly type?: unknown }).type === 'foreign hello'
    if (!foreign && reader.at !== frame.length) reader.fail('the end of the message')
    return message
  } catch (error) {
    if (!(error instanceof DecodeFailure)) throw error
    throw new CoppiceError('PEER_PROTOCOL', `message: ${error.message}`)
  }
}

function expectLength(length: number, expected: number, what: string): void {
  if (length !== expected) throw new DecodeFailure(`expected a ${what} of ${expected} items, got ${length}`)
}

function upTo(reader: HeadReader, max: number, what: string): number {
  const n = reader.head(MAJOR_UINT, what)
  if (n > max) throw new DecodeFailure(`expected ${what} of at most ${max}, got ${n}`)
  return n
}

function idOf(reader: HeadReader): number {
  return upTo(reader, 0xffffffff, 'an id')
}

function bytesMaxOf(reader: HeadReader): number {
  const bytes = upTo(reader, ANSWER_BYTES_MAX, 'a budget')
  if (bytes === 0) throw new DecodeFailure('expected a budget of at least 1 byte')
  return bytes
}

function choiceOf<T>(reader: HeadReader, choices: readonly T[], what: string): T {
  const choice = choices[reader.head(MAJOR_UINT, what)]
  if (choice === undefined) throw new DecodeFailure(`expected ${what} below ${choices.length}`)
  return choice
}

/** A view of the frame. */
function viewOf(reader: HeadReader, min: number, max: number, what: string): Uint8Array {
  const length = reader.head(MAJOR_BYTES, what)
  if (length < min || length > max) throw new DecodeFailure(`expected ${what} of ${min}..${max} bytes, got ${length}`)
  const start = reader.at
  reader.skip(length, what)
  return reader.bytes.subarray(start, reader.at)
}

function bytesOf(reader: HeadReader, min: number, max: number, what: string): Uint8Array {
  return new Uint8Array(viewOf(reader, min, max, what))
}

function nameOf(reader: HeadReader): string {
  const length = reader.head(MAJOR_TEXT, 'a name')
  if (length < 1 || length > NAME_CHARS_MAX)
    throw new DecodeFailure(`expected a name of 1..${NAME_CHARS_MAX} characters`)
  const start = reader.at
  reader.skip(length, 'a name')
  const name = String.fromCharCode(...reader.bytes.subarray(start, reader.at))
  if (!NAME.test(name)) throw new DecodeFailure('expected a name of a-z 0-9 . _ -')
  return name
}

/** Whether a null stands next, which is then taken. */
function takeNull(reader: HeadReader): boolean {
  if (reader.bytes[reader.at] !== NULL) return false
  reader.at++
  return true
}

function signedRootOf(reader: HeadReader): Uint8Array | null {
  return takeNull(reader) ? null : bytesOf(reader, 1, SIGNED_ROOT_BYTES_MAX, 'a signed root')
}

function linkOf(reader: HeadReader): Link {
  const link = viewOf(reader, LINK_BYTES, LINK_BYTES, 'a link')
  if (!isLink(link)) throw new DecodeFailure('expected a link: a CIDv1 of sha2-256')
  return link
}

function rootIdOf(reader: HeadReader): RootId | null {
  if (takeNull(reader)) return null
  expectLength(reader.head(MAJOR_ARRAY, 'a root'), 3, 'root')
  const payload = new Uint8Array(linkOf(reader))
  if (linkCodec(payload) !== CODEC_DAG_CBOR) throw new DecodeFailure('expected the CID of a payload (dag-cbor)')
  const epoch = reader.head(MAJOR_UINT, 'an epoch')
  return { payload, epoch, sequence: reader.head(MAJOR_UINT, 'a sequence') }
}

function linksOf(reader: HeadReader): Link[] {
  const length = countOf(reader, 'links')
  const links = Array.from<Link>({ length })
  for (let i = 0; i < length; i++) links[i] = linkOf(reader)
  return links
}

function blocksOf(reader: HeadReader): (Uint8Array | null)[] {
  const length = countOf(reader, 'blocks')
  const blocks = Array.from<Uint8Array | null>({ length })
  for (let i = 0; i < length; i++) blocks[i] = takeNull(reader) ? null : bytesOf(reader, 0, Infinity, 'a block')
  return blocks
}

function countOf(reader: HeadReader, what: string): number {
  const length = reader.head(MAJOR_ARRAY, `an array of ${what}`)
  if (length < 1 || length > REQUEST_LINKS_MAX) {
    throw new DecodeFailure(`expected 1..${REQUEST_LINKS_MAX} ${what}, got ${length}`)
  }
  return length
}
