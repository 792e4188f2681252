/**
 * Finds what is wrong in a JSON text (RFC 8259) and where. Only run on texts that `JSON.parse` refused or misread: the
 * runtime is fast but does not reliably say where it stopped, drops all but the last of equal field names and rounds
 * integers. One pass, no recursion, no values built.
 */
import { INTEGER_MAX, INTEGER_MIN, INTEGER_RULE } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { describeCharacter } from './place.ts'

export interface JsonProblem {
  /** In UTF-16 units of the text. */
  readonly at: number
  readonly expected: string
  readonly got: string
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const SPACE = /[ \t\n\r]*/y
const LITERAL = /true|false|null/y

/** The first problem of `text`, undefined where it is one JSON value with exact numbers and no name twice in a map. */
export function findJsonProblem(text: string): JsonProblem | undefined {
  return new Scanner(text).run()
}

class Scanner {
  #at = 0
  readonly #text: string
  /** One element for each open map (the names it has so far) or array (undefined). */
  readonly #open: (Set<string> | undefined)[] = []

  constructor(text: string) {
    this.#text = text
  }

  run(): JsonProblem | undefined {
    for (;;) {
      const problem = this.#beginValue()
      if (problem === 'opened') continue
      if (problem !== undefined) return problem
      const next = this.#endValue()
      if (next === 'next') continue
      return next
    }
  }

  /** A scalar, or an opening bracket up to where its first value begins. Empty maps and arrays count as scalars. */
  #beginValue(): JsonProblem | 'opened' | undefined {
    const character = this.#peek()
    if (character === '{') {
      this.#at++
      if (this.#peek() === '}') return this.#skip()
      this.#open.push(new Set())
      return this.#name('a field name in double quotes or "}"') ?? 'opened'
    }
    if (character === '[') {
      this.#at++
      if (this.#peek() === ']') return this.#skip()
      this.#open.push(undefined)
      return 'opened'
    }
    if (character === '"') return this.#string()
    if (character === '-' || (character >= '0' && character <= '9')) return this.#number()
    if (this.#match(LITERAL) === undefined) return this.#problem('a JSON value')
    return undefined
  }

  /** What follows a value: closing brackets, then a comma and where the next value begins, or the end of the text. */
  #endValue(): JsonProblem | 'next' | undefined {
    for (;;) {
      const character = this.#peek()
      if (this.#open.length === 0) return character === '' ? undefined : this.#problem('the end of the record')
      const names = this.#open.at(-1)
      const closing = names === undefined ? ']' : '}'
      if (character === closing) {
        this.#at++
        this.#open.pop()
        continue
      }
      if (character !== ',') return this.#problem(`"," or "${closing}"`)
      this.#at++
      return names === undefined ? 'next' : (this.#name('a field name in double quotes') ?? 'next')
    }
  }

  #name(expected: string): JsonProblem | undefined {
    if (this.#peek() !== '"') return this.#problem(expected)
    const begin = this.#at
    const problem = this.#string()
    if (problem !== undefined) return problem
    const name = JSON.parse(this.#text.slice(begin, this.#at)) as string
    const names = this.#open.at(-1)
    if (names?.has(name)) return { at: begin, expected: 'each field name once in a map', got: 'it again' }
    names?.add(name)
    if (this.#peek() !== ':') return this.#problem('":" after a field name')
    this.#at++
    return undefined
  }

  /** A loop and no pattern: strings may be long, and the runtime's patterns run out of stack on long repetitions. */
  #string(): JsonProblem | undefined {
    this.#at++
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === 0x22) {
        this.#at++
        return undefined
      }
      if (code < 0x20) return this.#problem('control characters in a string to be escaped')
      if (code !== 0x5c) continue
      const escape = this.#text.slice(this.#at, this.#at + 6)
      if (/^\\u[0-9a-fA-F]{4}/.test(escape)) this.#at += 5
      else if (/^\\["\\/bfnrt]/.test(escape)) this.#at += 1
      else
        return {
          at: this.#at,
          expected: 'an escape such as \\n or \\u00e9',
          got: `"${escapeText(escape.slice(0, 2))}"`,
        }
    }
    return this.#problem('a double quote at the end of a string')
  }

  #number(): JsonProblem | undefined {
    const begin = this.#at
    const found = this.#match(NUMBER)
    if (found === undefined) return this.#problem('a JSON number')
    if (/^[0-9.]/.test(this.#text.slice(this.#at, this.#at + 1))) return this.#problem('a JSON number')
    if (/^-?[0-9]+$/.test(found)) {
      const integer = found.length > 20 ? undefined : BigInt(found)
      if (integer === undefined || integer < INTEGER_MIN || integer > INTEGER_MAX) {
        return { at: begin, expected: INTEGER_RULE, got: shortened(found) }
      }
    } else if (!Number.isFinite(Number(found))) {
      return { at: begin, expected: 'a number within the range of 64-bit floats', got: shortened(found) }
    }
    return undefined
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  /** The next character after white space, '' at the end. */
  #peek(): string {
    this.#match(SPACE)
    return this.#text.charAt(this.#at)
  }

  #skip(): undefined {
    this.#at++
  }

  #problem(expected: string): JsonProblem {
    return { at: this.#at, expected, got: describeCharacter(this.#text, this.#at) }
  }
}

function shortened(number: string): string {
  return number.length > 40 ? number.slice(0, 40) + '...' : number
}
