/** The carrier over a DHT of eight real nodes. */
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import { dhtCarrier } from '../../src/carriers/dht/dht-carrier.ts'
import { dhtKey } from '../../src/carriers/dht/value.ts'
import { surroundings } from '../../src/surroundings.ts'
import { carrierConformance } from '../conformance/carriers.ts'
import { DhtLab, PATIENT, valuesOf } from '../support/dht-lab.ts'

carrierConformance('carriers/dht', async () => {
  const lab = await DhtLab.start()
  const silent = await DhtLab.start(1)
  await silent.members[0]?.libp2p.stop()
  return {
    open: async () => dhtCarrier(await lab.values(), PATIENT),
    openSilent: async () => {
      const nobody = await silent.client()
      return dhtCarrier(valuesOf(nobody), { clock: surroundings.clock, lookupMs: 200 })
    },
    show: async (pointer, bytes) => lab.hold(dhtKey(pointer), bytes),
    carries: [ATTACHMENT_IDS.rotations, ATTACHMENT_IDS.evidence],
    remove: async () => {
      await lab.stop()
      await silent.stop()
    },
  }
})
