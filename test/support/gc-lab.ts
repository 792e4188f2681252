/** What must hold of a store before, during and after a collection of garbage, found by walks of our own. */
import * as assert from 'uvu/assert'
import { runInNewContext } from 'node:vm'
import { setFlagsFromString } from 'node:v8'
import type { DatabaseState } from '../../src/db/index.ts'
import { CoppiceError } from '../../src/errors.ts'
import {
  CODEC_DAG_CBOR,
  CODEC_DAG_PB,
  CODEC_RAW,
  formatLink,
  type Link,
  linkCodec,
  linkMapKey,
} from '../../src/link.ts'
import { checkTree, isValueRef, Node, Tree, type ValueRef } from '../../src/prolly/index.ts'
import type { Store, WriteBatch } from '../../src/store/interface.ts'
import { MemoryStore } from '../../src/store/memory.ts'
import { decodeFileNode, heldLinks, walkFile } from '../../src/unixfs/index.ts'

/** A memory store that fails at a chosen step, before it is done, and at all later ones: killed there. */
export class KilledStore extends MemoryStore {
  steps = 0
  killedAt: number = Number.POSITIVE_INFINITY

  #step(): void {
    if (this.steps++ >= this.killedAt) throw new CoppiceError('STORE_FULL', 'store: the disk is full')
  }

  override async write(batch: WriteBatch): Promise<void> {
    this.#step()
    await super.write(batch)
  }

  override async removeUnleased(roots: readonly Link[]): Promise<Link[]> {
    this.#step()
    return await super.removeUnleased(roots)
  }
}

/** The links a node of a tree has, and the values of a leaf. */
function below(bytes: Uint8Array): { readonly children: Link[]; readonly values: ValueRef[] } {
  const node = Node.decode(bytes)
  const children: Link[] = []
  const values: ValueRef[] = []
  for (let i = 0; i < node.length; i++) {
    if (node.level > 0) {
      children.push(node.link(i))
      continue
    }
    const value = node.value(i)
    if (isValueRef(value)) values.push(value)
  }
  return { children, values }
}

async function requireBlock(store: Store, link: Link): Promise<Uint8Array> {
  const bytes = await store.get(link)
  assert.ok(bytes !== undefined, `block ${formatLink(link)} is not here`)
  return bytes
}

/** Adds the keys of all blocks of the tree to `keys`; not below what is in there. */
export async function collectBlocks(store: Store, root: Link, keys: Set<string>): Promise<void> {
  if (keys.has(linkMapKey(root))) return
  keys.add(linkMapKey(root))
  const { children, values } = below(await requireBlock(store, root))
  for (const child of children) await collectBlocks(store, child, keys)
  for (const value of values) {
    for await (const { link } of walkFile(value, heldLinks(store))) keys.add(linkMapKey(link))
  }
}

export async function listAll(list: (after: Link | undefined) => Link[] | Promise<Link[]>): Promise<Link[]> {
  const links: Link[] = []
  for (;;) {
    const page = await list(links.at(-1))
    links.push(...page)
    if (page.length === 0) return links
  }
}

export const allBlocks = (store: Store): Promise<Link[]> => listAll((after) => store.listBlocks(after, 500))
export const allRecords = (store: Store): Promise<Link[]> => listAll((after) => store.listComplete(after, 500))

/** Whatever is recorded as complete is here, and so is everything below it, each with a record of its own. */
export async function checkRecords(store: Store): Promise<void> {
  const requireRecord = async (link: Link): Promise<void> => {
    assert.ok((await store.getComplete(link)) !== undefined, `${formatLink(link)} has no record, and a parent has one`)
    assert.ok(await store.has(link), `${formatLink(link)} has a record and is not here`)
  }
  for (const link of await allRecords(store)) {
    await requireRecord(link)
    if (linkCodec(link) === CODEC_DAG_PB) {
      const { bytes: size = 0, entries: height = 0 } = (await store.getComplete(link)) ?? {}
      const place = { offset: 0, size, height }
      for (const child of decodeFileNode(await requireBlock(store, link), place)) await requireRecord(child)
    }
    if (linkCodec(link) !== CODEC_DAG_CBOR) continue
    const { children, values } = below(await requireBlock(store, link))
    for (const child of children) await requireRecord(child)
    for (const value of values) {
      for await (const { link: block } of walkFile(value, heldLinks(store))) await requireRecord(block)
    }
  }
}

/** Raw blocks that the filter may keep by mistake: 1 of 2,000 of what is garbage. */
const RAW_EXTRA_MAX = 2

/** The trees are whole, by every rule; and besides their blocks there is nothing, but for few raw ones. */
export async function checkOnly(state: DatabaseState, roots: readonly Link[]): Promise<void> {
  const { store } = state
  const keys = new Set<string>()
  for (const root of roots) {
    assert.is((await checkTree(store, (await Tree.open(store, root)).ref)).problemCount, 0)
    await collectBlocks(store, root, keys)
  }
  const held = await allBlocks(store)
  const heldKeys = new Set(held.map(linkMapKey))
  assert.is([...keys].filter((each) => !heldKeys.has(each)).length, 0, 'blocks that are needed are gone')
  const extra = held.filter((link) => !keys.has(linkMapKey(link)))
  assert.is(extra.filter((link) => linkCodec(link) !== CODEC_RAW).length, 0, 'nodes that nothing needs are here')
  assert.ok(extra.length <= RAW_EXTRA_MAX, `${extra.length} values that nothing needs are here`)
  await checkRecords(store)
}

/** Lets go of what nothing refers to, as the engine does sooner or later. */
export async function forgetUnused(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // What a WeakRef was asked for lives to the end of its turn, and what ended in the last one may still be on the stack.
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
}
