/**
 * Leases, across processes: records inside LMDB that say which root is being read, and by whom. A lease is taken in the write
 * transaction that finds the root's block, and what is not leased is removed in the transaction that finds no lease, so one
 * of the two comes first and the other sees it. A lease of a process that ended counts for nothing.
 *
 * They need not survive a power cut, which no holder survives either: nobody waits for the disk.
 */
import { randomBytes } from 'node:crypto'
import { concatBytes, copyBytes, equalBytes } from '../bytes.ts'
import { isLink, LINK_BYTES, type Link } from '../link.ts'
import type { LeasedRoot } from './interface.ts'
import type { LmdbEnv } from './lmdb-env.ts'
import { currentHolder, decodeHolder, encodeHolder, type Holder, isAlive, isSame } from './lmdb-holder.ts'

/** The leading dot keeps them apart from the names of meta values. */
const PREFIX = '.lease/'
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const FIRST = utf8(PREFIX)
/** The byte after '/'. */
const END = utf8('.lease0')

/** Takes a lease; its id, or undefined where the block of `root` is not here. */
export async function takeLease(env: LmdbEnv, root: Link): Promise<string | undefined> {
  const id = randomBytes(8).toString('hex')
  const value = concatBytes(root, encodeHolder(currentHolder()))
  let isTaken = false
  // Known before it is written: whoever finds it in between would take it for one of a handle that is gone.
  env.leases.add(id)
  try {
    isTaken = await env.transact(() => {
      if (!env.blocks.doesExist(root)) return false
      env.meta.put(utf8(PREFIX + id), value).catch(() => {})
      return true
    })
  } finally {
    if (!isTaken) env.leases.delete(id)
  }
  if (!isTaken) return undefined
  // A read takes this process's slot in LMDB's table of readers, which tells other hosts' containers that it lives.
  env.meta.getBinary(FIRST)
  return id
}

export async function releaseLeases(env: LmdbEnv, ids: readonly string[]): Promise<void> {
  for (const id of ids) env.leases.delete(id)
  if (ids.length === 0) return
  await env.transact(() => {
    for (const id of ids) env.meta.remove(utf8(PREFIX + id)).catch(() => {})
  })
}

/** What living processes lease; other records are removed. */
export async function listLeases(env: LmdbEnv): Promise<LeasedRoot[]> {
  return await env.transact(() => livingLeases(env))
}

/** Removes blocks and completeness records of those of `roots` that nobody leases; gives the others. */
export async function removeUnleased(env: LmdbEnv, roots: readonly Link[]): Promise<Link[]> {
  return await env.transact(() => {
    const leased = livingLeases(env)
    const left: Link[] = []
    for (const root of roots) {
      if (leased.some((lease) => equalBytes(lease.root, root))) {
        left.push(root)
        continue
      }
      env.complete.remove(root).catch(() => {})
      env.blocks.remove(root).catch(() => {})
    }
    return left
  })
}

/** Inside a write transaction. */
function livingLeases(env: LmdbEnv): LeasedRoot[] {
  const self = currentHolder()
  const leases: LeasedRoot[] = []
  const dead: Uint8Array[] = []
  for (const key of [...env.meta.getKeys({ start: FIRST, end: END })].map(copyBytes)) {
    const value = env.meta.getBinary(key)
    const root = value && copyBytes(value.subarray(0, LINK_BYTES))
    const holder = value && decodeHolder(value.subarray(LINK_BYTES))
    const id = new TextDecoder().decode(key).slice(PREFIX.length)
    if (root !== undefined && isLink(root) && holder !== undefined && isHeld(id, holder, self, env)) {
      leases.push({ root, pid: holder.pid })
    } else dead.push(key)
  }
  for (const key of dead) env.meta.remove(key).catch(() => {})
  return leases
}

/** Ours are known here: one whose release failed, on a full disk for example, is over. */
function isHeld(id: string, holder: Holder, self: Holder, env: LmdbEnv): boolean {
  return isSame(holder, self) ? env.leases.has(id) : isAlive(holder, self, env)
}
