/**
 * The messages of BitTorrent's DHT that a reader and writer of items needs (bep_0005, bep_0044): questions are made, answers
 * are read. It answers nobody: it is a read-only node (bep_0043), so nothing that a stranger sends unasked is looked into.
 */
import { copyBytes } from '../../bytes.ts'
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from '../../pointer/index.ts'
import {
  ascii,
  type BencodeDictionary,
  type BencodeValue,
  decodeBencode,
  encodeBencode,
  isDictionary,
  rawValue,
} from './bencode.ts'
import { ITEM_VALUE_BYTES_MAX, type MutableItem } from './item.ts'

export const NODE_ID_BYTES = 20
/** Of a question: two bytes tell as many open ones apart as there may be. */
export const TRANSACTION_BYTES = 2
/** A token is the answering node's own; those in use have 4..20 bytes. */
const TOKEN_BYTES_MAX = 64
const ERROR_CHARS_MAX = 120
const COMPACT_IPV4_BYTES = 26
const COMPACT_IPV6_BYTES = 38
/** Nodes that an answer may name; 8 as a rule. */
const NODES_MAX = 32

export interface DhtAddress {
  /** A numeric address; of IPv6 all eight groups, none left out. */
  readonly host: string
  readonly port: number
}

export interface DhtNode extends DhtAddress {
  /** 20 bytes. */
  readonly id: Uint8Array
}

export type DhtQuestion =
  | { readonly type: 'find_node' | 'get'; readonly target: Uint8Array }
  | { readonly type: 'put'; readonly item: MutableItem; readonly token: Uint8Array; readonly cas?: bigint }

export type DhtAnswer =
  | {
      readonly type: 'response'
      readonly transaction: Uint8Array
      readonly id: Uint8Array
      readonly nodes: readonly DhtNode[]
      readonly token: Uint8Array | undefined
      /** Not verified; the salt is the asker's to know. */
      readonly item: Omit<MutableItem, 'salt'> | undefined
    }
  | {
      readonly type: 'error'
      readonly transaction: Uint8Array
      readonly code: number
      /** For people; printable ASCII. */
      readonly message: string
    }

export function encodeQuestion(transaction: Uint8Array, id: Uint8Array, question: DhtQuestion): Uint8Array {
  return encodeBencode(
    new Map<string, BencodeValue>([
      ['t', transaction],
      ['y', ascii('q')],
      ['q', ascii(question.type)],
      ['ro', 1n],
      ['a', new Map<string, BencodeValue>([['id', id], ...argumentsOf(question)])],
    ]),
  )
}

function argumentsOf(question: DhtQuestion): (readonly [string, BencodeValue])[] {
  if (question.type !== 'put') {
    const want: readonly BencodeValue[] = [ascii('n4'), ascii('n6')]
    return [
      ['target', question.target],
      ['want', want],
    ]
  }
  const { item, token, cas } = question
  const value = decodeBencode(item.encodedValue)
  if (value === undefined) throw new RangeError('item: expected a bencoded value')
  return [
    ['k', item.key],
    ...(item.salt.length === 0 ? [] : [['salt', item.salt] as const]),
    ['seq', item.sequence],
    ['sig', item.signature],
    ['token', token],
    ['v', value],
    ...(cas === undefined ? [] : [['cas', cas] as const]),
  ]
}

/** Undefined for whatever is no answer: questions of others, and anything malformed. Total. What is given back is copied. */
export function decodeAnswer(datagram: Uint8Array): DhtAnswer | undefined {
  const message = decodeBencode(datagram)
  if (!isDictionary(message)) return undefined
  const transaction = bytesAt(message, 't', TRANSACTION_BYTES, TRANSACTION_BYTES)
  const kind = bytesAt(message, 'y', 1, 1)
  if (transaction === undefined || kind === undefined) return undefined
  if (kind[0] === ascii('r')[0]) return responseOf(message, transaction)
  return kind[0] === ascii('e')[0] ? errorOf(message, transaction) : undefined
}

function responseOf(message: BencodeDictionary, transaction: Uint8Array): DhtAnswer | undefined {
  const fields = message.get('r')
  if (!isDictionary(fields)) return undefined
  const id = bytesAt(fields, 'id', NODE_ID_BYTES, NODE_ID_BYTES)
  if (id === undefined) return undefined
  const nodes = [
    ...compactNodes(fields, 'nodes', COMPACT_IPV4_BYTES),
    ...compactNodes(fields, 'nodes6', COMPACT_IPV6_BYTES),
  ]
  return {
    type: 'response',
    transaction,
    id,
    nodes: nodes.slice(0, NODES_MAX),
    token: bytesAt(fields, 'token', 1, TOKEN_BYTES_MAX),
    item: itemOf(fields),
  }
}

function errorOf(message: BencodeDictionary, transaction: Uint8Array): DhtAnswer | undefined {
  const fields = message.get('e')
  if (!Array.isArray(fields)) return undefined
  const [code, text] = fields as readonly (BencodeValue | undefined)[]
  if (typeof code !== 'bigint' || code < 0n || code > 9999n) return undefined
  const shown = text instanceof Uint8Array ? text.subarray(0, ERROR_CHARS_MAX) : new Uint8Array(0)
  const printable = [...shown].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'))
  return { type: 'error', transaction, code: Number(code), message: printable.join('') }
}

/** An item that has all its parts; one that lacks any is as good as none. */
function itemOf(fields: BencodeDictionary): Omit<MutableItem, 'salt'> | undefined {
  const key = bytesAt(fields, 'k', PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
  const signature = bytesAt(fields, 'sig', SIGNATURE_BYTES, SIGNATURE_BYTES)
  const sequence = fields.get('seq')
  const encodedValue = rawValue(fields, 'v')
  if (key === undefined || signature === undefined || typeof sequence !== 'bigint') return undefined
  if (encodedValue === undefined || encodedValue.length > ITEM_VALUE_BYTES_MAX) return undefined
  return { key, signature, sequence, encodedValue: copyBytes(encodedValue) }
}

function bytesAt(fields: BencodeDictionary, key: string, min: number, max: number): Uint8Array | undefined {
  const value = fields.get(key)
  return value instanceof Uint8Array && value.length >= min && value.length <= max ? copyBytes(value) : undefined
}

/** Compact node info: id, address, port, one after the other (bep_0005, bep_0032). */
function compactNodes(fields: BencodeDictionary, key: string, length: number): DhtNode[] {
  const bytes = fields.get(key)
  if (!(bytes instanceof Uint8Array) || bytes.length % length !== 0) return []
  const nodes: DhtNode[] = []
  for (let at = 0; at < bytes.length && nodes.length < NODES_MAX; at += length) {
    const one = bytes.subarray(at, at + length)
    const address = one.subarray(NODE_ID_BYTES, length - 2)
    const port = ((one[length - 2] as number) << 8) | (one[length - 1] as number)
    const host = length === COMPACT_IPV4_BYTES ? address.join('.') : ipv6Of(address)
    if (port > 0) nodes.push({ id: copyBytes(one.subarray(0, NODE_ID_BYTES)), host, port })
  }
  return nodes
}

/** All eight groups, none left out. */
function ipv6Of(bytes: Uint8Array): string {
  const groups: string[] = []
  for (let i = 0; i < bytes.length; i += 2)
    groups.push((((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16))
  return groups.join(':')
}
