/**
 * Addresses of nodes: multiaddrs over TCP, `/ip4/192.0.2.7/tcp/4001/p2p/12D3Koo...`, with ip6, dns, dns4 and dns6 in
 * the first place, or through a relay: the relay's address, `/p2p-circuit`, and the peer id behind it. The peer id is
 * optional when dialing directly, but only with it does a node know whom it reached. One form only: `host:port` would be
 * ambiguous for IPv6 and could not carry the peer id.
 */

import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { base58btc } from 'multiformats/bases/base58'
import { decode as decodeDigest } from 'multiformats/hashes/digest'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'

const RELAYED = 'p2p-circuit'
const HOSTS: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])
const ADDRESS_CHARS_MAX = 512
/** What follows host and TCP: nothing, a peer, or a peer behind a relay. */
const DIAL_FORMS: ReadonlySet<string> = new Set(['', 'p2p', 'p2p,p2p-circuit,p2p'])
/** A place behind a relay is listened at by naming the relay alone. */
const LISTEN_FORMS: ReadonlySet<string> = new Set(['', 'p2p', 'p2p,p2p-circuit'])
const ANNOUNCE_FORMS: ReadonlySet<string> = new Set(['', 'p2p'])
const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/**
 * The address to dial.
 * @throws {CoppiceError} `ADDRESS_INVALID`.
 */
export function parseDialAddress(text: string): Multiaddr {
  const address = parse(text, DIAL_FORMS, '/ip4/192.0.2.7/tcp/4001/p2p/12D3Koo...')
  const port = address.getComponents()[1]?.value
  if (port === '0') throw invalid(text, 'expected a port, got 0')
  return address
}

/**
 * An address to listen on. Port 0 lets the system choose; a relay's address with `/p2p-circuit` asks that
 * relay for a place behind it.
 * @throws {CoppiceError} `ADDRESS_INVALID`.
 */
export function parseListenAddress(text: string): Multiaddr {
  return parse(text, LISTEN_FORMS, '/ip4/0.0.0.0/tcp/4001')
}

/**
 * An address to tell others: one that can be dialled, without a relay. The peer id may stand at its end.
 * @throws {CoppiceError} `ADDRESS_INVALID`.
 */
export function parseAnnounceAddress(text: string): Multiaddr {
  const address = parse(text, ANNOUNCE_FORMS, '/dns4/data.example.org/tcp/4001')
  const [host, port] = address.getComponents()
  if (port?.value === '0') throw invalid(text, 'expected a port, got 0')
  if (UNSPECIFIED.has(host?.value ?? '')) throw invalid(text, 'expected a host that others can dial')
  return address
}

/** The peer id at the end of the address, where it has one. */
export function peerIdOf(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' ? last.value : undefined
}

/** Whether the address leads through a relay. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some((component) => component.name === RELAYED)
}

/** The relay's part of an address that leads through one. */
export function relayOf(address: Multiaddr): string {
  return address.toString().split(`/${RELAYED}`)[0] ?? ''
}

/** Host and port, where TCP connects to: `/ip4/192.0.2.7/tcp/4001`. Of a relayed address those of the relay. */
export function endpointOf(address: Multiaddr): string {
  return address
    .getComponents()
    .slice(0, 2)
    .map(({ name, value }) => `/${name}/${value}`)
    .join('')
}

/** The host as it stands there: a numeric address or a name. Of a relayed address that of the relay. */
export function hostOf(address: Multiaddr): string {
  return address.getComponents()[0]?.value ?? ''
}

function parse(text: string, forms: ReadonlySet<string>, example: string): Multiaddr {
  if (text.length > ADDRESS_CHARS_MAX)
    throw invalid(text.slice(0, 64), `expected at most ${ADDRESS_CHARS_MAX} characters`)
  const expected = `expected a multiaddr such as ${example}`
  if (!text.startsWith('/')) throw invalid(text, expected)
  let address: Multiaddr
  try {
    address = multiaddr(text)
  } catch (cause) {
    throw invalid(text, expected, cause)
  }
  const names = address.getComponents().map((component) => component.name)
  const [host, transport, ...rest] = names
  const isTcp = host !== undefined && HOSTS.has(host) && transport === 'tcp'
  if (!isTcp || !forms.has(rest.join())) throw invalid(text, `expected TCP, ${expected.slice(9)}`)
  const peerIds = address.getComponents().filter((component) => component.name === 'p2p')
  if (!peerIds.every(({ value }) => isPeerId(value))) {
    throw invalid(text, 'expected a peer id such as 12D3Koo... after /p2p/')
  }
  return address
}

/** Whether it is a multihash in base58, as every peer id is; multiaddr does not look. */
function isPeerId(text: string | undefined): boolean {
  try {
    return decodeDigest(base58btc.baseDecode(text ?? '')).size > 0
  } catch {
    return false
  }
}

function invalid(text: string, expected: string, cause?: unknown): CoppiceError {
  return new CoppiceError('ADDRESS_INVALID', `address: ${expected}, got ${escapeText(text)}`, {
    cause,
    details: { address: text },
  })
}
