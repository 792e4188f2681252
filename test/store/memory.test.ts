import { MemoryStore } from '../../src/store/memory.ts'
import { storeConformance } from '../conformance/store.ts'

storeConformance('store/memory', async () => ({ store: new MemoryStore(), remove: async () => {} }))
