/**
 * What is shown beside the newest signed root (record.md, 7): the statements that this database keeps, which are needed to judge the
 * root, and envelopes by which anybody can put it on its carriers again. Envelopes are of one root only: those of another are none. Hops are
 * of all roots of the key that they lead to.
 */
import {
  ATTACHMENT_IDS,
  type Attachments,
  decodeAttachments,
  encodeAttachments,
  NO_ATTACHMENTS,
} from '../../carriers/attachments.ts'
import { concatBytes, equalBytes } from '../../bytes.ts'
import { CoppiceError, isCoppiceError } from '../../errors.ts'
import { encodeEvidence, PUBLIC_KEY_BYTES, type SignedRoot } from '../../pointer/index.ts'
import { ATTACHMENTS, HOPS, ROTATIONS } from '../meta.ts'
import type { DatabaseState } from '../state.ts'
import { readFloor } from './standing.ts'

const ENVELOPES: readonly number[] = [
  ATTACHMENT_IDS.bep44,
  ATTACHMENT_IDS.ipns,
  ATTACHMENT_IDS.bep44Hops,
  ATTACHMENT_IDS.ipnsHops,
]

/** All that is known to belong beside `root`. */
export async function readAttachments(state: DatabaseState, root: SignedRoot): Promise<Attachments> {
  // Hops of the author's own are the newest.
  const attachments = new Map([...(await readEnvelopes(state, root)), ...(await readHops(state, root))])
  const rotations = await state.store.getMeta(ROTATIONS)
  if (rotations !== undefined) attachments.set(ATTACHMENT_IDS.rotations, rotations)
  const [evidence] = (await readFloor(state)).evidence
  if (evidence !== undefined) attachments.set(ATTACHMENT_IDS.evidence, encodeEvidence(evidence))
  return attachments
}

/**
 * Keeps the envelopes among `attachments` for `root`, beside those that are kept for it, or in their place where they are newer; what is
 * kept for another root goes. They are
 * derived: nothing is lost but the help of others where a crash forgets them.
 */
export async function keepAttachments(state: DatabaseState, root: SignedRoot, attachments: Attachments): Promise<void> {
  const kept = await readEnvelopes(state, root)
  const all = new Map(kept)
  for (const [id, bytes] of attachments) {
    if (ENVELOPES.includes(id)) all.set(id, await newerOf(state, root, id, kept.get(id), bytes))
  }
  if ([...all].every(([id, bytes]) => equalBytes(bytes, kept.get(id) ?? new Uint8Array()))) return
  const meta = new Map([[ATTACHMENTS, concatBytes(root.link, encodeAttachments(all))]])
  await state.store.write({ meta })
}

async function newerOf(
  state: DatabaseState,
  root: SignedRoot,
  id: number,
  kept: Uint8Array | undefined,
  next: Uint8Array,
): Promise<Uint8Array> {
  if (kept === undefined || equalBytes(kept, next)) return next
  const { newerEnvelope } = await import('../../carriers/newer-envelopes.ts')
  return newerEnvelope(id, root, kept, next, state.clock.now())
}

/**
 * What came with a statement or a signed root from where its key is, for this database; undefined where there is nothing.
 * @throws {CoppiceError} `SIGNED_ROOT_INVALID` for what does not lead from the author's key anywhere, or is none of `root`.
 */
export async function checkEnvelopes(
  { author, name }: DatabaseState,
  envelopes: readonly Uint8Array[],
  root?: SignedRoot,
): Promise<Attachments | undefined> {
  if (envelopes.length === 0) return undefined
  const { areOfRoot, decodeEnvelopes, endOfWay } = await import('../../carriers/envelopes.ts')
  const own = envelopes.map(decodeEnvelopes).find((each) => each.name === name)
  if (own === undefined) return undefined
  const { attachments } = own
  if (root === undefined ? endOfWay({ author, name }, attachments) !== undefined : areOfRoot(root, attachments)) {
    return attachments
  }
  throw new CoppiceError(
    'SIGNED_ROOT_INVALID',
    `envelopes: expected those of ${name}, ${root === undefined ? "from its author's key on" : 'of this signed root'}, got others`,
  )
}

/** Keeps the hops of a statement, which {@link checkEnvelopes} gave, for all roots of the key that they lead to. */
export async function keepHops(state: DatabaseState, hops: Attachments): Promise<void> {
  const { endOfWay } = await import('../../carriers/envelopes.ts')
  const end = endOfWay(state, hops)
  if (end === undefined) return
  await state.store.write({ meta: new Map([[HOPS, concatBytes(end, encodeAttachments(hops))]]) }, { durable: true })
}

async function readHops({ store }: DatabaseState, { key }: SignedRoot): Promise<Attachments> {
  const bytes = await store.getMeta(HOPS)
  if (bytes === undefined || !equalBytes(bytes.subarray(0, PUBLIC_KEY_BYTES), key)) return NO_ATTACHMENTS
  return ifUndamaged(bytes.subarray(PUBLIC_KEY_BYTES))
}

async function readEnvelopes(state: DatabaseState, { link }: SignedRoot): Promise<Attachments> {
  const bytes = await state.store.getMeta(ATTACHMENTS)
  if (bytes === undefined || !equalBytes(bytes.subarray(0, link.length), link)) return NO_ATTACHMENTS
  return ifUndamaged(bytes.subarray(link.length))
}

function ifUndamaged(bytes: Uint8Array): Attachments {
  try {
    return decodeAttachments(bytes)
  } catch (error) {
    // Damaged ones are of no use to anybody.
    if (isCoppiceError(error, 'SIGNED_ROOT_INVALID')) return NO_ATTACHMENTS
    throw error
  }
}
