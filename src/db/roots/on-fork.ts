/** What a replica does when its author turns out to have signed two chains (record.md, 5, "Forks"): a choice of its owner's, kept with it. */
import { CoppiceError } from '../../errors.ts'
import type { OnFork } from '../../pointer/index.ts'
import type { Store } from '../../store/interface.ts'
import { decodeText, encodeText, ON_FORK } from '../meta.ts'

export const ON_FORK_CHOICES: readonly OnFork[] = ['stop', 'highest']

/** @throws {CoppiceError} `STORE_CORRUPT`. */
export async function readOnFork(store: Pick<Store, 'getMeta'>): Promise<OnFork> {
  const bytes = await store.getMeta(ON_FORK)
  if (bytes === undefined) return 'stop'
  const choice = ON_FORK_CHOICES.find((each) => each === decodeText(bytes))
  if (choice !== undefined) return choice
  throw new CoppiceError('STORE_CORRUPT', `meta value '${ON_FORK}': expected stop or highest, got something else`)
}

/** Changes nothing where `choice` is undefined. @throws {CoppiceError} `USAGE` for what is no choice. */
export async function keepOnFork(store: Pick<Store, 'getMeta' | 'write'>, choice: OnFork | undefined): Promise<void> {
  if (choice === undefined || choice === (await readOnFork(store))) return
  if (!ON_FORK_CHOICES.includes(choice)) {
    throw new CoppiceError('USAGE', `onFork: expected ${ON_FORK_CHOICES.join(' or ')}, got ${JSON.stringify(choice)}`)
  }
  await store.write({ meta: new Map([[ON_FORK, encodeText(choice)]]) }, { durable: true })
}
