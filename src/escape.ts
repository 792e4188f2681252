/**
 * Text from keys, values, names and peers on its way to a terminal or a log. Whatever could move the cursor, recolour,
 * retitle, reorder or hide (C0, DEL, C1, so every ANSI and OSC sequence; bidi controls; zero-width and other format
 * characters; line separators; lone surrogates) becomes a visible escape. THREATS row 25.
 *
 * The escapes are JSON's own (`\n`, `\u001b`, `\ud83d`), so escaping the text of a JSON document changes how it
 * looks and not what it says.
 */
import { bytesToHex } from './bytes.ts'
import type { FieldValue } from './document-model.ts'

const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escapeCharacter(character: string): string {
  const short = SHORT[character]
  if (short !== undefined) return short
  let escaped = ''
  for (let i = 0; i < character.length; i++) {
    escaped += '\\u' + character.charCodeAt(i).toString(16).padStart(4, '0')
  }
  return escaped
}

/** `text` on one line, fit for a terminal. Backslashes stay as they are: idempotent, but for the eye only. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter)
}

/** `text` between double quotes, as a JSON string fit for a terminal: unambiguous. */
export function quoteText(text: string): string {
  return escapeText(JSON.stringify(text))
}

/** How a key file begins, wherever it was taken for something else (src/pointer/key-file.ts). */
const SECRET_KEY = 'coppice-secret-key/'

/**
 * A piece of `text` around the UTF-16 offset `at`, at most `length` units of it, escaped, with `...` where it was cut. Nothing of
 * a key file.
 */
export function excerptOf(text: string, at: number = 0, length: number = 60): string {
  if (text.includes(SECRET_KEY)) return '(a secret key)'
  const start = Math.max(0, Math.min(at - Math.floor(length / 2), text.length - length))
  const end = Math.min(text.length, start + length)
  return (start > 0 ? '...' : '') + escapeText(text.slice(start, end)) + (end < text.length ? '...' : '')
}

/** Bytes of unknown meaning: quoted where they are UTF-8 text without escapes, else `0x` and hexadecimal digits. */
export function renderBytes(bytes: Uint8Array, bytesMax: number = 64): string {
  const shown = bytes.subarray(0, bytesMax)
  const cut = shown.length < bytes.length ? '...' : ''
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(shown)
    if (shown.length > 0 && escapeText(text) === text) return JSON.stringify(text) + cut
  } catch {
    // not text
  }
  return '0x' + bytesToHex(shown) + cut
}

/** The parts of a typed key as people read them: `["NL",2759794]`; byte strings as `0x0a0b`. */
export function renderKey(parts: readonly FieldValue[]): string {
  return '[' + parts.map(renderPart).join(',') + ']'
}

function renderPart(part: FieldValue): string {
  if (typeof part === 'string') return quoteText(part)
  if (part instanceof Uint8Array) return '0x' + bytesToHex(part)
  if (typeof part === 'object' && part !== null) return '{...}'
  return String(part)
}
