/**
 * From where an address can be reached, and who may name it to us (THREATS row 29). Whoever can make this machine
 * connect somewhere borrows its place in the network: behind a firewall, beside a metadata service, on its own
 * loopback. So nobody may name a place that is nearer to us than he is himself: a peer of the open Internet names
 * public addresses only, one of the same network also private ones, and only this machine its own loopback.
 *
 * Pure functions over numeric addresses: names are resolved first, and what they resolve to is judged.
 */
import { parseIp, REACH, type Reach, reachOf } from '../ip-address.ts'

export { REACH, type Reach, reachOf }

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
