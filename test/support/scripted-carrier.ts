/** Carriers that show what a test says, honest or not. */
import type { Carrier, CarrierAnswer, CarrierReceipt, PointerName, PointerRecord } from '../../src/carriers/carrier.ts'
import { type Attachments, NO_ATTACHMENTS } from '../../src/carriers/attachments.ts'
import type { Clock } from '../../src/clock.ts'
import type { Carriers } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'

export interface ScriptedOptions {
  readonly source?: string
  /** Before it answers. */
  readonly ms?: number
  readonly attachments?: Attachments
  /** Answers nobody, and heeds no signal. */
  readonly isSilent?: boolean
  readonly isAway?: boolean
  readonly copies?: number
  /** Cannot be put to. */
  readonly isReadOnly?: boolean
}

/** Shows `roots`, which may be any bytes. */
export class ScriptedCarrier implements Carrier {
  readonly name: string
  readonly source: string
  readonly keepsMs: null = null
  /** What it was told. */
  readonly put?: (pointer: PointerName, record: PointerRecord, signal: AbortSignal) => Promise<CarrierReceipt>
  readonly told: PointerRecord[] = []
  roots: readonly Uint8Array[]
  asked: number = 0
  isClosed: boolean = false
  readonly #clock: Clock
  readonly #options: ScriptedOptions

  constructor(name: string, clock: Clock, roots: readonly Uint8Array[] = [], options: ScriptedOptions = {}) {
    this.name = name
    this.source = options.source ?? name
    this.roots = roots
    this.#clock = clock
    this.#options = options
    if (options.isReadOnly === true) return
    this.put = (_pointer, record) => {
      this.told.push(record)
      this.roots = [record.signedRoot]
      return Promise.resolve({ stored: 1, newer: 0, seen: 1, refusals: [] })
    }
  }

  async get(_pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer> {
    this.asked++
    const { ms = 0, isSilent = false, isAway = false, attachments = NO_ATTACHMENTS, copies = 1 } = this.#options
    if (isSilent) await new Promise(() => {})
    await this.#clock.sleep(ms, signal)
    if (isAway) throw new CoppiceError('PEER_UNREACHABLE', `${this.name}: nobody is there`)
    const shown = this.roots.map((signedRoot) => ({ record: { signedRoot, attachments }, copies }))
    return { shown, asked: 1, answered: 1 }
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}

/** As a database is given them. */
export function carriersOf(...carriers: readonly Carrier[]): Carriers {
  return {
    list: () => Promise.resolve(carriers),
    close: async () => void (await Promise.all(carriers.map((carrier) => carrier.close()))),
  }
}
