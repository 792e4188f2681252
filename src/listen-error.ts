/** Why nobody can listen where somebody was asked to, in words for users. */

const REASONS: readonly (readonly [code: string, reason: string])[] = [
  ['EADDRINUSE', 'the port is in use'],
  ['EADDRNOTAVAIL', 'not an address of this machine'],
  ['EACCES', 'not permitted; ports below 1024 are reserved'],
  ['ENOTFOUND', 'the host name does not resolve'],
]

/** `text`: the system's error, or one in which somebody joined several of them. */
export function listenReason(text: string): string {
  return REASONS.find(([code]) => text.includes(code))?.[1] ?? text
}
