/**
 * Opens a session to each of some peers, several at once. One good peer is enough to go on, so the rest gets only a
 * little longer than the first: a dead or silent one must not delay every pull.
 */
import type { Clock } from '../../clock.ts'
import { CoppiceError } from '../../errors.ts'
import type { Packing } from '../../packings.ts'
import { DIALS_MAX, STRAGGLER_MS } from '../limits.ts'
import type { PeerReport } from '../report.ts'
import { ChannelSession } from './channel-session.ts'
import type { Fault, HelloOptions, PeerDialer, Session } from './session.ts'

export interface OpenOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** In which answers may come; none where absent. */
  readonly packings?: readonly Packing[]
  /** How long the others get once one has answered; Infinity: as long as each takes. STRAGGLER_MS where absent. */
  readonly stragglerMs?: number
}

export interface OpenedSessions {
  /** In the order in which they answered. */
  readonly sessions: readonly Session[]
  /** Peers without a session, and why. */
  readonly failed: readonly PeerReport[]
  /** Of these, the ones that were not waited for: worth another try, when those that were quick are of no use. */
  readonly late: readonly PeerDialer[]
}

/**
 * Dials and says hello. Peers that fail are reported, never thrown.
 * @throws the signal's reason when it aborts; all sessions are closed then.
 */
export async function openSessions(
  dialers: readonly PeerDialer[],
  hello: HelloOptions,
  options: OpenOptions,
): Promise<OpenedSessions> {
  options.signal?.throwIfAborted()
  const opening = new Opening(hello, options)
  const queue = [...dialers]
  const work = async (): Promise<void> => {
    for (let dialer = queue.shift(); dialer !== undefined; dialer = queue.shift()) await opening.open(dialer)
  }
  await Promise.all(Array.from({ length: Math.min(DIALS_MAX, dialers.length) }, work))
  opening.stopWaiting()
  if (options.signal?.aborted === true) {
    await Promise.all(opening.sessions.map((session) => session.close()))
    options.signal.throwIfAborted()
  }
  return opening
}

class Opening implements OpenedSessions {
  readonly sessions: Session[] = []
  readonly failed: PeerReport[] = []
  readonly late: PeerDialer[] = []
  readonly #hello: HelloOptions
  readonly #clock: Clock
  readonly #packings: readonly Packing[]
  readonly #stragglerMs: number
  /** Aborts when the stragglers' time is up. */
  readonly #cutoff = new AbortController()
  readonly #over = new AbortController()
  readonly #signal: AbortSignal

  constructor(hello: HelloOptions, { clock, signal, packings = [], stragglerMs = STRAGGLER_MS }: OpenOptions) {
    this.#hello = hello
    this.#clock = clock
    this.#packings = packings
    this.#stragglerMs = stragglerMs
    this.#signal = signal === undefined ? this.#cutoff.signal : AbortSignal.any([signal, this.#cutoff.signal])
  }

  stopWaiting(): void {
    this.#over.abort()
  }

  async open(dialer: PeerDialer): Promise<void> {
    if (this.#signal.aborted) return this.#note(dialer, undefined, 'others answered first')
    let session: Session | undefined
    try {
      if ('openSession' in dialer) {
        session = await dialer.openSession(this.#hello, { clock: this.#clock, signal: this.#signal })
      } else {
        const channel = await dialer.open(this.#signal)
        const channelSession = new ChannelSession(channel, dialer.name, this.#clock, this.#packings)
        session = channelSession
        await this.#sayHello(channelSession)
      }
      this.sessions.push(session)
      if (this.sessions.length === 1) void this.#cutOffStragglers()
    } catch (error) {
      this.#note(dialer, session, error instanceof Error ? error.message : String(error), error)
    }
  }

  async #sayHello(session: ChannelSession): Promise<void> {
    const onCutoff = (): void => session.fail('silent', 'did not answer the hello in time')
    this.#signal.addEventListener('abort', onCutoff, { once: true })
    try {
      if (this.#signal.aborted) onCutoff()
      await session.hello(this.#hello)
    } finally {
      this.#signal.removeEventListener('abort', onCutoff)
    }
  }

  async #cutOffStragglers(): Promise<void> {
    if (this.#stragglerMs === Infinity) return
    try {
      await this.#clock.sleep(this.#stragglerMs, this.#over.signal)
      this.#cutoff.abort(new Error('did not connect in time'))
    } catch {
      // All peers have answered or failed.
    }
  }

  #note(dialer: PeerDialer, session: Session | undefined, reason: string, error?: unknown): void {
    if (this.#cutoff.signal.aborted) this.late.push(dialer)
    const { bytesReceived, bytesSent } = session?.traffic ?? { bytesReceived: 0, bytesSent: 0 }
    const fault = session?.end?.fault ?? faultOf(error)
    this.failed.push({
      peer: session?.peer,
      name: dialer.name,
      outcome: fault,
      reason,
      blocks: 0,
      rows: 0,
      bytesReceived,
      bytesSent,
    })
  }
}

/** Why no session came about. */
function faultOf(error: unknown): Fault {
  if (!(error instanceof CoppiceError)) return 'unreachable'
  const { fault } = error.details as { readonly fault?: Fault }
  return fault ?? (error.code === 'PEER_PROTOCOL' ? 'protocol' : 'unreachable')
}
