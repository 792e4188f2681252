/** What `coppice key show` tells of a key file, a statement, or a database's keys: values with stable keys, and lines. Never a secret. */
import { equalBytes } from '../bytes.ts'
import { readSignedRecord, readSignerFile } from '../directory/index.ts'
import type { FieldValue } from '../document-model.ts'
import { CoppiceError } from '../errors.ts'
import { escapeText } from '../escape.ts'
import type { Database } from '../index.ts'
import {
  authorityEpochAt,
  authorityKeyAt,
  decodeChain,
  decodeGrant,
  decodeProvenEvidence,
  decodeSignedRoot,
  decodeStatementEnvelopes,
  decodeStatementFile,
  decodeUnsignedRoot,
  EPOCH_MAX,
  formatAddress,
  formatAuthor,
  type StatementKind,
  verifyGrant,
} from '../pointer/index.ts'
import { describeEnvelopes, type EnvelopesJson, envelopesJson } from './envelopes-text.ts'
import { describeEvidence, describeProven, evidenceJson } from './evidence-text.ts'
import { renderTable, renderTime } from './render.ts'
import { describeUnsigned, unsignedRootJson } from './root-review.ts'
import { readSigning } from './signing-keys.ts'
import { signedRootJson } from './status.ts'

export interface Shown {
  /** Keys are API. */
  readonly json: { readonly [field: string]: FieldValue }
  /** For people; escaped. */
  readonly lines: readonly string[]
}

type Rows = (readonly [name: string, value: string])[]

export async function showKeyFile(path: string): Promise<Shown> {
  const { role, signer } = await readSignerFile(path)
  const signed = (await readSignedRecord(path)).map(({ payload: { author, name, epoch, sequence } }) => ({
    address: formatAddress({ author, name, peers: [] }),
    epoch,
    sequence,
  }))
  const publicKey = formatAuthor(signer.publicKey)
  const rows: Rows = [
    ['role', role],
    ['public key', publicKey],
  ]
  if (role === 'author') rows.push(['databases', `coppice:${publicKey}/NAME`])
  for (const { address, epoch, sequence } of signed) rows.push(['signed', `${address} @${sequence} of epoch ${epoch}`])
  return { json: { kind: 'key', role, publicKey, signed }, lines: renderTable(rows) }
}

/** @throws {CoppiceError} `INPUT_SYNTAX`, `SIGNED_ROOT_INVALID`, `PUBLISH_REFUSED`. */
export function showStatement(kind: StatementKind, text: string): Shown {
  const bytes = decodeStatementFile(kind, text)
  switch (kind) {
    case 'grant':
      return showGrant(bytes, decodeStatementEnvelopes(text))
    case 'rotations':
      return showRotations(bytes, decodeStatementEnvelopes(text))
    case 'unsigned-root': {
      const unsigned = decodeUnsignedRoot(bytes)
      return { json: unsignedRootJson(unsigned), lines: describeUnsigned(unsigned) }
    }
    case 'signed-root':
      return showSignedRoot(bytes, decodeStatementEnvelopes(text))
    case 'envelopes':
      throw new CoppiceError('INPUT_SYNTAX', 'envelopes: expected the statement before them in its file, got none')
    case 'evidence': {
      const proven = decodeProvenEvidence(bytes)
      return {
        json: evidenceJson(proven),
        lines: [describeProven('evidence', proven), ...describeEvidence(proven.evidence)],
      }
    }
  }
}

export function showGrant(bytes: Uint8Array, envelopes: readonly Uint8Array[]): Shown {
  const grant = decodeGrant(bytes)
  const { author, name, epoch, firstSequence, expires } = grant
  const address = formatAddress({ author, name, peers: [] })
  const signer = formatAuthor(grant.signer)
  // Of a later authority only the author's rotations tell.
  const isByAuthor = verifyGrant(author, grant)
  const rows: Rows = [
    ['kind', 'grant'],
    ['database', address],
    ['signer', signer],
    ['epoch', String(epoch)],
    ['from', `@${firstSequence}`],
    ['until', expires === null ? 'no end' : renderTime(expires)],
    ['signed by', isByAuthor ? 'the author key' : 'another key: an authority after a rotation, or nobody who may'],
  ]
  const found = envelopesJson(author, envelopes)
  rows.push(...foundBy(found))
  return {
    json: { kind: 'grant', address, signer, epoch, firstSequence, expires, isByAuthor, envelopes: found },
    lines: renderTable(rows),
  }
}

function showRotations(bytes: Uint8Array, envelopes: readonly Uint8Array[]): Shown {
  const authority = decodeChain(bytes)
  const author = formatAuthor(authority.author)
  const rotations = authority.rotations.map(({ epoch, newKey }) => ({ epoch, key: formatAuthor(newKey) }))
  const found = envelopesJson(authority.author, envelopes)
  const rows: Rows = [
    ['kind', 'rotations'],
    ['author', author],
    ...rotations.map(({ epoch, key }) => [`epoch ${epoch}`, key] as const),
    ...foundBy(found),
  ]
  return { json: { kind: 'rotations', author, rotations, envelopes: found }, lines: renderTable(rows) }
}

function showSignedRoot(bytes: Uint8Array, envelopes: readonly Uint8Array[]): Shown {
  const signed = decodeSignedRoot(bytes)
  const { author, name, epoch, sequence } = signed.payload
  const address = formatAddress({ author, name, peers: [] })
  const rows: Rows = [
    ['kind', 'signed root'],
    ['database', address],
    ['sequence', `@${sequence}`],
    ['epoch', String(epoch)],
  ]
  if (signed.state === 'newer-format') {
    return { json: { kind: 'signed-root', address, epoch, sequence }, lines: renderTable(rows) }
  }
  const json = signedRootJson(signed)
  rows.push(['root', json.root], ['issued', renderTime(json.issued)], ['signed by', json.signer])
  if (json.message !== null) rows.push(['message', escapeText(json.message)])
  const found = envelopesJson(author, envelopes, signed.key)
  rows.push(...foundBy(found))
  return { json: { kind: 'signed-root', address, ...json, envelopes: found }, lines: renderTable(rows) }
}

function foundBy(envelopes: readonly EnvelopesJson[]): Rows {
  return describeEnvelopes(envelopes).map((line) => ['found by', line] as const)
}

/** The keys of a database of one's own: who may sign its next root, and whether the keys in its directory may. */
export async function showDatabaseKeys(dir: string, db: Database): Promise<Shown> {
  const { last, authority, choice, keys, problem } = await readSigning(dir, db)
  const grant = choice.grant === null ? undefined : decodeGrant(choice.grant)
  const prepared = await db.prepared()
  const since = authorityEpochAt(authority, EPOCH_MAX)
  const authorityKey = formatAuthor(authorityKeyAt(authority, EPOCH_MAX))
  const nextSequence = (last?.payload.sequence ?? 0) + 1
  const expires = grant?.expires ?? null
  const held = keys.map(({ path, role, publicKey, problem: damage }) => ({
    path,
    role,
    publicKey: publicKey === undefined ? null : formatAuthor(publicKey),
    signsNext: publicKey !== undefined && equalBytes(publicKey, choice.key),
    problem: damage ?? null,
  }))
  const right =
    grant === undefined ? 'the authority' : `granted${expires === null ? '' : ` until ${renderTime(expires)}`}`
  const rows: Rows = [
    ['address', db.address],
    ['authority', since === 0 ? 'the author key' : `${authorityKey}, from epoch ${since} on`],
    ['next root', `@${nextSequence} of epoch ${choice.epoch}`],
    ['signed by', `${formatAuthor(choice.key)}, ${right}`],
    ...held.map(
      (key) =>
        [
          key.role,
          `${escapeText(key.path)}  ${key.publicKey ?? key.problem ?? ''}${key.signsNext ? ', signs it' : ''}`,
        ] as const,
    ),
  ]
  if (prepared !== undefined) rows.push(['prepared', `@${prepared.next.payload.sequence} waits for its signature`])
  const idle = held.find((key) => key.role === 'signer' && !key.signsNext && key.publicKey !== null)
  if (idle !== undefined) {
    // The epoch that has begun has its one key.
    const epoch = last === undefined ? choice.epoch : choice.epoch + 1
    const what = `${db.address} ${idle.publicKey} GRANT --epoch ${epoch} --first ${nextSequence} --expires 90d${since === 0 ? '' : ' --rotations FILE'}`
    rows.push(['to grant', `coppice key grant AUTHOR_KEY ${what}`])
  }
  if (problem !== undefined) rows.push(['problem', `cannot be published from here: ${problem.message}`])
  const json = {
    kind: 'database',
    address: db.address,
    authority: authorityKey,
    authoritySince: since,
    epoch: choice.epoch,
    nextSequence,
    signer: formatAuthor(choice.key),
    grantExpires: expires,
    keys: held,
    prepared: prepared === undefined ? null : prepared.next.payload.sequence,
    canPublish: problem === undefined,
  }
  return { json, lines: renderTable(rows) }
}
