/**
 * Addresses (record.md, 4): one parser, one canonical form.
 *
 *     coppice:<author>/<name>[?peer=<multiaddr or URL>&peer=...]
 *
 * The author is the key as a libp2p-key CID in base36 (k51...), as in an IPNS name. Peers are only hints where to ask: whatever
 * they answer is verified against the author.
 */
import { base36 } from 'multiformats/bases/base36'
import { concatBytes, equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { isPublicKey, PUBLIC_KEY_BYTES } from './ed25519.ts'
import { isDatabaseName, NAME_RULE } from './name.ts'

export interface Address {
  /** 32 bytes. */
  readonly author: Uint8Array
  readonly name: string
  /** Multiaddrs (`/ip4/...`) and http or https URLs, in the author's order, without repetitions. */
  readonly peers: readonly string[]
}

export const ADDRESS_SCHEME = 'coppice:'
export const ADDRESS_CHARS_MAX = 8192
export const PEERS_MAX = 32
const PEER_CHARS_MAX = 1024
/** CIDv1, libp2p-key, identity hash of 36 bytes: the protobuf of an ed25519 key. */
const AUTHOR_PREFIX: Uint8Array = Uint8Array.of(0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
/** What a peer keeps unescaped: nothing that a shell, a URL or a terminal would read as anything else. */
const UNESCAPED = /[A-Za-z0-9._~/:@,-]/
const AUTHOR_CHARS_MAX = 64

/** The key as it stands in an address: k51... */
export function formatAuthor(author: Uint8Array): string {
  return base36.encode(concatBytes(AUTHOR_PREFIX, author))
}

/**
 * The key of k51... text.
 * @throws {CoppiceError} `ADDRESS_INVALID`.
 */
export function parseAuthor(text: string): Uint8Array {
  const bytes = text.length <= AUTHOR_CHARS_MAX ? tryBase36(text) : undefined
  const head = bytes?.subarray(0, AUTHOR_PREFIX.length)
  if (bytes === undefined || head === undefined || !equalBytes(head, AUTHOR_PREFIX)) {
    throw invalid('author', 'an ed25519 key as in an IPNS name, k51...', text, 0)
  }
  const author = bytes.slice(AUTHOR_PREFIX.length)
  if (author.length !== PUBLIC_KEY_BYTES || formatAuthor(author) !== text) {
    throw invalid('author', 'the canonical form of a key, k51...', text, 0)
  }
  if (!isPublicKey(author)) throw invalid('author', 'a key that signatures count under', text, 0)
  return author
}

/** The canonical form. @throws {RangeError} for an address that {@link parseAddress} would refuse. */
export function formatAddress(address: Address): string {
  const { author, name, peers } = address
  if (author.length !== PUBLIC_KEY_BYTES)
    throw new RangeError(`author: expected ${PUBLIC_KEY_BYTES} bytes, got ${author.length}`)
  if (!isDatabaseName(name)) throw new RangeError(`name: expected ${NAME_RULE}`)
  const distinct = [...new Set(peers)]
  if (distinct.length > PEERS_MAX || !distinct.every(isPeer))
    throw new RangeError('peers: expected multiaddrs and http(s) URLs')
  const query = distinct.map((peer) => `peer=${escapePeer(peer)}`).join('&')
  const text = `${ADDRESS_SCHEME}${formatAuthor(author)}/${name}${query === '' ? '' : `?${query}`}`
  if (text.length > ADDRESS_CHARS_MAX) throw new RangeError(`address: expected at most ${ADDRESS_CHARS_MAX} characters`)
  return text
}

/**
 * Reads an address. Peers may be escaped more or less than the canonical form has it, and repeated; nothing else varies.
 * @throws {CoppiceError} `ADDRESS_INVALID`, with what was expected and `details.offset`, in characters.
 */
export function parseAddress(text: string): Address {
  if (text.length > ADDRESS_CHARS_MAX) throw invalid('address', `at most ${ADDRESS_CHARS_MAX} characters`, text, 0)
  if (!text.startsWith(ADDRESS_SCHEME)) throw invalid('address', `${ADDRESS_SCHEME}<author>/<name>`, text, 0)
  const authorAt = ADDRESS_SCHEME.length
  const slash = text.indexOf('/', authorAt)
  const query = text.indexOf('?', authorAt)
  if (slash < 0 || (query >= 0 && query < slash)) throw invalid('author', '/<name> after the author', text, authorAt)
  const author = shift(authorAt, () => parseAuthor(text.slice(authorAt, slash)))
  const name = text.slice(slash + 1, query < 0 ? undefined : query)
  if (!isDatabaseName(name)) throw invalid('name', NAME_RULE, name, slash + 1)
  return { author, name, peers: query < 0 ? [] : parsePeers(text, query + 1) }
}

function parsePeers(text: string, start: number): string[] {
  const peers = new Set<string>()
  let at = start
  for (const parameter of text.slice(start).split('&')) {
    if (!parameter.startsWith('peer=')) throw invalid('parameter', 'peer=<multiaddr or URL>', parameter, at)
    const peer = unescapePeer(parameter.slice('peer='.length))
    if (peer === undefined || !isPeer(peer)) throw invalid('peer', 'a multiaddr or an http(s) URL', parameter, at)
    peers.add(peer)
    if (peers.size > PEERS_MAX) throw invalid('peers', `at most ${PEERS_MAX}`, parameter, at)
    at += parameter.length + 1
  }
  return [...peers]
}

/** Printable ASCII, the shape of a multiaddr or of an http(s) URL. Whether a multiaddr means anything is the network's to say. */
export function isPeer(peer: string): boolean {
  if (peer.length > PEER_CHARS_MAX || !/^[\x21-\x7e]+$/.test(peer)) return false
  if (/^\/[a-z0-9-]+(\/[^/]+)+$/.test(peer)) return true
  return /^https?:\/\/[^/]/.test(peer) && URL.canParse(peer)
}

function escapePeer(peer: string): string {
  return Array.from(peer, (char) =>
    UNESCAPED.test(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('')
}

function unescapePeer(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function tryBase36(text: string): Uint8Array | undefined {
  try {
    return base36.decode(text)
  } catch {
    return undefined
  }
}

/** Errors of a part, with the offset in the whole. */
function shift<T>(by: number, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof CoppiceError)) throw error
    const { what, expected, got, offset } = error.details
    throw invalid(String(what), String(expected), String(got), Number(offset) + by)
  }
}

function invalid(what: string, expected: string, got: string, offset: number): CoppiceError {
  const shown = got.length > 80 ? `${got.slice(0, 80)}...` : got
  return new CoppiceError(
    'ADDRESS_INVALID',
    `${what}: expected ${expected}, got ${JSON.stringify(shown)} (character ${offset + 1})`,
    { details: { what, expected, got: shown, offset } },
  )
}
