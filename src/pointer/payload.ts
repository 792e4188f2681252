/**
 * The payload of a signed root: what the author signs about one state of the database (record.md, 1). The codec is strict:
 * every field within its bounds, one encoding per payload, and rules that one payload can break alone are checked here.
 */
import { bytesToHex, equalBytes } from '../bytes.ts'
import { CODEC_DAG_CBOR, isLink, LINK_BYTES, linkCodec, linkMapKey, type Link } from '../link.ts'
import { sha256, SHA256_BYTES } from '../sha256.ts'
import {
  cborArray,
  cborBytes,
  cborLink,
  cborNullable,
  CborReader,
  cborText,
  cborUint,
  decodeUtf8,
  type FailureFactory,
} from './cbor.ts'
import { PUBLIC_KEY_BYTES } from './ed25519.ts'
import { isDatabaseName, NAME_BYTES_MAX, NAME_RULE } from './name.ts'
import { EPOCH_MAX, SECONDS_MAX, SEQUENCE_MAX } from './order.ts'
import { STATEMENT_BYTES_MAX } from './statement.ts'

/** The version of payloads and trees that this code writes, and the only one it reads whole. */
export const ROOT_FORMAT = 1
const PAYLOAD_DOMAIN = 'coppice/root/1'
export const RECENT_MAX = 4
const RESOLVES_MAX = 2
/** The release message: UTF-8. Kept out of the tree, so that equal data keeps an equal root. */
export const MESSAGE_EXTENSION = 1
export const MESSAGE_BYTES_MAX = 160
/** Roots of other databases whose states this one has in it. */
export const MERGED_EXTENSION = 3
/** More would take the place of recent roots. */
export const MERGED_MAX = 2
/** The RFC 6962 tree hash of no payloads. */
export const EMPTY_HISTORY: Uint8Array = sha256(new Uint8Array(0))
/** The elements every format begins with: domain, format, author, name, epoch, sequence. */
const PREFIX_ELEMENTS = 6
/** Where the grant stands in every format. */
const GRANT_ELEMENT = 15
const ELEMENTS = 17
/** More do not fit: an extension takes at least 3 of the 996 bytes. */
const EXTENSIONS_MAX = 332
const EXTENSION_ID_MAX: number = Number.MAX_SAFE_INTEGER

/** A root that a reader may fall back to. */
export interface RecentRoot {
  readonly sequence: number
  /** The payload's link. */
  readonly link: Link
}

export interface Extension {
  /** Odd ones may be ignored, even ones must be understood. */
  readonly id: number
  readonly bytes: Uint8Array
}

/** What the elements common to all formats say. */
export interface PayloadPrefix {
  readonly format: number
  /** The ed25519 key that names the database for ever, 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  /** 0..4095 */
  readonly epoch: number
  /** 1..2^40-1, no gaps. */
  readonly sequence: number
}

export interface RootPayload extends PayloadPrefix {
  /** The tree's root, its entries, and its bytes with all below, root block included: 0..2^53-1. */
  readonly root: Link
  readonly entries: number
  readonly bytes: number
  /** Seconds since 1970; never decreases along the chain. */
  readonly issued: number
  /** Seconds since 1970; null = no promise. */
  readonly expires: number | null
  /** The link of the payload with sequence-1; null for sequence 1 only. */
  readonly previous: Link | null
  /** The RFC 6962 tree hash over the payloads 1..sequence-1, 32 bytes. */
  readonly history: Uint8Array
  /** Up to 4, newest first, of distinct roots unlike this one. */
  readonly recent: readonly RecentRoot[]
  /** Up to 2 payload links: tips of a fork that this root ends. Only in epochs above 0. */
  readonly resolves: readonly Link[]
  /** The bytes of a grant; null when the authority itself signs. */
  readonly grant: Uint8Array | null
  /** Ids ascending. */
  readonly extensions: readonly Extension[]
}

/** The bytes of `payload`, whose fields must be within their bounds: {@link readPayload} of the result gives it back. */
export function encodePayload(payload: RootPayload): Uint8Array {
  return cborArray([
    cborText(PAYLOAD_DOMAIN),
    cborUint(payload.format),
    cborBytes(payload.author),
    cborText(payload.name),
    cborUint(payload.epoch),
    cborUint(payload.sequence),
    cborLink(payload.root),
    cborUint(payload.entries),
    cborUint(payload.bytes),
    cborUint(payload.issued),
    cborNullable(payload.expires, cborUint),
    cborNullable(payload.previous, cborLink),
    cborBytes(payload.history),
    cborArray(payload.recent.map(({ sequence, link }) => cborArray([cborUint(sequence), cborLink(link)]))),
    cborArray(payload.resolves.map(cborLink)),
    cborNullable(payload.grant, cborBytes),
    cborArray(payload.extensions.map(({ id, bytes }) => cborArray([cborUint(id), cborBytes(bytes)]))),
  ])
}

/**
 * Reads the elements that all formats share. The rest of a payload of another format is only checked to be DAG-CBOR, but
 * for the bytes at the grant's place, which are given as they are.
 */
export function readPrefix(
  bytes: Uint8Array,
  failure: FailureFactory,
): PayloadPrefix & { readonly grant: Uint8Array | null } {
  const reader = new CborReader(bytes, failure)
  const elements = reader.array('payload', PREFIX_ELEMENTS, bytes.length)
  const prefix = readCommon(reader)
  let grant: Uint8Array | null = null
  for (let i = PREFIX_ELEMENTS; i < elements; i++) {
    if (i === GRANT_ELEMENT && reader.nextIsBytes()) grant = reader.bytes('grant', 0, bytes.length)
    else reader.skip(`element ${i}`)
  }
  reader.end('payload')
  return { ...prefix, grant }
}

/** Reads a payload of format 1 whole. */
export function readPayload(bytes: Uint8Array, failure: FailureFactory): RootPayload {
  const reader = new CborReader(bytes, failure)
  reader.array('payload', ELEMENTS, ELEMENTS)
  const prefix = readCommon(reader)
  if (prefix.format !== ROOT_FORMAT) reader.fail(`format: expected ${ROOT_FORMAT}, got ${prefix.format}`)
  const root = reader.link('root', CODEC_DAG_CBOR)
  const entries = reader.uint('entries', 0, Number.MAX_SAFE_INTEGER)
  const total = reader.uint('bytes', 0, Number.MAX_SAFE_INTEGER)
  const issued = reader.uint('issued', 0, SECONDS_MAX)
  const expires = reader.nullable(() => reader.uint('expires', 0, SECONDS_MAX))
  const previous = reader.nullable(() => reader.link('previous', CODEC_DAG_CBOR))
  const history = reader.bytes('history', SHA256_BYTES, SHA256_BYTES)
  checkFirst(reader, prefix.sequence, previous, history)
  const recent = readRecent(reader, prefix.sequence, previous)
  const resolves = readResolves(reader, prefix.epoch)
  const grant = reader.nullable(() => reader.bytes('grant', 1, STATEMENT_BYTES_MAX))
  const extensions = readExtensions(reader)
  reader.end('payload')
  return {
    ...prefix,
    root,
    entries,
    bytes: total,
    issued,
    expires,
    previous,
    history,
    recent,
    resolves,
    grant,
    extensions,
  }
}

/** The release message, undefined where there is none. Not yet escaped for a terminal. */
export function payloadMessage(payload: RootPayload): string | undefined {
  const extension = payload.extensions.find(({ id }) => id === MESSAGE_EXTENSION)
  return extension === undefined ? undefined : decodeUtf8(extension.bytes)
}

/** The roots of other databases that the author says are merged in this state; none where the extension is of another form. */
export function payloadMerged(payload: RootPayload): Link[] {
  const bytes = payload.extensions.find(({ id }) => id === MERGED_EXTENSION)?.bytes ?? new Uint8Array(0)
  if (bytes.length % LINK_BYTES !== 0 || bytes.length > MERGED_MAX * LINK_BYTES) return []
  const links = Array.from({ length: bytes.length / LINK_BYTES }, (_, i) =>
    bytes.subarray(i * LINK_BYTES, (i + 1) * LINK_BYTES),
  )
  return links.every((link) => isLink(link) && linkCodec(link) === CODEC_DAG_CBOR) ? links : []
}

/** The ids of extensions that must be understood and are not: version 1 knows no even one. */
export function unknownExtensions(payload: RootPayload): number[] {
  return payload.extensions.map(({ id }) => id).filter((id) => id % 2 === 0)
}

function readCommon(reader: CborReader): PayloadPrefix {
  if (reader.text('domain', PAYLOAD_DOMAIN.length) !== PAYLOAD_DOMAIN) reader.fail(`domain: expected ${PAYLOAD_DOMAIN}`)
  const format = reader.uint('format', 1, Number.MAX_SAFE_INTEGER)
  const author = reader.bytes('author', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
  const name = reader.text('name', NAME_BYTES_MAX)
  if (!isDatabaseName(name)) reader.fail(`name: expected ${NAME_RULE}`)
  const epoch = reader.uint('epoch', 0, EPOCH_MAX)
  const sequence = reader.uint('sequence', 1, SEQUENCE_MAX)
  return { format, author, name, epoch, sequence }
}

/** The first root has nothing before it, every other one has. */
function checkFirst(reader: CborReader, sequence: number, previous: Link | null, history: Uint8Array): void {
  if ((sequence === 1) !== (previous === null)) reader.fail(`previous: expected null for sequence 1 only`)
  if (sequence === 1 && !equalBytes(history, EMPTY_HISTORY)) {
    reader.fail(`history: expected the empty hash for sequence 1, got ${bytesToHex(history)}`)
  }
}

/** Sequences descend from below the payload's own; sequence-1, if named, is `previous`; links are distinct. */
function readRecent(reader: CborReader, sequence: number, previous: Link | null): RecentRoot[] {
  const count = reader.array('recent', 0, RECENT_MAX)
  const recent: RecentRoot[] = []
  const seen = new Set<string>()
  let above = sequence
  for (let i = 0; i < count; i++) {
    reader.array(`recent[${i}]`, 2, 2)
    const at = reader.uint(`recent[${i}] sequence`, 1, above - 1)
    const link = reader.link(`recent[${i}] link`, CODEC_DAG_CBOR)
    if (at === sequence - 1 && (previous === null || !equalBytes(link, previous))) {
      reader.fail(`recent[${i}]: expected the link of previous`)
    }
    if (seen.has(linkMapKey(link))) reader.fail(`recent[${i}]: expected distinct links`)
    seen.add(linkMapKey(link))
    recent.push({ sequence: at, link })
    above = at
  }
  return recent
}

function readResolves(reader: CborReader, epoch: number): Link[] {
  const count = reader.array('resolves', 0, epoch === 0 ? 0 : RESOLVES_MAX)
  const resolves = Array.from({ length: count }, (_, i) => reader.link(`resolves[${i}]`, CODEC_DAG_CBOR))
  const [first, second] = resolves
  if (first !== undefined && second !== undefined && equalBytes(first, second))
    reader.fail('resolves: expected distinct links')
  return resolves
}

function readExtensions(reader: CborReader): Extension[] {
  const count = reader.array('extensions', 0, EXTENSIONS_MAX)
  const extensions: Extension[] = []
  let least = 0
  for (let i = 0; i < count; i++) {
    reader.array(`extensions[${i}]`, 2, 2)
    const id = reader.uint(`extensions[${i}] id`, least, EXTENSION_ID_MAX)
    const isMessage = id === MESSAGE_EXTENSION
    const bytes = reader.bytes(`extensions[${i}]`, 0, isMessage ? MESSAGE_BYTES_MAX : Number.MAX_SAFE_INTEGER)
    if (isMessage && decodeUtf8(bytes) === undefined) reader.fail('message: expected valid UTF-8')
    extensions.push({ id, bytes })
    least = id + 1
  }
  return extensions
}
