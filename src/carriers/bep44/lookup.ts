/**
 * Walks towards the nodes whose ids are closest to a target (Kademlia, bep_0005): ever closer ones are asked, a few at once,
 * until the closest known have all answered. Whoever lies about nodes can only make it ask more, and how much is bounded.
 */
import { compareBytes } from '../../bytes.ts'
import type { DhtAddress, DhtAnswer, DhtNode } from './messages.ts'
import type { DhtQuestions } from './questions.ts'

/** Nodes that keep an item: the closest ones (bep_0005). */
export const CLOSEST_NODES = 8
/** Questions under way at once. */
const PARALLEL = 6
/** Questions of one lookup: a swarm of ten million nodes takes about 30. */
const QUESTIONS_MAX = 96
/** Nodes of one host that are asked in one lookup: many nodes of a few hosts would be one party's. */
const NODES_PER_HOST_MAX = 4

export interface LookupOptions {
  /** 20 bytes. */
  readonly target: Uint8Array
  /** Where to begin: nodes whose ids are not known. */
  readonly bootstrap: readonly DhtAddress[]
  /** Whether an address that a stranger named may be sent to. */
  readonly mayAsk: (address: DhtAddress) => boolean
  /** Hosts that may have any number of nodes: those that one has configured. */
  readonly isTrustedHost: (host: string) => boolean
  readonly signal: AbortSignal
  /** Called with each answer that has an item. */
  readonly onItem: (answer: Extract<DhtAnswer, { type: 'response' }>, from: DhtAddress) => void
}

/** A node that answered, and with what a later put is accepted. */
export interface FoundNode extends DhtNode {
  readonly token: Uint8Array | undefined
}

export interface LookupResult {
  /** That answered, the closest first. */
  readonly nodes: readonly FoundNode[]
  readonly asked: number
  readonly answered: number
}

interface Candidate extends DhtAddress {
  /** What was said to be its id; undefined for a bootstrap node. */
  readonly distance: Uint8Array | undefined
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
  #asked = 0

  constructor(questions: DhtQuestions, options: LookupOptions) {
    this.#questions = questions
    this.#options = options
    for (const { host, port } of options.bootstrap) {
      this.#candidates.set(nameOf({ host, port }), { host, port, distance: undefined, state: 'new' })
    }
  }

  async run(): Promise<LookupResult> {
    const workers = new Set<Promise<void>>()
    for (;;) {
      for (let next = this.#next(); next !== undefined && workers.size < PARALLEL; next = this.#next()) {
        const worker: Promise<void> = this.#ask(next).finally(() => workers.delete(worker))
        workers.add(worker)
      }
      if (workers.size === 0) break
      await Promise.race(workers)
    }
    const { target } = this.#options
    const nodes = this.#found.toSorted((a, b) => compareBytes(xor(a.id, target), xor(b.id, target)))
    return { nodes, asked: this.#asked, answered: nodes.length }
  }

  /** The closest that was not asked, among the closest that may still answer; bootstrap nodes come first. */
  #next(): Candidate | undefined {
    if (this.#asked >= QUESTIONS_MAX) return undefined
    const alive = [...this.#candidates.values()].filter(({ state }) => state !== 'failed').toSorted(compareCandidates)
    const known = alive.filter(({ distance }) => distance !== undefined).slice(0, CLOSEST_NODES)
    const unknown = alive.filter(({ distance }) => distance === undefined)
    return [...unknown, ...known].find(({ state }) => state === 'new')
  }

  async #ask(candidate: Candidate): Promise<void> {
    candidate.state = 'asked'
    this.#asked++
    const { target, signal, onItem } = this.#options
    const answer = await this.#questions.ask(candidate, { type: 'get', target }, signal)
    candidate.state = answer?.type === 'response' ? 'answered' : 'failed'
    if (answer?.type !== 'response') return
    this.#found.push({ id: answer.id, host: candidate.host, port: candidate.port, token: answer.token })
    if (answer.item !== undefined) onItem(answer, candidate)
    const nodes = answer.nodes.length > 0 ? answer.nodes : await this.#nodesOf(candidate)
    for (const node of nodes) this.#consider(node)
  }

  /** Whoever has the item may leave out the nodes (npm's bittorrent-dht does), and is asked for them then. */
  async #nodesOf(candidate: Candidate): Promise<readonly DhtNode[]> {
    const { target, signal } = this.#options
    const answer = await this.#questions.ask(candidate, { type: 'find_node', target }, signal)
    return answer?.type === 'response' ? answer.nodes : []
  }

  #consider({ id, host, port }: DhtNode): void {
    const { target, mayAsk, isTrustedHost } = this.#options
    const name = nameOf({ host, port })
    if (this.#candidates.has(name) || !mayAsk({ host, port })) return
    const ofHost = this.#nodesOfHost.get(host) ?? 0
    if (ofHost >= NODES_PER_HOST_MAX && !isTrustedHost(host)) return
    this.#nodesOfHost.set(host, ofHost + 1)
    this.#candidates.set(name, { host, port, distance: xor(id, target), state: 'new' })
  }
}

function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.distance === undefined || b.distance === undefined)
    return a.distance === b.distance ? 0 : a.distance === undefined ? -1 : 1
  return compareBytes(a.distance, b.distance)
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number))
}

function nameOf({ host, port }: DhtAddress): string {
  return `${host} ${port}`
}
