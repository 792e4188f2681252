/** The signed roots that carriers show, each once, with who shows it and what travels beside it. Nothing of it is verified here. */
import { bytesToMapKey, compareBytes } from '../bytes.ts'
import { isCoppiceError } from '../errors.ts'
import { type AnySignedRoot, comparePositions, decodeSignedRoot } from '../pointer/index.ts'
import type { Heard } from './ask.ts'
import type { Attachments } from './attachments.ts'
import { type Carrier, type PointerRecord, SHOWN_MAX } from './carrier.ts'

export interface Candidate {
  readonly signedRoot: Uint8Array
  /** Undefined for what cannot be decoded. */
  readonly root: AnySignedRoot | undefined
  /** Who shows it, by the sources of a quorum. */
  readonly sources: ReadonlySet<string>
}

/** What one carrier shows. */
export interface ShownCandidate {
  readonly candidate: Candidate
  readonly copies: number
}

interface Gathered extends Candidate {
  readonly sources: Set<string>
  /** Of each carrier that shows it, in the order of the carriers. */
  readonly attachments: Attachments[]
}

export class Candidates {
  readonly #gathered = new Map<string, Gathered>()
  readonly #ofCarrier = new Map<Carrier, readonly ShownCandidate[]>()

  constructor(heard: readonly Heard[]) {
    for (const { carrier, answer } of heard) {
      const shown = answer?.shown.slice(0, SHOWN_MAX) ?? []
      this.#ofCarrier.set(
        carrier,
        shown.map(({ record, copies }) => ({ candidate: this.#add(carrier.source, record), copies })),
      )
    }
  }

  /** From the lowest to the highest, those of one place by their links: whoever answered first decides nothing. */
  get ascending(): readonly Candidate[] {
    return [...this.#gathered.values()].toSorted(compareCandidates)
  }

  /** Beside all of them, those of a carrier in its order. */
  get attachments(): readonly Attachments[] {
    return [...this.#gathered.values()].flatMap(({ attachments }) => attachments)
  }

  /** The highest that a carrier showed, and by how many members. */
  highestOf(carrier: Carrier): ShownCandidate | undefined {
    return this.#ofCarrier.get(carrier)?.toSorted((a, b) => compareCandidates(b.candidate, a.candidate))[0]
  }

  /** The record of these bytes with what travels beside it, each by the first carrier that has it; undefined where nobody shows it. */
  recordOf(signedRoot: Uint8Array): PointerRecord | undefined {
    const gathered = this.#gathered.get(bytesToMapKey(signedRoot))
    if (gathered === undefined) return undefined
    const attachments = new Map(gathered.attachments.toReversed().flatMap((each) => [...each]))
    return { signedRoot: gathered.signedRoot, attachments }
  }

  #add(source: string, { signedRoot, attachments }: PointerRecord): Candidate {
    const key = bytesToMapKey(signedRoot)
    const gathered = this.#gathered.get(key) ?? {
      signedRoot,
      root: decode(signedRoot),
      sources: new Set(),
      attachments: [],
    }
    this.#gathered.set(key, gathered)
    gathered.sources.add(source)
    gathered.attachments.push(attachments)
    return gathered
  }
}

/** What cannot be decoded stands below everything. */
function compareCandidates({ root: a }: Candidate, { root: b }: Candidate): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined)
  return comparePositions(a.payload, b.payload) || compareBytes(a.link, b.link)
}

function decode(signedRoot: Uint8Array): AnySignedRoot | undefined {
  try {
    return decodeSignedRoot(signedRoot)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return undefined
    throw error
  }
}
