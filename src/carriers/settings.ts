/**
 * Which carriers a database uses beside its peers and mirrors, and what they are reached through (record.md, 7). Kept as lines of
 * text among the database's values:
 *
 *     dht <node> ...          multiaddrs with peer ids, of nodes of the own DHT
 *     ipns <node> ...         the same, of a DHT that keeps IPNS records
 *     bep44 <host:port> ...   nodes of a BitTorrent DHT
 *     quorum <n>              independent sources that have to show a root
 *
 * Each at most once, in this order, with single spaces: one form for one content.
 */
import { equalBytes } from '../bytes.ts'
import { CoppiceError } from '../errors.ts'
import { quoteText } from '../escape.ts'

export const CARRIER_KINDS = ['dht', 'ipns', 'bep44'] as const
export type CarrierKind = (typeof CARRIER_KINDS)[number]

export interface CarrierNodes {
  /** At least one. Multiaddrs with peer ids; of `bep44` `host:port`. */
  readonly bootstrap: readonly string[]
}

export interface CarrierSettings {
  readonly dht?: CarrierNodes | undefined
  readonly ipns?: CarrierNodes | undefined
  readonly bep44?: CarrierNodes | undefined
  /** Only what that many independent sources show moves the floor of a pull; 1 where absent. */
  readonly quorum?: number | undefined
}

/** A lookup begins with all of them: three are plenty, and none of them is trusted. */
export const CARRIER_NODES_MAX = 16
/** More independent sources than anybody names. */
export const QUORUM_MAX = 16
/** As long as any multiaddr that is dialled. */
const NODE_CHARS_MAX = 500
const SETTINGS_BYTES_MAX: number = (CARRIER_NODES_MAX * (NODE_CHARS_MAX + 1) + 8) * CARRIER_KINDS.length + 16

const MULTIADDR = /^\/[\x21-\x7e]+\/p2p\/[A-Za-z0-9]+$/
/** A name, an IPv4 address, or an IPv6 address in brackets. */
const HOST_AND_PORT = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]{0,4})$/

/** Whether it is written as a node of that kind is; dials nothing. */
export function isCarrierNode(kind: CarrierKind, node: string): boolean {
  if (node.length > NODE_CHARS_MAX) return false
  if (kind !== 'bep44') return MULTIADDR.test(node)
  return Number(HOST_AND_PORT.exec(node)?.[1]) <= 65_535
}

/** @throws {CoppiceError} `USAGE` for what is out of bounds. */
export function encodeCarrierSettings(settings: CarrierSettings): Uint8Array {
  const lines = CARRIER_KINDS.flatMap((kind) => {
    const nodes = settings[kind]
    return nodes === undefined ? [] : [`${kind} ${validNodes(kind, nodes).join(' ')}\n`]
  })
  const { quorum } = settings
  if (quorum !== undefined) lines.push(`quorum ${validQuorum(quorum)}\n`)
  return new TextEncoder().encode(lines.join(''))
}

function validNodes(kind: CarrierKind, { bootstrap }: CarrierNodes): readonly string[] {
  const bad = bootstrap.find((node) => !isCarrierNode(kind, node))
  if (bad !== undefined) {
    const expected = kind === 'bep44' ? 'host:port' : 'a multiaddr with a peer id'
    throw new CoppiceError('USAGE', `${kind}: expected ${expected}, got ${quoteText(bad)}`)
  }
  const { length } = bootstrap
  if (length >= 1 && length <= CARRIER_NODES_MAX && new Set(bootstrap).size === length) return bootstrap
  throw new CoppiceError('USAGE', `${kind}: expected 1..${CARRIER_NODES_MAX} different nodes, got ${length}`)
}

function validQuorum(quorum: number): number {
  if (Number.isSafeInteger(quorum) && quorum >= 1 && quorum <= QUORUM_MAX) return quorum
  throw new CoppiceError('USAGE', `quorum: expected 1..${QUORUM_MAX} independent sources, got ${quorum}`)
}

/** @throws {CoppiceError} `STORE_CORRUPT` for what {@link encodeCarrierSettings} does not give. */
export function decodeCarrierSettings(bytes: Uint8Array): CarrierSettings {
  const damage = new CoppiceError(
    'STORE_CORRUPT',
    'carriers: expected a line for each, got damage; set them with coppice carriers',
  )
  if (bytes.length > SETTINGS_BYTES_MAX) throw damage
  const lines = new TextDecoder().decode(bytes).split('\n')
  if (lines.pop() !== '') throw damage
  const settings: { -readonly [K in keyof CarrierSettings]: CarrierSettings[K] } = {}
  for (const line of lines) {
    const [kind = '', ...values] = line.split(' ')
    if (kind === 'quorum') settings.quorum = Number(values[0])
    else if (isCarrierKind(kind)) settings[kind] = { bootstrap: values }
  }
  if (!isWhatEncodes(settings, bytes)) throw damage
  return settings
}

export function isCarrierKind(text: string): text is CarrierKind {
  return (CARRIER_KINDS as readonly string[]).includes(text)
}

/** Order, doubles, unknown lines and bounds, all at once. */
function isWhatEncodes(settings: CarrierSettings, bytes: Uint8Array): boolean {
  try {
    return equalBytes(encodeCarrierSettings(settings), bytes)
  } catch {
    return false
  }
}
