/** Why a peer could not be reached, in words: libp2p and Node say it by error names, codes and, at worst, messages. */

import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import { UNREACHABLE_REASONS } from '../unreachable-reasons.ts'

const REASON_BY_CODE: Readonly<Record<string, string>> = {
  ...UNREACHABLE_REASONS,
  EADDRNOTAVAIL: 'this machine has no address to dial from',
  EACCES: 'not permitted here',
  EPERM: 'not permitted here',
}

const REASON_BY_NAME: Readonly<Record<string, string>> = {
  UnsupportedProtocolError: 'it speaks no protocol of ours',
  EncryptionFailedError: 'the secure handshake failed: not a libp2p node, or one that is full',
  StreamResetError: 'it reset the channel: busy, or too many channels',
  ConnectionClosedError: 'connection closed by the other side',
  MuxerClosedError: 'connection closed by the other side',
  StreamClosedError: 'connection closed by the other side',
  UnexpectedEOFError: 'connection closed by the other side',
  StreamStateError: 'connection closed by the other side',
  InvalidPeerIdError: 'that is this node itself',
  NotStartedError: 'this node is stopped',
  TimeoutError: 'timed out',
  DialDeniedError: 'not dialled: strangers named it, and it is not a public address',
}

/** The peer is there and speaks through a relay; directly nobody could be reached. */
export class RelayedOnlyError extends Error {
  constructor(timeoutMs: number) {
    super(
      `it is reached through a relay only, which carries no data, and no direct connection came about within ${timeoutMs / 1000} s`,
    )
  }
}

/** `PEER_UNREACHABLE` with the address and the plain reason, both in `details` too. */
export function dialError(address: string, error: unknown, expectedPeer?: string): CoppiceError {
  const reason = reasonOf(error, expectedPeer)
  return new CoppiceError('PEER_UNREACHABLE', `peer ${escapeText(address)} cannot be reached: ${reason}`, {
    cause: error,
    details: { address, reason },
  })
}

function reasonOf(error: unknown, expectedPeer: string | undefined): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0], expectedPeer)
  if (!(error instanceof Error)) return escapeText(String(error))
  // The upgrader keeps of noise's error only the text, which names both ids when another peer answered.
  if (error.name === 'EncryptionFailedError' && expectedPeer !== undefined && error.message.includes(expectedPeer)) {
    return `another peer answers there, not ${expectedPeer}`
  }
  const code = 'code' in error ? String(error.code) : ''
  const byName = error.message.includes('dial self') ? REASON_BY_NAME['InvalidPeerIdError'] : REASON_BY_NAME[error.name]
  return REASON_BY_CODE[code] ?? byName ?? escapeText(error.message)
}
