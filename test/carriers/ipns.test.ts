/** The carrier over IPNS records in a DHT of four real nodes of our own. */
import { ipnsCarrier } from '../../src/carriers/ipns/ipns-carrier.ts'
import { ipnsKey } from '../../src/carriers/ipns/record.ts'
import { surroundings } from '../../src/surroundings.ts'
import { carrierConformance } from '../conformance/carriers.ts'
import { DhtLab, PATIENT, valuesOf } from '../support/dht-lab.ts'

carrierConformance('carriers/ipns', async () => {
  const lab = await DhtLab.start(4)
  const silent = await DhtLab.start(1)
  await silent.members[0]?.libp2p.stop()
  return {
    open: async (signer) => ipnsCarrier(await lab.values(), { ...PATIENT, signers: signer && [signer] }),
    openSilent: async (signer) => {
      const nobody = await silent.client()
      return ipnsCarrier(valuesOf(nobody), { clock: surroundings.clock, lookupMs: 200, signers: signer && [signer] })
    },
    show: async ({ author }, bytes) => lab.hold(ipnsKey(author), bytes),
    carries: [],
    remove: async () => {
      await lab.stop()
      await silent.stop()
    },
  }
})
