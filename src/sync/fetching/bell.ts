/** Wakes everybody who waits. Whoever wakes looks for itself what has changed. */
export class Bell {
  #next: PromiseWithResolvers<void> = Promise.withResolvers()

  wait(): Promise<void> {
    return this.#next.promise
  }

  ring(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }
}
