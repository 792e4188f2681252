/**
 * Publishing (record.md, 5): first the completeness of the tree is established and recorded, then one signed root is
 * made of it and written, with the log and with all that the next one needs, in one durable batch. Only what is written
 * is ever announced, so a publish killed at any point shows the same bytes later or never signed any. The record of the
 * root itself is part of that batch: a state that was not signed in the end is not served.
 */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import {
  createAuthority,
  decodePublished,
  decodeRotations,
  encodePublished,
  MESSAGE_BYTES_MAX,
  type Published,
  type SignedRoot,
  type Signer,
  signNextRoot,
} from '../../pointer/index.ts'
import { missingRecords, type TreeRef } from '../../prolly/index.ts'
import type { CompleteRecord } from '../../store/index.ts'
import { basesNote, basesToSign, namesBases } from '../merging/merge-base.ts'
import { CHAIN, PUBLISHED, ROTATIONS } from '../meta.ts'
import { logEntryMeta } from './signed-log.ts'
import type { DatabaseState } from '../state.ts'

export interface PublishOptions {
  /** The release message: at most 160 bytes of UTF-8. */
  readonly message?: string | undefined
  /** Until when the author promises a newer root, in whole seconds from now; without it there is no promise. */
  readonly expiresInSeconds?: number | undefined
  /** Sign also what is published already, under the next sequence: a new promise, a new message. */
  readonly renew?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface PublishReport {
  readonly signedRoot: SignedRoot
  /** False where the state was published before, with what was merged: its signed root is given again. */
  readonly isNew: boolean
}

/** A promise for longer is a mistake. */
const EXPIRY_SECONDS_MAX: number = 100 * 366 * 24 * 60 * 60
/** Records written in one batch. */
const RECORDS_PER_BATCH = 4096

export class Publisher {
  readonly #state: DatabaseState
  readonly #signer: Signer

  constructor(state: DatabaseState, signer: Signer) {
    this.#state = state
    this.#signer = signer
  }

  /** @throws {CoppiceError} `USAGE`, `BLOCK_MISSING`, `TREE_MALFORMED`, `PUBLISH_REFUSED`, `STORE_*`; nothing is signed or announced then. */
  async publish(options: PublishOptions): Promise<PublishReport> {
    validateOptions(options)
    const { store, author, name, clock } = this.#state
    const previous = await this.#previous()
    const tree = (await this.#state.snapshot()).tree.ref
    const isRenewal = options.renew === true
    const bases = await basesToSign(store)
    if (!isRenewal && previous !== null && equalBytes(previous.signed.payload.root, tree.root)) {
      if (namesBases(previous.signed, bases)) return { signedRoot: previous.signed, isNew: false }
    }
    const complete = await this.#recordComplete(tree, options.signal)
    const rotations = await store.getMeta(ROTATIONS)
    const now = Math.floor(clock.now() / 1000)
    const { published } = await signNextRoot(previous, {
      authority: rotations === undefined ? createAuthority(author) : decodeRotations(author, rotations),
      name,
      tree,
      signer: this.#signer,
      now,
      expires: options.expiresInSeconds === undefined ? null : now + options.expiresInSeconds,
      merged: bases.map(({ root }) => root),
      ...(options.message === undefined ? {} : { message: options.message }),
    })
    options.signal?.throwIfAborted()
    const { bytes } = published.signed
    const meta = new Map<string, Uint8Array | null>([
      [CHAIN, encodePublished(published)],
      [PUBLISHED, bytes],
      ...(await logEntryMeta(this.#state, bytes)),
      ...(await basesNote(store, tree.root)),
    ])
    await store.write({ complete, meta }, { durable: true })
    this.#state.log('published @%d', published.signed.payload.sequence)
    return { signedRoot: published.signed, isNew: true }
  }

  async #previous(): Promise<Published | null> {
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
