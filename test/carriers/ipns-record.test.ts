/** The form of IPNS records: against the stock package both ways, and against a stock codec. */
import * as dagCbor from '@ipld/dag-cbor'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { createIPNSRecord, marshalIPNSRecord, multihashToIPNSRoutingKey, unmarshalIPNSRecord } from 'ipns'
import { ipnsValidator } from 'ipns/validator'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { concatBytes } from '../../src/bytes.ts'
import { decodeProtobuf, encodeProtobuf } from '../../src/carriers/ipns/protobuf.ts'
import {
  type IpnsRecord,
  ipnsKey,
  openIpnsRecord,
  parseIpnsKey,
  signIpnsRecord,
} from '../../src/carriers/ipns/record.ts'
import { createSigner, type Signer } from '../../src/pointer/index.ts'
import { signerOf } from '../support/author-chain.ts'
import { Random } from '../support/random.ts'
import { seeds } from '../support/property.ts'

const test = suite('carriers/ipns-record')

const SEED = new Uint8Array(32).fill(9)
const PATH = '/ipfs/bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae'

/** With the wall clock's expiry, which the stock package looks at. */
async function ours(signer: Signer, over: Partial<IpnsRecord> = {}): Promise<Uint8Array> {
  const entries = new Map([['cities', new Uint8Array(900)]])
  const validUntil = Date.now() + 86_400_000
  return await signIpnsRecord(signer, { value: PATH, sequence: 7, validUntil, ttlMs: 60_000, entries, ...over })
}

test('the stock package validates ours, and we open its', async () => {
  const signer = createSigner(SEED)
  const key = await generateKeyPairFromSeed('Ed25519', SEED)
  const routingKey = multihashToIPNSRoutingKey(key.publicKey.toMultihash())
  assert.equal(new Uint8Array(routingKey), ipnsKey(signer.publicKey))
  assert.equal(parseIpnsKey(routingKey), signer.publicKey)
  const bytes = await ours(signer)
  await ipnsValidator(routingKey, bytes)
  const read = unmarshalIPNSRecord(bytes)
  assert.is(read.value, PATH)
  assert.is(read.sequence, 7n)
  for (const v1Compatible of [true, false]) {
    const theirs = marshalIPNSRecord(await createIPNSRecord(key, PATH, 3, 86_400_000, { v1Compatible }))
    const opened = openIpnsRecord(signer.publicKey, theirs)
    assert.is(opened?.value, PATH)
    assert.is(opened?.sequence, 3)
    assert.is(opened?.entries.size, 0)
    assert.is(opened?.validUntil, Math.floor(Date.parse(unmarshalIPNSRecord(theirs).validity) / 1000) * 1000)
  }
})

test('sequences of 64 bits are taken for the highest that we count', async () => {
  const key = await generateKeyPairFromSeed('Ed25519', SEED)
  for (const [sequence, opened] of [
    [2 ** 53 - 2, 2 ** 53 - 2],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [2n ** 53n, 2 ** 53 - 1],
    [2n ** 64n - 1n, 2 ** 53 - 1],
  ] as const) {
    const theirs = marshalIPNSRecord(await createIPNSRecord(key, PATH, sequence, 86_400_000, { v1Compatible: false }))
    assert.is(openIpnsRecord(createSigner(SEED).publicKey, theirs)?.sequence, opened)
  }
})

test('the signed data are DAG-CBOR as the stock codec has it, and nothing else is taken', async () => {
  const signer = createSigner(SEED)
  const long = 'a'.repeat(48)
  const entries = new Map(['cities', 'b', 'aa', long].map((name, i) => [name, new Uint8Array(i + 1)]))
  const bytes = await ours(signer, { entries })
  const data = decodeProtobuf(bytes)?.get(9) as Uint8Array
  assert.equal(new Uint8Array(dagCbor.encode(dagCbor.decode(data))), new Uint8Array(data))
  const fields = dagCbor.decode<Record<string, unknown>>(data)
  assert.equal(fields['_coppice'], Object.fromEntries(entries))
  const signedAs = async (changed: Uint8Array): Promise<Uint8Array> => {
    const signature = await signer.sign(concatBytes(new TextEncoder().encode('ipns-signature:'), changed))
    return encodeProtobuf(
      new Map([
        [8, signature],
        [9, changed],
      ]),
    )
  }
  const open = async (changed: Uint8Array): Promise<IpnsRecord | undefined> =>
    openIpnsRecord(signer.publicKey, await signedAs(changed))
  assert.ok(await open(data))
  assert.ok(await open(dagCbor.encode({ ...fields, other: { a: [1, null, 2.5] } })), 'fields of others are theirs')
  for (const bad of [
    { ...fields, ValidityType: 1 },
    { ...fields, Sequence: -1 },
    { ...fields, Validity: new TextEncoder().encode('tomorrow') },
    { ...fields, Value: Uint8Array.of(0xff) },
    { ...fields, _coppice: { 'no name': Uint8Array.of(1) } },
    { ...fields, _coppice: [] },
    { ...fields, TTL: null },
  ]) {
    assert.is(await open(dagCbor.encode(bad)), undefined, JSON.stringify(Object.keys(bad)))
  }
  // TTL behind Value, and a length in more bytes than it needs.
  const ttl = dagCbor.encode({ TTL: fields['TTL'] }).subarray(1)
  const rest = data.subarray(1 + ttl.length)
  assert.is(await open(concatBytes(data.subarray(0, 1), rest, ttl)), undefined)
  assert.is(await open(concatBytes(Uint8Array.of(0xb8, (data[0] as number) & 31), data.subarray(1))), undefined)
  assert.is(await open(concatBytes(data, Uint8Array.of(0))), undefined)
  const more = encodeProtobuf(new Map([...(decodeProtobuf(bytes) ?? []), [12, new Uint8Array(99)]]))
  assert.is(openIpnsRecord(signer.publicKey, more), undefined, 'what anybody could add')
})

test('whatever is changed in a record, it is none', async () => {
  const [seed = 0] = seeds(1)
  const random = new Random(seed)
  const signer = createSigner(SEED)
  const bytes = await ours(signer, { entries: new Map([['cities', new Uint8Array(40)]]) })
  for (let i = 0; i < 300; i++) {
    const changed = bytes.slice()
    const at = random.below(bytes.length)
    changed[at] = (changed[at] as number) ^ random.between(1, 255)
    assert.is(openIpnsRecord(signer.publicKey, changed), undefined, `byte ${at}`)
    assert.is(openIpnsRecord(signer.publicKey, random.bytes(random.below(200))), undefined)
  }
  assert.is(openIpnsRecord(signerOf('other').publicKey, bytes), undefined)
  assert.is(openIpnsRecord(signer.publicKey, bytes.subarray(0, -1)), undefined)
})

test.run()
