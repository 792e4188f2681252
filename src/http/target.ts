/**
 * Where requests may go (mirror.md, 6). The user's own URL may name any host, his own network included. A redirect may
 * lead to another public host, never from https to http, and into a private network only where the user's URL names such a
 * host literally: a name is the word of whoever owns the domain. THREATS row 29.
 */
import { CoppiceError } from '../errors.ts'
import { escapeText, quoteText } from '../escape.ts'
import { isPublicIp, parseIp } from '../ip-address.ts'
import { URL_CHARS_MAX } from './limits.ts'

/** Whether a peer is named by a URL, and not by a multiaddr. */
export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text)
}

/**
 * The URL of a directory: it ends in a slash, so that names are joined to it.
 * @throws {CoppiceError} `ADDRESS_INVALID`: it is none, or has a part that would be sent to whoever is asked.
 */
export function parseHttpUrl(text: string): URL {
  const url = isHttpUrl(text) && text.length <= URL_CHARS_MAX ? URL.parse(text) : null
  if (url === null) throw invalid(text, 'an http or https URL')
  if (url.username !== '' || url.password !== '') throw invalid(text, 'a URL without a user name and password')
  if (url.search !== '' || url.hash !== '') throw invalid(text, 'a URL without ? and #')
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

function invalid(text: string, expected: string): CoppiceError {
  return new CoppiceError('ADDRESS_INVALID', `address: expected ${expected}, got ${quoteText(text.slice(0, 200))}`, {
    details: { address: text },
  })
}

/** Which addresses a request may go to. */
export type Reach = 'any' | 'public'

/** The user's URL, and what follows from it for every request. */
export class Target {
  readonly base: URL
  readonly #reach: Reach

  /** `reach`: `public` where strangers named the URL. */
  constructor(base: URL, reach: Reach) {
    this.base = base
    this.#reach = reach
  }

  reachOf(url: URL): Reach {
    if (this.#reach === 'public') return 'public'
    return url.hostname === this.base.hostname || isLiterallyPrivate(this.base) ? 'any' : 'public'
  }

  /** Where `location` leads from `from`; a text says why not. Whether that is within reach is seen when it is asked. */
  redirect(from: URL, location: string): URL | string {
    const url = location.length <= URL_CHARS_MAX * 4 ? URL.parse(location, from.href) : null
    if (url === null) return 'redirects to what is no URL'
    const shown = escapeText(`${url.protocol}//${url.host}`.slice(0, 200))
    if (url.protocol !== from.protocol && url.protocol !== 'https:') return `redirects to ${shown}, another protocol`
    if (url.username !== '' || url.password !== '') return `redirects to ${shown} with a password`
    return url
  }
}

/** Whether the host is an address that is not public, or a name that stands for this machine. */
export function isLiterallyPrivate(url: URL): boolean {
  const host = hostOf(url)
  if (/(^|\.)localhost\.?$/.test(host)) return true
  return parseIp(host) !== undefined && !isPublicIp(host)
}

/** Without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}
