/** One case of a pull among honest, hostile and broken peers, from a seed: shared by the test and the fuzz target of it. */
import { CoppiceError, isCoppiceError } from '../../src/errors.ts'
import { type Link, linkMapKey } from '../../src/link.ts'
import { isValueRef, Node, type Value } from '../../src/prolly/index.ts'
import { createMemoryDialer, type PeerDialer, type PeerReport, type PullReport } from '../../src/sync/index.ts'
import { BlockMap } from './blocks.ts'
import { type Faults, withFaults } from './faulty-channel.ts'
import { MIB, publishFiles, putFile } from './file-lab.ts'
import { Random } from './random.ts'
import {
  CountingStore,
  type DataAnswer,
  Lab,
  never,
  publish,
  type Published,
  sameBlocks,
  WRITE_FAILURE,
} from './sync-lab.ts'
import { applyEdits, countMissing, DEEP, randomEdits, randomRows, u32be, WIDE } from './tree-sets.ts'

const ATTEMPTS = 4

/**
 * Some pulls among random peers, each ending well or with an error that names who is to blame; then one honest peer is
 * added, and the pull must end well, moving only what is missing. Throws where anything else happens.
 */
export async function assertConvergence(seed: number, signal: AbortSignal): Promise<void> {
  const random = new Random(seed)
  const [before, after] = random.chance(0.05) ? await twoStatesOfFiles(random) : await twoStates(random)
  const store = new CountingStore()
  const writeBytesMax = random.between(200, 5000)
  for (let attempt = 0; attempt < ATTEMPTS && !signal.aborted; attempt++) {
    const lab = new Lab(random.below(2 ** 31))
    const source = attempt === 0 ? before : after
    const dialers = Array.from({ length: random.between(1, 4) }, (_, i) => anyPeer(lab, random, i, source, before))
    store.failsAtWrite = random.chance(0.2) ? store.writes + random.below(6) : Infinity
    const abort = new AbortController()
    let answers = random.chance(0.2) ? random.below(20) : Infinity
    const onProgress = (): void => {
      if (answers-- === 0) abort.abort(ABORTED)
    }
    const base = baseFor(random, source, before, store)
    const options = { writeBytesMax, signal: abort.signal, onProgress, base }
    const outcome = await settled(lab.pull(source, dialers, store, options))
    assertBlame(`seed ${seed}, attempt ${attempt}`, outcome)
    assertRecords(`seed ${seed}, attempt ${attempt}`, store, [before, after])
    if (!(outcome instanceof Error)) assertComplete(`seed ${seed}, attempt ${attempt}`, source, store, outcome)
  }
  store.failsAtWrite = Infinity
  const held = new Set(store.written)
  const lab = new Lab(seed)
  const report = await lab.pull(after, [lab.peer(HONEST, after)], store)
  assertComplete(`seed ${seed}, healed`, after, store, report)
  const missing = countMissing(after.blocks, held)
  if (report.blocksReceived !== missing) {
    throw new Error(`seed ${seed}, healed: moved ${report.blocksReceived} blocks where ${missing} were missing`)
  }
}

async function twoStates(random: Random): Promise<[Published, Published]> {
  const format = random.pick([DEEP, WIDE])
  // The larger ones take several ranges.
  const rows = randomRows(random, random.chance(0.1) ? random.between(2000, 6000) : random.between(0, 250), format)
  const before = await publish(rows, { format })
  const edits = randomEdits(random, rows, random.between(0, 40), format)
  return [before, await publish(applyEdits(rows, edits), { format, sequence: 2 })]
}

/** Values beyond 1 MiB beside small ones and large ones of one block. */
async function twoStatesOfFiles(random: Random): Promise<[Published, Published]> {
  const blocks = new BlockMap()
  const files = [await putFile(blocks, MIB + random.between(1, MIB)), await putFile(blocks, 2 * MIB + 1)] as const
  const rows: { key: Uint8Array; value: Value }[] = Array.from({ length: random.between(3, 40) }, (_, i) => ({
    key: u32be(i),
    value: random.chance(0.1) ? random.pick(files) : random.bytes(random.pick([10, 1500, 4000])),
  }))
  const before = await publishFiles(rows, blocks)
  const at = random.below(rows.length)
  return [before, await publishFiles(rows.with(at, { key: u32be(at), value: files[1] }), blocks, 2)]
}

/** What a pull may be told of what is here. */
function baseFor(random: Random, source: Published, before: Published, store: CountingStore): Link | null | undefined {
  if (store.listBlocks(undefined, 1).length === 0) return random.pick([null, undefined])
  const isWhole = source !== before && store.getComplete(before.target.root) !== undefined
  return isWhole && random.chance(0.7) ? before.target.root : undefined
}

const HONEST = 'honest'
const ABORTED: Error = new Error('aborted by the case')

async function settled(pull: Promise<PullReport>): Promise<PullReport | Error> {
  try {
    return await pull
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Whom an honest peer on a sound line may be taken for. */
const INNOCENT: readonly string[] = ['used', 'unused', 'outdated']

function assertBlame(where: string, outcome: PullReport | Error): void {
  if (outcome === WRITE_FAILURE || outcome === ABORTED) return
  if (outcome instanceof Error && !isCoppiceError(outcome, 'NO_PEER_LEFT')) throw new Error(where, { cause: outcome })
  const peers = outcome instanceof CoppiceError ? (outcome.details['peers'] as readonly PeerReport[]) : []
  for (const { name, outcome: became, reason } of outcome instanceof Error ? peers : outcome.peers) {
    if (!name.startsWith(HONEST) || INNOCENT.includes(became)) continue
    throw new Error(`${where}: ${name} is called ${became} (${reason})`)
  }
  if (outcome instanceof Error && peers.some(({ name }) => name.startsWith(`${HONEST} new`))) {
    throw new Error(`${where}: an honest peer had everything, and yet`, { cause: outcome })
  }
}

function assertComplete(where: string, source: Published, store: CountingStore, report: PullReport): void {
  if (!sameBlocks(source, store)) throw new Error(`${where}: blocks are missing`)
  for (const key of source.store.records.keys()) {
    if (source.blocks.has(key) && !store.records.has(key)) throw new Error(`${where}: a record is missing`)
  }
  const isWhole = report.entries === source.target.entries && report.bytes === source.target.bytes
  if (!isWhole) throw new Error(`${where}: ${report.entries} entries, ${report.bytes} bytes`)
}

/** Every block kept is one of the signed trees, and all below a record is there and recorded. */
function assertRecords(where: string, store: CountingStore, sources: readonly Published[]): void {
  for (const key of store.written) {
    if (!sources.some(({ blocks }) => blocks.has(key))) throw new Error(`${where}: a foreign block was kept`)
  }
  for (const { link, level } of store.records.values()) {
    const bytes = store.get(link)
    if (bytes === undefined) throw new Error(`${where}: a record without its block`)
    if (level < 0) continue
    const node = Node.decode(bytes)
    for (let i = 0; i < node.length; i++) {
      const value = level > 0 ? undefined : node.value(i)
      const below = level > 0 ? node.link(i) : value !== undefined && isValueRef(value) ? value.link : undefined
      if (below !== undefined && !store.records.has(linkMapKey(below))) {
        throw new Error(`${where}: a record without those below it`)
      }
    }
  }
}

type Kind = (lab: Lab, random: Random, name: string, source: Published, old: Published) => PeerDialer

const KINDS: Readonly<Record<string, Kind>> = {
  [`${HONEST} new`]: (lab, _, name, source) => lab.peer(name, source),
  [`${HONEST} old`]: (lab, _, name, source, old) => lab.peer(name, old),
  'broken line': (lab, random, name, source) => faulty(lab, random, name, source, false),
  'broken line back': (lab, random, name, source) => faulty(lab, random, name, source, true),
  [`${HONEST} part`]: (lab, random, name, source) => partial(lab, random, name, source, 0),
  [`${HONEST} brief`]: (lab, random, name, source) =>
    lab.tampering(name, source, (answer) =>
      answer.type === 'range' ? { ...answer, blocks: answer.blocks.slice(0, random.between(1, 9)) } : answer,
    ),
  gaps: (lab, random, name, source) =>
    lab.tampering(name, source, (answer) =>
      answer.type === 'range' ? { ...answer, blocks: answer.blocks.filter(() => random.chance(0.8)) } : answer,
    ),
  'part liar': (lab, random, name, source) => partial(lab, random, name, source, 0.1),
  gone: (lab, random, name, source) =>
    lab.tampering(name, source, (answer, { id }) =>
      random.chance(0.7) ? answer : { type: 'refusal', id, reason: 'gone' },
    ),
  liar: (lab, random, name, source) => lab.tampering(name, source, (answer) => lie(random, answer)),
  lazy: (lab, random, name, source) =>
    lab.tampering(name, source, async (answer) => {
      if (random.chance(0.1)) await never()
      await lab.clock.sleep(random.below(4000))
      return answer
    }),
  busy: (lab, random, name, source) =>
    lab.tampering(name, source, (answer, { id }) =>
      random.chance(0.4) ? { type: 'refusal', id, reason: random.chance(0.9) ? 'busy' : 'failed' } : answer,
    ),
  forgetful: (lab, random, name, source) =>
    lab.tampering(name, source, (answer) => ({
      ...answer,
      blocks: answer.blocks.map((block) => (random.chance(0.05) ? null : block)),
    })),
  quitter: (lab, random, name, source) =>
    lab.scripted(name, async (peer) => {
      await peer.welcome(source.newest.signedRoot)
      for await (const request of peer.requests()) {
        if (random.chance(0.2)) return
        if (request.type === 'get blocks' || request.type === 'get range') await peer.send(peer.honest(request, source))
      }
    }),
  noise: (lab, random, name) =>
    lab.scripted(name, async (peer) => {
      for (let i = random.below(5); i >= 0; i--) await peer.send(random.bytes(random.between(1, 200)))
    }),
  mute: (lab, _, name) => lab.scripted(name, never),
  refused: (_, __, name) => ({ name, open: () => Promise.reject(new Error('refused')) }),
}

function anyPeer(lab: Lab, random: Random, i: number, source: Published, old: Published): PeerDialer {
  const kind = random.pick(Object.keys(KINDS))
  return (KINDS[kind] as Kind)(lab, random, `${kind} ${i}`, source, old)
}

/** An honest peer whose frames suffer on their way, from it or to it. */
function faulty(lab: Lab, random: Random, name: string, source: Published, back: boolean): PeerDialer {
  const chance = random.pick([0.01, 0.05, 0.3])
  const kinds: readonly (keyof Faults)[] = ['lost', 'corrupt', 'truncate', 'repeat', 'stall', 'delay']
  const faults: Faults = { [random.pick(kinds)]: chance, [random.pick(kinds)]: chance }
  const options = { faults, random: () => random.below(2 ** 30) / 2 ** 30, turn: () => lab.clock.sleep(1) }
  const handler = lab.handlerOf(source)
  if (back) return createMemoryDialer(name, (channel) => handler(withFaults(channel, options)))
  const dialer = createMemoryDialer(name, handler)
  return { name, open: async (signal) => withFaults(await dialer.open(signal), options) }
}

/** A peer that has some of the tree, and says so; by chance of what it does not have, too. */
function partial(lab: Lab, random: Random, name: string, source: Published, lies: number): PeerDialer {
  const mine = new Set([...source.blocks].filter(() => random.chance(0.5)))
  return lab.scripted(name, async (peer) => {
    await peer.hello()
    await peer.send({
      type: 'welcome',
      version: 1,
      status: 'partial',
      signedRoot: source.newest.signedRoot,
      statements: null,
    })
    for await (const request of peer.requests()) {
      if (request.type === 'get have') {
        const has = request.links.map((link) => mine.has(linkMapKey(link)) || random.chance(lies))
        await peer.send({ type: 'have', id: request.id, has })
      } else if (request.type === 'get blocks' || request.type === 'get range') {
        const answer = peer.honest(request, source)
        const isLie = answer.type === 'blocks' && random.chance(lies)
        await peer.send(isLie ? { ...answer, blocks: request.links.map(() => null) } : answer)
      }
    }
  })
}

function lie(random: Random, answer: DataAnswer): DataAnswer | Uint8Array {
  if (random.chance(0.7)) return answer
  const at = random.below(answer.blocks.length)
  const bytes = answer.blocks[at]
  if (bytes === null || bytes === undefined || bytes.length === 0) return random.bytes(40)
  const changed = Uint8Array.from(bytes)
  changed[random.below(changed.length)] = random.below(256)
  return { ...answer, blocks: answer.blocks.with(at, changed) }
}
