/**
 * Answers of the gateway: statuses, headers, and bodies that are read while they are sent. The bytes are what their CIDs say, so
 * they never change and may be kept by anybody; types are fixed, and nothing is ever to be shown as a page (THREATS row 30).
 */
import { bytesToHex } from '../bytes.ts'
import { carHeader, writeCar } from '../car/index.ts'
import { decodeAttachments } from '../carriers/attachments.ts'
import { isCoppiceError } from '../errors.ts'
import { formatLink, type Link, matchesLink } from '../link.ts'
import { attachmentsOf, encodeRootFile } from '../mirror/root-file.ts'
import { sha256 } from '../sha256.ts'
import { archiveBlocks, dupsOf, isOutside, resolvePath, topBlock } from './archive.ts'
import { CAR_TYPE, RAW_TYPE } from './media-types.ts'
import {
  type CarRequest,
  type GatewayRequest,
  type PageRequest,
  type RawRequest,
  RequestFailure,
  type RootRequest,
} from './request.ts'
import type { Found, Served } from './served.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
}

/** As trustless gateways have it: half a year and more. */
const FOREVER = 'public, max-age=29030400, immutable'
const NOTHING = new Uint8Array(0)
const SERVER_PAGE =
  'This server has signed databases of coppice, for replicas and for IPFS tools. A database is at /AUTHOR/NAME/.'
const DATABASE_PAGE =
  'This is a signed database of coppice, for replicas and for IPFS tools: coppice clone "ADDRESS" COPY --peer URL, with the URL of this page and the address that its author gave you.'

/** For every answer. Whoever reads them may be a page of any site: all of it is public. */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'cross-origin',
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, OPTIONS',
  'access-control-allow-headers': 'Content-Type, Range, User-Agent, X-Requested-With',
  'access-control-expose-headers':
    'Content-Length, Content-Range, ETag, Ipfs-Uri, X-Chunked-Output, X-Ipfs-Path, X-Ipfs-Roots, X-Stream-Output',
}

export function textAnswer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = new TextEncoder().encode(`${text}\n`)
  const own = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(body.length) }
  return { status, headers: { ...own, 'cache-control': 'no-store', ...headers }, body }
}

/** What a request came with beside its URL. */
export interface RequestConditions {
  readonly ifNoneMatch: string | undefined
  readonly cacheControl: string | undefined
}

/** @throws {RequestFailure}; errors of the store as they are. */
export async function answerTo(
  served: Served,
  request: GatewayRequest,
  conditions: RequestConditions,
  signal: AbortSignal,
): Promise<Answer> {
  const answer = await contentOf(served, request, conditions, signal)
  const etag = answer.headers['etag']
  if (etag === undefined || !isKnown(etag, conditions.ifNoneMatch)) return answer
  const { 'content-length': _, ...headers } = answer.headers
  return { status: 304, headers, body: NOTHING }
}

async function contentOf(
  served: Served,
  request: GatewayRequest,
  { cacheControl = '' }: RequestConditions,
  signal: AbortSignal,
): Promise<Answer> {
  if (request.kind === 'page') return pageAnswer(served, request)
  if (request.kind === 'root') return await rootAnswer(served, request)
  if (request.database !== undefined && !served.has(request.database)) throw notHere()
  const { named } = request
  const absent = /(^|[\s,])only-if-cached([\s,]|$)/.test(cacheControl) ? new RequestFailure(412, 'not here') : notHere()
  if (named.kind === 'foreign') throw absent
  if (named.kind === 'identity') return identityAnswer(named, request)
  if (request.kind === 'car') return await carAnswer(served, named.link, request, absent, signal)
  const found = await served.find(named.link, request.database)
  if (found === undefined) throw absent
  return await rawAnswer(named.link, found, request, absent)
}

function notHere(): RequestFailure {
  return new RequestFailure(404, 'not here')
}

/** For people. It names nothing: what is served is known to those who have its address. */
function pageAnswer(served: Served, { database }: PageRequest): Answer {
  if (database === undefined) return textAnswer(200, SERVER_PAGE)
  if (!served.has(database)) throw notHere()
  return textAnswer(200, DATABASE_PAGE)
}

/** The signed root as a mirror's root file without packs: its blocks are asked for below `ipfs/`. */
async function rootAnswer(served: Served, { database }: RootRequest): Promise<Answer> {
  const signed = await served.newest(database)
  if (signed === undefined) throw notHere()
  const beside = await served.attachments(database)
  const attachments = beside === undefined ? [] : attachmentsOf(decodeAttachments(beside))
  const body = encodeRootFile({ roots: [{ signedRoot: signed.bytes, packs: [] }], packs: [], attachments })
  // What travels beside a root changes without it.
  const tag = attachments.length === 0 ? '' : `.${bytesToHex(sha256(body)).slice(0, 16)}`
  return {
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(body.length),
      'content-disposition': 'attachment; filename="root"',
      'cache-control': 'no-cache',
      etag: `"${formatLink(signed.link)}${tag}"`,
    },
    body,
  }
}

async function rawAnswer(link: Link, found: Found, request: RawRequest, absent: RequestFailure): Promise<Answer> {
  const { bytes } = found.kind !== 'subtree' ? found.block : { bytes: await found.blocks.get(link) }
  // A disk that changed a block makes the gateway incomplete, and never a liar.
  if (bytes === undefined || !matchesLink(link, bytes)) throw absent
  const headers = {
    ...contentHeaders(request, request.cid, [request.cid], 'bin'),
    'content-type': RAW_TYPE,
    'content-length': String(bytes.length),
    etag: `"${request.cid}.raw"`,
  }
  return { status: 200, headers, body: bytes }
}

async function carAnswer(
  served: Served,
  link: Link,
  request: CarRequest,
  absent: RequestFailure,
  signal: AbortSignal,
): Promise<Answer> {
  const resolved = await held(absent, () => resolvePath(served, link, request))
  if (resolved === undefined) throw absent
  // Below it are databases that may be elsewhere: an archive of some would look like one of all.
  if (resolved.end.kind === 'heads' && request.scope === 'all') throw absent
  if (isOutside(resolved, request)) throw new RequestFailure(400, 'expected entity-bytes within the file')
  const dups = dupsOf(resolved, request)
  if (dups === 'refused') throw new RequestFailure(406, 'expected a smaller DAG for this value of dups')
  // What can be known to fail fails before the first byte.
  await held(absent, () => topBlock(resolved.link, resolved.end))
  const path = [request.cid, ...request.path].join('/')
  const { from, to } = request.entityBytes ?? {}
  const part = request.entityBytes === undefined ? '' : `.${from}-${to ?? 'end'}`
  const roots = [...resolved.before.map((block) => formatLink(block.link)), formatLink(resolved.link)]
  const headers = {
    ...contentHeaders(request, path, roots, 'car'),
    'content-type': carType(dups),
    etag: `W/"${path}.car.${request.scope}${part}.${dups ?? 'some'}"`,
  }
  return { status: 200, headers, body: writeCar(resolved.link, archiveBlocks(resolved, request, signal)) }
}

/** A block that is lost or damaged here is not here. */
async function held<T>(absent: RequestFailure, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw isCoppiceError(error, 'BLOCK_MISSING') || isCoppiceError(error, 'STORE_CORRUPT') ? absent : error
  }
}

function carType(dups: 'y' | 'n' | undefined): string {
  return `${CAR_TYPE}; version=1; order=dfs${dups === undefined ? '' : `; dups=${dups}`}`
}

/** There is nothing to look up: an archive of it has no block, and of blocks only the empty one, the probe, is given out. */
function identityAnswer(
  { cid, bytes }: { readonly cid: Uint8Array; readonly bytes: Uint8Array },
  request: RawRequest | CarRequest,
): Answer {
  if (request.kind === 'raw' && bytes.length > 0) throw notHere()
  const isCar = request.kind === 'car'
  if (isCar && request.path.length > 0) throw notHere()
  const body = isCar ? carHeader(cid) : NOTHING
  const headers = {
    ...contentHeaders(request, request.cid, [request.cid], isCar ? 'car' : 'bin'),
    'content-type': isCar ? carType(request.dups ?? 'n') : RAW_TYPE,
    'content-length': String(body.length),
    etag: `"${request.cid}.${request.kind}"`,
  }
  return { status: 200, headers, body }
}

function contentHeaders(
  { cid, filename }: RawRequest | CarRequest,
  path: string,
  roots: readonly string[],
  extension: string,
): Record<string, string> {
  return {
    'content-disposition': `attachment; filename="${filename ?? `${cid}.${extension}`}"`,
    'cache-control': FOREVER,
    'accept-ranges': 'none',
    'x-ipfs-path': `/ipfs/${path}`,
    'x-ipfs-roots': roots.join(','),
    vary: 'Accept',
  }
}

/** RFC 9110, 13.1.2: compared weakly. */
function isKnown(etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false
  const opaque = etag.replace(/^W\//, '')
  return ifNoneMatch.split(',').some((each) => {
    const text = each.trim().replace(/^W\//, '')
    return text === '*' || text === opaque
  })
}
