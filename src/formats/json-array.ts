/**
 * A JSON array of objects, however large: finds where each element begins and ends, and parses them one by one.
 * Memory is bounded by the largest element allowed and one chunk. documents.md, 4.
 */
import { copyBytes } from '../bytes.ts'
import type { Document } from '../document-model.ts'
import { findJsonProblem } from './json-scan.ts'
import { parseJsonDocument } from './json-text.ts'
import { decodeUtf8, notUtf8 } from './lines.ts'
import {
  placeIn,
  RECORD_BYTES_MAX,
  syntaxError,
  tooLongError,
  type ByteSource,
  type InputRecord,
  type Place,
  type ReadOptions,
} from './place.ts'

/**
 * The elements of the one array in `source`, each with its place.
 * @throws {CoppiceError} `INPUT_SYNTAX` with `details.line` and `details.column`.
 */
export async function* readJsonArray(
  source: ByteSource,
  options: ReadOptions = {},
): AsyncGenerator<InputRecord<Document>> {
  const splitter = new ArraySplitter(options.recordBytesMax ?? RECORD_BYTES_MAX)
  for await (const chunk of source) {
    options.signal?.throwIfAborted()
    for (const element of splitter.push(chunk)) yield parseElement(element)
  }
  splitter.end()
}

interface Element extends Place {
  readonly bytes: Uint8Array
}

function parseElement({ bytes, line, column }: Element): InputRecord<Document> {
  const text = decodeUtf8(bytes)
  if (text === undefined) throw notUtf8({ line, column }, bytes)
  return { value: parseJsonDocument(text, { line, column }), line, column }
}

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d
const LINE_FEED = 0x0a

/** What may come next, apart from white space. */
const EXPECTED = {
  array: '"[" (a JSON array of objects; a file with one object on each line is .ndjson)',
  firstElement: '"{" or "]"',
  element: '"{"',
  comma: '"," or "]"',
  end: 'the end of the input',
} as const
type Outside = keyof typeof EXPECTED

/** Fed with chunks cut anywhere; knows strings and depth inside an element, and leaves the rest to the parser. */
class ArraySplitter {
  readonly #bytesMax: number
  #state: Outside = 'array'
  /** Brackets open in the current element, 0 outside of one. */
  #depth = 0
  #inString = false
  #escaped = false
  #line = 1
  /** Characters of the line before the next byte. */
  #characters = 0
  /** Bytes of a byte order mark seen at the start, 3 once that is decided. */
  #markBytes = 0
  #start: Place = { line: 1, column: 1 }
  #pieces: Uint8Array[] = []
  #pieceBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  *push(chunk: Uint8Array): Generator<Element> {
    let begin = 0
    for (let i = this.#skipMark(chunk); i < chunk.length; i++) {
      const byte = chunk[i] as number
      if (this.#depth > 0) {
        this.#inside(byte)
        if (this.#depth === 0) yield this.#element(chunk.subarray(begin, i + 1))
      } else if (byte !== 0x20 && byte !== LINE_FEED && byte !== 0x0d && byte !== 0x09) {
        if (this.#outside(byte, chunk, i)) begin = i
      }
      if (byte === LINE_FEED) {
        this.#line++
        this.#characters = 0
      } else if ((byte & 0xc0) !== 0x80) {
        this.#characters++
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(begin))
  }

  /** @throws {CoppiceError} `INPUT_SYNTAX` unless the array was closed. */
  end(): void {
    if (this.#depth > 0) this.#failInElement('the end of the input')
    if (this.#state !== 'end') throw syntaxError(this.#place(), EXPECTED[this.#state], 'the end of the input')
  }

  #inside(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (this.#inString) {
      if (byte === QUOTE) this.#inString = false
      else if (byte === BACKSLASH) this.#escaped = true
    } else if (byte === QUOTE) this.#inString = true
    else if (byte === OPEN_MAP || byte === OPEN_ARRAY) this.#depth++
    else if (byte === CLOSE_MAP || byte === CLOSE_ARRAY) this.#depth--
  }

  /** Whether an element begins here. */
  #outside(byte: number, chunk: Uint8Array, i: number): boolean {
    const state = this.#state
    if (byte === OPEN_MAP && (state === 'element' || state === 'firstElement')) {
      this.#depth = 1
      this.#start = this.#place()
      return true
    }
    if (byte === OPEN_ARRAY && state === 'array') this.#state = 'firstElement'
    else if (byte === COMMA && state === 'comma') this.#state = 'element'
    else if (byte === CLOSE_ARRAY && (state === 'comma' || state === 'firstElement')) this.#state = 'end'
    else {
      const text = new TextDecoder().decode(chunk.subarray(i, i + 120))
      throw syntaxError(this.#place(), EXPECTED[state], `"${String.fromCodePoint(text.codePointAt(0) ?? 0)}"`, text)
    }
    return false
  }

  #element(rest: Uint8Array): Element {
    this.#state = 'comma'
    const bytes = this.#pieces.length === 0 ? rest : Buffer.concat([...this.#pieces, rest])
    this.#pieces = []
    this.#pieceBytes = 0
    if (bytes.length > this.#bytesMax) throw tooLongError(this.#start, this.#bytesMax)
    return { bytes, ...this.#start }
  }

  #keep(piece: Uint8Array): void {
    this.#pieces.push(copyBytes(piece))
    this.#pieceBytes += piece.length
    if (this.#pieceBytes > this.#bytesMax) this.#failInElement('a longer element')
  }

  /** A bracket or quote too few swallows what follows, so the first problem is looked for from the element's start. */
  #failInElement(got: string): never {
    const bytes = Buffer.concat(this.#pieces)
    const text = decodeUtf8(bytes)
    const problem = text === undefined ? undefined : findJsonProblem(text)
    if (text !== undefined && problem !== undefined && problem.at < text.length) {
      throw syntaxError(placeIn(this.#start, text, problem.at), problem.expected, problem.got, text, problem.at)
    }
    if (this.#pieceBytes > this.#bytesMax) throw tooLongError(this.#start, this.#bytesMax)
    throw syntaxError(this.#start, 'an object that ends', got, text?.slice(0, 60))
  }

  #place(): Place {
    return { line: this.#line, column: this.#characters + 1 }
  }

  /** The number of bytes of `chunk` that belong to a byte order mark at the start of the input. */
  #skipMark(chunk: Uint8Array): number {
    let i = 0
    while (this.#markBytes < 3 && i < chunk.length) {
      if (chunk[i] !== [0xef, 0xbb, 0xbf][this.#markBytes]) {
        this.#markBytes = 3
        break
      }
      this.#markBytes++
      i++
    }
    return i
  }
}
