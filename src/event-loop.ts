/**
 * Turns of the event loop, for work that would go on for long without waiting for anything: awaiting what is at hand lets
 * no timer, no input and no signal of an AbortController through.
 */

/** Bytes of blocks that may be made or read between two turns: some 20 ms of work. */
export const BYTES_PER_TURN: number = 4 * 1024 * 1024

/** Resolves when the event loop has gone round once. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    // Browsers have no setImmediate; their shortest timer is the next best.
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}
