/**
 * A store on top of another: what is written goes to the top, what is read is looked for in both. So a pull may use what
 * another database has, and change nothing there. Meta values are the top's alone.
 */
import type { Link } from '../link.ts'
import type { MaybePromise } from '../maybe-promise.ts'
import type { CompleteRecord, Lease, LeasedRoot, Store, WriteBatch, WriterLock } from './interface.ts'

export class OverlayStore implements Store {
  readonly #top: Store
  readonly #base: Pick<Store, 'get' | 'has' | 'getComplete'>

  /** Owns `top` and closes it; `base` must stay open as long, and keep what it records as complete. */
  constructor(top: Store, base: Pick<Store, 'get' | 'has' | 'getComplete'>) {
    this.#top = top
    this.#base = base
  }

  get(link: Link): MaybePromise<Uint8Array | undefined> {
    return orElse(this.#top.get(link), () => this.#base.get(link))
  }

  getMany(links: readonly Link[]): MaybePromise<(Uint8Array | undefined)[]> {
    return collectAll(links.map((link) => this.get(link)))
  }

  has(link: Link): MaybePromise<boolean> {
    const isOnTop = this.#top.has(link)
    if (isOnTop instanceof Promise) return isOnTop.then((found) => found || this.#base.has(link))
    return isOnTop || this.#base.has(link)
  }

  getComplete(link: Link): MaybePromise<CompleteRecord | undefined> {
    return orElse(this.#top.getComplete(link), () => this.#base.getComplete(link))
  }

  /** Of the top: what is below belongs to another. */
  listBlocks(after: Link | undefined, limit: number): MaybePromise<Link[]> {
    return this.#top.listBlocks(after, limit)
  }

  /** Of the top. */
  listComplete(after: Link | undefined, limit: number): MaybePromise<Link[]> {
    return this.#top.listComplete(after, limit)
  }

  getMeta(name: string): MaybePromise<Uint8Array | undefined> {
    return this.#top.getMeta(name)
  }

  write(batch: WriteBatch, options?: { readonly durable?: boolean }): Promise<void> {
    return this.#top.write(batch, options)
  }

  lockWriter(): Promise<WriterLock> {
    return this.#top.lockWriter()
  }

  /** Of a root on top; below, it is up to the owner of the base to keep it. */
  async lease(root: Link): Promise<Lease | undefined> {
    const lease = await this.#top.lease(root)
    if (lease !== undefined || !(await this.#base.has(root))) return lease
    const release = (): Promise<void> => Promise.resolve()
    return { release, [Symbol.asyncDispose]: release }
  }

  /** On top. */
  leased(): Promise<LeasedRoot[]> {
    return this.#top.leased()
  }

  /** From the top. */
  removeUnleased(roots: readonly Link[]): Promise<Link[]> {
    return this.#top.removeUnleased(roots)
  }

  /** Of the top. */
  usage(): Promise<{ readonly diskBytes: number; readonly blocks: number; readonly complete: number }> {
    return this.#top.usage()
  }

  close(): Promise<void> {
    return this.#top.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function collectAll<T>(found: readonly MaybePromise<T>[]): MaybePromise<T[]> {
  const isLate = found.some((each) => each instanceof Promise)
  return isLate ? Promise.all(found.map((each) => Promise.resolve(each))) : (found as T[])
}

function orElse<T>(
  first: MaybePromise<T | undefined>,
  second: () => MaybePromise<T | undefined>,
): MaybePromise<T | undefined> {
  if (first instanceof Promise) return first.then((found) => (found === undefined ? second() : found))
  return first === undefined ? second() : first
}
