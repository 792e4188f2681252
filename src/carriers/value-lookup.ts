/** Asks a network of values within a time, and counts who showed what: members that stay silent cost their own answers only. */
import { bytesToMapKey } from '../bytes.ts'
import type { Clock } from '../clock.ts'
import { CoppiceError } from '../errors.ts'
import { sha256 } from '../sha256.ts'
import type { ValueEvent, ValueNetwork } from './value-network.ts'

/** Less than a resolve has, so that what was heard by then counts. */
export const LOOKUP_MS = 8_000
/** Members whose answers are looked at: more than any lookup asks. Bounds what a lookup holds, with the size of a value. */
const MEMBERS_MAX = 64
const REFUSALS_MAX = 4

export interface ValueAsking {
  /** What errors call the network. */
  readonly name: string
  readonly clock: Clock
  /** LOOKUP_MS where absent. */
  readonly lookupMs?: number | undefined
}

export interface FoundValue {
  readonly value: Uint8Array
  /** Members that showed these very bytes. */
  readonly members: ReadonlySet<string>
}

export interface ValuesFound {
  readonly asked: number
  readonly answered: number
  readonly values: readonly FoundValue[]
}

export interface ValuesPut {
  readonly asked: number
  readonly stored: number
  readonly refusals: readonly string[]
}

/** @throws {CoppiceError} `PEER_UNREACHABLE` where nobody was asked, `PEER_TIMEOUT` where nobody answered; the signal's reason. */
export async function lookUpValues(
  values: ValueNetwork,
  key: Uint8Array,
  asking: ValueAsking,
  signal: AbortSignal,
): Promise<ValuesFound> {
  const asked = new Set<string>()
  const answered = new Set<string>()
  const found = new Map<string, { readonly value: Uint8Array; readonly members: Set<string> }>()
  await within(
    (until) => values.get(key, until),
    (event) => {
      if (asked.size >= MEMBERS_MAX && !asked.has(event.member)) return
      asked.add(event.member)
      if (event.kind === 'nothing' || event.kind === 'value') answered.add(event.member)
      if (event.kind !== 'value') return
      const name = bytesToMapKey(sha256(event.value))
      const before = found.get(name) ?? { value: event.value, members: new Set() }
      before.members.add(event.member)
      found.set(name, before)
    },
    asking,
    signal,
  )
  requireAnswers(asking.name, asked.size, answered.size)
  return { asked: asked.size, answered: answered.size, values: [...found.values()] }
}

/** @throws as {@link lookUpValues}, but for members that only refuse. */
export async function putValue(
  values: ValueNetwork,
  key: Uint8Array,
  value: Uint8Array,
  asking: ValueAsking,
  signal: AbortSignal,
): Promise<ValuesPut> {
  const asked = new Set<string>()
  const stored = new Set<string>()
  const refusals = new Map<string, string>()
  await within(
    (until) => values.put(key, value, until),
    (event) => {
      asked.add(event.member)
      if (event.kind === 'stored') stored.add(event.member)
      if (event.kind === 'refused' && refusals.size < REFUSALS_MAX) refusals.set(event.member, event.reason)
    },
    asking,
    signal,
  )
  requireAnswers(asking.name, asked.size, stored.size + refusals.size)
  return { asked: asked.size, stored: stored.size, refusals: [...refusals.values()] }
}

/** Takes events until there are no more, or the time is up. */
async function within(
  begin: (until: AbortSignal) => AsyncIterable<ValueEvent>,
  take: (event: ValueEvent) => void,
  { clock, lookupMs = LOOKUP_MS }: ValueAsking,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const over = new AbortController()
  const either = AbortSignal.any([signal, over.signal])
  const taking = (async () => {
    for await (const event of begin(either)) {
      if (either.aborted) return
      take(event)
    }
  })().catch((error: unknown) => {
    if (!either.aborted) throw error
  })
  const timeUp = clock.sleep(lookupMs, either).catch(() => {})
  try {
    await Promise.race([taking, timeUp])
  } finally {
    over.abort(new Error('the time for answers is over'))
  }
  signal.throwIfAborted()
}

function requireAnswers(name: string, asked: number, answered: number): void {
  if (answered > 0) return
  const details = { asked }
  if (asked === 0)
    throw new CoppiceError(
      'PEER_UNREACHABLE',
      `${name}: expected nodes to ask, found none; check their addresses, that they run, and are of this network`,
      { details },
    )
  throw new CoppiceError('PEER_TIMEOUT', `${name}: expected an answer of ${asked} nodes, got none`, { details })
}
