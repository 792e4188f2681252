/** Which response a request asks for: the `format` of its query, else the `Accept` header (RFC 9110, 12.5.1; IPIP-412). */

export const RAW_TYPE = 'application/vnd.ipld.raw'
export const CAR_TYPE = 'application/vnd.ipld.car'

/** One entry of an Accept header. */
export interface MediaRange {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
  /** 0..1. */
  readonly quality: number
}

/** Entries beyond are not looked at: browsers send ten. */
const RANGES_MAX = 32

/** The entries in the order of preference. What cannot be read is left out. */
export function parseAccept(header: string): MediaRange[] {
  const ranges = header
    .split(',', RANGES_MAX)
    .map(parseRange)
    .filter((range) => range !== undefined)
  return ranges.sort((a, b) => b.quality - a.quality)
}

function parseRange(text: string): MediaRange | undefined {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim().toLowerCase())
  if (!/^[\w.+*-]+\/[\w.+*-]+$/.test(type)) return undefined
  const parameters = new Map<string, string>()
  for (const part of rest) {
    const [, name, value] = /^([\w-]+)="?([\w.-]*)"?$/.exec(part) ?? []
    if (name !== undefined && value !== undefined) parameters.set(name, value)
  }
  const quality = Number(parameters.get('q') ?? 1)
  return quality > 0 && quality <= 1 ? { type, parameters, quality } : undefined
}
