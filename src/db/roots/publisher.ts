/**
 * Publishing (record.md, 5): first carriers are asked whether anything out there forbids it, then the completeness of the tree is established and recorded, then one signed root is
 * made of it and written, with the log and with all that the next one needs, in one durable batch. Only what is written
 * is ever announced, so a publish killed at any point shows the same bytes later or never signed any. The record of the
 * root itself is part of that batch: a state that was not signed in the end is not served.
 *
 * Where the key is elsewhere the same is done in two steps, with the signing between them (prepared.ts).
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import {
  type AnySignedRoot,
  buildNextPayload,
  chooseEpoch,
  decodeGrant,
  decodePublished,
  decodeSignedRoot,
  encodePublished,
  encodePayload,
  EPOCH_MAX,
  type EpochChoice,
  type Grant,
  MESSAGE_BYTES_MAX,
  type NextPayloadOptions,
  type NextRoot,
  prepareUnsignedRoot,
  type Published,
  type RootPayload,
  sealNextRoot,
  type SignedRoot,
  type Signer,
  type UnsignedRoot,
} from '../../pointer/index.ts'
import { missingRecords, type TreeRef } from '../../prolly/index.ts'
import type { Carrier } from '../../carriers/carrier.ts'
import type { Link } from '../../link.ts'
import type { CompleteRecord } from '../../store/index.ts'
import type { AnnouncedCarrier } from '../announcing/announce.ts'
import { type AskedCarrier, requireNoRival, RivalFinder } from '../announcing/rivals.ts'
import { basesNote, basesToSign, namesBases } from '../merging/merge-base.ts'
import { CHAIN, PREPARED, PUBLISHED } from '../meta.ts'
import { historyMeta, keepHistory } from './history.ts'
import { readPrepared, requireNonePrepared } from './prepared.ts'
import { logEntryMeta } from './signed-log.ts'
import { readAuthority } from './standing.ts'
import type { DatabaseState } from '../state.ts'

export interface PublishOptions {
  /** The release message: at most 160 bytes of UTF-8. */
  readonly message?: string | undefined
  /** Until when the author promises a newer root, in whole seconds from now; without it there is no promise. */
  readonly expiresInSeconds?: number | undefined
  /** Sign also what is published already, under the next sequence: a new promise, a new message. */
  readonly refresh?: boolean | undefined
  /** The bytes of a grant: its signer signs from now on, in its epoch. Later roots of the epoch need it no more. */
  readonly grant?: Uint8Array | undefined
  /** Beside the grant: by which carriers lead readers from the author's key to its signer, as `decodeStatementEnvelopes` gives them. */
  readonly envelopes?: readonly Uint8Array[] | undefined
  /** Begin a new epoch that the authority signs itself: a signer of the epoch before is revoked. */
  readonly newEpoch?: boolean | undefined
  /** Instead of a root that was prepared, and that nobody signed or will sign. */
  readonly replacePrepared?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What was signed, and what carriers showed before. */
export interface SigningReport {
  readonly signedRoot: SignedRoot
  /** False where the state was published before, with what was merged: its signed root is given again. */
  readonly isNew: boolean
  /** What each carrier showed before; none where none is configured. One that did not answer may know of a newer root. */
  readonly asked: readonly AskedCarrier[]
}

export interface PublishReport extends SigningReport {
  /** Where the signed root stands now; none where no carrier takes any. */
  readonly carriers: readonly AnnouncedCarrier[]
}

/** The end of a fork (record.md, 5): a new epoch that goes on from one of the two tips. */
export interface ForkEnd {
  readonly chain: Published
  /** Payload links of both tips. */
  readonly tips: readonly Link[]
}

/** A promise for longer is a mistake. */
const EXPIRY_SECONDS_MAX: number = 100 * 366 * 24 * 60 * 60
/** Records written in one batch. */
const RECORDS_PER_BATCH = 4096

/** The next root, as far as it can be told before the tree is walked. */
interface Plan {
  readonly previous: Published | null
  readonly tree: TreeRef
  /** Of the last root: there is nothing new to sign. */
  readonly isUnchanged: boolean
  readonly options: NextPayloadOptions
}

export class Publisher {
  readonly #state: DatabaseState
  readonly #signers: readonly Signer[]
  readonly #carriers: readonly Carrier[]
  #forkEnd: ForkEnd | undefined

  /** `signers`: the keys at hand, of which the one that is to sign does. `carriers` are asked before. */
  constructor(state: DatabaseState, signers: readonly Signer[], carriers: readonly Carrier[] = []) {
    this.#state = state
    this.#signers = signers
    this.#carriers = carriers
  }

  /** @throws {CoppiceError} `USAGE`, `BLOCK_MISSING`, `TREE_MALFORMED`, `PUBLISH_REFUSED`, `STORE_*`; nothing is signed or announced then. */
  async publish(options: PublishOptions): Promise<SigningReport> {
    validateOptions(options)
    const [first] = this.#signers
    if (first === undefined) throw noKey()
    const plan = await this.#plan(options)
    const { previous, tree } = plan
    const asked = await this.#ask(previous, plan.options.epoch ?? 0, options.signal)
    if (previous !== null && plan.isUnchanged) return { signedRoot: previous.signed, isNew: false, asked }
    if (options.replacePrepared !== true) requireNonePrepared(await readPrepared(this.#state))
    const { key, authority } = plan.options
    const signer = this.#signers.find(({ publicKey }) => equalBytes(publicKey, key)) ?? first
    // Refused, where it is, before a walk over the new nodes and before anybody is asked to sign.
    const next = buildNextPayload(previous, { ...plan.options, key: signer.publicKey })
    const complete = await this.#recordComplete(tree, options.signal)
    if (previous !== null) await keepHistory(this.#state, previous, options.signal)
    const signature = await unlessAborted(options.signal, () => signer.sign(next.payloadBytes))
    const root = sealNextRoot(next, { key: signer.publicKey, signature }, authority)
    return await this.#commit(root, complete, await basesNote(this.#state.store, tree.root), asked)
  }

  /** Publishes the working state in a new epoch that ends a fork. @throws as {@link publish}. */
  async endFork(end: ForkEnd, options: PublishOptions): Promise<SigningReport> {
    this.#forkEnd = end
    return await this.publish(options)
  }

  /**
   * Before one of `epoch` is signed; with `signed` it is that one, which may be there already.
   * @throws {CoppiceError} `PUBLISH_REFUSED` where a carrier shows a root of one's own that forbids it.
   */
  async #ask(
    previous: Published | null,
    epoch: number,
    signal: AbortSignal | undefined,
    signed?: AnySignedRoot,
  ): Promise<readonly AskedCarrier[]> {
    const own = previous?.signed ?? null
    const finder = await RivalFinder.begin(this.#state, own)
    const asked = await finder.ask(this.#carriers, signal)
    const rivals = finder.rivals.filter(({ root }) => signed === undefined || !equalBytes(root.link, signed.link))
    requireNoRival(own, { rivals, evidence: finder.evidence }, epoch)
    return asked
  }

  /**
   * What `publish` would sign, kept until its signature comes; undefined where there is nothing new to sign. Asked for the same again, it
   * gives the same.
   * @throws as {@link publish}.
   */
  async prepare(options: PublishOptions): Promise<UnsignedRoot | undefined> {
    validateOptions(options)
    const { store } = this.#state
    const plan = await this.#plan(options)
    await this.#ask(plan.previous, plan.options.epoch ?? 0, options.signal)
    if (plan.isUnchanged) return undefined
    const waiting = options.replacePrepared === true ? undefined : await readPrepared(this.#state)
    const unsigned = prepareUnsignedRoot(plan.previous, plan.options)
    if (waiting !== undefined && isSameRequest(waiting, unsigned)) return waiting
    requireNonePrepared(waiting)
    // Recorded when it is signed: what is recorded is served.
    for await (const _record of missingRecords(store, plan.tree, { signal: options.signal }));
    options.signal?.throwIfAborted()
    const meta = new Map([[PREPARED, unsigned.bytes], ...(await basesNote(store, plan.tree.root))])
    await store.write({ meta }, { durable: true })
    this.#state.log('prepared @%d', unsigned.next.payload.sequence)
    return unsigned
  }

  /**
   * Publishes what was prepared, with its signature. The same signed root again changes nothing.
   * @throws {CoppiceError} `SIGNED_ROOT_INVALID`; `PUBLISH_REFUSED` with `details.reason`: `stale` (another root was published
   *   meanwhile), `other` (it is not what was prepared), `signer`, `grant` or `signature` (not by the key that may sign it now).
   */
  async complete(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<SigningReport> {
    const signed = decodeSignedRoot(bytes)
    const previous = await this.#previous()
    const asked = await this.#ask(previous, signed.payload.epoch, signal, signed)
    if (previous !== null && equalBytes(previous.signed.link, signed.link)) {
      return { signedRoot: previous.signed, isNew: false, asked }
    }
    const prepared = await readPrepared(this.#state)
    const last = previous?.signed.payload.sequence ?? 0
    if (prepared === undefined || !isSameRoot(prepared.previous, previous) || signed.payload.sequence <= last) {
      const what = `the root after @${last} that was prepared here`
      const reason = signed.payload.sequence <= last || prepared !== undefined ? 'stale' : 'other'
      throw refuse(reason, `signed root: expected ${what}, got @${signed.payload.sequence}; prepare it again`)
    }
    const { payload } = prepared.next
    const [pair] = signed.signatures
    if (pair === undefined || !equalBytes(prepared.link, signed.link)) {
      const got = `another @${signed.payload.sequence}`
      throw refuse('other', `signed root: expected @${payload.sequence} as it was prepared, got ${got}`)
    }
    const root = sealNextRoot(prepared.next, pair, await readAuthority(this.#state))
    const complete = await this.#recordComplete(payload, signal)
    if (previous !== null) await keepHistory(this.#state, previous, signal)
    signal?.throwIfAborted()
    return await this.#commit(root, complete, [], asked)
  }

  async #plan(options: PublishOptions): Promise<Plan> {
    const { store, name, clock } = this.#state
    const previous = await this.#previous()
    const before = previous?.signed.payload
    const tree = (await this.#state.snapshot()).tree.ref
    const bases = await basesToSign(store)
    const authority = await readAuthority(this.#state)
    const grant = options.grant === undefined ? undefined : decodeGrant(options.grant)
    const keys = this.#signers.map(({ publicKey }) => publicKey)
    const { newEpoch } = options
    const choice = chooseEpoch(previous?.signed ?? null, authority, { grant, newEpoch, keys })
    requireOpenEpoch(choice.epoch, before?.epoch ?? 0, grant)
    const now = Math.floor(clock.now() / 1000)
    const issued = Math.max(now, before?.issued ?? 0)
    const isUnchanged =
      options.refresh !== true &&
      previous !== null &&
      equalBytes(previous.signed.payload.root, tree.root) &&
      namesBases(previous.signed, bases) &&
      isSameChoice(previous.signed.payload, choice)
    return {
      previous,
      tree,
      isUnchanged,
      options: {
        authority,
        name,
        tree,
        now,
        ...choice,
        ...(this.#forkEnd === undefined ? {} : { resolves: this.#forkEnd.tips }),
        expires: options.expiresInSeconds === undefined ? null : issued + options.expiresInSeconds,
        merged: bases.map(({ root }) => root),
        ...(options.message === undefined ? {} : { message: options.message }),
      },
    }
  }

  async #commit(
    { published, completed }: NextRoot,
    complete: readonly CompleteRecord[],
    notes: readonly (readonly [name: string, value: Uint8Array | null])[],
    asked: readonly AskedCarrier[],
  ): Promise<SigningReport> {
    const { signed } = published
    const meta = new Map<string, Uint8Array | null>([
      [CHAIN, encodePublished(published)],
      [PUBLISHED, signed.bytes],
      ...(await logEntryMeta(this.#state, signed.bytes)),
      ...historyMeta(completed),
      ...notes,
    ])
    if ((await this.#state.store.getMeta(PREPARED)) !== undefined) meta.set(PREPARED, null)
    await this.#state.store.write({ complete, meta }, { durable: true })
    this.#state.log('published @%d', signed.payload.sequence)
    return { signedRoot: signed, isNew: true, asked }
  }

  async #previous(): Promise<Published | null> {
    if (this.#forkEnd !== undefined) return this.#forkEnd.chain
    const bytes = await this.#state.store.getMeta(CHAIN)
    return bytes === undefined ? null : decodePublished(bytes)
  }

  /**
   * Records what is below the root; gives the last records, the root's among them, for the batch that makes it public.
   * Each batch holds records only of what is complete without the next ones, so a kill between them leaves truth.
   */
  async #recordComplete(tree: TreeRef, signal: AbortSignal | undefined): Promise<CompleteRecord[]> {
    let complete: CompleteRecord[] = []
    for await (const record of missingRecords(this.#state.store, tree, { signal })) {
      if (complete.length >= RECORDS_PER_BATCH) {
        await this.#state.store.write({ complete })
        complete = []
      }
      complete.push(record)
    }
    return complete
  }
}

/** Whether `unsigned`, made later, is what was asked for when `waiting` was made. */
function isSameRequest(waiting: UnsignedRoot, unsigned: UnsignedRoot): boolean {
  const { payload: held } = waiting.next
  const { payload } = unsigned.next
  const promise = held.expires === null ? null : held.expires - held.issued
  if (promise !== (payload.expires === null ? null : payload.expires - payload.issued)) return false
  // A promise that was over before it was made is asked for anew.
  if (held.expires !== null && held.expires <= payload.issued) return false
  const asThen = { ...unsigned.next.payload, issued: held.issued, expires: held.expires }
  return equalBytes(encodePayload(asThen), waiting.next.payloadBytes)
}

/** Whether the epoch goes on under the same grant: another one, a longer one perhaps, is to be seen. */
function isSameChoice(last: RootPayload, { epoch, grant }: EpochChoice): boolean {
  if (last.epoch !== epoch) return false
  return grant === null || last.grant === null ? grant === last.grant : equalBytes(grant, last.grant)
}

function isSameRoot(a: Published | null, b: Published | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a.signed.link, b.signed.link)
}

/** A result that comes after the abort is never seen: the next publish may sign something else. */
async function unlessAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T> | T): Promise<T> {
  signal?.throwIfAborted()
  if (signal === undefined) return await work()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work(), aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function requireOpenEpoch(epoch: number, before: number, grant: Grant | undefined): void {
  if (epoch < before) {
    throw refuse(
      'grant-epoch',
      `grant: expected one for epoch ${before} or a later one, got epoch ${grant?.epoch}, which is over`,
    )
  }
  if (epoch > EPOCH_MAX) throw refuse('epoch', `epoch: expected at most ${EPOCH_MAX}, got ${epoch}`)
}

function noKey(): CoppiceError {
  return new CoppiceError(
    'KEY_FILE_INVALID',
    "publish: expected the author's key, or that of a signer it granted, got none; publish where the key is, or sign the root there",
  )
}

function refuse(reason: string, message: string): CoppiceError {
  return new CoppiceError('PUBLISH_REFUSED', message, { details: { reason } })
}

/** Before anything is read: a walk over the new nodes would be for nothing. */
function validateOptions({ message, expiresInSeconds }: PublishOptions): void {
  const messageBytes = message === undefined ? 0 : new TextEncoder().encode(message).length
  if (messageBytes > MESSAGE_BYTES_MAX || message?.isWellFormed() === false) {
    throw new CoppiceError(
      'USAGE',
      `message: expected at most ${MESSAGE_BYTES_MAX} bytes of UTF-8, got ${messageBytes}`,
    )
  }
  if (expiresInSeconds === undefined) return
  if (Number.isSafeInteger(expiresInSeconds) && expiresInSeconds > 0 && expiresInSeconds <= EXPIRY_SECONDS_MAX) return
  throw new CoppiceError(
    'USAGE',
    `expiry: expected whole seconds from now, 1 to ${EXPIRY_SECONDS_MAX} (a century), got ${expiresInSeconds}`,
  )
}
