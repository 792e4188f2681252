/** Peers on the command line: what `--peer` takes, and what became of those that were asked. */
import { equalBytes } from '../bytes.ts'
import { CoppiceError, isCoppiceError } from '../errors.ts'
import { escapeText, quoteText } from '../escape.ts'
import type { PeerOutcome, PeerReport } from '../sync/report.ts'
import { renderBytes, renderCounted } from './render.ts'

/** What a peer is, for help and errors. */
export const PEER_EXAMPLE = '/ip4/192.0.2.7/tcp/4001/p2p/12D3Koo...'

/** The database whose peers are named. */
interface Named {
  readonly author: Uint8Array
  readonly name: string
}

/** An address without its scheme, or an author alone. */
const BARE_ADDRESS = /^k51[0-9a-z]{20,61}(?:$|\/)/

/** For text that is no address, and begins with an author: whatever names a path is left. @throws {CoppiceError} `ADDRESS_INVALID`, with the address that was meant. */
export function rejectBareAddress(text: string): void {
  if (!BARE_ADDRESS.test(text)) return
  const [, author = '', name = ''] = /^([^/]+)\/?([^?]{0,100})/.exec(text) ?? []
  const meant = `coppice:${author}/${name === '' ? 'NAME' : name}${text.includes('?') ? '?...' : ''}`
  throw new CoppiceError(
    'ADDRESS_INVALID',
    `address: expected coppice: before the author, got none; try ${quoteText(meant)}`,
  )
}

/**
 * Multiaddrs and URLs as they are, and the peers in addresses of that same database.
 * @throws {CoppiceError} `ADDRESS_INVALID`.
 */
export async function parsePeers({ author, name }: Named, texts: readonly string[]): Promise<string[]> {
  const { ADDRESS_SCHEME, parseAddress } = await import('../pointer/index.ts')
  const peers: string[] = []
  for (const text of texts) {
    if (!text.startsWith(ADDRESS_SCHEME)) {
      await requirePeer(text)
      peers.push(text)
      continue
    }
    const address = parseAddress(text)
    if (address.name !== name || !equalBytes(address.author, author)) {
      throw new CoppiceError(
        'ADDRESS_INVALID',
        `--peer: expected an address of this database, got one of another, named ${quoteText(address.name)}`,
      )
    }
    peers.push(...address.peers)
  }
  return peers
}

async function requirePeer(text: string): Promise<void> {
  const { requirePeerAddress } = await import('../peer-addresses.ts')
  try {
    await requirePeerAddress(text)
  } catch (error) {
    if (!isCoppiceError(error, 'ADDRESS_INVALID')) throw error
    if (/^https?:/i.test(text)) throw error
    throw new CoppiceError(
      'ADDRESS_INVALID',
      `--peer: expected a multiaddr such as ${PEER_EXAMPLE}, the URL of a mirror or gateway, or an address with ?peer=, got ${quoteText(text.slice(0, 200))}; coppice serve DIR prints that of a directory`,
      { cause: error },
    )
  }
}

/** The message of a `NO_PEER_LEFT`, with each peer's address once. */
export function describeNoPeer({ message, details }: CoppiceError): string {
  const peers = Array.isArray(details['peers']) ? (details['peers'] as readonly AskedPeer[]) : []
  if (peers.length === 0) return message
  const root = details['root']
  const what = typeof root === 'string' ? `no peer left to fetch ${root} from` : 'no peer answered with a signed root'
  return `${what}: ${peers.map(describeAsked).join('; ')}`
}

/** In the details of a `NO_PEER_LEFT`. */
type AskedPeer = Pick<PeerReport, 'name' | 'outcome' | 'reason'>

function describeAsked(peer: AskedPeer): string {
  const reason = reasonOf(peer)
  return `${peer.name}: ${peer.outcome}${reason === undefined ? '' : ` (${reason})`}`
}

/** For outcomes that say too little by themselves. */
const MEANINGS: Partial<Readonly<Record<PeerOutcome, string>>> = {
  empty: 'it shows no signed root: nothing is published there, or it is a gateway that only has blocks',
  unknown: 'it does not serve this database',
}

/** Without the peer's address, which stands beside it. */
function reasonOf({ name, outcome, reason }: AskedPeer): string | undefined {
  return reason?.replace(`peer ${name} cannot be reached: `, '').replace(`peer ${name}: `, '') ?? MEANINGS[outcome]
}

/** "used /ip4/.../p2p/12D3..., 120 blocks, 1.2 MB received"; escaped. */
export function renderPeer(peer: PeerReport): string {
  const counts = [
    ...(peer.rows > 0 ? [renderCounted(peer.rows, 'row')] : []),
    ...(peer.blocks > 0 ? [renderCounted(peer.blocks, 'block')] : []),
  ]
  const what = counts.map((count) => `, ${count}`).join('')
  const traffic = peer.bytesReceived > 0 ? `, ${renderBytes(peer.bytesReceived)} received` : ''
  const reason = reasonOf(peer)
  return escapeText(`${peer.outcome} ${peer.name}${what}${traffic}${reason === undefined ? '' : `: ${reason}`}`)
}
