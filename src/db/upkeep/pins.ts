/** Pins: states that garbage collection keeps until they are unpinned, each with a note on what it is for. */
import { equalBytes } from '../../bytes.ts'
import { CoppiceError } from '../../errors.ts'
import { formatLink, type Link, tryParseLink } from '../../link.ts'
import { checkTree } from '../../prolly/index.ts'
import type { Store } from '../../store/interface.ts'
import { decodeText, encodeText, PINS, ROOT } from '../meta.ts'
import type { Snapshot } from '../snapshot.ts'

export interface Pin {
  /** The CID of the root, as text. */
  readonly root: string
  /** What it is for; '' where nobody said. */
  readonly note: string
}

/** All are one value of the store, rewritten by each change: 1,024 have at most 300 kB. */
const PINS_MAX = 1024
const NOTE_BYTES_MAX = 160

/** In order of their making. @throws {CoppiceError} `STORE_CORRUPT`. */
export async function readPins(store: Pick<Store, 'getMeta'>): Promise<Pin[]> {
  const bytes = await store.getMeta(PINS)
  if (bytes === undefined) return []
  return decodeText(bytes)
    .split('\n')
    .map((line) => {
      const [root = '', ...words] = line.split(' ')
      if (tryParseLink(root) === undefined) throw damaged()
      return { root, note: words.join(' ') }
    })
}

/** Whether it was not pinned before; a note replaces the one there was. */
export async function addPin(
  store: Store,
  { tree }: Snapshot,
  note: string | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (note !== undefined) validateNote(note)
  const { root } = tree.ref
  const pins = await readPins(store)
  const cid = formatLink(root)
  const known = pins.find((pin) => pin.root === cid)
  const others = pins.filter((pin) => pin !== known)
  if (others.length >= PINS_MAX) {
    throw new CoppiceError('USAGE', `pin: expected at most ${PINS_MAX} pins, got one more; unpin some`)
  }
  const isKnown =
    equalBytes((await store.getMeta(ROOT)) ?? new Uint8Array(0), root) || (await store.getComplete(root)) !== undefined
  // A state that was never published may be here in part only: collection would meet the hole each time.
  if (!isKnown && (await checkTree(store, tree.ref, { signal })).problemCount > 0) {
    throw new CoppiceError('ROOT_NOT_FOUND', `root ${cid}: expected all of it here, got a part; see coppice verify`, {
      details: { root: cid },
    })
  }
  await writePins(store, [...others, { root: cid, note: note ?? known?.note ?? '' }])
  return known === undefined
}

/** Whether it was pinned. */
export async function removePin(store: Store, root: Link): Promise<boolean> {
  const cid = formatLink(root)
  const pins = await readPins(store)
  const others = pins.filter((pin) => pin.root !== cid)
  if (others.length < pins.length) await writePins(store, others)
  return others.length < pins.length
}

async function writePins(store: Store, pins: readonly Pin[]): Promise<void> {
  const text = pins.map(({ root, note }) => (note === '' ? root : `${root} ${note}`)).join('\n')
  await store.write({ meta: new Map([[PINS, pins.length === 0 ? null : encodeText(text)]]) }, { durable: true })
}

function validateNote(note: string): void {
  const bytes = encodeText(note).length
  if (bytes <= NOTE_BYTES_MAX && note.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(note)) return
  throw new CoppiceError(
    'USAGE',
    `note: expected one line of at most ${NOTE_BYTES_MAX} bytes of UTF-8, got ${bytes} bytes`,
  )
}

function damaged(): CoppiceError {
  return new CoppiceError('STORE_CORRUPT', "meta value 'pins': expected a CID on each line, got damage; pin anew")
}
