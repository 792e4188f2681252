/** Blocks of a store changed or taken away, as a bad disk does, whatever was recorded of them. */
import type { Link } from '../../src/link.ts'
import type { Store } from '../../src/store/interface.ts'
import type { Random } from './random.ts'

/** Every block, in the order of links. */
export async function blocksOf(store: Store): Promise<Link[]> {
  return await store.listBlocks(undefined, Number.MAX_SAFE_INTEGER)
}

/** The block has other bytes from now on. */
export async function spoil(store: Store, random: Random, link: Link): Promise<void> {
  const bytes = (await store.get(link)) ?? Uint8Array.of(0)
  const wrong = Uint8Array.from(bytes)
  const at = random.below(wrong.length)
  wrong[at] = (wrong[at] ?? 0) ^ (1 << random.below(8))
  const longer = new Uint8Array(wrong.length + 1)
  longer.set(wrong)
  const shorter = wrong.subarray(0, random.below(wrong.length))
  await store.write({ blocks: [{ link, bytes: random.pick([wrong, wrong, longer, shorter]) }] })
}

export async function lose(store: Store, link: Link): Promise<void> {
  await store.write({ removeBlocks: [link] })
}

/** Spoils or loses `count` blocks of those in the store; gives them. */
export async function wreck(store: Store, random: Random, count: number): Promise<Link[]> {
  const links = random.shuffled(await blocksOf(store)).slice(0, count)
  for (const link of links) await (random.chance(0.5) ? lose(store, link) : spoil(store, random, link))
  return links
}
