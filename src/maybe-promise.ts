/**
 * A value that is at hand, or will be. Memory and LMDB answer at once, the network later; algorithms are
 * written once and await only what is not at hand:
 *
 *     let node = nodes.get(link)
 *     if (node instanceof Promise) node = await node
 */
export type MaybePromise<T> = T | Promise<T>
