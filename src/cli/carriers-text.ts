/** What became of a publication's carriers, as lines and as JSON. */
import type { AnnouncedCarrier, AskedCarrier, PublishReport } from '../db/index.ts'
import type { FieldValue } from '../document-model.ts'
import { escapeText } from '../escape.ts'
import { renderCounted } from './render.ts'

/** Escaped; a line for each carrier, and one where none has said that nothing newer is out there. */
export function describeCarriers({ asked, carriers }: Pick<PublishReport, 'asked' | 'carriers'>): string[] {
  const isAnswered = asked.length === 0 || asked.some(({ shows }) => shows !== 'failed' && shows !== 'late')
  const unasked =
    'no carrier answered before it was signed: another root of yours may be out there; publish again when online'
  return [...carriers.map(describeCarrier), ...(isAnswered ? [] : [unasked])]
}

function describeCarrier({ name, outcome, seen, reason }: AnnouncedCarrier): string {
  const text =
    outcome === 'stands'
      ? `${renderCounted(seen, 'copy', 'copies')} seen`
      : `${MEANINGS[outcome]}${reason === undefined ? '' : `: ${reason}`}`
  return escapeText(`at ${name}: ${text}`)
}

const MEANINGS = {
  unseen: 'taken, and not seen there',
  newer: 'has a newer root',
  refused: 'refused',
  failed: 'not reached',
  unable: 'cannot be put from here',
  late: 'not done in time',
} as const

export function carriersJson({ asked, carriers }: Pick<PublishReport, 'asked' | 'carriers'>): {
  readonly [field: string]: FieldValue
} {
  return { asked: asked.map(askedJson), carriers: carriers.map(announcedJson) }
}

function askedJson({ name, shows, sequence, copies, ms, reason }: AskedCarrier): {
  readonly [field: string]: FieldValue
} {
  return { name, shows, sequence: sequence ?? null, copies, ms: Math.round(ms), reason: reason ?? null }
}

function announcedJson({ name, outcome, stored, seen, tries, ms, reason }: AnnouncedCarrier): {
  readonly [field: string]: FieldValue
} {
  return { name, outcome, stored, seen, tries, ms: Math.round(ms), reason: reason ?? null }
}
