/**
 * Where requests may go (mirror.md, 6). The user's own URL may name any host, his own network included. A redirect may
 * lead to another public host, never from https to http, and into a private network only where the user's URL names a host of
 * such a network literally: a name is the word of whoever owns the domain. From there it leads no nearer to this machine (its own
 * loopback, or the metadata service of its link), and from its own loopback to no network beside it. THREATS row 29.
 */
import { CoppiceError } from '../errors.ts'
import { escapeText, quoteText } from '../escape.ts'
import { parseIp, REACH, reachOf } from '../ip-address.ts'
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

  /**
   * Whether a request for `url` may go to an address: one that its host is, or that its name is resolved to. Hosts of a link are asked only
   * where the user's URL names them.
   */
  judge(url: URL): (address: string) => boolean {
    const isUsers = this.#reach === 'any'
    if (isUsers && url.hostname === this.base.hostname) return () => true
    const given = isUsers ? reachOf(addressOf(this.base)) : undefined
    return (address) => {
      const reach = reachOf(address)
      return reach === REACH.public || (reach !== undefined && reach === given && reach !== REACH.link)
    }
  }

  /** As {@link judge}, of what the URL itself says: true for names that are not resolved yet. */
  mayAsk(url: URL): boolean {
    const address = addressOf(url)
    return parseIp(address) === undefined || this.judge(url)(address)
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

/** The host, without the brackets of IPv6; a name that stands for this machine as its address. */
function addressOf(url: URL): string {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return /(^|\.)localhost\.?$/.test(host) ? '127.0.0.1' : host
}
