/**
 * Threat 12: an author whose key is offline has granted many signers in turn. Members show what led to the old ones, validly signed, and lead
 * readers astray from the one that signs now, or hold them up there.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { saltOf, signHop } from '../../src/carriers/bep44/hops.ts'
import { bep44Carrier } from '../../src/carriers/bep44/bep44-carrier.ts'
import { itemTarget, type MutableItem, signItem } from '../../src/carriers/bep44/item.ts'
import type { Carrier } from '../../src/carriers/carrier.ts'
import { ipnsCarrier } from '../../src/carriers/ipns/ipns-carrier.ts'
import { signNextRecord } from '../../src/carriers/ipns/next-record.ts'
import { ipnsKey, openIpnsRecord } from '../../src/carriers/ipns/record.ts'
import type { ValueNetwork } from '../../src/carriers/value-network.ts'
import { bytesToHex } from '../../src/bytes.ts'
import { encodeBencode } from '../../src/carriers/bep44/bencode.ts'
import { carrierSequence, decodeSignedRoot, signGrant, type Signer } from '../../src/pointer/index.ts'
import { pointerOf } from '../conformance/carriers.ts'
import { AuthorChain, signerOf } from '../support/author-chain.ts'
import { clientOptions } from '../support/bep44-swarm.ts'
import { compactNodes, itemFields, response } from '../support/dht-member.ts'
import { MemorySocket } from '../support/memory-socket.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const test = suite('hostile/old-leads')
const signal = new AbortController().signal
const EPOCHS = 12

interface Lead {
  readonly signer: Signer
  readonly grant: Uint8Array
}

/** A chain with a signer for each of many epochs, and its root by the last of them. */
async function manySigners(): Promise<{ chain: AuthorChain; leads: readonly Lead[]; root: Uint8Array }> {
  const chain = new AuthorChain('granting')
  const leads: Lead[] = []
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    const signer = signerOf(`signer ${epoch}`)
    const payload = { epoch, signer: signer.publicKey, firstSequence: 1, expires: null }
    const grant = await signGrant(chain.signer, { author: chain.signer.publicKey, name: chain.name, ...payload })
    leads.push({ signer, grant })
  }
  const { signer, grant } = leads.at(-1) as Lead
  const { bytes } = await chain.publish({ epoch: EPOCHS, signer, grant })
  return { chain, leads, root: bytes }
}

async function read(
  carrier: Carrier,
  chain: AuthorChain,
  clock: VirtualClock,
): Promise<[epochs: number[], ms: number]> {
  const begin = clock.now()
  const { shown } = await clock.run(carrier.get(pointerOf(chain), signal))
  return [shown.map(({ record }) => decodeSignedRoot(record.signedRoot).payload.epoch), clock.now() - begin]
}

test('IPNS: old records of the author, shown before the newest, and members that are silent at the old keys', async () => {
  const { chain, leads, root } = await manySigners()
  const clock = new VirtualClock()
  const { name } = chain
  const records: Uint8Array[] = []
  for (const { grant } of leads) {
    const known = records.flatMap((each) => openIpnsRecord(chain.signer.publicKey, each) ?? [])
    records.push(await signNextRecord(chain.signer, known.slice(-1), { name, entry: grant, now: clock.now() }))
  }
  const { signer } = leads.at(-1) as Lead
  const current = await signNextRecord(signer, [], { name, entry: root, now: clock.now() })
  const held = new Map([
    [bytesToHex(ipnsKey(chain.signer.publicKey)), records],
    [bytesToHex(ipnsKey(signer.publicKey)), [current]],
  ])
  const values: ValueNetwork = {
    put: () => {
      throw new Error('nothing is put')
    },
    async *get(key, until) {
      for (const [i, value] of (held.get(bytesToHex(key)) ?? []).entries()) {
        yield { kind: 'value', member: `member ${i}`, value }
      }
      yield { kind: 'nothing', member: 'another' }
      await clock.sleep(60_000, until)
    },
  }
  const [epochs, ms] = await read(ipnsCarrier(values, { clock }), chain, clock)
  assert.equal(epochs, [EPOCHS])
  assert.ok(ms < 10_000, `${ms} ms`)
})

test('BEP44: old items of the author beside the newest, and silent nodes at the old keys', async () => {
  const { chain, leads, root } = await manySigners()
  const salt = saltOf(chain.name)
  const ofAuthor: MutableItem[] = []
  for (const [i, { grant }] of leads.entries()) {
    const { signature } = await signHop(chain.signer, chain.name, grant)
    const sequence = carrierSequence({ epoch: i + 1, sequence: 1 })
    ofAuthor.push({ key: chain.signer.publicKey, salt, sequence, encodedValue: encodeBencode(grant), signature })
  }
  const { signer } = leads.at(-1) as Lead
  const current = await signItem(signer, salt, carrierSequence(decodeSignedRoot(root).payload), root)
  const targets = [chain.signer.publicKey, signer.publicKey].map((key) => bytesToHex(itemTarget(key, salt)))
  let named = 0
  const socket = new MemorySocket(({ transaction, arguments: of }, { host, port }) => {
    const target = of.get('target') as Uint8Array
    const at = targets.indexOf(bytesToHex(target))
    const id = target.map((byte, i) => (i === 5 ? byte ^ port : byte))
    if (host === '8.8.8.8') {
      const members = ofAuthor.map((_, i) => ({
        id: target.map((byte, j) => (j === 5 ? byte ^ (EPOCHS - i) : byte)),
        port: 7000 + i,
      }))
      const silent = Array.from({ length: 20 }, () => ({ id: target, host: `7.7.0.${++named & 255}`, port: 6881 }))
      const nodes = at >= 0 ? members.map((each, i) => ({ ...each, host: `5.5.5.${i}` })) : silent
      return response(transaction, [
        ['id', id],
        ['nodes', compactNodes(nodes)],
      ])
    }
    if (!host.startsWith('5.5.5.')) return undefined
    const item = at === 0 ? ofAuthor[port - 7000] : current
    return response(transaction, [['id', id], ['nodes', new Uint8Array(0)], ...itemFields(item as MutableItem)])
  })
  const clock = new VirtualClock()
  const carrier = bep44Carrier({ ...clientOptions([{ host: '8.8.8.8', port: 6881 }]), socket, clock })
  const [epochs, ms] = await read(carrier, chain, clock)
  assert.equal(epochs, [EPOCHS])
  assert.ok(ms < 10_000, `${ms} ms`)
})

test.run()
