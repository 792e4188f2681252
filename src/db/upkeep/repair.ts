/**
 * Repair of a damaged store: what is missing or corrupt in the states that are held is fetched again from peers, each
 * block verified under the claim of its parent (tree.md, 4). Nobody needs to be trusted for it.
 *
 * The order of writes is the safety. First the records of completeness above the damage go, because they are not true: a
 * record would make the fetch, and every later pull and publish, pass over what is broken. The root keeps one, because it
 * also says that the state is held, but one that fits no place ({@link heldOnly}): newer states may have grown out of this
 * one, and have its root below theirs. Then good blocks take the place of bad ones, and records come back with what they
 * stand for. Nothing else is ever removed or replaced, so a repair that is killed anywhere leaves a store in which
 * `verify` finds what is still broken, and the next repair goes on.
 *
 * What an author never published is nowhere else, but for blocks which published states have, too.
 */
import { EMPTY_BYTES, equalBytes } from '../../bytes.ts'
import { isCoppiceError } from '../../errors.ts'
import { type Link, linkMapKey } from '../../link.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import type { SignedRoot } from '../../pointer/index.ts'
import { type CheckReport, checkTree } from '../../prolly/index.ts'
import type { CompleteRecord } from '../../store/index.ts'
import {
  createMemoryDialer,
  fetchTree,
  openSessions,
  type PeerDialer,
  type PeerReport,
  ProviderSet,
  type PullProgress,
  type PullStore,
  type RootId,
  type Session,
} from '../../sync/index.ts'
import { announces, rootId, rootShownBy } from '../roots/announced.ts'
import { type HeldState, heldStates } from './held-states.ts'
import { PUBLISHED } from '../meta.ts'
import { providerOptions } from '../pulling/providing.ts'
import { decodeOwn } from '../roots/signed-log.ts'
import type { DatabaseState } from '../state.ts'

export interface RepairOptions {
  /** Addresses of peers to ask, instead of those a replica asks. An author's database has no others: name replicas of it. */
  readonly peers?: readonly string[] | undefined
  /** Databases of this machine to take blocks from beside them, such as a backup or a replica: verified as any peer's. */
  readonly sources?: readonly RepairSource[] | undefined
  /** Every state that is held, not only the newest signed one and the shown one. */
  readonly all?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called after each leaf that is checked. Must not throw. */
  readonly onCheck?: ((state: HeldState, report: CheckReport) => void) | undefined
  /** Called as verified blocks come in. Must not throw. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
}

export interface RepairSource {
  /** For the report. */
  readonly name: string
  readonly state: DatabaseState
}

/** What became of one state. */
export interface StateRepair extends HeldState {
  /** Problems at the start; below a broken node nothing is known yet. */
  readonly found: number
  /** What is sound at the end; its problems are beyond repair with these peers. */
  readonly left: CheckReport
  readonly blocksReceived: number
}

export interface RepairReport {
  readonly states: readonly StateRepair[]
  /** Those that were asked: none where nothing was broken. */
  readonly peers: readonly PeerReport[]
}

/** Records removed in one batch. */
const LINKS_PER_BATCH = 4096

/** @throws {CoppiceError} `STORE_*`, `ADDRESS_INVALID`; the signal's reason. What nobody has is reported, not thrown. */
export async function repair(
  state: DatabaseState,
  dialers: () => Promise<readonly PeerDialer[]>,
  options: RepairOptions,
): Promise<RepairReport> {
  const repairer = new Repairer(state, dialers, options)
  try {
    const states: StateRepair[] = []
    const all = await heldStates(state, options.all === true)
    // Those of signed states first: what a draft shares with them is mended by then.
    for (const held of [...all.filter(isSigned), ...all.filter((each) => !isSigned(each))]) {
      states.push(await repairer.mend(held))
    }
    // The records that came back stand on blocks that must be on the disk.
    await state.store.write({}, { durable: true })
    return { states, peers: repairer.peers }
  } finally {
    await repairer.close()
  }
}

const isSigned = ({ signed }: HeldState): boolean => signed !== undefined

class Repairer {
  readonly #state: DatabaseState
  readonly #dialers: () => Promise<readonly PeerDialer[]>
  readonly #options: RepairOptions
  #sessions: readonly Session[] | undefined
  /** What the hellos said we have. */
  #have: RootId | null = null
  #unreached: readonly PeerReport[] = []
  /** By name, over all fetches. */
  readonly #asked = new Map<string, PeerReport>()

  constructor(state: DatabaseState, dialers: () => Promise<readonly PeerDialer[]>, options: RepairOptions) {
    this.#state = state
    this.#dialers = dialers
    this.#options = options
  }

  /** What became of each, and what it sent in all. */
  get peers(): readonly PeerReport[] {
    return [...this.#asked.values()]
  }

  async close(): Promise<void> {
    await Promise.all((this.#sessions ?? []).map((session) => session.close()))
  }

  /** Checks and fetches until nothing is broken, or nothing more comes. */
  async mend(held: HeldState): Promise<StateRepair> {
    let left = await this.#demoteBroken(held)
    const found = left.problemCount
    let blocksReceived = 0
    while (left.problemCount > 0 && held.ref.entries >= 0) {
      const received = await this.#fetch(held)
      blocksReceived += received
      const before = left.problemCount
      left = await this.#demoteBroken(held)
      // A node that came may have shown more damage below it; without one, only fewer problems are progress.
      if (received === 0 && left.problemCount >= before) break
    }
    this.#state.log('repair: %d problems found, %d left', found, left.problemCount)
    return { ...held, found, left, blocksReceived }
  }

  /** Checks the state; the records on the way to every problem are removed. */
  async #demoteBroken(held: HeldState): Promise<CheckReport> {
    const { store } = this.#state
    const { signal, onCheck } = this.#options
    const links = new Map<string, Link>()
    let isDemoted = false
    const flush = async (): Promise<void> => {
      const removeComplete = [...links.values()]
      links.clear()
      if (removeComplete.length === 0 && isDemoted) return
      // The root's before or with those below it: a record above them would hide that they are gone.
      await store.write({ removeComplete, complete: isDemoted ? [] : await this.#demoted(held.ref.root) })
      isDemoted = true
    }
    const report = await checkTree(store, held.ref, {
      signal,
      records: store,
      ...(onCheck === undefined ? {} : { onProgress: (now: CheckReport) => onCheck(held, now) }),
      onProblem: async (_, path) => {
        for (const link of path.slice(1)) links.set(linkMapKey(link), link)
        if (links.size >= LINKS_PER_BATCH) await flush()
      },
    })
    if (report.problemCount > 0) await flush()
    return report
  }

  /** What takes the place of the root's record, where it has one. */
  async #demoted(root: Link): Promise<CompleteRecord[]> {
    try {
      const record = await this.#state.store.getComplete(root)
      return record === undefined ? [] : [heldOnly(record)]
    } catch (error) {
      if (!isCoppiceError(error, 'STORE_CORRUPT')) throw error
      return [unrecorded(root)]
    }
  }

  /** Fetches what peers have of what is missing. Gives the number of blocks. */
  async #fetch(held: HeldState): Promise<number> {
    const { clock, random } = this.#state
    const { signal, onProgress } = this.#options
    const sessions = (await this.#connect()).filter((session) => session.isOpen)
    const target = { ...held.ref, signedRoot: held.signed?.bytes ?? EMPTY_BYTES }
    const published = await this.#published()
    try {
      const report = await fetchTree(target, sessions, await this.#storeFor(held), {
        clock,
        random,
        signal,
        onProgress,
        holds: (session) => held.signed !== undefined && announces(session, this.#have, held.signed),
        // Peers answer questions about recent trees only, with whatever is recorded there: older states are parts of those, mostly.
        named: (session) => rootShownBy(session) ?? published?.payload.root,
        absent: this.#asked.size === 0 ? this.#unreached : [],
        onLost: (links) => this.#state.log('repair: %d blocks are with no peer', links.length),
      })
      for (const peer of report.peers) this.#note(peer, held.signed !== undefined)
      return report.blocksReceived
    } catch (error) {
      // The author's own fault, or a newer coppice's tree: no peer can mend it, and the check names it.
      if (isCoppiceError(error, 'TREE_MALFORMED')) return 0
      throw error
    }
  }

  /** Every peer may be the one that has what the others lack, so each is waited for. */
  async #connect(): Promise<readonly Session[]> {
    if (this.#sessions !== undefined) return this.#sessions
    const { author, name, clock, packings } = this.#state
    const { signal, sources = [] } = this.#options
    this.#have = rootId(await this.#published())
    const hello = { author, name, have: this.#have }
    const dialers = [...(await this.#dialers()), ...sources.map((source) => sourceDialer(this.#state, source))]
    const opened = await openSessions(dialers, hello, { clock, signal, packings, stragglerMs: Infinity })
    this.#unreached = opened.failed
    this.#sessions = opened.sessions
    return opened.sessions
  }

  /**
   * The store as the fetch is to see it: what cannot be read is absent. Of a state that was never signed nothing is
   * recorded, for what is recorded is served.
   */
  async #storeFor({ signed, ref }: HeldState): Promise<PullStore> {
    const { store } = this.#state
    // A state that was signed before, and is a draft again, has a record of its root.
    const isRecorded = signed !== undefined || (await store.getComplete(ref.root)) !== undefined
    return {
      get: (link) => unlessCorrupt(() => store.get(link)),
      getComplete: (link) => unlessCorrupt(() => store.getComplete(link)),
      write: (batch) => store.write(isRecorded ? batch : { blocks: batch.blocks ?? [] }),
    }
  }

  /** A peer that shows another root is as good as any where it has blocks of this one; nobody shows one that was not signed. */
  #note(fetched: PeerReport, isSigned: boolean): void {
    const isOther = fetched.outcome === 'outdated' || fetched.outcome === 'empty'
    const isGood = isOther && (fetched.blocks > 0 || !isSigned || this.#isSource(fetched.name))
    const outcome = fetched.blocks > 0 ? 'used' : 'unused'
    const now: PeerReport = isGood ? { ...fetched, outcome, reason: undefined } : fetched
    const before = this.#asked.get(now.name)
    if (before === undefined) return void this.#asked.set(now.name, now)
    const isIdle = now.blocks === 0 && (isOther || now.outcome === 'unused')
    const last = isIdle ? before : now
    this.#asked.set(now.name, {
      ...now,
      outcome: last.outcome,
      reason: last.reason,
      blocks: before.blocks + now.blocks,
      bytesReceived: before.bytesReceived + now.bytesReceived,
      bytesSent: before.bytesSent + now.bytesSent,
    })
  }

  #isSource(name: string): boolean {
    return this.#options.sources?.some((source) => source.name === name) === true
  }

  async #published(): Promise<SignedRoot | undefined> {
    const bytes = await this.#state.store.getMeta(PUBLISHED)
    return bytes === undefined ? undefined : decodeOwn(bytes)
  }
}

/**
 * A database at hand as a peer. Blocks of states that nobody signed are given, too, and those of other databases: whoever
 * asks may read the directory.
 */
function sourceDialer({ author, name, clock }: DatabaseState, source: RepairSource): PeerDialer {
  const options = providerOptions(source.state)
  const { store } = source.state
  const isSame = equalBytes(author, source.state.author) && name === source.state.name
  const providers = new ProviderSet({ clock })
  providers.add({
    ...options,
    author,
    name,
    newest: isSame ? options.newest : () => undefined,
    serves: () => true,
    store: {
      get: (link) => store.get(link),
      getMany: (links) => store.getMany(links),
      getComplete: async (link) => (await unlessCorrupt(() => store.getComplete(link))) ?? unrecorded(link),
    },
  })
  return createMemoryDialer(source.name, providers.handle)
}

/** For a block of which nothing is recorded. */
function unrecorded(link: Link): CompleteRecord {
  return heldOnly({ link, level: 0, entries: 0, firstKey: EMPTY_BYTES, lastKey: EMPTY_BYTES })
}

/** A record that says that a state is held, and nothing of what is below its root: no subtree has 0 bytes. */
function heldOnly(record: Omit<CompleteRecord, 'bytes' | 'spineClosed'>): CompleteRecord {
  return { ...record, bytes: 0, spineClosed: false }
}

/** What `read` gives; undefined where the store cannot find its way to it, or what is there is damaged. */
async function unlessCorrupt<T>(read: () => MaybePromise<T | undefined>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isCoppiceError(error, 'STORE_CORRUPT')) return undefined
    throw error
  }
}
