/** Byte streams as lines of text. Strict UTF-8; memory is bounded by the longest line allowed and one chunk. */
import { copyBytes } from '../bytes.ts'
import { placeIn, RECORD_BYTES_MAX, syntaxError, tooLongError, type ByteSource, type ReadOptions } from './place.ts'

/** Without its line feed; a carriage return before it stays. `line` counts from 1. */
export interface Line {
  readonly text: string
  readonly line: number
}

const LINE_FEED = 0x0a
const BYTE_ORDER_MARK = '\ufeff'

/**
 * The lines of `source` in batches, one batch for each chunk that ends at least one line: a promise per line would
 * cost more than the line. The last line needs no line feed.
 * @throws {CoppiceError} `INPUT_SYNTAX` for bytes that are not UTF-8 and for lines over `recordBytesMax`.
 */
export async function* readLines(source: ByteSource, options: ReadOptions = {}): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(options.recordBytesMax ?? RECORD_BYTES_MAX)
  for await (const chunk of source) {
    options.signal?.throwIfAborted()
    const lines = splitter.push(chunk)
    if (lines.length > 0) yield lines
    splitter.throwIfFailed()
  }
  const last = splitter.end()
  if (last.length > 0) yield last
  splitter.throwIfFailed()
}

class LineSplitter {
  readonly #bytesMax: number
  /** Pieces of the line that has not ended yet, and their bytes. */
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  #line = 1
  /** Comes after the lines before it have been handed out. */
  #failure: Error | undefined

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  push(chunk: Uint8Array): Line[] {
    const end = chunk.lastIndexOf(LINE_FEED)
    if (end < 0) {
      this.#keep(chunk)
      return []
    }
    const block = this.#taken(chunk.subarray(0, end))
    const lines = this.#split(block)
    this.#keep(chunk.subarray(end + 1))
    return lines
  }

  end(): Line[] {
    return this.#pieceBytes === 0 ? [] : this.#split(this.#taken(new Uint8Array(0)))
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #keep(piece: Uint8Array): void {
    if (piece.length === 0) return
    // A source may write into its chunk again once it is asked for the next.
    this.#pieces.push(copyBytes(piece))
    this.#pieceBytes += piece.length
    if (this.#pieceBytes > this.#bytesMax)
      this.#failure ??= tooLongError({ line: this.#line, column: 1 }, this.#bytesMax)
  }

  #taken(rest: Uint8Array): Uint8Array {
    const block = this.#pieces.length === 0 ? rest : Buffer.concat([...this.#pieces, rest])
    this.#pieces = []
    this.#pieceBytes = 0
    return block
  }

  /** Whole lines, the last without its line feed. */
  #split(block: Uint8Array): Line[] {
    const text = block.length > this.#bytesMax ? undefined : decodeUtf8(block)
    if (text === undefined) return this.#splitBytes(block)
    return text.split('\n').map((each) => this.#numbered(each))
  }

  /** One by one: there is a line that is too long or not UTF-8, and those before it are good. */
  #splitBytes(block: Uint8Array): Line[] {
    const lines: Line[] = []
    for (let begin = 0; begin <= block.length && this.#failure === undefined;) {
      const found = block.indexOf(LINE_FEED, begin)
      const end = found < 0 ? block.length : found
      const bytes = block.subarray(begin, end)
      const text = bytes.length > this.#bytesMax ? undefined : decodeUtf8(bytes)
      if (text !== undefined) lines.push(this.#numbered(text))
      else if (bytes.length > this.#bytesMax)
        this.#failure = tooLongError({ line: this.#line, column: 1 }, this.#bytesMax)
      else this.#failure = notUtf8({ line: this.#line, column: 1 }, bytes)
      begin = end + 1
    }
    return lines
  }

  #numbered(text: string): Line {
    const line = this.#line++
    return { text: line === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text, line }
  }
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenientDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Undefined where `bytes` are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** The error for `bytes` that begin at `start` and are not UTF-8, at the first byte that cannot be. */
export function notUtf8(start: { line: number; column: number }, bytes: Uint8Array): Error {
  // Each call of a fresh decoder in stream mode accepts a sequence that is cut short, so the first `count` that fails
  // has the offending byte as its last.
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1
    if (isUtf8Prefix(bytes.subarray(0, middle))) good = middle
    else bad = middle
  }
  const text = lenientDecoder.decode(bytes.subarray(0, bad - 1)).replace(/\ufffd+$/, '')
  const byte = bytes[bad - 1] ?? 0
  return syntaxError(
    placeIn(start, text, text.length),
    'UTF-8',
    `byte 0x${byte.toString(16).padStart(2, '0')}`,
    text,
    text.length,
  )
}

function isUtf8Prefix(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
