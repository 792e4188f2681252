/**
 * A peer as a carrier of signed roots (record.md, 7): its welcome shows its newest, with what it knows of rotations and forks; a tell
 * makes it look at a newer one, which it shows from then on if it wants to.
 */
import { unlessAborted } from '../../abortable.ts'
import { equalBytes } from '../../bytes.ts'
import type { Clock } from '../../clock.ts'
import { isCoppiceError } from '../../errors.ts'
import type { MaybePromise } from '../../maybe-promise.ts'
import { comparePositions, decodeSignedRoot, SIGNED_ROOT_BYTES_MAX } from '../../pointer/index.ts'
import { ChannelSession, type PeerDialer, peerFault, type Session } from '../../sync/index.ts'
import { STATEMENTS_BYTES_MAX } from '../../sync/limits.ts'
import { type Attachments, decodeAttachments, NO_ATTACHMENTS, statementsOf } from '../attachments.ts'
import type { Carrier, CarrierAnswer, CarrierReceipt, PointerName, PointerRecord } from '../carrier.ts'
import { withValidEnvelopes } from '../valid-envelopes.ts'

/** Makes dialers of addresses; nothing is dialled by that. */
export interface PeerNetwork {
  /** @throws {CoppiceError} `ADDRESS_INVALID`. */
  dialer(address: string): MaybePromise<PeerDialer>
}

/** How long a peer that was told may take to verify the root, or to fetch it first. */
const TAKES_MS = 2_000

export function peerCarrier(address: string, network: PeerNetwork, clock: Clock): Carrier {
  return new PeerCarrier(address, network, clock)
}

class PeerCarrier implements Carrier {
  readonly name: string
  /** Nobody else answers for a peer that the user named, who is one by whatever address. */
  readonly source: string
  readonly keepsMs: null = null
  readonly #address: string
  readonly #network: PeerNetwork
  readonly #clock: Clock

  constructor(address: string, network: PeerNetwork, clock: Clock) {
    this.name = `peer ${address}`
    this.source = `peer ${/\/p2p\/([^/]+)$/.exec(address)?.[1] ?? address}`
    this.#address = address
    this.#network = network
    this.#clock = clock
  }

  async get(pointer: PointerName, signal: AbortSignal): Promise<CarrierAnswer> {
    const record = await this.#asking(pointer, signal, async (session) => {
      const signedRoot = session?.announced
      if (session === undefined || signedRoot === undefined) return undefined
      if (signedRoot.length <= SIGNED_ROOT_BYTES_MAX) {
        return withValidEnvelopes(pointer, { signedRoot, attachments: await attachmentsOf(session) })
      }
      throw peerFault(session, 'protocol', `shows a signed root of ${signedRoot.length} bytes`)
    })
    return { shown: record === undefined ? [] : [{ record, copies: 1 }], asked: 1, answered: 1 }
  }

  async put(pointer: PointerName, record: PointerRecord, signal: AbortSignal): Promise<CarrierReceipt> {
    return await this.#asking(pointer, signal, async (session) => {
      if (session === undefined) return receipt({ refusals: ['does not serve this database'] })
      const { announced } = session
      if (announced === undefined || !equalBytes(announced, record.signedRoot)) {
        const said = statementsOf(record.attachments)
        // A chain of rotations that is longer is asked for.
        const statements = said !== undefined && said.length <= STATEMENTS_BYTES_MAX ? said : null
        if (announced !== undefined && isBelow(record.signedRoot, announced)) {
          if (statements !== null) session.tell(null, statements)
          return receipt({ newer: 1 })
        }
        session.tell(record.signedRoot, statements)
        const shown = await session.getRoot(idOf(announced), TAKES_MS)
        if (shown === undefined || !equalBytes(shown, record.signedRoot)) {
          return receipt({ refusals: ['was told, and does not show it yet'] })
        }
      }
      return receipt({ stored: 1, seen: 1 })
    })
  }

  async close(): Promise<void> {}

  /** Runs `work` over a session of its own; without one where the peer does not serve the database. */
  async #asking<T>(
    { author, name }: PointerName,
    signal: AbortSignal,
    work: (session: Session | undefined) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    const dialer = await unlessAborted(Promise.resolve(this.#network.dialer(this.#address)), signal)
    let session: Session | undefined
    const onAbort = (): void => session?.fail('silent', 'was not waited for')
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if ('openSession' in dialer) {
        session = await dialer.openSession({ author, name, have: null }, { clock: this.#clock, signal })
      } else {
        const channel = new ChannelSession(await dialer.open(signal), dialer.name, this.#clock)
        session = channel
        if (signal.aborted) onAbort()
        await channel.hello({ author, name, have: null })
      }
      return await work(session)
    } catch (error) {
      signal.throwIfAborted()
      if (!isCoppiceError(error, 'ROOT_NOT_FOUND')) throw error
      return await work(undefined)
    } finally {
      signal.removeEventListener('abort', onAbort)
      await session?.close()
    }
  }
}

/** Envelopes and statements where the peer can be asked, else the statements that it said. What is malformed is left out. */
async function attachmentsOf(session: Session): Promise<Attachments> {
  const answer = await session.getAttachments?.()
  const bytes = answer instanceof Uint8Array ? answer : session.statements
  try {
    return bytes === undefined ? NO_ATTACHMENTS : decodeAttachments(bytes)
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return NO_ATTACHMENTS
    throw error
  }
}

function receipt(outcome: Partial<CarrierReceipt>): CarrierReceipt {
  return { stored: 0, newer: 0, seen: 0, refusals: [], ...outcome }
}

function isBelow(one: Uint8Array, other: Uint8Array): boolean {
  const [a, b] = [idOf(one), idOf(other)]
  return a !== null && b !== null && comparePositions(a, b) < 0
}

/** null for what is no signed root. */
function idOf(signedRoot: Uint8Array | undefined): Parameters<Session['getRoot']>[0] {
  if (signedRoot === undefined) return null
  try {
    const { link, payload } = decodeSignedRoot(signedRoot)
    return { payload: link, epoch: payload.epoch, sequence: payload.sequence }
  } catch (error) {
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return null
    throw error
  }
}
