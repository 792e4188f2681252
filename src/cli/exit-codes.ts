/** Exit codes that say how a database stands, for `resolve` and `status --max-age` (docs/guides/cli.md). */
import type { ReplicaState } from '../db/index.ts'
import type { CoppiceError } from '../errors.ts'
import { EXIT_DIFFERENT, EXIT_TROUBLE } from './cli.ts'

const EXIT_UNREACHABLE = 3
const EXIT_FORK = 4
const EXIT_UNSUPPORTED = 5
const EXIT_EXPIRED = 6
const EXIT_FUTURE = 7

/** Of a root that is there, or none. A fork is worse than all else: nothing newer is taken. */
export function exitCodeOfState(state: ReplicaState | undefined, isForked: boolean): number {
  if (isForked) return EXIT_FORK
  switch (state) {
    case undefined:
      return EXIT_DIFFERENT
    case 'fresh':
    case 'unbounded':
      return 0
    case 'unreachable':
      return EXIT_UNREACHABLE
    case 'expired':
      return EXIT_EXPIRED
    case 'future':
      return EXIT_FUTURE
  }
}

/** Of a resolve that led to no root. */
export function exitCodeOfFailure({ code }: CoppiceError): number {
  switch (code) {
    case 'ROOT_NOT_FOUND':
      return EXIT_DIFFERENT
    case 'PEER_UNREACHABLE':
      return EXIT_UNREACHABLE
    case 'EQUIVOCATION':
      return EXIT_FORK
    case 'QUORUM_MISSED':
      return EXIT_UNSUPPORTED
    default:
      return EXIT_TROUBLE
  }
}
