/**
 * From where an IP address is reached, and which ones anybody may be sent to: those that are routed on the public internet. What strangers
 * name (redirects, addresses of peers) must not make this machine speak to itself or to its own network. THREATS row 29.
 */

/** Prefixes that are not public (IANA special-purpose registries), as [bytes, bits]. */
const RESERVED_4: readonly (readonly [readonly number[], number])[] = [
  [[0], 8],
  [[10], 8],
  [[100, 64], 10],
  [[127], 8],
  [[169, 254], 16],
  [[172, 16], 12],
  [[192, 0, 0], 24],
  [[192, 0, 2], 24],
  [[192, 88, 99], 24],
  [[192, 168], 16],
  [[198, 18], 15],
  [[198, 51, 100], 24],
  [[203, 0, 113], 24],
  [[224], 3],
]

/** Within 2000::/3, outside of which nothing is public. */
const RESERVED_6: readonly (readonly [readonly number[], number])[] = [
  [[0x20, 0x01, 0x00], 23],
  [[0x20, 0x01, 0x0d, 0xb8], 32],
  [[0x3f, 0xff, 0x00], 20],
]

/** Prefixes under which an IPv4 address stands, and where it begins: mapped, translated (NAT64), 6to4. */
const EMBEDDED: readonly (readonly [readonly number[], number])[] = [
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 12],
  [[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0], 12],
  [[0x20, 0x02], 2],
]

/** Whether `text` is an IPv4 or IPv6 address of the public internet; false for anything else, names included. */
export function isPublicIp(text: string): boolean {
  const bytes = parseIp(text)
  return bytes !== undefined && (bytes.length === 4 ? isPublic4(bytes) : isPublic6(bytes))
}

/** Nearest first, so that they compare as numbers. */
export const REACH = { loopback: 0, link: 1, private: 2, public: 3 } as const
export type Reach = (typeof REACH)[keyof typeof REACH]

/** From where a numeric IPv4 or IPv6 address is reached; undefined: from nowhere, or it is no such address. */
export function reachOf(host: string): Reach | undefined {
  const bytes = parseIp(host)
  if (bytes === undefined) return undefined
  if (isPublicIp(host)) return REACH.public
  return bytes.length === 4 ? reach4(bytes) : reach6(bytes)
}

function isPublic4(bytes: readonly number[]): boolean {
  return !RESERVED_4.some(([prefix, bits]) => hasPrefix(bytes, prefix, bits))
}

function isPublic6(bytes: readonly number[]): boolean {
  for (const [prefix, at] of EMBEDDED) {
    if (hasPrefix(bytes, prefix, prefix.length * 8)) return isPublic4(bytes.slice(at, at + 4))
  }
  return hasPrefix(bytes, [0x20], 3) && !RESERVED_6.some(([prefix, bits]) => hasPrefix(bytes, prefix, bits))
}

/** Of IPv4 addresses that are not public. What is missing here belongs to nobody. */
function reach4([a = 0, b = 0]: readonly number[]): Reach | undefined {
  if (a === 127) return REACH.loopback
  if (a === 169 && b === 254) return REACH.link
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return REACH.private
  return a === 100 && b >= 64 && b < 128 ? REACH.private : undefined
}

/** Of IPv6 addresses that are not public. Those that stand for an IPv4 address are what that is. */
function reach6(bytes: readonly number[]): Reach | undefined {
  const [a = 0, b = 0] = bytes
  const isZero = bytes.slice(0, 10).every((byte) => byte === 0)
  if (isZero && bytes[10] === 0xff && bytes[11] === 0xff) return reach4(bytes.slice(12))
  if (isZero && bytes.slice(10, 15).every((byte) => byte === 0) && bytes[15] === 1) return REACH.loopback
  if (a === 0xfe && (b & 0xc0) === 0x80) return REACH.link
  return (a & 0xfe) === 0xfc ? REACH.private : undefined
}

function hasPrefix(bytes: readonly number[], prefix: readonly number[], bits: number): boolean {
  for (let i = 0; i * 8 < bits; i++) {
    const mask = (0xff << Math.max(0, 8 - (bits - i * 8))) & 0xff
    if (((bytes[i] ?? 0) & mask) !== ((prefix[i] ?? 0) & mask)) return false
  }
  return true
}

/** The 4 or 16 bytes of an address, undefined where `text` is none. A zone (`%eth0`) makes it none: it is of a link. */
export function parseIp(text: string): number[] | undefined {
  return text.includes(':') ? parse6(text) : parse4(text)
}

function parse4(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return undefined
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

function parse6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, i) => groupsOf(half, i === halves.length - 1))
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  const missing = 16 - head.length - (tail?.length ?? 0)
  if (halves.length === 1) return missing === 0 ? head : undefined
  return missing < 2 ? undefined : [...head, ...Array.from({ length: missing }, () => 0), ...(tail ?? [])]
}

/** The bytes of groups between colons; the last of an address may be written as IPv4. */
function groupsOf(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    if (isLast && i === groups.length - 1 && group.includes('.')) {
      const embedded = parse4(group)
      if (embedded === undefined) return undefined
      bytes.push(...embedded)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
    } else return undefined
  }
  return bytes
}
