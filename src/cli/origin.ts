/** Where a fork came from, for `fork` and `status`. */
import type { ForkOrigin } from '../db/index.ts'
import { escapeText } from '../escape.ts'
import { formatLink } from '../link.ts'

/** In JSON output. */
export type OriginJson = {
  readonly address: string
  readonly root: string
  /** Null where the state was not published. */
  readonly sequence: number | null
}

export function originJson({ address, root, signed }: ForkOrigin): OriginJson {
  return { address, root: formatLink(root), sequence: signed?.payload.sequence ?? null }
}

/** Escaped. */
export function describeOrigin({ address, root, sequence }: OriginJson): string {
  return `${escapeText(address)}${sequence === null ? '' : ` @${sequence}`} ${root}`
}
