/**
 * From where an address can be reached, and who may name it to us (THREATS row 29). Whoever can make this machine
 * connect somewhere borrows its place in the network: behind a firewall, beside a metadata service, on its own
 * loopback. So nobody may name a place that is nearer to us than he is himself: a peer of the open Internet names
 * public addresses only, one of the same network also private ones, and only this machine its own loopback.
 *
 * Pure functions over numeric addresses: names are resolved first, and what they resolve to is judged.
 */
import { isPublicIp, parseIp } from '../ip-address.ts'

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

/** Whether somebody who is reached at `teller` may name something that is reached at `target`. */
export function mayName(teller: Reach, target: Reach | undefined): boolean {
  return target !== undefined && target >= teller
}

/**
 * What counts as one machine, where peer ids cost nothing: an IPv4 address as it is, of an IPv6 address the first eight
 * bytes, since a host has all addresses of its /64.
 */
export function hostKey(host: string): string {
  const bytes = parseIp(host)
  return bytes?.length === 16 ? bytes.slice(0, 8).join('.') : host
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
