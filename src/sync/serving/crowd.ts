/**
 * Many who fetch one tree at once get each part of it from here once, and from each other after that (protocol.md, 9). What
 * has been sent to somebody who serves the database himself is refused as `elsewhere` to others for a
 * while; so the line out of here carries what nobody else has.
 *
 * Time bounds it twice. A part that was sent long ago, for how often it was sent, is sent again: whoever has it is slow, or cannot be
 * reached. And nobody is refused the same part for longer than ELSEWHERE_MS_MAX, whoever else keeps asking for it: so
 * those who say that they serve, and do not, can make others wait, once for each part, and no more.
 */
import type { Clock } from '../../clock.ts'
import { linkMapKey } from '../../link.ts'
import { CROWD_PEERS_MIN, ELSEWHERE_MS_MAX, ELSEWHERE_WAITS_MAX, PARTS_SENT_MAX, SPREAD_MS } from '../limits.ts'
import type { GetBlocks, GetRange } from '../wire/index.ts'
import type { ServedTrees } from './served-trees.ts'

type Question = GetBlocks | GetRange

interface Part {
  readonly key: string
  readonly bytes: number
}

/** A part that was sent. */
interface Sent {
  at: number
  /** To whom, those who can pass it on; few, since the next one waits longer for it each time. */
  readonly peers: Set<string>
}

export interface CrowdOptions extends ServedTrees {
  readonly clock: Clock
  /** Whether the peer said where it serves the database itself. */
  readonly isServing: (peer: string) => boolean
}

/** Those whom one provider serves. */
export class Crowd {
  readonly #options: CrowdOptions
  /** Channels of each peer. */
  readonly #connected = new Map<string, number>()
  /** By link, those sent least recently first. */
  readonly #sent = new Map<string, Sent>()

  constructor(options: CrowdOptions) {
    this.#options = options
  }

  /** Whether so many fetch and serve that leaving them to each other is worth it. */
  get isLarge(): boolean {
    let serving = 0
    for (const peer of this.#connected.keys()) if (this.#options.isServing(peer)) serving++
    return serving >= CROWD_PEERS_MIN
  }

  join(peer: string): CrowdMember {
    this.#connected.set(peer, (this.#connected.get(peer) ?? 0) + 1)
    return new CrowdMember(this, this.#options, peer)
  }

  leave(peer: string): void {
    const channels = (this.#connected.get(peer) ?? 0) - 1
    if (channels > 0) this.#connected.set(peer, channels)
    else this.#connected.delete(peer)
  }

  /** Until when others can be expected to pass the part on to `peer`; -Infinity where nobody else has it. */
  spreadsUntil(key: string, peer: string): number {
    const sent = this.#sent.get(key)
    if (sent === undefined) return -Infinity
    let others = 0
    for (const other of sent.peers) if (other !== peer && this.#options.isServing(other)) others++
    return others === 0 ? -Infinity : sent.at + SPREAD_MS * 2 ** (others - 1)
  }

  note(key: string, peer: string): void {
    const sent = this.#sent.get(key) ?? { at: 0, peers: new Set<string>() }
    sent.at = this.#options.clock.now()
    for (const other of sent.peers) if (!this.#options.isServing(other)) sent.peers.delete(other)
    if (this.#options.isServing(peer)) sent.peers.add(peer)
    this.#sent.delete(key)
    if (sent.peers.size > 0) this.#sent.set(key, sent)
    const [oldest] = this.#sent.keys()
    if (oldest !== undefined && this.#sent.size > PARTS_SENT_MAX) this.#sent.delete(oldest)
  }
}

/** One channel of it. */
export class CrowdMember {
  readonly #crowd: Crowd
  readonly #options: CrowdOptions
  readonly #peer: string
  /** Since when a part is refused to it. */
  readonly #waits = new Map<string, number>()
  /** It was told of somebody else to ask. */
  knowsOthers = false

  constructor(crowd: Crowd, options: CrowdOptions, peer: string) {
    this.#crowd = crowd
    this.#options = options
    this.#peer = peer
  }

  leave(): void {
    this.#crowd.leave(this.#peer)
  }

  /** What of the question is to be answered now, and noted as sent; undefined: nothing, it is for others to answer. */
  async take(question: Question): Promise<Question | undefined> {
    const isServing = this.#options.isServing(this.#peer)
    if (!this.knowsOthers && !isServing) return question
    // Who has parts only is of the crowd, and passes on whatever is asked for.
    if ((await this.#options.store.getComplete(question.root)) === undefined) return question
    const parts = await this.#partsOf(question)
    const taken = this.knowsOthers && this.#crowd.isLarge ? this.#allowed(question, parts) : question
    if (taken !== undefined && isServing) this.#note(taken, parts)
    return taken
  }

  #allowed(question: Question, parts: readonly (Part | undefined)[]): Question | undefined {
    const isElsewhere = parts.map((part) => part !== undefined && this.#isElsewhere(part.key))
    if (question.type === 'get blocks') {
      // Of single blocks all have to be sent, or none.
      return 2 * isElsewhere.filter(Boolean).length > parts.length ? undefined : question
    }
    const first = isElsewhere.indexOf(true)
    return first < 0 ? question : first === 0 ? undefined : { ...question, links: question.links.slice(0, first) }
  }

  /** What is sent as a whole. */
  #note(question: Question, parts: readonly (Part | undefined)[]): void {
    if (question.type === 'get range' && question.base !== null) return
    let room = question.bytesMax
    for (const part of parts.slice(0, question.links.length)) {
      if (part === undefined) continue
      room -= part.bytes
      if (room < 0) return
      this.#waits.delete(part.key)
      this.#crowd.note(part.key, this.#peer)
    }
  }

  #isElsewhere(key: string): boolean {
    const now = this.#options.clock.now()
    if (now >= this.#crowd.spreadsUntil(key, this.#peer)) return false
    const since = this.#waits.get(key) ?? now
    if (now - since >= ELSEWHERE_MS_MAX) return false
    if (this.#waits.size >= ELSEWHERE_WAITS_MAX && !this.#waits.has(key)) return false
    this.#waits.set(key, since)
    return true
  }

  /** Others serve whole subtrees: the nodes above them can be had here only. */
  async #partsOf({ type, links }: Question): Promise<(Part | undefined)[]> {
    const parts: (Part | undefined)[] = []
    for (const link of links) {
      const record = await this.#options.store.getComplete(link)
      const isPart = record !== undefined && (type === 'get range' || record.level <= 0)
      parts.push(isPart ? { key: linkMapKey(link), bytes: record.bytes } : undefined)
    }
    return parts
  }
}
