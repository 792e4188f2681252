/** A carrier without a network: members that keep the highest record they were given, and do whatever a test makes them do. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { bytesToMapKey } from '../../src/bytes.ts'
import { decodeAttachments, encodeAttachments } from '../../src/carriers/attachments.ts'
import {
  type Carrier,
  type CarrierAnswer,
  type CarrierReceipt,
  type PointerName,
  type PointerRecord,
  SHOWN_MAX,
  type Shown,
} from '../../src/carriers/carrier.ts'
import { CoppiceError } from '../../src/errors.ts'
import { comparePositions, decodeSignedRoot, type Position, SIGNED_ROOT_BYTES_MAX } from '../../src/pointer/index.ts'

interface Held {
  readonly signedRoot: Uint8Array
  readonly attachments: Uint8Array
}

/** One that holds records; a subclass lies. */
export class MemoryMember {
  /** Answers nobody while true. */
  isSilent = false
  readonly #held = new Map<string, Held>()

  get(pointer: PointerName): Held | undefined {
    return this.#held.get(nameOf(pointer))
  }

  /** False where it has a newer one. */
  put(pointer: PointerName, held: Held): boolean {
    const before = this.get(pointer)
    if (before !== undefined && isNewer(before.signedRoot, held.signedRoot)) return false
    this.show(pointer, held)
    return true
  }

  /** Holds it whatever it is. */
  show(pointer: PointerName, held: Held): void {
    this.#held.set(nameOf(pointer), held)
  }
}

export class MemoryNetwork {
  readonly members: readonly MemoryMember[]

  constructor(members: readonly MemoryMember[] = Array.from({ length: 4 }, () => new MemoryMember())) {
    this.members = members
  }

  carrier(name = 'memory', source: string = name): Carrier {
    return new MemoryCarrier(this.members, name, source)
  }

  show(pointer: PointerName, signedRoot: Uint8Array): void {
    for (const member of this.members) member.show(pointer, { signedRoot, attachments: encodeAttachments(new Map()) })
  }
}

class MemoryCarrier implements Carrier {
  readonly name: string
  readonly source: string
  readonly keepsMs: null = null
  readonly #members: readonly MemoryMember[]

  constructor(members: readonly MemoryMember[], name: string, source: string) {
    this.#members = members
    this.name = name
    this.source = source
  }

  async get(pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer> {
    const answering = await this.#answering(signal)
    const shown = new Map<string, Shown>()
    for (const member of answering) {
      const held = member.get(pointer)
      if (held === undefined || held.signedRoot.length > SIGNED_ROOT_BYTES_MAX) continue
      const { signedRoot } = held
      const key = bytesToMapKey(signedRoot)
      const record = { signedRoot, attachments: decodeAttachments(held.attachments) }
      shown.set(key, { record, copies: (shown.get(key)?.copies ?? 0) + 1 })
    }
    return {
      shown: [...shown.values()].slice(0, SHOWN_MAX),
      asked: this.#members.length,
      answered: answering.length,
    }
  }

  async put(pointer: PointerName, record: PointerRecord, signal: AbortSignal): Promise<CarrierReceipt> {
    const answering = await this.#answering(signal)
    const held = { signedRoot: record.signedRoot, attachments: encodeAttachments(record.attachments) }
    const stored = answering.filter((member) => member.put(pointer, held)).length
    const key = bytesToMapKey(record.signedRoot)
    const { shown } = await this.get(pointer, signal)
    const seen = shown.find((each) => bytesToMapKey(each.record.signedRoot) === key)?.copies ?? 0
    return { stored, newer: answering.length - stored, seen, refusals: [] }
  }

  async close(): Promise<void> {}

  /** Some turns later, so that there is something to abort. */
  async #answering(signal: AbortSignal): Promise<MemoryMember[]> {
    for (let turn = 0; turn < 3; turn++) {
      signal.throwIfAborted()
      await nextTurn()
    }
    signal.throwIfAborted()
    const answering = this.#members.filter(({ isSilent }) => !isSilent)
    if (answering.length > 0) return answering
    throw new CoppiceError('PEER_UNREACHABLE', `${this.name}: expected an answer, got none`)
  }
}

function nameOf({ author, name }: PointerName): string {
  return `${bytesToMapKey(author)} ${name}`
}

function isNewer(held: Uint8Array, given: Uint8Array): boolean {
  return comparePositions(positionOf(held), positionOf(given)) > 0
}

function positionOf(signedRoot: Uint8Array): Position {
  try {
    return decodeSignedRoot(signedRoot).payload
  } catch {
    return { epoch: -1, sequence: 0 }
  }
}
