/** Peers as carriers: one that keeps whatever it is told of, as a replica does that follows, over channels in memory. */
import { ATTACHMENT_IDS } from '../../src/carriers/attachments.ts'
import type { Carrier, PointerName } from '../../src/carriers/carrier.ts'
import { peerCarrier } from '../../src/carriers/peer/peer-carrier.ts'
import { CODEC_DAG_CBOR, linkTo } from '../../src/link.ts'
import { comparePositions, decodeSignedRoot } from '../../src/pointer/index.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { surroundings } from '../../src/surroundings.ts'
import { type ChannelHandler, createMemoryDialer, type NewestRoot, ProviderSet } from '../../src/sync/index.ts'
import { carrierConformance } from '../conformance/carriers.ts'
import { fastClock } from '../support/mirror-lab.ts'

const { clock } = surroundings

interface Served {
  newest?: NewestRoot
  statements?: Uint8Array
}

/** Serves databases with the newest root that it was told of, or whatever else a test puts in its place. */
class Follower {
  readonly #set = new ProviderSet({ clock })
  readonly #served = new Map<string, Served>()

  get handle(): ChannelHandler {
    return this.#set.handle
  }

  serve({ author, name }: PointerName): Served {
    const key = `${author.join()} ${name}`
    const known = this.#served.get(key)
    if (known !== undefined) return known
    const served: Served = {}
    this.#served.set(key, served)
    this.#set.add({
      author,
      name,
      store: new MemoryStore(),
      newest: () => served.newest,
      changed: (signal) => clock.sleep(5, signal),
      attachments: () => served.statements,
      onStatements: (statements) => void (served.statements = statements),
      onTell: (signedRoot) => {
        const told = newestOf(signedRoot)
        if (served.newest === undefined || comparePositions(told.id, served.newest.id) > 0) served.newest = told
      },
    })
    return served
  }
}

function newestOf(signedRoot: Uint8Array): NewestRoot {
  const { link, payload } = decodeSignedRoot(signedRoot)
  return { signedRoot, id: { payload: link, epoch: payload.epoch, sequence: payload.sequence } }
}

/** What is put is of a database that the peer serves. */
function serving(follower: Follower, carrier: Carrier): Carrier {
  const { name, source, keepsMs } = carrier
  return {
    name,
    source,
    keepsMs,
    get: (pointer, signal) => carrier.get(pointer, signal),
    put: async (pointer, record, signal) => {
      follower.serve(pointer)
      if (carrier.put === undefined) throw new TypeError('it can be put to')
      return await carrier.put(pointer, record, signal)
    },
    close: () => carrier.close(),
  }
}

carrierConformance('carriers/peer', async () => {
  const follower = new Follower()
  const peer = createMemoryDialer('follower', (channel) => follower.handle(channel))
  const silent = createMemoryDialer('silent', async (channel) => {
    while ((await channel.receive()) !== undefined) continue
  })
  return {
    open: async () => serving(follower, peerCarrier('follower', { dialer: () => peer }, clock)),
    openSilent: async () => peerCarrier('silent', { dialer: () => silent }, fastClock(1000)),
    show: async (pointer, bytes) => {
      const id = { payload: linkTo(CODEC_DAG_CBOR, bytes), epoch: 4095, sequence: 1 }
      follower.serve(pointer).newest = { signedRoot: bytes, id }
    },
    carries: [ATTACHMENT_IDS.rotations, ATTACHMENT_IDS.evidence],
    remove: async () => {},
  }
})
