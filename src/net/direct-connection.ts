/**
 * Waits until a peer that was reached through a relay is reached directly. Its node begins that by itself: it dials an
 * address of ours, or both dial at the same moment (DCUtR).
 */
import type { Connection, PeerId } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { RelayedOnlyError } from './dial-error.ts'

/** @throws {RelayedOnlyError} when none comes about in time; the signal's reason. */
export async function directConnection(
  libp2p: Libp2p,
  peer: PeerId,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Connection> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const settled = Promise.withResolvers<Connection>()
  const look = (): void => {
    const direct = libp2p.getConnections(peer).find(({ limits, status }) => limits === undefined && status === 'open')
    if (direct !== undefined) settled.resolve(direct)
  }
  const onTimeout = (): void => settled.reject(new RelayedOnlyError(timeoutMs))
  const onAbort = (): void => settled.reject(signal.reason as Error)
  libp2p.addEventListener('connection:open', look)
  timeout.addEventListener('abort', onTimeout, { once: true })
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    look()
    if (signal.aborted) onAbort()
    return await settled.promise
  } finally {
    libp2p.removeEventListener('connection:open', look)
    timeout.removeEventListener('abort', onTimeout)
    signal.removeEventListener('abort', onAbort)
  }
}
