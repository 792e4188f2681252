/** Rows of a patch that one peer sent, one page after the other: every row that differs from where the run begins to where it has come. */
import { compareBytes } from '../../bytes.ts'
import { type Edit, isValueRef, type NodeClaim, type Value } from '../../prolly/index.ts'
import type { PatchPage, Session } from '../peers/session.ts'
import { patchRowBytes } from '../wire/index.ts'

/** Heads of a row's key and value in a message. */
const ROW_HEAD_BYTES = 3

export class RowRun {
  readonly session: Session
  /** Rows lie above it; null: there is no such bound. */
  readonly after: Uint8Array | null
  readonly #edits: Edit<Value>[] = []
  /** The last key that is known about. */
  #to: Uint8Array | null
  #isWhole = false
  #bytes = 0
  #valueBytes = 0

  constructor(session: Session, after: Uint8Array | null) {
    this.session = session
    this.after = after
    this.#to = after
  }

  /** Where the next page begins. */
  get to(): Uint8Array | null {
    return this.#to
  }

  /** The last page has come. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  get rows(): number {
    return this.#edits.length
  }

  /** As they came. */
  get bytes(): number {
    return this.#bytes
  }

  /** Of values that stand out of line, by the peer's word. */
  get valueBytes(): number {
    return this.#valueBytes
  }

  /** The next page: rows above {@link to}, ascending. */
  append({ keys, values, isLast }: PatchPage): void {
    for (const [i, key] of keys.entries()) {
      const value = values[i] ?? null
      this.#edits.push({ key, value })
      this.#bytes += rowBytes(key, value)
      if (value !== null && isValueRef(value)) this.#valueBytes += value.size
    }
    this.#to = keys.at(-1) ?? this.#to
    this.#isWhole = isLast
  }

  /** Whether all rows of the subtree's place are here. */
  covers({ lower, last, rightmost }: Pick<NodeClaim, 'lower' | 'last' | 'rightmost'>): boolean {
    if (this.after !== null && (lower === undefined || compareBytes(lower, this.after) < 0)) return false
    if (this.#isWhole) return true
    return !rightmost && last !== undefined && this.#to !== null && compareBytes(this.#to, last) >= 0
  }

  /** Whether rows above `key` would follow those that are here, or are among them. */
  reaches(key: Uint8Array | undefined): boolean {
    if (this.after !== null && (key === undefined || compareBytes(key, this.after) < 0)) return false
    return this.#isWhole || key === undefined || (this.#to !== null && compareBytes(key, this.#to) <= 0)
  }

  /** The rows of the subtree's place. */
  editsOf({ lower, last, rightmost }: Pick<NodeClaim, 'lower' | 'last' | 'rightmost'>): readonly Edit<Value>[] {
    const from = lower === undefined ? 0 : this.#firstAbove(lower)
    return this.#edits.slice(from, rightmost || last === undefined ? undefined : this.#firstAbove(last))
  }

  /** Of the rows of the subtree's place. */
  bytesOf(claim: Pick<NodeClaim, 'lower' | 'last' | 'rightmost'>): number {
    let bytes = 0
    for (const { key, value } of this.editsOf(claim)) bytes += rowBytes(key, value)
    return bytes
  }

  /** Forgets the rows up to `key`. */
  forget(key: Uint8Array): void {
    for (const { key: gone, value } of this.#edits.splice(0, this.#firstAbove(key)))
      this.#bytes -= rowBytes(gone, value)
  }

  /** The part of the run above `key`, as one of its own. */
  from(key: Uint8Array | undefined): RowRun {
    const rest = new RowRun(this.session, key ?? this.after)
    const edits = key === undefined ? this.#edits : this.#edits.slice(this.#firstAbove(key))
    rest.append({ keys: edits.map((edit) => edit.key), values: edits.map((edit) => edit.value), isLast: this.#isWhole })
    rest.#to = this.#to
    return rest
  }

  #firstAbove(key: Uint8Array): number {
    let low = 0
    let high = this.#edits.length
    while (low < high) {
      const middle = (low + high) >> 1
      const edit = this.#edits[middle] as Edit<Value>
      if (compareBytes(edit.key, key) <= 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function rowBytes(key: Uint8Array, value: Value | null): number {
  return patchRowBytes(key, value) + ROW_HEAD_BYTES
}
