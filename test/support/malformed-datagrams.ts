/**
 * Datagrams that a node of BitTorrent's DHT may send in place of an answer to `get`, by kind. `whole`: the datagram is no answer, and is
 * ignored. `part`: it is one, and what is malformed in it is as good as absent.
 */
import { ascii, type BencodeValue, encodeBencode } from '../../src/carriers/bep44/bencode.ts'
import { type MutableItem, signItem } from '../../src/carriers/bep44/item.ts'
import type { Signer } from '../../src/pointer/index.ts'
import { Random } from './random.ts'

export interface MalformedCase {
  readonly kind: string
  readonly name: string
  readonly extent: 'whole' | 'part'
  /** Answers the question of that transaction, of two bytes. */
  readonly datagram: (transaction: Uint8Array) => Uint8Array
}

type Fields = Readonly<Record<string, BencodeValue | undefined>>

const ID = 'abcdefghijklmnopqrst'
const bytes = (length: number, value = 7): Uint8Array => new Uint8Array(length).fill(value)

function dictionary(fields: Fields): BencodeValue {
  return new Map(Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])))
}

/** A good answer, but for what is replaced; undefined leaves it out. */
function answer(transaction: Uint8Array, body: Fields, message: Fields = {}): Uint8Array {
  const r = dictionary({ id: ascii(ID), token: ascii('token'), ...body })
  return encodeBencode(dictionary({ t: transaction, y: ascii('r'), r, ...message }))
}

/** As text of one character for each byte, with TT for the transaction. */
function written(text: string): MalformedCase['datagram'] {
  return (transaction) => {
    const [before = '', ...after] = text.split('TT')
    return ascii([before, ...after].join(String.fromCharCode(...transaction)))
  }
}

const GOOD = `d1:rd2:id20:${ID}5:token5:tokene1:t2:TT1:y1:re`
/** The good answer with a value more in it, which is written as it is given. */
const withValue = (value: string): string => `d1:rd2:id20:${ID}5:token5:token1:x${value}e1:t2:TT1:y1:re`

const WRITTEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'bencode: ends': {
    empty: '',
    'only an end': 'e',
    'bytes behind it': `${GOOD}x`,
    'a second message behind it': `${GOOD}${GOOD}`,
    'an end too many': `${GOOD}e`,
    'no end': GOOD.slice(0, -1),
    'spaces before it': ` ${GOOD}`,
  },
  'bencode: lengths': {
    negative: withValue('-1:a'),
    'minus nothing': withValue('-0:'),
    'with a sign': withValue('+1:a'),
    'leading zero': withValue('01:a'),
    'two zeros': withValue('00:'),
    'beyond the end': withValue('9999:a'),
    'of six digits': withValue('999999:a'),
    'of forty digits': withValue(`${'9'.repeat(40)}:a`),
    'without a colon': withValue('1a'),
    'in hexadecimal': withValue('0x1:a'),
    'with an exponent': withValue('1e0:a'),
  },
  'bencode: integers': {
    'minus zero': withValue('i-0e'),
    'leading zero': withValue('i01e'),
    'two zeros': withValue('i00e'),
    'minus, leading zero': withValue('i-01e'),
    'two signs': withValue('i--1e'),
    plus: withValue('i+1e'),
    empty: withValue('ie'),
    'minus alone': withValue('i-e'),
    'a fraction': withValue('i1.5e'),
    'an exponent': withValue('i1e5e'),
    hexadecimal: withValue('i0x10e'),
    'of 20 digits': withValue(`i${'9'.repeat(20)}e`),
    'of 1000 digits': withValue(`i${'9'.repeat(1000)}e`),
    'without an end': withValue('i1'),
    text: withValue('iNaNe'),
  },
  'bencode: dictionaries': {
    'unsorted keys': `d1:y1:r1:rd2:id20:${ID}e1:t2:TTe`,
    'unsorted keys inside': `d1:rd5:token5:token2:id20:${ID}e1:t2:TT1:y1:re`,
    'a key twice': `d1:rd2:id20:${ID}2:id20:${ID}e1:t2:TT1:y1:re`,
    'two transactions': `d1:rd2:id20:${ID}e1:t2:TT1:t2:TT1:y1:re`,
    'an integer for a key': withValue('di1ei1ee'),
    'a list for a key': withValue('dlei1ee'),
    'a dictionary for a key': withValue('dde1:ae'),
    'a key without a value': withValue('d1:ae'),
  },
  'bencode: depth': {
    'nine lists': withValue('l'.repeat(9) + 'e'.repeat(9)),
    'a thousand lists': withValue('l'.repeat(1000) + 'e'.repeat(1000)),
    'four thousand lists begun': 'l'.repeat(4000),
    'a thousand dictionaries begun': 'd1:a'.repeat(1000),
  },
  'message: form': {
    'a list': `l${GOOD}e`,
    'an integer': 'i1e',
    'a byte string': '4:spam',
    'an empty dictionary': 'de',
    'of another protocol': 'HTTP/1.1 200 OK\r\n\r\n',
    zeros: '\0'.repeat(512),
  },
}

/** Of a whole message: what stands at its top. */
const MESSAGES: Readonly<Record<string, Readonly<Record<string, Fields>>>> = {
  'message: transaction': {
    none: { t: undefined },
    empty: { t: bytes(0) },
    'of one byte': { t: bytes(1) },
    'of three bytes': { t: bytes(3) },
    'of 400 bytes': { t: bytes(400) },
    'an integer': { t: 1n },
    'a list': { t: [ascii('TT')] },
  },
  'message: kind': {
    none: { y: undefined },
    empty: { y: bytes(0) },
    'of two letters': { y: ascii('rr') },
    unknown: { y: ascii('z') },
    'an integer': { y: 1n },
    'a question': { y: ascii('q'), q: ascii('get') },
    'a question to put': { y: ascii('q'), q: ascii('put'), a: dictionary({ id: ascii(ID), v: ascii('x') }) },
  },
  'message: body': {
    none: { r: undefined },
    'a list': { r: [ascii(ID)] },
    'an integer': { r: 1n },
    'a byte string': { r: ascii(ID) },
    empty: { r: dictionary({}) },
  },
  'message: error': {
    none: { y: ascii('e') },
    'a dictionary': { y: ascii('e'), e: dictionary({}) },
    'an integer': { y: ascii('e'), e: 201n },
    empty: { y: ascii('e'), e: [] },
    'text for a code': { y: ascii('e'), e: [ascii('201'), ascii('x')] },
    'a negative code': { y: ascii('e'), e: [-1n, ascii('x')] },
    'a huge code': { y: ascii('e'), e: [2n ** 62n, ascii('x')] },
    'no text': { y: ascii('e'), e: [201n] },
    'an integer for text': { y: ascii('e'), e: [201n, 1n] },
    'escapes in the text': { y: ascii('e'), e: [201n, ascii('\u001b[2J\u0007')] },
  },
  'message: id': Object.fromEntries(
    Object.entries({
      'of 19 bytes': bytes(19),
      'of 21 bytes': bytes(21),
      empty: bytes(0),
      'an integer': 1n,
      'a list': [ascii(ID)],
    }).map(([name, id]) => [name, { r: dictionary({ id, token: ascii('token') }) }] as const),
  ),
}

const compact = (host: readonly number[], port: number): Uint8Array =>
  Uint8Array.of(...bytes(20), ...host, port >> 8, port & 255)

/** Of the body, beside a good id and token. */
const BODIES: Readonly<Record<string, Readonly<Record<string, Fields>>>> = {
  'body: token': {
    none: { token: undefined },
    empty: { token: bytes(0) },
    'of 65 bytes': { token: bytes(65) },
    'an integer': { token: 1n },
    'a list': { token: [ascii('token')] },
  },
  'body: nodes': {
    'an integer': { nodes: 1n },
    'a list': { nodes: [compact([9, 9, 9, 9], 6881)] },
    'a byte less': { nodes: compact([9, 9, 9, 9], 6881).subarray(1) },
    'a byte more': { nodes: bytes(27) },
    'of IPv6, a byte more': { nodes6: bytes(39) },
    'of IPv6, as long as IPv4': { nodes6: compact([9, 9, 9, 9], 6881) },
  },
  'body: addresses': {
    'port 0': { nodes: compact([9, 9, 9, 9], 0) },
    'a port of a service': { nodes: compact([9, 9, 9, 9], 53) },
    'this machine': { nodes: compact([127, 0, 0, 1], 6881) },
    'a private network': { nodes: compact([10, 0, 0, 1], 6881) },
    'another private network': { nodes: compact([192, 168, 1, 1], 6881) },
    'this link': { nodes: compact([169, 254, 169, 254], 6881) },
    'no address': { nodes: compact([0, 0, 0, 0], 6881) },
    broadcast: { nodes: compact([255, 255, 255, 255], 6881) },
    multicast: { nodes: compact([224, 0, 0, 1], 6881) },
    'this machine, IPv6': { nodes6: Uint8Array.of(...bytes(35, 0), 1, 26, 225) },
    'a private network, IPv6': { nodes6: Uint8Array.of(...bytes(20), 0xfd, ...bytes(15, 0), 26, 225) },
    'this machine as IPv6': { nodes6: Uint8Array.of(...bytes(30, 0), 255, 255, 127, 0, 0, 1, 26, 225) },
  },
}

function itemFields({ key, sequence, signature, encodedValue }: MutableItem): Fields {
  return { k: key, seq: sequence, sig: signature, v: encodedValue.subarray(encodedValue.indexOf(0x3a) + 1) }
}

/** Items that are none, or not what was asked for: under the key of `signer`, with a higher sequence than any good one. */
async function itemCases(signer: Signer, stranger: Signer, salt: Uint8Array): Promise<Record<string, Fields>> {
  const value = bytes(100)
  const good = itemFields(await signItem(signer, salt, 9n, value))
  const other = itemFields(await signItem(signer, ascii('coppice/1/another'), 9n, value))
  const forged = itemFields(await signItem(stranger, salt, 9n, value))
  return {
    'no key': { ...good, k: undefined },
    'a key of 31 bytes': { ...good, k: bytes(31) },
    'a key of 33 bytes': { ...good, k: bytes(33) },
    'an integer for a key': { ...good, k: 1n },
    'the key of a stranger': forged,
    'the signature of a stranger': { ...good, sig: forged['sig'] },
    'a key that is no point': { ...good, k: bytes(32, 255) },
    'a key of small order': { ...good, k: bytes(32, 0), sig: bytes(64, 0) },
    'no signature': { ...good, sig: undefined },
    'a signature of 63 bytes': { ...good, sig: bytes(63) },
    'a signature of 65 bytes': { ...good, sig: bytes(65) },
    'a signature of zeros': { ...good, sig: bytes(64, 0) },
    'an integer for a signature': { ...good, sig: 1n },
    'the signature for another salt': other,
    'no sequence': { ...good, seq: undefined },
    'text for a sequence': { ...good, seq: ascii('9') },
    'another sequence': { ...good, seq: 10n },
    'a negative sequence': { ...good, seq: -9n },
    'a sequence beyond 63 bits': { ...good, seq: 2n ** 63n },
    'no value': { ...good, v: undefined },
    'another value': { ...good, v: bytes(100, 8) },
    'an integer for a value': { ...good, v: 1n },
    'a list for a value': { ...good, v: [value] },
    'a value of 1001 bytes': { ...good, v: bytes(997) },
    'a value of 3000 bytes': { ...good, v: bytes(3000) },
  }
}

export async function malformedCases(signer: Signer, stranger: Signer, salt: Uint8Array): Promise<MalformedCase[]> {
  const random = new Random(44)
  const cut = ascii(GOOD)
  const cases: MalformedCase[] = []
  const add = (
    kind: string,
    name: string,
    extent: MalformedCase['extent'],
    datagram: MalformedCase['datagram'],
  ): void => void cases.push({ kind, name, extent, datagram })
  for (const [kind, entries] of Object.entries(WRITTEN)) {
    for (const [name, text] of Object.entries(entries)) add(kind, name, 'whole', written(text))
  }
  for (let end = 1; end < cut.length; end++)
    add('bencode: cut', `after ${end} bytes`, 'whole', written(GOOD.slice(0, end)))
  for (const [kind, entries] of Object.entries(MESSAGES)) {
    for (const [name, fields] of Object.entries(entries)) add(kind, name, 'whole', (t) => answer(t, {}, fields))
  }
  add('message: transaction', 'another one', 'whole', (t) =>
    answer(Uint8Array.of((t[0] as number) ^ 1, t[1] as number), {}),
  )
  add('message: size', 'of 5,000 bytes', 'whole', (t) => answer(t, { x: bytes(5000) }))
  for (const size of [1, 2, 20, 100, 500, 1400, 4096]) {
    for (let i = 0; i < 4; i++) add('noise', `${size} bytes`, 'whole', () => random.bytes(size))
  }
  for (const [kind, entries] of Object.entries(BODIES)) {
    for (const [name, fields] of Object.entries(entries)) add(kind, name, 'part', (t) => answer(t, fields))
  }
  for (const [name, fields] of Object.entries(await itemCases(signer, stranger, salt))) {
    add('body: item', name, 'part', (t) => answer(t, fields))
  }
  return cases
}
