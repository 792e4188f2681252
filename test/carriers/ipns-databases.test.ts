/** The IPNS record of a key says all its databases, whoever writes it, and leads to who signs where its own key is offline. */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import type { Carrier, CarrierAnswer, CarrierReceipt, PointerName, PointerRecord } from '../../src/carriers/carrier.ts'
import { ipnsCarrier } from '../../src/carriers/ipns/ipns-carrier.ts'
import { encodeIpnsHops } from '../../src/carriers/ipns/hops.ts'
import { headsBlock, signNextRecord, signRecordOffline } from '../../src/carriers/ipns/next-record.ts'
import {
  IPNS_RECORD_BYTES_MAX,
  type IpnsRecord,
  ipnsKey,
  openIpnsRecord,
  signIpnsRecord,
} from '../../src/carriers/ipns/record.ts'
import { isCoppiceError } from '../../src/errors.ts'
import {
  addRotation,
  decodeRotation,
  decodeSignedRoot,
  encodePayload,
  encodeSignedRoot,
  formatAuthor,
  headBlock,
  signGrant,
  type Signer,
  signRotation,
} from '../../src/pointer/index.ts'
import { pointerOf, recordOf } from '../conformance/carriers.ts'
import { rejectsCode } from '../support/throws.ts'
import { AuthorChain, signerOf, START } from '../support/author-chain.ts'
import { failureOf } from '../support/database-lab.ts'
import { MemoryValues } from '../support/memory-values.ts'
import { surroundings } from '../../src/surroundings.ts'

const test = suite('carriers/ipns-databases')

const NOW = START * 1000
const CLOCK = { ...surroundings.clock, now: () => NOW }
const signal = new AbortController().signal

interface Lab {
  readonly values: MemoryValues
  get(chain: AuthorChain): Promise<CarrierAnswer>
  put(chain: AuthorChain, signer?: Signer): Promise<CarrierReceipt>
  record(signer: Signer): IpnsRecord
}

function createLab(): Lab {
  const values = new MemoryValues()
  const carrier = (signer?: Signer): Carrier => ipnsCarrier(values, { clock: CLOCK, signers: signer && [signer] })
  return {
    values,
    get: async (chain) => await carrier().get(pointerOf(chain), signal),
    put: async (chain, signer = chain.signer) => {
      const last = chain.roots.at(-1)
      assert.ok(last)
      return await put(carrier(signer), pointerOf(chain), recordOf(last))
    },
    record: (signer) => {
      const record = openIpnsRecord(signer.publicKey, values.held(0, ipnsKey(signer.publicKey)) ?? new Uint8Array())
      assert.ok(record)
      return record
    },
  }
}

async function put(carrier: Carrier, pointer: PointerName, record: PointerRecord): Promise<CarrierReceipt> {
  assert.ok(carrier.put)
  return await carrier.put(pointer, record, signal)
}

async function chains(label: string, ...names: string[]): Promise<AuthorChain[]> {
  const made = names.map((name) => new AuthorChain(label, name))
  for (const chain of made) await chain.publish()
  return made
}

function sequenceOf({ shown }: CarrierAnswer): number | undefined {
  return shown[0] && decodeSignedRoot(shown[0].record.signedRoot).payload.sequence
}

test('publishing one database keeps the others, and the path leads to the heads of all', async () => {
  const lab = createLab()
  const [a, b] = (await chains('several', 'towns', 'b')) as [AuthorChain, AuthorChain]
  await lab.put(a)
  await lab.put(b)
  await a.publish()
  await lab.put(a)
  assert.is(sequenceOf(await lab.get(a)), 2)
  assert.is(sequenceOf(await lab.get(b)), 1)
  const record = lab.record(a.signer)
  assert.is(record.sequence, 2)
  const { block } = headsBlock(record.entries)
  assert.is(record.value, `/ipfs/${CID.decode(block.link).toString()}`)
  const expected = { towns: CID.decode(headBlock(a.at(2)).link), b: CID.decode(headBlock(b.at(1)).link) }
  assert.equal(block.bytes, new Uint8Array(dagCbor.encode(expected)))
})

test('of two records that say different things of a database, the higher root is kept', async () => {
  const lab = createLab()
  const [a, b] = (await chains('restored', 'a', 'b')) as [AuthorChain, AuthorChain]
  await a.publish()
  const key = ipnsKey(a.signer.publicKey)
  const before = await signNextRecord(a.signer, [], { name: 'a', entry: a.at(2).bytes, now: NOW })
  const opened = openIpnsRecord(a.signer.publicKey, before)
  assert.ok(opened)
  // By a machine that has an old backup.
  const after = await signIpnsRecord(a.signer, { ...opened, sequence: 9, entries: new Map([['a', a.at(1).bytes]]) })
  lab.values.hold(0, key, before)
  lab.values.hold(1, key, after)
  await lab.put(b)
  assert.is(lab.record(a.signer).sequence, 10)
  assert.equal(
    (await lab.get(a)).shown.map(({ copies }) => copies),
    [4],
  )
  assert.is(sequenceOf(await lab.get(a)), 2)
  assert.is(sequenceOf(await lab.get(b)), 1)
})

test('after a record of the highest sequence nothing is signed, and it is said what to do', async () => {
  const lab = createLab()
  const [chain] = (await chains('robbed', 'a')) as [AuthorChain]
  const [{ signer }, validUntil] = [chain, NOW + 10 ** 9]
  const entries = new Map([['a', chain.at(1).bytes]])
  const by = { value: '/ipfs/x', sequence: Number.MAX_SAFE_INTEGER, validUntil, ttlMs: 1000, entries }
  const thiefs = await signIpnsRecord(signer, by)
  lab.values.hold(0, ipnsKey(signer.publicKey), thiefs)
  await chain.publish()
  for (const signing of [
    () => lab.put(chain),
    () => signRecordOffline(signer, thiefs, new Map([['b', chain.at(2).bytes]]), NOW),
  ]) {
    const error = await failureOf(signing())
    assert.equal([error.code, error.details['reason']], ['USAGE', 'ipns-ended'])
    assert.match(error.message, /highest sequence.*coppice key rotate/)
  }
  assert.equal(lab.record(signer).sequence, Number.MAX_SAFE_INTEGER, 'nothing was put')
})

test('a root counts under the key that signed it, and in no other record', async () => {
  const lab = createLab()
  const chain = await grantedChain('misplaced', signerOf('misplaced signer'))
  const record = await signNextRecord(chain.signer, [], { name: chain.name, entry: chain.at(1).bytes, now: NOW })
  lab.values.hold(0, ipnsKey(chain.signer.publicKey), record)
  assert.equal((await lab.get(chain)).shown, [])
})

test('two machines of one key that write at once end with a record that has both', async () => {
  for (let round = 0; round < 10; round++) {
    const lab = createLab()
    const made = await chains(`at once ${round}`, 'a', 'b', 'c')
    const receipts = await Promise.all(made.map(async (chain) => await lab.put(chain)))
    for (const chain of made) assert.is(sequenceOf(await lab.get(chain)), 1, chain.name)
    assert.ok(receipts.every(({ seen }) => seen >= 1))
  }
})

test('what stands there already is not signed again', async () => {
  const lab = createLab()
  const [chain] = (await chains('again', 'a')) as [AuthorChain]
  await lab.put(chain)
  const { stored } = lab.values
  const before = lab.values.held(0, ipnsKey(chain.signer.publicKey))
  await lab.put(chain)
  assert.equal(lab.values.held(0, ipnsKey(chain.signer.publicKey)), before)
  assert.is(lab.values.stored, stored + 4, 'put again as it is')
})

test('a record that is soon over is made anew, and readers take the newest of those that have a root', async () => {
  const lab = createLab()
  const [chain] = (await chains('renewed', 'a')) as [AuthorChain]
  await lab.put(chain)
  const key = ipnsKey(chain.signer.publicKey)
  const first = lab.values.held(0, key)
  assert.ok(first)
  const { validUntil } = lab.record(chain.signer)
  const now = validUntil - 3_600_000
  const clock = { ...CLOCK, now: () => now }
  await put(ipnsCarrier(lab.values, { clock, signers: [chain.signer] }), pointerOf(chain), recordOf(chain.at(1)))
  const record = lab.record(chain.signer)
  assert.is(record.sequence, 1)
  assert.ok(record.validUntil > now + 29 * 86_400_000)
  const second = lab.values.held(0, key)
  // Whichever comes first.
  for (const member of [0, 3]) {
    lab.values.hold(member, key, first)
    const { shown } = await lab.get(chain)
    assert.is(shown.length, 1)
    assert.equal(shown[0]?.record.attachments.get(ATTACHMENT_IDS.ipns), second)
    assert.is(shown[0]?.copies, 4)
  }
})

test('an older root, or another of the same sequence, is not written over a newer one', async () => {
  const lab = createLab()
  const [chain] = (await chains('older', 'a')) as [AuthorChain]
  const other = new AuthorChain('older', 'a')
  await other.publish({ now: START + 7 })
  await chain.publish()
  await lab.put(chain)
  const before = lab.values.stored
  const receipt = await lab.put(other)
  assert.equal([receipt.stored, receipt.newer, receipt.seen], [0, 4, 0])
  await other.publish({ now: START + 500 })
  const fork = await lab.put(other)
  assert.equal([fork.stored, fork.seen], [0, 0])
  assert.match(fork.refusals.join(), /another root of sequence 2/)
  assert.is(lab.values.stored, before)
})

test('an author with too many databases is told so', async () => {
  const lab = createLab()
  const names = Array.from({ length: 24 }, (_, i) => `database-${i}`)
  let stored = 0
  for (const chain of await chains('many', ...names)) {
    try {
      await lab.put(chain)
      stored++
    } catch (error) {
      assert.ok(isCoppiceError(error, 'USAGE'), String(error))
    }
  }
  assert.ok(stored >= 10 && stored < 40, `${stored} databases in one record`)
  assert.ok((lab.values.held(0, ipnsKey(signerOf('many').publicKey))?.length ?? 0) <= IPNS_RECORD_BYTES_MAX)
})

test('one signer for two authors of databases of one name is refused', async () => {
  const lab = createLab()
  const signer = signerOf('shared signer')
  for (const label of ['one author', 'another author']) {
    const chain = await grantedChain(label, signer)
    if (label === 'one author') await lab.put(chain, signer)
    else await rejectsCode(lab.put(chain, signer), 'USAGE')
  }
})

/** An author whose first epoch is granted to `signer`, with one root by it. */
async function grantedChain(label: string, signer: Signer): Promise<AuthorChain> {
  const chain = new AuthorChain(label)
  const { author } = chain.authority
  const payload = { author, name: chain.name, epoch: 0, signer: signer.publicKey, firstSequence: 1, expires: null }
  const grant = await signGrant(chain.signer, payload)
  await chain.publish({ signer, grant })
  return chain
}

/** The record of an authority's key that leads on. */
async function leading(signer: Signer, name: string, statement: Uint8Array): Promise<Uint8Array> {
  return await signNextRecord(signer, [], { name, entry: statement, now: NOW })
}

test('records that a key makes offline: by the clock, until the grant ends, with all that it has said, the same for a day', async () => {
  const author = signerOf('offline-records')
  const day = 86_400
  const grantOf = async (name: string, expires: number | null): Promise<Uint8Array> => {
    const parts = { author: author.publicKey, name, epoch: 0, signer: signerOf('online').publicKey, firstSequence: 1 }
    return await signGrant(author, { ...parts, expires })
  }
  const sign = async (last: Uint8Array | undefined, name: string, entry: Uint8Array, now = NOW): Promise<Uint8Array> =>
    await signRecordOffline(author, last, new Map([[name, entry]]), now)
  const open = (bytes: Uint8Array): IpnsRecord => openIpnsRecord(author.publicKey, bytes) as IpnsRecord

  const grant = await grantOf('a', START + 90 * day)
  const first = await sign(undefined, 'a', grant)
  assert.equal([open(first).sequence, open(first).validUntil], [START, (START + 90 * day) * 1000])
  assert.is(await sign(first, 'a', grant, NOW + 10 * day * 1000), first, 'its end is the same')
  const second = await sign(first, 'b', await grantOf('b', null))
  assert.equal([...open(second).entries.keys()], ['a', 'b'])
  assert.equal([open(second).sequence, open(second).validUntil], [START + 1, NOW + 366 * day * 1000])
  assert.is(await sign(second, 'a', grant, NOW + day * 500), second)
  const renewed = await sign(second, 'a', grant, NOW + 2 * day * 1000)
  assert.equal([open(renewed).sequence, open(renewed).validUntil], [START + 2 * day, NOW + 368 * day * 1000])
  assert.is(open(await sign(renewed, 'a', await grantOf('a', START))).sequence, START + 2 * day + 1, 'never back')
})

test('a way that is missing, or over, is told to who puts a root at its end', async () => {
  const signer = signerOf('online')
  const chain = await grantedChain('over', signer)
  const grant = chain.at(1).grant?.bytes ?? new Uint8Array()
  const hops = encodeIpnsHops([await leading(chain.signer, chain.name, grant)]) ?? new Uint8Array()
  const given = { signedRoot: chain.at(1).bytes, attachments: new Map([[ATTACHMENT_IDS.ipnsHops as number, hops]]) }
  const { values } = createLab()
  const putAt = async (now: number, record: PointerRecord): Promise<CarrierReceipt> =>
    await put(ipnsCarrier(values, { clock: { ...CLOCK, now: () => now }, signers: [signer] }), pointerOf(chain), record)
  const over = await putAt(NOW + 400 * 86_400_000, given)
  assert.ok(over.stored > 0)
  assert.is(over.seen, 0)
  assert.match(over.refusals[0] ?? '', 'is over; where the author key is, coppice key grant')
  assert.match((await putAt(NOW, recordOf(chain.at(1)))).refusals[0] ?? '', 'is not there')
})

test('the record of an author whose key is offline leads to the signer, and helpers put both again', async () => {
  const lab = createLab()
  const signer = signerOf('online')
  const chain = await grantedChain('offline', signer)
  const root = chain.at(1)
  const grant = root.grant?.bytes
  assert.ok(grant)
  const hop = await leading(chain.signer, chain.name, grant)
  assert.is(openIpnsRecord(chain.signer.publicKey, hop)?.value, `/ipns/${formatAuthor(signer.publicKey)}`)
  const hops = encodeIpnsHops([hop]) ?? new Uint8Array()
  const given = { signedRoot: root.bytes, attachments: new Map([[ATTACHMENT_IDS.ipnsHops as number, hops]]) }
  await put(ipnsCarrier(lab.values, { clock: CLOCK, signers: [signer] }), pointerOf(chain), given)
  const [shown] = (await lab.get(chain)).shown
  assert.equal(shown?.record.signedRoot, root.bytes)
  assert.equal(shown?.record.attachments.get(ATTACHMENT_IDS.ipnsHops), hops)
  // Elsewhere nothing of it is known.
  const elsewhere = createLab()
  const helper = ipnsCarrier(elsewhere.values, { clock: CLOCK })
  assert.ok(shown)
  const receipt = await put(helper, pointerOf(chain), shown.record)
  assert.is(receipt.seen, 4)
  assert.is(sequenceOf(await elsewhere.get(chain)), 1)
  // Without what leads there, or with what leads elsewhere, it is not the author's word.
  const lost = createLab()
  await lost.put(chain, signer)
  assert.is(sequenceOf(await lost.get(chain)), undefined)
  const astray = new Map([
    ...shown.record.attachments,
    [ATTACHMENT_IDS.ipnsHops, encodeIpnsHops([await leading(chain.signer, 'x', grant)]) ?? hop],
  ] as [number, Uint8Array][])
  await rejectsCode(put(helper, pointerOf(chain), { signedRoot: root.bytes, attachments: astray }), 'USAGE')
})

test('rotations are followed from key to key, eight of them, and the last signs', async () => {
  for (const count of [1, 8, 9]) {
    const lab = createLab()
    const chain = new AuthorChain(`rotated ${count}`)
    let signer = chain.signer
    for (let epoch = 1; epoch <= count; epoch++) {
      const next = signerOf(`rotated ${count} to ${epoch}`)
      const payload = { author: chain.authority.author, epoch, newKey: next.publicKey }
      const statement = await signRotation(signer, payload)
      const added = addRotation(chain.authority, decodeRotation(statement))
      if (added.outcome !== 'added') throw new Error(added.outcome)
      chain.authority = added.authority
      const record = await leading(signer, chain.name, statement)
      for (let member = 0; member < 4; member++) lab.values.hold(member, ipnsKey(signer.publicKey), record)
      signer = next
    }
    await chain.publish({ signer, epoch: count })
    await lab.put(chain, signer)
    const answer = await lab.get(chain)
    assert.is(sequenceOf(answer), count <= 8 ? 1 : undefined, `${count} rotations`)
    if (count <= 8) assert.ok(answer.shown[0]?.record.attachments.has(ATTACHMENT_IDS.rotations))
  }
})

test('statements that nobody entitled signed lead nowhere, nor do circles', async () => {
  const lab = createLab()
  const chain = new AuthorChain('astray')
  const thief = signerOf('thief')
  const { author } = chain.authority
  const payload = { author, name: chain.name, epoch: 0, signer: thief.publicKey, firstSequence: 1, expires: null }
  const forged = await signGrant(thief, payload)
  const payloadBytes = encodePayload({ ...(await chain.publish()).payload, grant: forged })
  const signature = await thief.sign(payloadBytes)
  const signedRoot = encodeSignedRoot(payloadBytes, [{ key: thief.publicKey, signature }])
  await put(
    ipnsCarrier(lab.values, { clock: CLOCK, signers: [thief] }),
    pointerOf(chain),
    recordOf({ bytes: signedRoot }),
  )
  const hold = (bytes: Uint8Array): void => {
    for (let member = 0; member < 4; member++) lab.values.hold(member, ipnsKey(author), bytes)
  }
  hold(await leading(chain.signer, chain.name, forged))
  assert.is(sequenceOf(await lab.get(chain)), undefined, 'signed record, forged grant')
  const own = await signRotation(chain.signer, { author, epoch: 1, newKey: author })
  hold(await leading(chain.signer, chain.name, own))
  const answer = await lab.get(chain)
  assert.equal([answer.shown.length, answer.asked], [0, 4], 'a key that leads to itself is asked once')
})

test.run()
