/**
 * Walks towards the nodes whose ids are closest to a target (Kademlia, bep_0005): ever closer ones are asked, a few at once,
 * until the closest known have all answered. Whoever lies about nodes can only make it ask more, and how much is bounded.
 */
import { compareBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import type { MutableItem } from './item.ts'
import type { DhtAddress, DhtNode } from './messages.ts'
import type { DhtQuestions } from './questions.ts'

/** Nodes that keep an item: the closest ones (bep_0005). */
export const CLOSEST_NODES = 8
/** Questions under way at once. */
const PARALLEL = 6
/** Questions of one lookup: a swarm of ten million nodes takes about 30. */
const QUESTIONS_MAX = 96
/**
 * For one lookup, so that what was heard by then counts: whoever names ever closer nodes that are silent could hold it up for longer than
 * anybody waits. An offline key takes two, one after the other.
 */
const LOOKUP_MS = 4_000
/**
 * A host of whose nodes so many are silent or have not answered yet, beyond twice those that answer: the others it named come last, or are not asked. Of nodes
 * that honest ones name a third are gone, and all of IPv6 to whoever has none.
 */
const SUSPICIOUS_AT = 2
const DISBELIEVED_AT = 12
/**
 * Once as many have answered as keep an item, those still silent get as long again as the slowest answer took, and this at least: of
 * what a node of the swarm knows, a third is gone.
 */
const GRACE_MS_MIN = 50
/** Nodes of one host that are asked in one lookup: many nodes of a few hosts would be one party's. */
const NODES_PER_HOST_MAX = 4

export interface LookupOptions {
  /** 20 bytes. */
  readonly target: Uint8Array
  /** Where to begin: nodes whose ids are not known. */
  readonly bootstrap: readonly DhtAddress[]
  /** Whether an address may be sent to that a node at `namedBy` named. */
  readonly mayAsk: (address: DhtAddress, namedBy: DhtAddress) => boolean
  /** Hosts that may have any number of nodes: those that one has configured. */
  readonly isTrustedHost: (host: string) => boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** A node that answered, with what a later put is accepted, and the item it has, which is not verified. */
export interface FoundNode extends DhtNode {
  readonly token: Uint8Array | undefined
  readonly item: Omit<MutableItem, 'salt'> | undefined
}

export interface LookupResult {
  /** That answered, the closest first. */
  readonly nodes: readonly FoundNode[]
  /** Of them one of each host: where something is put. */
  readonly closest: readonly FoundNode[]
  readonly asked: number
  readonly answered: number
}

interface Candidate extends DhtAddress {
  /** What was said to be its id; undefined for a bootstrap node. */
  readonly distance: Uint8Array | undefined
  /** The host that named it; undefined for a bootstrap node. */
  readonly namedBy: string | undefined
  state: 'new' | 'asked' | 'answered' | 'failed'
}

export async function lookUp(questions: DhtQuestions, options: LookupOptions): Promise<LookupResult> {
  const lookup = new Lookup(questions, options)
  return await lookup.run()
}

class Lookup {
  readonly #questions: DhtQuestions
  readonly #options: LookupOptions
  readonly #candidates = new Map<string, Candidate>()
  readonly #found: FoundNode[] = []
  readonly #nodesOfHost = new Map<string, number>()
  /** By the host that named them: nodes that were asked, less three for each that answered. */
  readonly #silentNamed = new Map<string, number>()
  /** Ends the questions that are not waited for any more. */
  readonly #over = new AbortController()
  readonly #signal: AbortSignal
  #asked = 0
  #slowestMs = 0

  constructor(questions: DhtQuestions, options: LookupOptions) {
    this.#questions = questions
    this.#options = options
    this.#signal = AbortSignal.any([options.signal, this.#over.signal])
    for (const { host, port } of options.bootstrap) {
      this.#candidates.set(nameOf({ host, port }), {
        host,
        port,
        distance: undefined,
        namedBy: undefined,
        state: 'new',
      })
    }
  }

  async run(): Promise<LookupResult> {
    const workers = new Set<Promise<void>>()
    const timeUp = this.#options.clock.sleep(LOOKUP_MS, this.#signal).then(() => false)
    // Told by the questions.
    timeUp.catch(() => {})
    for (;;) {
      for (let next = this.#next(); next !== undefined && workers.size < PARALLEL; next = this.#next()) {
        const worker: Promise<void> = this.#ask(next).finally(() => workers.delete(worker))
        workers.add(worker)
      }
      if (workers.size === 0 || !(await Promise.race([this.#hears(workers), timeUp]))) break
    }
    this.#over.abort(new Error('enough have answered'))
    await Promise.allSettled([...workers, timeUp])
    const { target } = this.#options
    const nodes = this.#found.toSorted((a, b) => compareBytes(xor(a.id, target), xor(b.id, target)))
    const closest = this.#oneOfEachHost(nodes)
    return { nodes, closest, asked: this.#asked, answered: nodes.length }
  }

  /** Waits for one of the workers; false where none is worth waiting for any more. */
  async #hears(workers: ReadonlySet<Promise<void>>): Promise<boolean> {
    const next = Promise.race(workers).then(() => true)
    if (this.#found.length < CLOSEST_NODES || this.#next() !== undefined) return await next
    const heard = new AbortController()
    const signal = AbortSignal.any([this.#signal, heard.signal])
    const patience = this.#options.clock.sleep(Math.max(this.#slowestMs, GRACE_MS_MIN), signal).then(() => false)
    try {
      return await Promise.race([next, patience])
    } finally {
      heard.abort()
      await patience.catch(() => undefined)
    }
  }

  /** The closest that was not asked, among the closest that may still answer; bootstrap nodes come first. */
  #next(): Candidate | undefined {
    if (this.#asked >= QUESTIONS_MAX) return undefined
    const alive = [...this.#candidates.values()].filter(({ state }) => state !== 'failed').toSorted(compareCandidates)
    const known = alive.filter(({ distance }) => distance !== undefined)
    const unknown = alive.filter(({ distance }) => distance === undefined)
    return (
      unknown.find(({ state }) => state === 'new') ??
      this.#closestNew(known, SUSPICIOUS_AT) ??
      this.#closestNew(known, DISBELIEVED_AT)
    )
  }

  /** Among the closest, without those that a host named of whose nodes so many more were silent. */
  #closestNew(known: readonly Candidate[], silentMax: number): Candidate | undefined {
    const believed = known.filter((each) => each.state !== 'new' || this.#silentOf(each) < silentMax)
    return this.#oneOfEachHost(believed)
      .slice(0, CLOSEST_NODES)
      .find(({ state }) => state === 'new')
  }

  /** The first of each host, but of those that one has configured all: whoever has two hosts has no more than two of the closest nodes. */
  #oneOfEachHost<T extends DhtAddress>(nodes: readonly T[]): T[] {
    const hosts = new Set<string>()
    return nodes.filter(({ host }) => this.#options.isTrustedHost(host) || hosts.size < hosts.add(machineOf(host)).size)
  }

  /** How many of those that its host named were silent so far, beyond twice those that answered. */
  #silentOf({ namedBy }: Candidate): number {
    if (namedBy === undefined || this.#options.isTrustedHost(namedBy)) return 0
    return this.#silentNamed.get(machineOf(namedBy)) ?? 0
  }

  #countSilent({ namedBy }: Candidate, more: number): void {
    if (namedBy === undefined) return
    const machine = machineOf(namedBy)
    this.#silentNamed.set(machine, (this.#silentNamed.get(machine) ?? 0) + more)
  }

  async #ask(candidate: Candidate): Promise<void> {
    candidate.state = 'asked'
    this.#countSilent(candidate, 1)
    this.#asked++
    const { target, clock } = this.#options
    const begin = clock.now()
    const answer = await this.#questions.ask(candidate, { type: 'get', target }, this.#signal)
    candidate.state = answer?.type === 'response' ? 'answered' : 'failed'
    if (answer?.type !== 'response') return
    this.#countSilent(candidate, -3)
    this.#slowestMs = Math.max(this.#slowestMs, clock.now() - begin)
    const { id, token, item } = answer
    this.#found.push({ id, host: candidate.host, port: candidate.port, token, item })
    const nodes = answer.nodes.length > 0 ? answer.nodes : await this.#nodesOf(candidate)
    for (const node of nodes) this.#consider(node, candidate)
  }

  /** Whoever has the item may leave out the nodes (npm's bittorrent-dht does), and is asked for them then. */
  async #nodesOf(candidate: Candidate): Promise<readonly DhtNode[]> {
    const { target } = this.#options
    const answer = await this.#questions.ask(candidate, { type: 'find_node', target }, this.#signal)
    return answer?.type === 'response' ? answer.nodes : []
  }

  #consider({ id, host, port }: DhtNode, namedBy: DhtAddress): void {
    const { target, mayAsk, isTrustedHost } = this.#options
    const name = nameOf({ host, port })
    if (this.#candidates.has(name) || !mayAsk({ host, port }, namedBy)) return
    const machine = machineOf(host)
    const ofHost = this.#nodesOfHost.get(machine) ?? 0
    if (ofHost >= NODES_PER_HOST_MAX && !isTrustedHost(host)) return
    this.#nodesOfHost.set(machine, ofHost + 1)
    this.#candidates.set(name, {
      host,
      port,
      distance: xor(id, target),
      namedBy: namedBy.host,
      state: 'new',
    })
  }
}

function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.distance === undefined || b.distance === undefined)
    return a.distance === b.distance ? 0 : a.distance === undefined ? -1 : 1
  return compareBytes(a.distance, b.distance)
}

/** Whoever has an IPv6 address has all of its first four groups. */
function machineOf(host: string): string {
  return host.includes(':') ? host.split(':').slice(0, 4).join(':') : host
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number))
}

function nameOf({ host, port }: DhtAddress): string {
  return `${host} ${port}`
}
