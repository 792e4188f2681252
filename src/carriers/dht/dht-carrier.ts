/**
 * Signed roots by a DHT of coppice's own (record.md, 7). Anybody may put one: it needs no envelope, and the members keep the highest
 * that is validly signed.
 */
import { equalBytes } from '../../bytes.ts'
import { comparePositions, decodeSignedRoot, type Position } from '../../pointer/index.ts'
import {
  type Carrier,
  type CarrierAnswer,
  type CarrierReceipt,
  type PointerName,
  type PointerRecord,
  SHOWN_MAX,
  type Shown,
} from '../carrier.ts'
import { type FoundValue, lookUpValues, putValue, type ValueAsking } from '../value-lookup.ts'
import type { ValueNetwork } from '../value-network.ts'
import { decodeDhtValue, DHT_RULES, dhtKey, encodeDhtValue } from './value.ts'

/** Nodes forget after two days, and come and go. */
export const DHT_KEEPS_MS: number = 24 * 60 * 60 * 1000

export function dhtCarrier(values: ValueNetwork, options: Omit<ValueAsking, 'name'>): Carrier {
  return new DhtCarrier(values, { ...options, name: 'dht' })
}

interface Candidate extends Shown {
  readonly at: Position
}

class DhtCarrier implements Carrier {
  readonly name = 'dht'
  readonly source = 'dht'
  readonly keepsMs: number = DHT_KEEPS_MS
  readonly #values: ValueNetwork
  readonly #asking: ValueAsking

  constructor(values: ValueNetwork, asking: ValueAsking) {
    this.#values = values
    this.#asking = asking
  }

  async get(pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer> {
    const { asked, answered, shown } = await this.#lookUp(pointer, signal)
    return { asked, answered, shown: shown.map(({ record, copies }) => ({ record, copies })) }
  }

  async put(pointer: PointerName, record: PointerRecord, signal: AbortSignal): Promise<CarrierReceipt> {
    const { payload } = decodeSignedRoot(record.signedRoot)
    const put = await putValue(this.#values, dhtKey(pointer), encodeDhtValue(record), this.#asking, signal)
    const { shown } = await this.#lookUp(pointer, signal)
    const count = (which: (candidate: Candidate) => boolean): number =>
      shown.filter(which).reduce((sum, { copies }) => sum + copies, 0)
    return {
      stored: put.stored,
      newer: count(({ at }) => comparePositions(at, payload) > 0),
      seen: count((candidate) => equalBytes(candidate.record.signedRoot, record.signedRoot)),
      refusals: put.refusals,
    }
  }

  async close(): Promise<void> {}

  /** The highest that verify by what they bring: a member cannot fill the answer with roots it made up. */
  async #lookUp(
    pointer: PointerName,
    signal: AbortSignal,
  ): Promise<{ readonly asked: number; readonly answered: number; readonly shown: readonly Candidate[] }> {
    const key = dhtKey(pointer)
    const { asked, answered, values } = await lookUpValues(this.#values, key, this.#asking, signal)
    const shown = values.flatMap((found) => candidateOf(key, found) ?? [])
    shown.sort((a, b) => comparePositions(b.at, a.at) || b.copies - a.copies)
    return { asked, answered, shown: shown.slice(0, SHOWN_MAX) }
  }
}

function candidateOf(key: Uint8Array, { value, members }: FoundValue): Candidate | undefined {
  const claim = DHT_RULES.read(key, value)
  const record = claim?.verify() === true ? decodeDhtValue(value) : undefined
  return claim && record && { record, copies: members.size, at: claim.floor }
}
