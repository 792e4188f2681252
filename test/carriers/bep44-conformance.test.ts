/** BitTorrent's DHT as a carrier, on ten nodes of npm's bittorrent-dht and one that shows what it is told to. */
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import { ascii } from '../../src/carriers/bep44/bencode.ts'
import { saltOf } from '../../src/carriers/bep44/hops.ts'
import { itemTarget, signItem } from '../../src/carriers/bep44/item.ts'
import { carrierConformance } from '../conformance/carriers.ts'
import { Bep44Swarm, hex, hurriedClock, openCarrier } from '../support/bep44-swarm.ts'
import { DhtMember, errorAnswer, type Fields, honest, itemFields } from '../support/dht-member.ts'

const HIGH = 2n ** 51n

carrierConformance('carriers/bep44', async () => {
  const swarm = await Bep44Swarm.start(10)
  const silent = await DhtMember.start(() => [])
  const shown = new Map<string, Fields>()
  const rogue = await DhtMember.start((asked, member) => {
    if (asked.kind === 'put') return [errorAnswer(asked.transaction, 201, 'not here')]
    return [honest(asked, member, shown.get(hex(asked.arguments.get('target') as Uint8Array)))]
  })
  const nodes = [rogue.address, ...swarm.addresses.slice(0, 2)]
  return {
    open: async (signer) => openCarrier(nodes, signer),
    openSilent: async (signer) => openCarrier([silent.address], signer, { clock: hurriedClock }),
    show: async ({ author, name }, bytes, signer) => {
      const salt = saltOf(name)
      const fields =
        bytes.length > 990
          ? ([
              ['k', author],
              ['seq', HIGH],
              ['sig', new Uint8Array(64)],
              ['v', bytes],
            ] as const)
          : itemFields(await signItem(signer, salt, HIGH, bytes))
      shown.set(hex(itemTarget(author, salt)), [...fields, ['x', ascii('garbage')]])
    },
    carries: [ATTACHMENT_IDS.bep44],
    remove: async () => {
      await Promise.all([swarm.stop(), silent.stop(), rogue.stop()])
    },
  }
})
