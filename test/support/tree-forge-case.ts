/** One case of forging, from a seed: shared by the test and the fuzz target of it. */
import { formatLink, linkMapKey } from '../../src/link.ts'
import { type Format, isValueRef, Node, type Put, type TreeRef } from '../../src/prolly/index.ts'
import { CID } from 'multiformats/cid'
import { Random } from './random.ts'
import { Forge, FORGERIES, forgeTree } from './tree-forge.ts'
import { referenceTree } from './tree-reference.ts'
import { applyEdits, randomEdits, randomRows } from './tree-sets.ts'
import { type BlockCollection, judgeTree, recordEverythingSound, type Records } from './tree-walk.ts'

export interface Tally {
  forgeries: number
  /** Accepted by the rules: these were canonical after all. */
  canonical: number
  /** The warm verifier read fewer nodes than the fresh one. */
  reused: number
  /** Believed by a verifier that skips whatever it holds, though the rules reject them. */
  acceptedByCidAlone: number
  /** By the rule that failed first. */
  readonly rules: Record<string, number>
}

export function newTally(): Tally {
  return { forgeries: 0, canonical: 0, reused: 0, acceptedByCidAlone: 0, rules: {} }
}

/** Honest trees of related rows, then forgeries of the first with parts of all. Throws where a verdict is wrong. */
export function assertForgery(seed: number, format: Format, tally: Tally): void {
  const random = new Random(seed)
  const forge = new Forge()
  const rows = randomRows(random, random.between(5, 90), format)
  const related = [
    rows,
    applyEdits(rows, randomEdits(random, rows, 10, format)),
    rows.slice(0, random.between(1, rows.length)),
    rows.slice(random.below(rows.length)),
  ]
  const roots = related.map((some) => forge.addTree(some, format))
  const held = honestRecords(forge, roots, format)
  const donors = roots.flatMap((root) => forge.places(root))
  const root = roots[0] as CID
  for (const kind of FORGERIES) {
    for (let i = 0; i < 4; i++) {
      const ref = forgeTree(kind, random, forge, root, donors)
      if (ref === undefined) continue
      // A second lie on top of the first, now and then.
      const twice = random.chance(0.2) ? tryForge(random, forge, ref, donors) : undefined
      assertJudgedAlike(`seed ${seed}, ${kind}`, forge, twice ?? ref, format, held, tally)
    }
  }
}

/** The first forgery may have left a root that is no node at all. */
function tryForge(
  random: Random,
  forge: Forge,
  ref: TreeRef,
  donors: Parameters<typeof forgeTree>[4],
): TreeRef | undefined {
  try {
    return forgeTree(random.pick(FORGERIES), random, forge, CID.decode(ref.root), donors)
  } catch {
    return undefined
  }
}

/** What a replica that has pulled all these trees holds. */
function honestRecords(forge: Forge, roots: readonly CID[], format: Format): Records {
  const records: Records = new Map()
  for (const root of roots) {
    const { rule } = judgeTree(forge, forge.ref(root), format, { records })
    if (rule !== undefined) throw new Error(`the reference tree breaks rule ${rule}`)
  }
  return records
}

function assertJudgedAlike(
  where: string,
  forge: Forge,
  ref: TreeRef,
  format: Format,
  held: Records,
  tally: Tally,
): void {
  const what = `${where}, root ${formatLink(ref.root)}`
  const fresh = judgeTree(forge, ref, format)
  const collection = reachable(forge, ref)
  for (const records of [held, recordEverythingSound(collection, format)]) {
    const warm = judgeTree(forge, ref, format, { held: records })
    if (warm.rule !== fresh.rule || warm.cid !== fresh.cid) {
      throw new Error(`${what}: fresh says rule ${fresh.rule} at ${fresh.cid}, warm says ${warm.rule} at ${warm.cid}`)
    }
    if (warm.nodes < fresh.nodes) tally.reused++
  }
  tally.forgeries++
  tally.rules[String(fresh.rule)] = (tally.rules[String(fresh.rule)] ?? 0) + 1
  if (fresh.rule === undefined) {
    tally.canonical++
    assertCanonical(what, forge, ref, format)
  } else if (
    judgeTree(forge, ref, format, { held, reuse: (_, claim) => claim.level !== undefined }).rule === undefined
  ) {
    tally.acceptedByCidAlone++
  }
}

/** Rebuilding the rows gives the same root and totals. */
function assertCanonical(what: string, forge: Forge, ref: TreeRef, format: Format): void {
  const rows: Put[] = []
  const walk = (link: Uint8Array): void => {
    const node = Node.decode(forge.get(link) ?? new Uint8Array(0))
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) {
        walk(node.link(i))
        continue
      }
      const value = node.value(i)
      rows.push({ key: node.key(i), value: isValueRef(value) ? (forge.get(value.link) ?? new Uint8Array(0)) : value })
    }
  }
  walk(ref.root)
  const built = referenceTree(rows, format)
  const isSame = linkMapKey(built.root.bytes) === linkMapKey(ref.root) && built.bytes === ref.bytes
  if (!isSame) throw new Error(`${what}: accepted, but its rows build ${built.root.toString()}`)
}

/** The blocks below a root, as far as they can be followed. */
function reachable(forge: Forge, ref: TreeRef): BlockCollection {
  const map = new Map<string, Uint8Array>()
  const walk = (link: Uint8Array): void => {
    const bytes = forge.get(link)
    if (bytes === undefined || map.has(linkMapKey(link))) return
    map.set(linkMapKey(link), bytes)
    const node = tryDecode(bytes)
    if (node === undefined) return
    for (let i = 0; i < node.length; i++) {
      if (node.level > 0) walk(node.link(i))
      else {
        const value = node.value(i)
        if (isValueRef(value)) walk(value.link)
      }
    }
  }
  walk(ref.root)
  return { map, get: (link) => forge.get(link) }
}

function tryDecode(bytes: Uint8Array): Node | undefined {
  try {
    return Node.decode(bytes)
  } catch {
    return undefined
  }
}
