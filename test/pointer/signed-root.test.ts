/** Signed roots (docs/spec/record.md, 1): vectors of an independent generator, hostile bytes, states. */
import { decode, encode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bytesToHex, concatBytes, equalBytes } from '../../src/bytes.ts'
import { isCoppiceError } from '../../src/errors.ts'
import { formatLink } from '../../src/link.ts'
import {
  addRotation,
  carrierSequence,
  createAuthority,
  decodeHeadBlock,
  decodeRotation,
  decodeSignedRoot,
  headBlock,
  parseCarrierSequence,
  SIGNED_ROOT_BYTES_MAX,
  verifySignedRoot,
  type AnySignedRoot,
  type Authority,
  type SignedRoot,
} from '../../src/pointer/index.ts'
import { encodePayload } from '../../src/pointer/payload.ts'
import { AuthorChain } from '../support/author-chain.ts'
import { hex } from '../support/hex.ts'
import { assertProperty } from '../support/property.ts'
import { RECORD_VECTORS as VECTORS } from '../support/record-vectors.ts'
import { throwsCode } from '../support/throws.ts'

const test = suite('pointer/signed-root')

const authority: Authority = createAuthority(hex(VECTORS.author))

function rotatedAuthority(): Authority {
  const result = addRotation(authority, decodeRotation(hex(VECTORS.rotation)))
  if (result.outcome !== 'added') throw new Error(`expected a rotation that is added, got ${result.outcome}`)
  return result.authority
}

function known(root: AnySignedRoot): SignedRoot {
  if (root.state === 'newer-format') throw new Error('expected a known format')
  return root
}

/** What decoding makes of any bytes: a root or the one coded error. */
function tryDecode(bytes: Uint8Array): AnySignedRoot | undefined {
  try {
    return decodeSignedRoot(bytes)
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
    return undefined
  }
}

test('every record of the vectors is read as it was made, and encoded to the same bytes', () => {
  const rotated = rotatedAuthority()
  for (const vector of [...VECTORS.records, VECTORS.fork]) {
    const root = known(decodeSignedRoot(hex(vector.signedRoot)))
    const { payload } = root
    assert.is(root.state, 'known', vector.label)
    assert.is(root.bytes.length, vector.length)
    assert.is(bytesToHex(root.payloadBytes), vector.payload)
    assert.is(formatLink(root.link), vector.payloadCid)
    assert.is(bytesToHex(root.key), vector.signer)
    assert.is(formatLink(payload.root), vector.root)
    assert.equal(
      [payload.epoch, payload.sequence, payload.entries, payload.bytes, payload.issued, payload.expires],
      [vector.epoch, vector.sequence, vector.entries, vector.bytes, vector.issued, vector.expires],
    )
    assert.is(bytesToHex(payload.history), vector.history)
    assert.is(bytesToHex(encodePayload(payload)), vector.payload)
    assert.is(verifySignedRoot(root, rotated), undefined, vector.label)
    assert.is(carrierSequence(payload), BigInt(vector.carrierSequence))
    const head = headBlock(root)
    assert.is(formatLink(head.link), vector.headCid)
    assert.ok(equalBytes(decodeHeadBlock(head.bytes).bytes, root.bytes))
  }
})

test('the message is read, odd extensions are ignored', () => {
  const messages = VECTORS.records.map(({ signedRoot }) => known(decodeSignedRoot(hex(signedRoot))).message)
  const first = 'first release \u{1f333}'
  assert.equal(messages.slice(0, 6), [undefined, first, undefined, undefined, undefined, first])
})

test('a record of exactly 996 bytes with every field at its largest', () => {
  const root = known(decodeSignedRoot(hex(VECTORS.largest.signedRoot)))
  assert.is(root.bytes.length, SIGNED_ROOT_BYTES_MAX)
  assert.is(formatLink(root.link), VECTORS.largest.payloadCid)
  assert.is(bytesToHex(encodePayload(root.payload)), VECTORS.largest.payload)
  assert.is(verifySignedRoot(root, authority), undefined)
  assert.is(root.payload.entries, Number.MAX_SAFE_INTEGER)
})

test('newer formats and extensions that must be understood are states', () => {
  for (const { label, state, problem, signedRoot } of VECTORS.states) {
    const root = decodeSignedRoot(hex(signedRoot))
    assert.is(root.state, state, label)
    assert.is(verifySignedRoot(root, authority), problem, label)
  }
})

test('whoever may not sign is told apart', () => {
  for (const { label, problem, signedRoot } of VECTORS.unentitled) {
    assert.is(verifySignedRoot(decodeSignedRoot(hex(signedRoot)), authority), problem, label)
  }
})

test('no malformed record is read, and the error says where', () => {
  assert.ok(VECTORS.malformed.length > 80)
  for (const { label, signedRoot } of VECTORS.malformed) {
    try {
      decodeSignedRoot(hex(signedRoot))
      assert.unreachable(label)
    } catch (error) {
      if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
      assert.type(error.details['offset'], 'number', label)
    }
  }
})

test('an oversized input is refused before it is read', () => {
  const huge = new Proxy(new Uint8Array(0), {
    get: (target, property) => {
      if (property === 'length') return 2 ** 30
      throw new Error(`read ${String(property)} of ${target.length} bytes`)
    },
  })
  throwsCode(() => decodeSignedRoot(huge), 'SIGNED_ROOT_INVALID')
})

test('each change of one byte is refused, or signed by nobody', async () => {
  const rotated = rotatedAuthority()
  for (const { signedRoot } of [VECTORS.records[3], VECTORS.records[8]].filter((one) => one !== undefined)) {
    const original = hex(signedRoot)
    for (let at = 0; at < original.length; at++) {
      const mutated = original.slice()
      mutated[at] = (mutated[at] as number) ^ (1 << (at % 8))
      const root = tryDecode(mutated)
      if (root !== undefined) assert.is.not(verifySignedRoot(root, rotated), undefined, `byte ${at}`)
    }
  }
  const originals = VECTORS.records.map((record) => hex(record.signedRoot))
  const property = fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, where, change) => {
    const mutated = (originals[which % originals.length] as Uint8Array).slice()
    mutated[where % mutated.length] = (mutated[where % mutated.length] as number) ^ change
    const root = tryDecode(mutated)
    if (root !== undefined) assert.is.not(verifySignedRoot(root, rotated), undefined)
  })
  await assertProperty(property, 400)
})

test('total on cut, joined and random bytes; whatever is read was canonical', async () => {
  const originals = VECTORS.records.map((record) => hex(record.signedRoot))
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.nat(), fc.nat(), fc.nat(300)).map(([which, from, length]) => {
      const original = originals[which % originals.length] as Uint8Array
      return original.slice(from % original.length, (from % original.length) + length)
    }),
  )
  const property = fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
    const bytes = concatBytes(...pieces)
    const root = tryDecode(bytes)
    if (root !== undefined) assert.ok(equalBytes(encode(decode(bytes)), bytes))
  })
  await assertProperty(property, 500)
})

test('what is read does not change with the buffer it was read from', () => {
  const buffer = hex((VECTORS.records[1] as (typeof VECTORS.records)[number]).signedRoot)
  const root = known(decodeSignedRoot(buffer))
  buffer.fill(0)
  assert.is(verifySignedRoot(root, authority), undefined)
})

test('payloads of any fields come back, and equal what @ipld/dag-cbor writes', async () => {
  const safe = fc.maxSafeNat()
  const link = fc.nat(1000).map((n) => headBlock(sample(n)).link)
  const property = fc.property(
    fc.record({ epoch: fc.integer({ min: 1, max: 4095 }), sequence: fc.integer({ min: 6, max: 2 ** 40 - 1 }) }),
    fc.record({ entries: safe, bytes: safe, issued: safe, expires: fc.option(safe) }),
    fc.uniqueArray(link, { minLength: 4, maxLength: 4, selector: bytesToHex }),
    fc.uniqueArray(
      fc.record(
        { id: fc.nat(5000).map((n) => 2 * n + 3), bytes: fc.uint8Array({ maxLength: 9 }) },
        { noNullPrototype: true },
      ),
      {
        maxLength: 4,
        selector: ({ id }) => id,
      },
    ),
    ({ epoch, sequence }, numbers, links, extensions) => {
      const [root, previous, third, fourth] = links as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
      const payload = {
        ...sample(1).payload,
        epoch,
        sequence,
        root,
        previous,
        ...numbers,
        recent: [
          { sequence: sequence - 2, link: third },
          { sequence: sequence - 5, link: fourth },
        ],
        resolves: [third],
        extensions: extensions.toSorted((a, b) => a.id - b.id),
      }
      const bytes = encodePayload(payload)
      const cid = (one: Uint8Array): CID => CID.decode(one)
      const reference = encode([
        'coppice/root/1',
        1,
        payload.author,
        payload.name,
        epoch,
        sequence,
        cid(root),
        payload.entries,
        payload.bytes,
        payload.issued,
        payload.expires,
        cid(previous),
        payload.history,
        payload.recent.map((one) => [one.sequence, cid(one.link)]),
        [cid(third)],
        null,
        payload.extensions.map(({ id, bytes: extension }) => [id, extension]),
      ])
      assert.ok(equalBytes(bytes, reference))
      const pair = [sample(1).key, sample(1).signatures[0]?.signature]
      assert.equal(known(decodeSignedRoot(encode([bytes, [pair]]))).payload, payload)
    },
  )
  await assertProperty(property, 200)
})

const samples = new Map<number, SignedRoot>()
const chain = new AuthorChain()
await chain.publish()

/** Distinct signed roots, only to have links of. */
function sample(n: number): SignedRoot {
  const held = samples.get(n)
  if (held !== undefined) return held
  const payloadBytes = encodePayload({ ...chain.at(1).payload, entries: n })
  const signature = chain.at(1).signatures[0]?.signature
  const made = known(decodeSignedRoot(encode([payloadBytes, [[chain.at(1).key, signature]]])))
  samples.set(n, made)
  return made
}

test('a head block with another root, a byte more or nothing in it is refused', () => {
  const head = headBlock(sample(1)).bytes
  const other = encode([CID.decode(sample(2).link), sample(1).bytes])
  for (const bytes of [other, concatBytes(head, new Uint8Array(1)), head.subarray(1), new Uint8Array(0)]) {
    throwsCode(() => decodeHeadBlock(bytes), 'SIGNED_ROOT_INVALID')
  }
})

test("carriers' one number orders as (epoch, sequence) and gives both back", async () => {
  const position = fc.record(
    { epoch: fc.nat(4095), sequence: fc.integer({ min: 1, max: 2 ** 40 - 1 }) },
    { noNullPrototype: true },
  )
  const property = fc.property(position, position, (a, b) => {
    assert.equal(parseCarrierSequence(carrierSequence(a)), a)
    const order = a.epoch - b.epoch || a.sequence - b.sequence
    const carried = carrierSequence(a) - carrierSequence(b)
    assert.is(Math.sign(Number(carried)), Math.sign(order))
  })
  await assertProperty(property, 200)
  for (const none of [-1n, 0n, 2n ** 40n, 2n ** 52n, 2n ** 64n]) assert.is(parseCarrierSequence(none), undefined)
})

test.run()
