/** Answers to `get have`: which subtrees are wholly here. One lookup of a record for each link (protocol.md, 8 and 9). */
import type { GetHave, HaveAnswer } from '../wire/index.ts'
import type { ServedTrees } from './served-trees.ts'

export async function answerHave({ id, links }: GetHave, { store }: ServedTrees): Promise<HaveAnswer> {
  const has: boolean[] = []
  for (const link of links) {
    let record = store.getComplete(link)
    if (record instanceof Promise) record = await record
    has.push(record !== undefined)
  }
  return { type: 'have', id, has }
}
