/** What nodes of a DHT keep of databases: values and IPNS records, made, damaged, and put in any order by several strangers. */
import * as assert from 'uvu/assert'
import { decodeDhtValue, DHT_RULES, dhtKey, encodeDhtValue } from '../src/carriers/dht/value.ts'
import { ATTACHMENT_IDS } from '../src/carriers/attachments.ts'
import { decodeEnvelopes, encodeEnvelopes, type Envelopes } from '../src/carriers/envelopes.ts'
import { decodeIpnsHops, encodeIpnsHops } from '../src/carriers/ipns/hops.ts'
import { signNextRecord } from '../src/carriers/ipns/next-record.ts'
import { type IpnsRecord, ipnsKey, openIpnsRecord } from '../src/carriers/ipns/record.ts'
import { IPNS_RULES } from '../src/carriers/ipns/rules.ts'
import { isCoppiceError } from '../src/errors.ts'
import { ValueFloors, ValueRefused } from '../src/net/discovery/value-floors.ts'
import {
  addRotation,
  comparePositions,
  decodeRotation,
  decodeSignedRoot,
  encodeRotations,
  signRotation,
} from '../src/pointer/index.ts'
import { AuthorChain, signerOf, START } from '../test/support/author-chain.ts'
import { damaged } from '../test/support/damage.ts'
import { Random } from '../test/support/random.ts'

export const summary =
  'whatever the order of puts, nodes keep the highest; no value or IPNS record verifies that was changed; no bytes throw'

const NOW = START * 1000

export async function run(seed: number): Promise<void> {
  const random = new Random(seed)
  const chain = new AuthorChain(`author ${random.below(8)}`)
  const key = dhtKey({ author: chain.authority.author, name: chain.name })
  const values = await valuesOf(random, chain)
  assertHighestStays(random, key, values)
  for (const value of values) assertDamage(random, key, value, DHT_RULES.read.bind(DHT_RULES))
  const records = await recordsOf(random, chain)
  const recordKey = ipnsKey(chain.signer.publicKey)
  for (const record of records) assertDamage(random, recordKey, record, IPNS_RULES.read.bind(IPNS_RULES))
  assertHops(random, records)
}

/** Of one chain: some in later epochs, some with a rotation for an epoch that never comes. */
async function valuesOf(random: Random, chain: AuthorChain): Promise<Uint8Array[]> {
  const values: Uint8Array[] = []
  let epoch = 0
  let attachments = new Map<number, Uint8Array>()
  for (let count = random.between(2, 5); count > 0; count--) {
    if (random.chance(0.2)) epoch++
    const { bytes } = await chain.publish({ epoch })
    if (attachments.size === 0 && random.chance(0.2)) {
      const payload = { author: chain.authority.author, epoch: 99, newKey: signerOf('next').publicKey }
      const added = addRotation(chain.authority, decodeRotation(await signRotation(chain.signer, payload)))
      if (added.outcome !== 'added') throw new Error(added.outcome)
      attachments = new Map([[ATTACHMENT_IDS.rotations, encodeRotations(added.authority)]])
    }
    values.push(encodeDhtValue({ signedRoot: bytes, attachments }))
  }
  return values
}

function assertHighestStays(random: Random, key: Uint8Array, values: readonly Uint8Array[]): void {
  const floors = new ValueFloors([DHT_RULES], () => NOW)
  let kept: Uint8Array | undefined
  for (let i = 0; i < 12; i++) {
    const value = random.pick(values)
    const isTaken = admits(floors, key, random.chance(0.1) ? damaged(random, value) : value, `stranger ${i % 3}`)
    if (isTaken && (kept === undefined || values.indexOf(value) > values.indexOf(kept))) kept = value
  }
  const last = values.at(-1)
  assert.ok(last && admits(floors, key, last, undefined), 'the highest is always taken')
  for (const value of values.slice(0, -1)) assert.not(admits(floors, key, value, undefined), 'and nothing after it')
  assert.is(values[floors.newest(key, values)], last)
}

function admits(floors: ValueFloors, key: Uint8Array, value: Uint8Array, source: string | undefined): boolean {
  try {
    floors.admit(key, value, source)
    return true
  } catch (error) {
    if (!(error instanceof ValueRefused)) throw error
    return false
  }
}

type Read = (key: Uint8Array, value: Uint8Array) => { verify(): boolean } | undefined

function assertDamage(random: Random, key: Uint8Array, value: Uint8Array, read: Read): void {
  assert.ok(read(key, value)?.verify())
  for (let i = 0; i < 6; i++) {
    const changed = damaged(random, value)
    if (Buffer.compare(changed, value) !== 0) assert.not(read(key, changed)?.verify() ?? false)
    const decoded = decodeDhtValue(changed)
    if (decoded !== undefined) assert.equal(encodeDhtValue(decoded), new Uint8Array(changed), 'one form')
  }
  assert.is(read(key, random.bytes(random.below(400))), undefined)
}

/** Of one key, each after the ones before it. */
async function recordsOf(random: Random, chain: AuthorChain): Promise<Uint8Array[]> {
  const records: Uint8Array[] = []
  const known: IpnsRecord[] = []
  for (let count = random.between(1, 4); count > 0; count--) {
    const name = random.pick(['a', 'b', 'cities'])
    const entry = random.pick(chain.roots).bytes
    const bytes = await signNextRecord(chain.signer, known, { name, entry, now: NOW + random.below(1e9) })
    const record = openIpnsRecord(chain.signer.publicKey, bytes)
    assert.equal(record?.entries.get(name), entry)
    assert.ok(record && record.sequence === known.length)
    for (const before of known.flatMap(({ entries }) => [...entries])) {
      const now = record.entries.get(before[0])
      assert.ok(now, 'no name is lost')
      if (before[0] !== name)
        assert.ok(comparePositions(positionOf(now), positionOf(before[1])) >= 0, 'nor turned back')
    }
    records.push(bytes)
    known.push(record)
  }
  return records
}

function positionOf(root: Uint8Array): { readonly epoch: number; readonly sequence: number } {
  return decodeSignedRoot(root).payload
}

function assertHops(random: Random, records: readonly Uint8Array[]): void {
  const bytes = encodeIpnsHops(records)
  assert.ok(bytes)
  assert.equal(decodeIpnsHops(bytes), records)
  const changed = damaged(random, bytes)
  try {
    assert.equal(encodeIpnsHops(decodeIpnsHops(changed)), new Uint8Array(changed))
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
  }
  assertEnvelopes(random, { name: 'cities', attachments: new Map([[ATTACHMENT_IDS.ipnsHops, bytes]]) })
}

function assertEnvelopes(random: Random, envelopes: Envelopes): void {
  const bytes = encodeEnvelopes(envelopes)
  assert.equal(decodeEnvelopes(bytes), envelopes)
  const changed = damaged(random, bytes)
  try {
    assert.equal(encodeEnvelopes(decodeEnvelopes(changed)), new Uint8Array(changed))
  } catch (error) {
    if (!isCoppiceError(error, 'SIGNED_ROOT_INVALID')) throw error
  }
}
