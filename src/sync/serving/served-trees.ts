/** What a provider reads to answer questions about trees. */
import type { Link } from '../../link.ts'
import type { Store } from '../../store/interface.ts'

export interface ServedTrees {
  readonly store: Pick<Store, 'get' | 'getComplete' | 'getMany'>
  /** Called with a block whose bytes no longer have its hash: the store is damaged. Must not throw. */
  readonly onDamage?: ((link: Link) => void) | undefined
}
