/**
 * Frames to messages (protocol.md, 8). Decoding is total and strict: shortest heads, exact lengths, bounds before
 * anything is allocated, nothing behind the end. Whatever decodes would be encoded to the same bytes.
 */
import { CoppiceError } from '../../errors.ts'
import { FRAME_BYTES_MAX, REQUEST_LINKS_MAX } from '../../limits.ts'
import { DecodeFailure, HeadReader, MAJOR_ARRAY, MAJOR_UINT } from '../../prolly/cbor.ts'
import { FRONTIER_HASHES_MAX, LINK_PROOF_BYTES_MAX } from '../../pointer/index.ts'
import { KEY_BYTES_MAX } from '../../prolly/index.ts'
import {
  ADDRESSES_GIVEN_MAX,
  ADDRESSES_OWN_MAX,
  PATCH_ROWS_MAX,
  PAYLOADS_MAX,
  PROTOCOL_VERSION,
  RANGE_BLOCKS_MAX,
  REQUEST_FRAME_BYTES_MAX,
  WAIT_MS_MAX,
} from '../limits.ts'
import {
  addressOf,
  assertAscending,
  attachmentsOf,
  bytesMaxOf,
  bytesOf,
  choiceOf,
  expectLength,
  flagOf,
  hashOf,
  idOf,
  keyBoundOf,
  linkOf,
  listOf,
  nameOf,
  nodeLinkOf,
  packingsOf,
  patchValueOf,
  payloadNameOf,
  rootIdOf,
  sequenceOf,
  signedRootOf,
  statementsOf,
  takeNull,
  upTo,
  viewOf,
} from './fields.ts'
import {
  type Answer,
  type ForeignHello,
  type GetLink,
  type Hello,
  NUMBERS,
  type Packed,
  type PatchAnswer,
  REASONS,
  type Request,
  STATUSES,
  type Tell,
  type Welcome,
} from './message.ts'
import { Slabs } from './slabs.ts'

/** @throws {CoppiceError} `PEER_PROTOCOL` for anything but a hello. */
export function decodeHello(frame: Uint8Array): Hello | ForeignHello {
  return decode(frame, REQUEST_FRAME_BYTES_MAX, (reader) => {
    const length = reader.head(MAJOR_ARRAY, 'a message')
    if (reader.head(MAJOR_UINT, 'a message number') !== NUMBERS.hello) throw new DecodeFailure('expected a hello')
    const version = reader.head(MAJOR_UINT, 'a version')
    // What follows in another version is not ours to judge; the answer says which one we speak.
    if (version > PROTOCOL_VERSION) return { type: 'foreign hello', version }
    if (version !== PROTOCOL_VERSION) throw new DecodeFailure(`expected version 1 or above, got ${version}`)
    expectLength(length, 7, 'hello')
    const author = bytesOf(reader, AUTHOR_BYTES, AUTHOR_BYTES, 'an author key')
    return {
      type: 'hello',
      version,
      author,
      name: nameOf(reader),
      have: rootIdOf(reader),
      packings: packingsOf(reader),
      statements: statementsOf(reader),
    }
  })
}

const AUTHOR_BYTES = 32

type Fields<T> = readonly [length: number, read: (reader: HeadReader) => T]

const linksOf = (reader: HeadReader): ReturnType<typeof linkOf>[] =>
  listOf(reader, 1, REQUEST_LINKS_MAX, 'links', () => linkOf(reader))

/** By message number: how many items the array has, and how the ones behind the number are read, in order. */
const REQUESTS: ReadonlyMap<number, Fields<Request>> = new Map<number, Fields<Request>>([
  [
    NUMBERS['get root'],
    [4, (r) => ({ type: 'get root', id: idOf(r), have: rootIdOf(r), waitMs: upTo(r, WAIT_MS_MAX, 'a wait') })],
  ],
  [
    NUMBERS['get blocks'],
    [5, (r) => ({ type: 'get blocks', id: idOf(r), root: nodeLinkOf(r), links: linksOf(r), bytesMax: bytesMaxOf(r) })],
  ],
  [
    NUMBERS['get range'],
    [
      6,
      (r) => ({
        type: 'get range',
        id: idOf(r),
        root: nodeLinkOf(r),
        base: takeNull(r) ? null : nodeLinkOf(r),
        links: linksOf(r),
        bytesMax: bytesMaxOf(r),
      }),
    ],
  ],
  [
    NUMBERS['get patch'],
    [
      7,
      (r) => ({
        type: 'get patch',
        id: idOf(r),
        from: nodeLinkOf(r),
        to: nodeLinkOf(r),
        after: keyBoundOf(r),
        until: keyBoundOf(r),
        bytesMax: bytesMaxOf(r),
      }),
    ],
  ],
  [NUMBERS['get have'], [4, (r) => ({ type: 'get have', id: idOf(r), root: nodeLinkOf(r), links: linksOf(r) })]],
  [
    NUMBERS['get peers'],
    [
      3,
      (r) => ({
        type: 'get peers',
        id: idOf(r),
        addresses: listOf(r, 0, ADDRESSES_OWN_MAX, 'addresses', () => addressOf(r)),
      }),
    ],
  ],
  [NUMBERS['get link'], [5, getLinkOf]],
  [
    NUMBERS['get payloads'],
    [
      3,
      (r) => ({
        type: 'get payloads',
        id: idOf(r),
        names: listOf(r, 1, PAYLOADS_MAX, 'names', () => payloadNameOf(r)),
      }),
    ],
  ],
  [NUMBERS['get attachments'], [2, (r) => ({ type: 'get attachments', id: idOf(r) })]],
  [NUMBERS.tell, [3, tellOf]],
])

const ANSWERS: ReadonlyMap<number, Fields<Answer>> = new Map<number, Fields<Answer>>([
  [NUMBERS.root, [4, (r) => ({ type: 'root', id: idOf(r), signedRoot: signedRootOf(r), statements: statementsOf(r) })]],
  [
    NUMBERS.blocks,
    [
      3,
      (r) => ({
        type: 'blocks',
        id: idOf(r),
        blocks: listOf(r, 1, REQUEST_LINKS_MAX, 'blocks', blockOrNull(r)),
      }),
    ],
  ],
  [
    NUMBERS.range,
    [3, (r) => ({ type: 'range', id: idOf(r), blocks: listOf(r, 0, RANGE_BLOCKS_MAX, 'blocks', block(r)) })],
  ],
  [NUMBERS.patch, [5, patchOf]],
  [
    NUMBERS.have,
    [
      3,
      (r) => ({ type: 'have', id: idOf(r), has: listOf(r, 1, REQUEST_LINKS_MAX, 'flags', () => flagOf(r, 'a flag')) }),
    ],
  ],
  [
    NUMBERS.peers,
    [
      3,
      (r) => ({
        type: 'peers',
        id: idOf(r),
        addresses: listOf(r, 0, ADDRESSES_GIVEN_MAX, 'addresses', () => addressOf(r)),
      }),
    ],
  ],
  [
    NUMBERS.link,
    [
      4,
      (r) => ({
        type: 'link',
        id: idOf(r),
        proof: takeNull(r) ? null : bytesOf(r, 1, LINK_PROOF_BYTES_MAX, 'a link proof'),
        frontier: listOf(r, 0, FRONTIER_HASHES_MAX, 'hashes', () => hashOf(r)),
      }),
    ],
  ],
  [
    NUMBERS.payloads,
    [
      3,
      (r) => ({
        type: 'payloads',
        id: idOf(r),
        signedRoots: listOf(r, 1, PAYLOADS_MAX, 'signed roots', () => signedRootOf(r)),
      }),
    ],
  ],
  [NUMBERS.attachments, [3, (r) => ({ type: 'attachments', id: idOf(r), attachments: attachmentsOf(r) })]],
  [NUMBERS.refusal, [3, (r) => ({ type: 'refusal', id: idOf(r), reason: choiceOf(r, REASONS, 'a reason') })]],
])

/** Copied, so that a small one does not keep a frame alive. */
function block(reader: HeadReader): () => Uint8Array {
  const slabs = new Slabs()
  return () => slabs.copy(viewOf(reader, 0, Infinity, 'a block'))
}

function blockOrNull(reader: HeadReader): () => Uint8Array | null {
  const next = block(reader)
  return () => (takeNull(reader) ? null : next())
}

function tellOf(reader: HeadReader): Tell {
  const signedRoot = signedRootOf(reader)
  const statements = statementsOf(reader)
  if (signedRoot === null && statements === null) throw new DecodeFailure('expected a signed root or statements')
  return { type: 'tell', signedRoot, statements }
}

function getLinkOf(reader: HeadReader): GetLink {
  const id = idOf(reader)
  const older = takeNull(reader) ? null : sequenceOf(reader)
  const newer = sequenceOf(reader)
  if (older !== null && older >= newer) throw new DecodeFailure(`expected a sequence below ${newer}, got ${older}`)
  return { type: 'get link', id, older, newer, history: hashOf(reader) }
}

function patchOf(reader: HeadReader): PatchAnswer {
  const id = idOf(reader)
  const slabs = new Slabs()
  const keys = listOf(reader, 0, PATCH_ROWS_MAX, 'keys', () => slabs.copy(viewOf(reader, 0, KEY_BYTES_MAX, 'a key')))
  assertAscending(keys)
  const values = listOf(reader, keys.length, keys.length, 'values', () => patchValueOf(reader, slabs))
  return { type: 'patch', id, keys, values, isLast: flagOf(reader, 'an end') }
}

/** What a puller may send after its hello. @throws {CoppiceError} `PEER_PROTOCOL` for anything else. */
export function decodeRequest(frame: Uint8Array): Request {
  return decode(frame, REQUEST_FRAME_BYTES_MAX, (reader) => readMessage(reader, REQUESTS, 'a request'))
}

/** What a provider may send after its welcome, unpacked. @throws {CoppiceError} `PEER_PROTOCOL` for anything else. */
export function decodeAnswer(frame: Uint8Array): Answer {
  return decode(frame, Infinity, (reader) => readMessage(reader, ANSWERS, 'an answer'))
}

function readMessage<T>(reader: HeadReader, known: ReadonlyMap<number, Fields<T>>, what: string): T {
  const length = reader.head(MAJOR_ARRAY, 'a message')
  const number = reader.head(MAJOR_UINT, 'a message number')
  const fields = known.get(number)
  if (fields === undefined) throw new DecodeFailure(`expected ${what}, got message ${number}`)
  expectLength(length, fields[0], 'message')
  return fields[1](reader)
}

/** What a provider sends first. @throws {CoppiceError} `PEER_PROTOCOL` for anything else. */
export function decodeWelcome(frame: Uint8Array): Welcome {
  return decode(frame, REQUEST_FRAME_BYTES_MAX, (reader) => {
    const length = reader.head(MAJOR_ARRAY, 'a message')
    if (reader.head(MAJOR_UINT, 'a message number') !== NUMBERS.welcome) throw new DecodeFailure('expected a welcome')
    expectLength(length, 5, 'welcome')
    const version = reader.head(MAJOR_UINT, 'a version')
    const status = choiceOf(reader, STATUSES, 'a status')
    const signedRoot = signedRootOf(reader)
    const statements = statementsOf(reader)
    const hasRoot = status === 'newest' || status === 'partial'
    if (hasRoot !== (signedRoot !== null)) throw new DecodeFailure('expected a root with `newest` and `partial` only')
    if (status !== 'version' && version !== PROTOCOL_VERSION)
      throw new DecodeFailure(`expected version 1, got ${version}`)
    return { type: 'welcome', version, status, signedRoot, statements }
  })
}

/** Undefined where the frame is no packed one. `bytes` is a view. @throws {CoppiceError} `PEER_PROTOCOL` for one that is malformed. */
export function decodePacked(frame: Uint8Array): Packed | undefined {
  return decode(frame, Infinity, (reader) => {
    const length = reader.head(MAJOR_ARRAY, 'a message')
    if (reader.head(MAJOR_UINT, 'a message number') !== NUMBERS.packed) {
      reader.at = frame.length
      return undefined
    }
    expectLength(length, 4, 'packed message')
    const packing = upTo(reader, 0xff, 'a packing')
    const foldedBytes = upTo(reader, FRAME_BYTES_MAX, 'a length')
    const bytes = viewOf(reader, 1, FRAME_BYTES_MAX, 'packed bytes')
    // Whoever packs what does not get shorter wastes everybody's time.
    if (bytes.length >= foldedBytes) throw new DecodeFailure('expected packed bytes to be fewer than unpacked ones')
    return { packing, foldedBytes, bytes }
  })
}

function decode<T>(frame: Uint8Array, bytesMax: number, read: (reader: HeadReader) => T): T {
  try {
    if (frame.length > bytesMax) throw new DecodeFailure(`expected at most ${bytesMax} bytes, got ${frame.length}`)
    const reader = new HeadReader(frame)
    const message = read(reader)
    const foreign = (message as { readonly type?: unknown } | undefined)?.type === 'foreign hello'
    if (!foreign && reader.at !== frame.length) reader.fail('the end of the message')
    return message
  } catch (error) {
    if (!(error instanceof DecodeFailure)) throw error
    throw new CoppiceError('PEER_PROTOCOL', `message: ${error.message}`)
  }
}
