/**
 * How peers are named by users, and who asks them: multiaddrs by libp2p, URLs by HTTP. What stands at a URL is found out by
 * asking: a mirror has a root file that names packs, our own gateway one that names none, a foreign gateway none at all.
 */
import { isCoppiceError } from './errors.ts'
import type { HttpClient } from './http/index.ts'
import type { HelloOptions, Session, SessionContext, SessionDialer } from './sync/index.ts'

/** @throws {CoppiceError} `ADDRESS_INVALID`. */
export async function requirePeerAddress(text: string): Promise<void> {
  const { isHttpUrl, parseHttpUrl } = await import('./http/index.ts')
  if (isHttpUrl(text)) parseHttpUrl(text)
  else await requireDialAddress(text)
}

/** A multiaddr. @throws {CoppiceError} `ADDRESS_INVALID`. */
export async function requireDialAddress(text: string): Promise<void> {
  const { parseDialAddress } = await import('./net/address.ts')
  parseDialAddress(text)
}

/** Undefined for what is no URL. @throws {CoppiceError} `ADDRESS_INVALID`. */
export async function httpDialerOf(address: string): Promise<SessionDialer | undefined> {
  const { isHttpUrl, openHttp, parseHttpUrl } = await import('./http/index.ts')
  if (!isHttpUrl(address)) return undefined
  parseHttpUrl(address)
  return {
    name: address,
    openSession: async (hello, context) => {
      const client = openHttp(address, { clock: context.clock })
      try {
        return await openAt(client, hello, context)
      } catch (error) {
        client.close()
        throw error
      }
    },
  }
}

async function openAt(client: HttpClient, hello: HelloOptions, context: SessionContext): Promise<Session> {
  const { openMirror } = await import('./mirror/index.ts')
  const { GatewaySession, isGateway } = await import('./gateway/gateway-session.ts')
  let notMirror: unknown
  try {
    const mirror = await openMirror(client, hello, context)
    if (mirror?.hasPacks === true) return mirror
    if (mirror !== undefined) return new GatewaySession(client, context.clock, mirror)
  } catch (error) {
    // Some servers answer with a page whatever they are asked for, gateways among them.
    if (!isCoppiceError(error, 'PEER_PROTOCOL')) throw error
    notMirror = error
  }
  if (await isGateway(client)) return new GatewaySession(client, context.clock, undefined)
  throw notMirror ?? client.fault('unknown', 'has no mirror there (no file named root), and is no gateway')
}
