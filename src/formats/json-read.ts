/**
 * Reads JSON that is known to be valid, name by name. For texts in which a name has an escape: V8 of Node 24 takes such a
 * name for another one that it saw before at the same place (`"\""` for `"\\"`), and so gives a document another field.
 */

/** Whether the name of some field in a valid JSON text is written with an escape. */
export function hasEscapedName(text: string): boolean {
  if (!text.includes('\\')) return false
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== 0x22) continue
    const end = endOfString(text, i + 1)
    if (text.slice(i, end).includes('\\') && text.charCodeAt(skipSpace(text, end + 1)) === 0x3a) return true
    i = end
  }
  return false
}

/** The index of the quote that ends the string whose content begins at `at`. */
export function endOfString(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at
    at += code === 0x5c ? 2 : 1
  }
}

/** The value of a valid JSON text, not deeper than the stack; `readScalar` reads numbers and literals. */
export function readValidJson(text: string, readScalar: (source: string) => unknown): unknown {
  return new ValidJson(text, readScalar).value()
}

class ValidJson {
  readonly #text: string
  readonly #readScalar: (source: string) => unknown
  #at = 0

  constructor(text: string, readScalar: (source: string) => unknown) {
    this.#text = text
    this.#readScalar = readScalar
  }

  value(): unknown {
    const first = this.#peek()
    if (first === '{') return this.#map()
    if (first === '[') return this.#array()
    if (first === '"') return this.#string()
    const start = this.#at
    while (this.#at < this.#text.length && !/[\s,\]}]/.test(this.#text[this.#at] as string)) this.#at++
    return this.#readScalar(this.#text.slice(start, this.#at))
  }

  #map(): object {
    const map = {}
    for (this.#at++; this.#peek() !== '}';) {
      if (this.#peek() === ',') this.#at++
      this.#peek()
      const name = this.#string()
      this.#peek()
      this.#at++
      // As JSON.parse does it: a field of this name is one like any other.
      Object.defineProperty(map, name, { value: this.value(), writable: true, enumerable: true, configurable: true })
    }
    this.#at++
    return map
  }

  #array(): unknown[] {
    const list: unknown[] = []
    for (this.#at++; this.#peek() !== ']';) {
      if (this.#peek() === ',') this.#at++
      list.push(this.value())
    }
    this.#at++
    return list
  }

  #string(): string {
    const start = this.#at
    this.#at = endOfString(this.#text, start + 1) + 1
    return JSON.parse(this.#text.slice(start, this.#at)) as string
  }

  /** The next character that is no space. */
  #peek(): string | undefined {
    this.#at = skipSpace(this.#text, this.#at)
    return this.#text[this.#at]
  }
}

function skipSpace(text: string, start: number): number {
  let at = start
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
  }
  return at
}
