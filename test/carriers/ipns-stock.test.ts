/**
 * IPNS records in a network that is not ours: stock libp2p nodes with the validator and selector of the `ipns` package, under the
 * protocol of the public DHT, which a node of ours asks as a client.
 */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { createIPNSRecord, marshalIPNSRecord, unmarshalIPNSRecord } from 'ipns'
import { ipnsValidator } from 'ipns/validator'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import type { Carrier } from '../../src/carriers/carrier.ts'
import { ipnsCarrier } from '../../src/carriers/ipns/ipns-carrier.ts'
import { headsBlock } from '../../src/carriers/ipns/next-record.ts'
import { ipnsKey, openIpnsRecord } from '../../src/carriers/ipns/record.ts'
import { createNode, type NetworkNode } from '../../src/net/index.ts'
import { decodeSignedRoot, type Signer } from '../../src/pointer/index.ts'
import { sha256 } from '../../src/sha256.ts'
import { pointerOf, recordOf } from '../conformance/carriers.ts'
import { AuthorChain } from '../support/author-chain.ts'
import { nextPeerKey, PATIENT } from '../support/dht-lab.ts'
import { addressesOfStock, type StockNode, startStockNodes } from '../support/stock-ipns.ts'
import { until } from '../support/until.ts'

const test = suite('carriers/ipns-stock')

const signal = new AbortController().signal
let stock: readonly StockNode[] = []
const nodes: NetworkNode[] = []

test.before(async () => {
  stock = await startStockNodes(3)
})

test.after(async () => {
  await Promise.all([...stock, ...nodes].map(async (node) => await node.stop()))
})

async function open(signer?: Signer): Promise<Carrier & Required<Pick<Carrier, 'put'>>> {
  const bootstrap = addressesOfStock(stock)
  const node = await createNode({ peerKey: nextPeerKey(), ipns: { bootstrap } })
  nodes.push(node)
  assert.ok(node.ipnsValues)
  assert.is(node.values, undefined, 'and takes part in no other DHT')
  return ipnsCarrier(node.ipnsValues, { ...PATIENT, signers: signer && [signer] }) as Carrier &
    Required<Pick<Carrier, 'put'>>
}

/** What stock software resolves. */
async function resolveByStock(key: Uint8Array): Promise<Uint8Array | undefined> {
  let found: Uint8Array | undefined
  for await (const event of stock[0]?.services.dht.get(key) ?? []) if (event.name === 'VALUE') found = event.value
  return found
}

async function putByStock(key: Uint8Array, value: Uint8Array): Promise<void> {
  for (const node of stock) for await (const _ of node.services.dht.put(key, value)) void _
}

function sequenceOf(signedRoot: Uint8Array | undefined): number | undefined {
  return signedRoot && decodeSignedRoot(signedRoot).payload.sequence
}

test('what an author publishes is resolved and validated by stock software', async () => {
  const chain = new AuthorChain('stock', 'cities')
  const root = await chain.publish()
  const receipt = await (await open(chain.signer)).put(pointerOf(chain), recordOf(root), signal)
  assert.ok(receipt.stored >= 2 && receipt.seen >= 2, JSON.stringify(receipt))
  const key = ipnsKey(chain.signer.publicKey)
  let value: Uint8Array | undefined
  await until(async () => (value = await resolveByStock(key)) !== undefined)
  assert.ok(value)
  await ipnsValidator(key, value)
  const { link } = headsBlock(new Map([['cities', root.bytes]])).block
  assert.is(unmarshalIPNSRecord(value).value, `/ipfs/${CID.decode(link).toString()}`)
  const answer = await (await open()).get(pointerOf(chain), signal)
  assert.equal(answer.shown[0]?.record.signedRoot, root.bytes)
})

test('a record by other software with the key is continued, and stock nodes take the next one', async () => {
  const chain = new AuthorChain('used before', 'cities')
  const pair = await generateKeyPairFromSeed('Ed25519', new Uint8Array(sha256(new TextEncoder().encode('used before'))))
  const key = ipnsKey(chain.signer.publicKey)
  const theirs = await createIPNSRecord(pair, '/ipfs/bafkqaaa', 41, 86_400_000)
  await putByStock(key, marshalIPNSRecord(theirs))
  assert.equal((await (await open()).get(pointerOf(chain), signal)).shown, [], 'it has no signed root')
  const root = await chain.publish()
  await (await open(chain.signer)).put(pointerOf(chain), recordOf(root), signal)
  const value = await resolveByStock(key)
  assert.is(openIpnsRecord(chain.signer.publicKey, value ?? new Uint8Array())?.sequence, 42)
})

test('stock nodes let an old record back, which our own refuse, and a helper brings the newest again', async () => {
  const chain = new AuthorChain('turned back', 'cities')
  const author = await open(chain.signer)
  await chain.publishMany(2)
  const first = await author.put(pointerOf(chain), recordOf(chain.at(1)), signal)
  await author.put(pointerOf(chain), recordOf(chain.at(2)), signal)
  const helper = await open()
  const [newest] = (await helper.get(pointerOf(chain), signal)).shown
  assert.is(sequenceOf(newest?.record.signedRoot), 2)
  const old = first.attachments?.get(ATTACHMENT_IDS.ipns)
  assert.ok(old && newest)
  await putByStock(ipnsKey(chain.signer.publicKey), old)
  const turned = await (await open()).get(pointerOf(chain), signal)
  assert.is(sequenceOf(turned.shown[0]?.record.signedRoot), 1, 'js-libp2p issue 3377')
  await helper.put(pointerOf(chain), newest.record, signal)
  const again = await (await open()).get(pointerOf(chain), signal)
  assert.is(sequenceOf(again.shown[0]?.record.signedRoot), 2)
})

test.run()
