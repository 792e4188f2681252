import { MemoryStore } from '../../src/store/memory.ts'
import { OverlayStore } from '../../src/store/overlay.ts'
import { storeConformance } from '../conformance/store.ts'

storeConformance('store/overlay-conformance', async () => ({
  store: new OverlayStore(new MemoryStore(), new MemoryStore()),
  remove: async () => {},
}))
