/**
 * What an HTTP request asks of the gateway. Total over any text: what is not understood is refused with a status, by words that
 * repeat nothing of it. Paths are matched as they came, neither decoded nor normalised, so there is one way to name a thing.
 */
import { type Named, parseNamed } from './cid-text.ts'
import { URL_CHARS_MAX } from './limits.ts'
import { CAR_TYPE, type MediaRange, parseAccept, RAW_TYPE } from './media-types.ts'

/** A database by its path: `/<author>/<name>`. */
export interface DatabasePath {
  readonly author: string
  readonly name: string
}

export interface RootRequest {
  readonly kind: 'root'
  readonly database: DatabasePath
}

interface ContentRequest {
  /** Asked below a database's path: that one alone is looked into. */
  readonly database: DatabasePath | undefined
  readonly named: Named
  /** As it was asked for. */
  readonly cid: string
  /** A name to save it under, of harmless characters. */
  readonly filename: string | undefined
}

export interface RawRequest extends ContentRequest {
  readonly kind: 'raw'
}

export interface CarRequest extends ContentRequest {
  readonly kind: 'car'
  readonly path: readonly string[]
  readonly scope: 'block' | 'entity' | 'all'
  /** Of a file; inclusive, negative from its end, `to` null for its end. */
  readonly entityBytes: { readonly from: number; readonly to: number | null } | undefined
  readonly dups: 'y' | 'n' | undefined
}

/** What a browser asks that was given the URL for replicas: that of the server, or of a database. */
export interface PageRequest {
  readonly kind: 'page'
  readonly database: DatabasePath | undefined
}

export type GatewayRequest = RootRequest | RawRequest | CarRequest | PageRequest

export class RequestFailure extends Error {
  override readonly name = 'RequestFailure'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const PATH =
  /^(?:\/(k51[a-z0-9]{1,62})\/([a-z0-9][a-z0-9._-]{0,47}))?\/(root|ipfs\/([A-Za-z0-9]+)((?:\/[A-Za-z0-9._-]+)*)\/?)$/
const PAGE = /^\/(?:(k51[a-z0-9]{1,62})\/([a-z0-9][a-z0-9._-]{0,47})\/?)?$/
const FILENAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/
const ENTITY_BYTES = /^(-?\d{1,15}):(-?\d{1,15}|\*)$/
const PATH_SEGMENTS_MAX = 64

/** @throws {RequestFailure} */
export function parseRequest(url: string, accept: string | undefined): GatewayRequest {
  if (url.length > URL_CHARS_MAX) throw new RequestFailure(414, `expected a URL of at most ${URL_CHARS_MAX} characters`)
  if (!url.startsWith('/')) throw new RequestFailure(400, 'expected a path')
  const page = PAGE.exec(url)
  if (page !== null) return { kind: 'page', database: databaseOf(page) }
  const mark = url.indexOf('?')
  const match = PATH.exec(mark === -1 ? url : url.slice(0, mark))
  if (match === null) throw new RequestFailure(404, 'there is nothing at this path')
  const [, , , what, cid, below = ''] = match
  const database = databaseOf(match)
  if (what === 'root' || cid === undefined) {
    if (database === undefined) throw new RequestFailure(404, 'there is nothing at this path')
    return { kind: 'root', database }
  }
  const named = parseNamed(cid)
  if (named === undefined) throw new RequestFailure(400, 'expected a CID after /ipfs/')
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1))
  const filename = query.get('filename') ?? ''
  const content = { database, named, cid, filename: FILENAME.test(filename) ? filename : undefined }
  const path = below.split('/').filter((segment) => segment !== '')
  const { format, range } = formatOf(query, accept)
  if (format === 'car') return carRequest(content, path, query, range)
  if (path.length > 0) throw new RequestFailure(400, 'expected no path after the CID of a raw block')
  return { kind: 'raw', ...content }
}

function databaseOf([, author, name]: RegExpExecArray): DatabasePath | undefined {
  return author === undefined || name === undefined ? undefined : { author, name }
}

function formatOf(
  query: URLSearchParams,
  accept: string | undefined,
): { readonly format: 'raw' | 'car'; readonly range: MediaRange | undefined } {
  const ranges = parseAccept(accept ?? '')
  const format = query.get('format')
  if (format === 'raw') return { format, range: undefined }
  if (format === 'car') return { format, range: ranges.find(({ type }) => type === CAR_TYPE) }
  if (format !== null) throw new RequestFailure(406, 'expected format=raw or format=car')
  const range = ranges.find(({ type }) => type === RAW_TYPE || type === CAR_TYPE)
  if (range !== undefined) return { format: range.type === CAR_TYPE ? 'car' : 'raw', range }
  const isOpen = ranges.length === 0 || ranges.some(({ type }) => type === '*/*' || type === 'application/*')
  throw new RequestFailure(isOpen ? 400 : 406, `expected ?format=raw or car, or Accept: ${RAW_TYPE} or ${CAR_TYPE}`)
}

function carRequest(
  content: ContentRequest,
  path: readonly string[],
  query: URLSearchParams,
  range: MediaRange | undefined,
): CarRequest {
  if (path.length > PATH_SEGMENTS_MAX) throw new RequestFailure(400, 'expected a shorter path')
  const parameter = (name: string): string | undefined => query.get(`car-${name}`) ?? range?.parameters.get(name)
  choice(parameter('version'), ['1'], 406, 'version 1 of CAR')
  choice(parameter('order'), ['dfs', 'unk'], 406, 'order dfs or unk')
  const dups = choice(parameter('dups'), ['y', 'n'], 406, 'dups y or n')
  const scope = choice(
    query.get('dag-scope') ?? undefined,
    ['block', 'entity', 'all'],
    400,
    'dag-scope block, entity or all',
  )
  const bytes = query.get('entity-bytes')
  const entityBytes = bytes === null ? undefined : parseEntityBytes(bytes)
  return {
    kind: 'car',
    ...content,
    path,
    scope: entityBytes === undefined ? (scope ?? 'all') : 'entity',
    entityBytes,
    dups,
  }
}

function parseEntityBytes(text: string): { from: number; to: number | null } {
  const [, from, to] = ENTITY_BYTES.exec(text) ?? []
  if (from === undefined || to === undefined) throw new RequestFailure(400, 'expected entity-bytes=from:to')
  return { from: Number(from), to: to === '*' ? null : Number(to) }
}

function choice<T extends string>(
  value: string | undefined,
  choices: readonly T[],
  status: number,
  expected: string,
): T | undefined {
  if (value === undefined || value === '') return undefined
  const found = choices.find((each) => each === value)
  if (found === undefined) throw new RequestFailure(status, `expected ${expected}`)
  return found
}
