/** The error that a dropped peer leaves behind: whoever sees it knows the peer, the fault, and whose business it is. */
import { CoppiceError, type ErrorCode } from '../../errors.ts'
import type { Fault } from './session.ts'

const FAULT_CODES: Readonly<Record<Fault, ErrorCode>> = {
  unknown: 'ROOT_NOT_FOUND',
  version: 'PEER_PROTOCOL',
  busy: 'PEER_UNREACHABLE',
  liar: 'PEER_LIED',
  incomplete: 'PEER_LIED',
  silent: 'PEER_TIMEOUT',
  slow: 'PEER_TIMEOUT',
  protocol: 'PEER_PROTOCOL',
  unreachable: 'PEER_UNREACHABLE',
}

/** As a peer is named: its id, and how it was dialled. */
export interface NamedPeer {
  readonly peer: string
  readonly name: string
}

/** `reason` goes on from the peer's name; `details` has peer, name and fault. */
export function peerFault({ peer, name }: NamedPeer, fault: Fault, reason: string, cause?: unknown): CoppiceError {
  const details = { peer, name, fault }
  return new CoppiceError(FAULT_CODES[fault], `peer ${name}: ${reason}`, { cause, details })
}
