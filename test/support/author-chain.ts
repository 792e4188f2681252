/** Authors and their chains of signed roots for tests: keys from labels, trees from numbers, one minute between roots. */
import { CODEC_DAG_CBOR, linkTo, type Link } from '../../src/link.ts'
import {
  createAuthority,
  createSigner,
  signNextRoot,
  type Authority,
  type HashedSubtree,
  type NextRootOptions,
  type Published,
  type SignedRoot,
  type Signer,
  type Subtree,
  type SubtreeHashReader,
  type TreeTotals,
} from '../../src/pointer/index.ts'
import { sha256 } from '../../src/sha256.ts'

/** Seconds: when every chain begins, so that tests have one clock. */
export const START = 1_800_000_000

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export function signerOf(label: string): Signer {
  return createSigner(new Uint8Array(sha256(utf8(label))))
}

export function treeOf(n: number): TreeTotals {
  const root: Link = linkTo(CODEC_DAG_CBOR, utf8(`tree ${n}`))
  return { root, entries: n, bytes: 1000 + n }
}

/** One author that publishes, with all that it ever signed and the history's subtrees. `fork` gives another machine. */
export class AuthorChain {
  readonly name: string
  signer: Signer
  authority: Authority
  published: Published | null = null
  readonly roots: SignedRoot[] = []
  readonly #subtrees = new Map<string, Uint8Array>()

  constructor(label = 'author', name = 'test') {
    this.name = name
    this.signer = signerOf(label)
    this.authority = createAuthority(this.signer.publicKey)
  }

  async publish(options: Partial<NextRootOptions> = {}): Promise<SignedRoot> {
    const sequence = (this.published?.signed.payload.sequence ?? 0) + 1
    const next = await signNextRoot(this.published, {
      authority: this.authority,
      name: this.name,
      tree: treeOf(sequence),
      signer: this.signer,
      now: START + 60 * sequence,
      ...options,
    })
    this.published = next.published
    this.#keep(next.completed)
    this.roots.push(next.published.signed)
    return next.published.signed
  }

  async publishMany(count: number, options: Partial<NextRootOptions> = {}): Promise<SignedRoot[]> {
    const roots: SignedRoot[] = []
    for (let i = 0; i < count; i++) roots.push(await this.publish(options))
    return roots
  }

  /** The root of that sequence. */
  at(sequence: number): SignedRoot {
    const root = this.roots[sequence - 1]
    if (root === undefined) throw new RangeError(`expected a root of sequence ${sequence}`)
    return root
  }

  /** A second machine with the same keys and state: what a restored backup is. */
  fork(): AuthorChain {
    const other = new AuthorChain('author', this.name)
    other.signer = this.signer
    other.authority = this.authority
    other.published = this.published
    other.roots.push(...this.roots)
    for (const [name, hash] of this.#subtrees) other.#subtrees.set(name, hash)
    return other
  }

  /** Knows the history below the last root. */
  get subtrees(): SubtreeHashReader {
    return (positions: readonly Subtree[]) =>
      positions.map(({ level, index }) => {
        const hash = this.#subtrees.get(`${level}/${index}`)
        if (hash === undefined) throw new RangeError(`expected subtree ${level}/${index}`)
        return hash
      })
  }

  #keep(completed: readonly HashedSubtree[]): void {
    for (const { level, index, hash } of completed) this.#subtrees.set(`${level}/${index}`, hash)
  }
}
