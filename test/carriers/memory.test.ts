/** The suite for carriers against one without a network: what it asks for can be done. */
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import { carrierConformance } from '../conformance/carriers.ts'
import { MemoryNetwork } from '../support/memory-carrier.ts'

carrierConformance('carriers/memory', async () => {
  const network = new MemoryNetwork()
  const silent = new MemoryNetwork([])
  return {
    open: async () => network.carrier(),
    openSilent: async () => silent.carrier(),
    show: async (pointer, bytes) => network.show(pointer, bytes),
    carries: Object.values(ATTACHMENT_IDS),
    remove: async () => {},
  }
})
